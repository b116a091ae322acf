"""The public surface: what ``import dawson`` offers, and what it does not cost."""

from __future__ import annotations

import inspect
import json
import pkgutil
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
from dawson.cli.app import main
for arguments in (["--help"], ["segment", "--help"], ["demo", "--help"], ["train", "--help"], ["--version"]):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
        main(arguments)
    if not out.getvalue():
        sys.exit(f"nothing was said to {arguments}")
print(json.dumps(sorted(sys.modules)))
"""
    assert not HEAVY & set(json.loads(python(code)))


@pytest.mark.parametrize("name", ["DawsonError", "Grid", "Lesion", "Scan", "Segmentation", "Modality", "Study"])
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


MODULES = sorted(
    module.name for module in pkgutil.walk_packages(dawson.__path__, "dawson.") if module.name != "dawson.__main__"
)


def test_every_module_can_be_imported_in_both_forms_in_one_process_each():
    code = f"""
import importlib, sys
for name in {MODULES}:
    scope = {{}}
    exec(f"import {{name}} as module", scope)
    package, _, leaf = name.rpartition(".")
    exec(f"from {{package}} import {{leaf}} as other", scope)
    assert scope["module"] is scope["other"] is sys.modules[name] is importlib.import_module(name), name
print(len(sys.modules) > {len(MODULES)})
"""
    assert python(code) == "True"


@pytest.mark.parametrize("name", MODULES)
def test_no_verb_hides_a_package(name):
    package, _, leaf = name.rpartition(".")
    if package == "dawson":
        assert leaf not in dawson.__all__


def test_names_of_the_package_can_be_replaced_in_tests(monkeypatch):
    monkeypatch.setattr(dawson, "write", "something else")
    assert dawson.write == "something else"
