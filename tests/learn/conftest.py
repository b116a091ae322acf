"""A toy head: ellipsoids with FreeSurfer values where MNI152 has the structures, at half its size."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.learn.anatomy import MNI_CENTROIDS, Head, LesionMap, read_head, read_lesion_map

SCALE = 0.5


def ball(shape: tuple[int, ...], centre: np.ndarray, radii: tuple[float, float, float]) -> np.ndarray:
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), -1)
    return (((grid - centre) / np.array(radii)) ** 2).sum(-1) < 1


def toy_label_map() -> tuple[np.ndarray, np.ndarray]:
    """Values (i, j, k) and affine of a head of about 80 mm; MNI's origin is at its middle."""
    shape = (84, 100, 90)
    middle = (np.array(shape) - 1) / 2
    values = np.zeros(shape, dtype=np.int32)
    for value, radii in (
        (507, (40, 48, 43)),
        (515, (37, 45, 40)),
        (24, (35, 43, 38)),
        (3, (33, 41, 36)),
        (2, (29, 37, 32)),
    ):
        values[ball(shape, middle, radii)] = value
    right = np.arange(shape[0])[:, None, None] > middle[0]
    values[right & (values == 3)] = 42
    values[right & (values == 2)] = 41
    for value, centroid in MNI_CENTROIDS.items():
        if value not in (2, 3, 41, 42):
            values[ball(shape, middle + SCALE * np.array(centroid), (3, 3, 3))] = value
    values[ball(shape, middle + [0, -13, -13], (3, 3, 5))] = 16
    affine = np.eye(4)
    affine[:3, 3] = -middle
    return values, affine


@pytest.fixture(scope="session")
def toy_folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders with one label map and two lesion masks."""
    maps, masks = tmp_path_factory.mktemp("maps"), tmp_path_factory.mktemp("masks")
    values, affine = toy_label_map()
    nib.save(nib.Nifti1Image(values, affine), maps / "toy.nii.gz")
    mni = np.diag([-1.0, 1, 1, 1])
    mni[:3, 3] = [90, -126, -72]
    for name, centres in (("one", [(-24, -10, 24)]), ("two", [(26, 20, 20), (24, -40, 26), (-30, -30, 30)])):
        mask = np.zeros((182, 218, 182), dtype=np.uint8)
        for x, y, z in centres:
            mask |= ball(mask.shape, np.array([90 - x, y + 126, z + 72]), (6, 8, 5)).astype(np.uint8)
        nib.save(nib.Nifti1Image(mask, mni), masks / f"{name}.nii.gz")
    return maps, masks


@pytest.fixture(scope="session")
def toy_head(toy_folders: tuple[Path, Path]) -> Head:
    return read_head(toy_folders[0] / "toy.nii.gz")


@pytest.fixture(scope="session")
def toy_lesions(toy_folders: tuple[Path, Path]) -> list[LesionMap]:
    return [read_lesion_map(toy_folders[1] / f"{name}.nii.gz") for name in ("one", "two")]


@pytest.fixture(scope="session")
def cohort(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of six patients: FLAIR and T1 of a tiny head, bright and dark lesions, their masks."""
    return write_cohort(tmp_path_factory.mktemp("cohort"))


def write_cohort(folder: Path, *, patients: int = 6) -> Path:
    affine = np.diag([-8.0, 8.0, 7.0, 1.0])
    affine[:3, 3] = (92.0, -108.0, -80.0)
    shape = (24, 28, 24)
    rows = ["patient\tvisit\tflair\tt1\tmask"]
    for number in range(patients):
        rng = np.random.default_rng(number)
        radius = np.sqrt(sum(a**2 for a in np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")))
        mask = np.zeros(shape, dtype=np.uint8)
        for _ in range(2):
            mask |= ball(shape, rng.uniform(8, 16, 3), (2.2, 2.2, 2.2)).astype(np.uint8)
        for name, lesion in (("flair", 900.0), ("t1", 200.0)):
            voxels = np.select([radius < 0.78, radius < 0.85, radius < 0.95], [400.0, 80.0, 700.0], 0.0)
            voxels[mask > 0] = lesion
            noisy = np.rint(np.clip(voxels + rng.normal(0, 15, shape), 0, 1000)).astype(np.int16)
            nib.save(nib.Nifti1Image(noisy, affine), folder / f"p{number}_{name}.nii.gz")
        nib.save(nib.Nifti1Image(mask, affine), folder / f"p{number}_mask.nii.gz")
        rows.append(f"p{number}\tv1\tp{number}_flair.nii.gz\tp{number}_t1.nii.gz\tp{number}_mask.nii.gz")
    (folder / "cases.tsv").write_text("\n".join(rows) + "\n")
    return folder / "cases.tsv"
