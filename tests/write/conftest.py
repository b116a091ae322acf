"""A small study with two lesions in it, on whatever grid a test likes."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.measure.lesions import find_lesions
from dawson.study import Grid, Scan, Segmentation, Sequence, Study
from dawson.write import picture

THRESHOLD = 0.45


def make_segmentation(
    *, shape=(24, 30, 12), affine=None, header=None, probability=None, file=None, warnings=(), **changes
):
    affine = np.diag([1.0, 1.0, 3.0, 1.0]) if affine is None else affine
    grid = Grid(shape=shape, affine=affine)
    rng = np.random.default_rng(0)
    anatomy = np.zeros(shape, dtype=np.uint8)
    anatomy[tuple(slice(n // 6, n - n // 6) for n in shape)] = 2
    if probability is None:
        probability = (rng.random(shape) * 0.4).astype(np.float32)
        middle = tuple(n // 2 for n in shape)
        probability[middle[0] - 3 : middle[0], middle[1], middle[2]] = 0.9
        probability[tuple(n // 2 + n // 6 for n in shape)] = 0.6
    mask, labels, table = find_lesions(probability, grid, threshold=THRESHOLD, minimum_mm3=0.0)
    scan = Scan(
        sequence=Sequence.FLAIR,
        voxels=(100 + 20 * rng.random(shape) + 60 * (anatomy > 0) + 90 * mask).astype(np.float32),
        grid=grid,
        file=file,
        sha256="ab" * 32,
        header=header,
        warnings=warnings,
    )
    content = {
        "study": Study({Sequence.FLAIR: scan}),
        "used": (Sequence.FLAIR,),
        "lesions": mask,
        "labels": labels,
        "probability": probability,
        "anatomy": anatomy,
        "anatomy_names": {0: "outside", 2: "white matter"},
        "table": table,
        "model": {
            "name": "tiny",
            "sha256": "cd" * 32,
            "threshold": THRESHOLD,
            "peak": 0.0,
            "minimum_lesion_mm3": 0.0,
        },
        "seconds": {"segment": 1.23456},
    }
    return Segmentation(**(content | changes))


@pytest.fixture
def small_pictures(monkeypatch):
    """Overviews that take no time, for tests of other things."""
    monkeypatch.setattr(picture, "TILE", (60, 60))


@pytest.fixture
def make():
    return make_segmentation


@pytest.fixture
def from_file(tmp_path):
    """A segmentation whose reference is a NIfTI file made from an image, and that file's path."""

    def build(image: nib.Nifti1Image) -> tuple[Segmentation, Path]:
        file = tmp_path / "reference.nii.gz"
        nib.save(image, file)
        read = nib.load(file)
        return make_segmentation(shape=read.shape, affine=read.affine, header=read.header), file

    return build
