"""Tables as text: no cell runs in a spreadsheet program, numbers stay numbers, and every writer goes this way."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

import dawson
from dawson.core.tables import original_text, spreadsheet_safe, table_text

SOURCES = sorted(Path(dawson.__file__).parent.rglob("*.py"))
RUN_AS_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def random_texts():
    rng = np.random.default_rng(5)
    signs = np.array([*"=+-@'\"\t\r\n ;,1.5eab", "＝", "é"])
    return ["".join(rng.choice(signs, size=rng.integers(0, 7))) for _ in range(3000)]


def is_number(text):
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None


@pytest.mark.parametrize("start", [*RUN_AS_FORMULA, " =", "'=", "''-"])
def test_text_that_could_run_gets_an_apostrophe(start):
    text = f'{start}HYPERLINK("http://x")'
    assert spreadsheet_safe(text) == f"'{text}"
    assert original_text(spreadsheet_safe(text)) == text


@pytest.mark.parametrize("number", ["-1.5", "+2", "-1e-05", ".5", "-.5", "1."])
def test_numbers_stay_numbers(number):
    assert spreadsheet_safe(number) == number


@pytest.mark.parametrize("text", ["sub-01", "P14_T1", "a=b", "", "it's", "'quoted'", "left, upper third"])
def test_harmless_text_stays(text):
    assert spreadsheet_safe(text) == text
    assert original_text(text) == text


def test_any_text_comes_back_and_none_runs():
    for text in random_texts():
        cell = spreadsheet_safe(text)
        assert original_text(cell) == text
        assert is_number(cell) or not cell.lstrip(" ").startswith(RUN_AS_FORMULA), repr(text)


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_tables_are_read_back_as_they_were(delimiter):
    texts = random_texts()
    rows = [texts[n : n + 5] for n in range(0, len(texts), 5)]
    stream = io.StringIO(table_text(rows, delimiter=delimiter), newline="")
    read = [[original_text(cell) for cell in row] for row in csv.reader(stream, delimiter=delimiter)]
    assert read == rows


def test_values_that_are_no_text_are_written_as_they_are():
    assert table_text([(1, -1.5, None, np.float64(0.25), True)]) == "1,-1.5,,0.25,True\n"


def test_a_cell_cannot_begin_a_new_one_where_lines_are_cut_at_semicolons():
    assert table_text([("a;=1+1", "b")]) == '"a;=1+1",b\n'


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_table_is_written_by_this_one_function(source):
    assert not re.search(r"csv\.(writer|DictWriter)|\"\\t\"\.join", source.read_text("utf-8")), source
