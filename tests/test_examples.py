"""The examples in the docstrings of what dawson exports run as they stand, on the embedded patient."""

from __future__ import annotations

import doctest
import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dawson
from dawson.cases.demo import demo_study_files

VERBS = sorted(name for name in dawson.__all__ if inspect.isfunction(getattr(dawson, name)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds ``visit``, the FLAIR of the embedded patient, and ``results``, what was found in it."""
    here = tmp_path_factory.mktemp("examples")
    (here / "visit").mkdir()
    flair = demo_study_files()[dawson.Modality.FLAIR]
    shutil.copy(flair, here / "visit")
    dawson.write(dawson.segment(dawson.read_study(flair=flair)), here / "results")
    return here


def test_all_verbs_are_here() -> None:
    assert {"read_study", "load_model", "prepare", "predict", "segment", "write", "report", "evaluate", "train"} == {
        *VERBS
    }


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb != "train"])  # needs a cohort: see tests/training
def test_the_example_of_a_verb_runs(verb: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (found,) = doctest.DocTestFinder(recurse=False).find(getattr(dawson, verb), verb, globs={})
    assert found.examples, f"dawson.{verb} has no example in its docstring"
    said: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(found, out=said.append)
    assert not result.failed, "".join(said)


def test_the_example_of_the_package_runs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    shutil.rmtree("results")
    (found,) = doctest.DocTestFinder(recurse=False).find(dawson, "dawson", globs={})
    said: list[str] = []
    assert not doctest.DocTestRunner(verbose=False).run(found, out=said.append).failed, "".join(said)
    assert found.globs == {}  # the runner clears them
    assert Path("results/report.html").is_file()


def test_without_the_extra_training_is_refused_with_the_line_to_install() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import dawson\n"
        "try:\n    dawson.train('paper', 'out')\nexcept dawson.UsageError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "needs torch" in done.stdout
    assert "pip install '.[train]'" in done.stdout
