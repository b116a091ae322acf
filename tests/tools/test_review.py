"""Marks that training goes by: a verdict must reach the lesion that it was given for, and no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.synthesis.tissues import Anatomy

SHAPE = (48, 48, 40)
AFFINE = np.diag([-4.0, 4.0, 4.0, 1.0])  # mm; right and left are not where the indices grow
AFFINE[:3, 3] = (96.0, -96.0, -80.0)
LARGE, SMALL, APART, FAINT = (16, 20, 20), (23, 20, 20), (30, 30, 20), (20, 32, 20)
TABLE = ("visit", "number", "x", "y", "z", "ml", "peak", "brightness", "verdict")


def ball(centre: tuple[int, int, int], radius: float) -> np.ndarray:
    axes = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    return sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) <= radius**2


@pytest.fixture
def visit(tmp_path: Path) -> str:
    """A head of two lesions grown together, one apart and a faint one: NAME=RESULTS=FLAIR."""
    middle = (24, 24, 20)
    anatomy = np.zeros(SHAPE, np.uint8)
    anatomy[ball(middle, 18)] = Anatomy.CORTEX
    anatomy[ball(middle, 15)] = Anatomy.WHITE_MATTER
    flair = np.where(anatomy > 0, 300.0, 0.0) + np.where(anatomy == Anatomy.CORTEX, 30.0, 0.0)
    flair[ball(middle, 20) & (anatomy == 0)] = 500.0  # scalp
    probability = np.zeros(SHAPE, np.float32)
    for centre, radius, value in ((LARGE, 4, 0.9), (SMALL, 2, 0.8), (APART, 2, 0.7), (FAINT, 2, 0.2)):
        probability[ball(centre, radius)] = value
        flair[ball(centre, radius)] = 450.0 if value > 0.2 else 370.0
    probability[20:22, 20, 20] = 0.3  # the bridge
    flair += np.random.default_rng(0).normal(0, 4, SHAPE)
    results = tmp_path / "results"
    results.mkdir()
    for name, voxels in (("probability", probability), ("anatomy", anatomy)):
        nib.save(nib.Nifti1Image(voxels, AFFINE), results / f"{name}.nii.gz")
    nib.save(nib.Nifti1Image(flair.astype(np.float32), AFFINE), tmp_path / "flair.nii.gz")
    return f"one_first={results}={tmp_path / 'flair.nii.gz'}"


def table(file: Path, *rows: tuple[tuple[int, int, int], float, str], visit: str = "one_first") -> Path:
    """Verdicts by voxel, volume and what was said of it."""
    lines = ["\t".join(TABLE)]
    for number, (voxel, ml, verdict) in enumerate(rows, 1):
        x, y, z = (AFFINE @ [*voxel, 1])[:3]
        lines.append("\t".join((visit, str(number), f"{x:.1f}", f"{y:.1f}", f"{z:.1f}", str(ml), "0.9", "1", verdict)))
    file.write_text("\n".join(lines) + "\n", "utf-8")
    return file


def marks(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.asarray(nib.load(folder / f"one_first{suffix}.nii.gz").dataobj) > 0 for suffix in ("", "_unsure"))


@pytest.mark.parametrize(("large", "small"), [("lesion", "unsure"), ("unsure", "lesion"), ("healthy", "lesion")])
def test_of_lesions_grown_together_the_larger_ones_verdict_holds(
    run_script: Callable[..., None], visit: str, tmp_path: Path, large: str, small: str, capsys: pytest.CaptureFixture
) -> None:
    verdicts = table(tmp_path / "verdicts.tsv", (SMALL, 0.03, small), (LARGE, 0.25, large), (APART, 0.03, "lesion"))
    run_script("curation.review", "masks", tmp_path / "masks", "--verdicts", verdicts, visit)
    lesion, unsure = marks(tmp_path / "masks")
    assert lesion[APART] and not unsure[APART]
    for voxel in (LARGE, SMALL):
        assert lesion[voxel] == (large == "lesion")
        assert unsure[voxel] == (large == "unsure")
    assert "1 candidates hold verdicts that differ" in capsys.readouterr().out


def test_what_nobody_judged_is_healthy_and_what_was_judged_elsewhere_is_told(
    run_script: Callable[..., None], visit: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    verdicts = table(tmp_path / "verdicts.tsv", (APART, 0.03, "lesion"), ((10, 10, 10), 0.1, "lesion"))
    run_script("curation.review", "masks", tmp_path / "masks", "--verdicts", verdicts, visit)
    lesion, unsure = marks(tmp_path / "masks")
    assert lesion[APART] and not (lesion | unsure)[LARGE] and not (lesion | unsure)[FAINT]
    assert not (lesion & unsure).any()
    assert "1 verdicts belong to no candidate" in capsys.readouterr().out


def test_faint_places_are_candidates_on_demand(run_script: Callable[..., None], visit: str, tmp_path: Path) -> None:
    verdicts = table(tmp_path / "verdicts.tsv", (FAINT, 0.03, "lesion"))
    for name, words in (("plain", ()), ("faint", ("--faint", "0.15"))):
        run_script("curation.review", "masks", tmp_path / name, "--verdicts", verdicts, *words, visit)
    assert not marks(tmp_path / "plain")[0].any()
    assert marks(tmp_path / "faint")[0][FAINT]


def test_other_visits_verdicts_do_not_count(run_script: Callable[..., None], visit: str, tmp_path: Path) -> None:
    verdicts = table(tmp_path / "verdicts.tsv", (LARGE, 0.25, "lesion"), visit="one_second")
    run_script("curation.review", "masks", tmp_path / "masks", "--verdicts", verdicts, visit)
    assert not marks(tmp_path / "masks")[0].any()


def test_looking_then_masking_keeps_every_verdict(
    run_script: Callable[..., None], visit: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """The table that *look* writes is one that *masks* reads without losing a line; there are pictures to judge by."""
    out = tmp_path / "review"
    run_script("curation.review", "look", out, "--faint", "0.15", visit)
    lines = (out / "verdicts.tsv").read_text("utf-8").splitlines()
    assert tuple(lines[0].split("\t")) == TABLE
    assert len(lines) == 1 + 3  # two grown together, one apart, a faint one
    assert (out / "one_first_0.png").exists() and (out / "one_first_faint_0.png").exists()
    judged = [line.rsplit("\t", 1)[0] + "\tlesion" for line in lines[1:]]
    (out / "verdicts.tsv").write_text("\n".join([lines[0], *judged]), "utf-8")
    capsys.readouterr()
    run_script("curation.review", "masks", out, "--faint", "0.15", visit)
    assert "belong to no candidate" not in capsys.readouterr().out
    assert all(marks(out)[0][voxel] for voxel in (LARGE, SMALL, APART, FAINT))


def test_a_verdict_that_is_none_is_refused(run_script: Callable[..., None], visit: str, tmp_path: Path) -> None:
    verdicts = table(tmp_path / "verdicts.tsv", (LARGE, 0.25, "lesoin"))
    with pytest.raises(SystemExit, match=r"line 2: the verdict is 'lesoin'"):
        run_script("curation.review", "masks", tmp_path / "masks", "--verdicts", verdicts, visit)
