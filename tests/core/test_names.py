"""The files of a result are spelt in one module."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import dawson
from dawson.core import names

SOURCES = sorted(Path(dawson.__file__).parent.rglob("*.py"))
FILES = {*names.RESULT_FILES, names.COHORT_TABLE, names.COHORT_PAGE}


@pytest.mark.parametrize("file", [file for file in SOURCES if file != Path(names.__file__)], ids=lambda file: file.stem)
def test_no_other_module_spells_the_name_of_a_result(file):
    spelt = {node.value for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.Constant)}
    assert not FILES & {value for value in spelt if isinstance(value, str)}
