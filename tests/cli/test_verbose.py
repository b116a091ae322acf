"""``-v``: what the library says of its work, before or after the command, without anybody's name."""

from __future__ import annotations

import logging
import shutil

import pytest

from dawson.cases.demo import demo_study_files
from dawson.cli.app import _verbose_first, main
from dawson.core.study import Modality


@pytest.fixture(autouse=True)
def quiet_afterwards():
    yield
    logger = logging.getLogger("dawson")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (["-v", "demo"], ["--verbose", "demo"]),
        (["demo", "-v"], ["--verbose", "demo"]),
        (["segment", "x", "--verbose", "-o", "y", "-v"], ["--verbose", "segment", "x", "-o", "y"]),
        (["demo"], ["demo"]),
        (["segment", "--", "-v"], ["segment", "--", "-v"]),
        ([], []),
    ],
)
def test_it_may_stand_anywhere(given, wanted):
    assert _verbose_first(given) == wanted


def test_it_tells_the_steps_and_no_name(tmp_path, capsys):
    folder = tmp_path / "Doe^Jane"
    folder.mkdir()
    shutil.copy(demo_study_files()[Modality.FLAIR], folder / "Doe_FLAIR.nii.gz")
    flair = str(folder / "Doe_FLAIR.nii.gz")
    with pytest.raises(SystemExit) as end:
        main(["segment", "--flair", flair, "-o", str(tmp_path / "out"), "--no-report", "-v"])
    assert end.value.code == 0
    out, err = capsys.readouterr()
    said = [line for line in err.splitlines() if line.startswith("dawson.")]
    assert any("FLAIR: " in line and "voxels" in line for line in said)
    assert any("is computed in" in line for line in said)
    assert any("took" in line for line in said)
    assert any("lesions" in line for line in said)
    assert not any("Doe" in line for line in said)
    assert "dawson.cases" not in out


def test_nothing_is_said_unasked(capsys):
    with pytest.raises(SystemExit):
        main(["doctor", "--no-test", "-v"])
    with pytest.raises(SystemExit):
        main(["doctor", "--no-test"])
    capsys.readouterr()
    logging.getLogger("dawson.cases.visit").info("nobody hears this")
    assert capsys.readouterr().err == ""
