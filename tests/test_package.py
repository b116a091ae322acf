"""The public surface: what ``import dawson`` offers, and what it does not cost."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from importlib import metadata

import pytest

import dawson

HEAVY = {"torch", "openvino", "SimpleITK", "numpy", "nibabel", "PIL", "rich"}


def python(code: str) -> str:
    """What a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_dawson_imports_nothing_heavy():
    loaded = json.loads(python("import dawson, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert not HEAVY & set(loaded)
    assert [name for name in loaded if name.startswith("dawson.")] == []


def test_help_imports_nothing_heavy():
    code = """
import contextlib, io, json, sys
from dawson.cli import main
for arguments in (["--help"], ["segment", "--help"], ["demo", "--help"], ["train", "--help"], ["--version"]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(arguments)
    if not out.getvalue():
        sys.exit(f"nothing was said to {arguments}")
print(json.dumps(sorted(sys.modules)))
"""
    assert not HEAVY & set(json.loads(python(code)))


@pytest.mark.parametrize("name", ["DawsonError", "Grid", "Lesion", "Scan", "Segmentation", "Sequence", "Study"])
def test_nouns_and_errors(name):
    assert isinstance(getattr(dawson, name), type)


def test_all_is_what_dir_shows():
    assert len(dawson.__all__) == len(set(dawson.__all__))
    assert set(dawson.__all__) <= set(dir(dawson))


@pytest.mark.parametrize("verb", ["read_study", "segment", "write"])
def test_verbs_are_functions(verb):
    assert inspect.isfunction(getattr(dawson, verb))


def test_version_is_that_of_the_installed_package():
    assert dawson.__version__ == metadata.version("dawson")


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'segmint'"):
        _ = dawson.segmint


IMPORTS = [
    "import dawson",
    "import dawson.write",
    "import dawson.write.results",
    "from dawson.write import write",
    "from dawson.write.table import lesions_csv",
    "import dawson; dawson.write; import dawson.write.folder",
    "import importlib; importlib.import_module('dawson.write.table')",
]


def test_write_is_the_verb_whoever_imported_the_room_first():
    code = f"""
import sys
for imports in {IMPORTS}:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dawson"]:
        del sys.modules[name]
    exec(imports)
    import dawson
    print(type(dawson.write).__name__, dawson.write.__module__)
"""
    assert python(code).splitlines() == ["function dawson.write.results"] * len(IMPORTS)


def test_rooms_can_still_be_imported_from():
    assert callable(dawson.write)
    from dawson.write import table

    assert table.__name__ == "dawson.write.table"


def test_names_of_the_package_can_be_replaced_in_tests(monkeypatch):
    monkeypatch.setattr(dawson, "write", "something else")
    assert dawson.write == "something else"
