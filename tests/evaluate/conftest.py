"""Masks as files: small, made up, wherever a test wants them."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SHAPE = (20, 22, 12)
AFFINE = np.diag([-1.0, 1.0, 2.0, 1.0])


def blob(*boxes: tuple[slice, slice, slice], shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=np.uint8)
    for box in boxes:
        mask[box] = 1
    return mask


LARGE = (slice(2, 8), slice(2, 8), slice(2, 5))
SMALL = (slice(12, 14), slice(12, 14), slice(6, 8))
ELSEWHERE = (slice(15, 18), slice(3, 6), slice(8, 10))


@pytest.fixture(scope="session")
def save_mask():
    """A function that writes an array as NIfTI and returns its path; folders are made."""

    def save(file: Path, voxels: np.ndarray, *, affine: np.ndarray = AFFINE, dtype=None) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        nib.save(nib.Nifti1Image(voxels if dtype is None else voxels.astype(dtype), affine), file)
        return file

    return save


@pytest.fixture
def cohort(tmp_path, save_mask):
    """Three cases of two patients: the truth, a good prediction, a bad one. P02 has no lesion."""
    truth = {"P01_T1": blob(LARGE, SMALL), "P01_T2": blob(LARGE), "P02": blob()}
    good = {"P01_T1": blob(LARGE, SMALL), "P01_T2": blob(LARGE, ELSEWHERE), "P02": blob()}
    bad = {"P01_T1": blob(ELSEWHERE), "P01_T2": blob(SMALL), "P02": blob(SMALL)}
    for kind, masks in (("truth", truth), ("good", good), ("bad", bad)):
        for case, mask in masks.items():
            save_mask(tmp_path / kind / f"{case}_{'mask' if kind == 'truth' else 'seg'}.nii.gz", mask)
    return tmp_path


@pytest.fixture
def evaluated(cohort):
    """The evaluation of both predictions."""
    from dawson.evaluate.run import evaluate

    return evaluate(cohort / "truth", [cohort / "good", cohort / "bad"])
