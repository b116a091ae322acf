"""Worse scans show the same head in the same place; and what is counted on drawn heads and in white matter."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan, Study
from dawson.preparation.resample import resample
from dawson.synthesis.tissues import Anatomy

SHAPE = (40, 44, 36)
AFFINE = np.array([[-1.1, 0, 0, 22], [0, 1, 0, -21], [0, 0, 1.2, -20], [0, 0, 0, 1.0]])
Script = Callable[[str], ModuleType]


def world(grid: Grid) -> np.ndarray:
    """RAS mm (3, i, j, k) of voxel centres."""
    index = np.stack([*np.indices(grid.shape), np.ones(grid.shape)])
    return np.einsum("ab,bijk->aijk", grid.affine[:3], index)


def visit() -> Study:
    """An ellipsoid with a bright spot off its middle, in two sequences."""
    grid = Grid(SHAPE, AFFINE)
    x, y, z = world(grid)
    head = ((x / 15) ** 2 + (y / 16) ** 2 + (z / 14) ** 2 < 1).astype(np.float32) * 100
    spot = np.exp(-((x - 6) ** 2 + (y - 4) ** 2 + (z + 3) ** 2) / 18).astype(np.float32) * 600
    return Study({s: Scan(s, head + spot, grid) for s in (Modality.FLAIR, Modality.T1)})


def found() -> SimpleNamespace:
    """What a model would have found there, as far as the scripts look at it."""
    study = visit()
    return SimpleNamespace(anatomy=(study.reference.voxels > 50).astype(np.uint8) * 5, grid=study.reference.grid)


def rng() -> np.random.Generator:
    """The same draws each time."""
    return np.random.default_rng(4)


def brightest(scan: Scan) -> np.ndarray:
    """World position of the brightest hundredth."""
    weight = np.clip(scan.voxels - np.percentile(scan.voxels, 99), 0, None)
    return np.asarray((world(scan.grid) * weight).sum(axis=(1, 2, 3)) / weight.sum())


@pytest.mark.parametrize(
    "name", ["noisy", "uneven", "flat", "hard", "thick", "finer", "ghosts", "turned", "tight", "rimmed"]
)
def test_what_is_done_to_a_scan_leaves_the_head_where_it_is(script: Script, name: str) -> None:
    worse, shown = script("studies.stress").STRESSES[name](visit(), found(), rng())
    assert shown is None
    for scan in worse:
        assert scan.voxels.dtype == np.float32 and scan.voxels.shape == scan.grid.shape
        assert np.abs(brightest(scan) - (6, 4, -3)).max() < 1.2
    before = visit().reference
    after = worse.reference
    there = resample(after.voxels, after.grid, before.grid, interpolation="linear")
    assert not np.allclose(there, before.voxels, atol=1e-3)


def test_slices_become_thick_and_voxels_fine(script: Script) -> None:
    stress = script("studies.stress")
    assert stress.thick(visit(), found(), rng())[0].reference.grid.spacing == pytest.approx((1.1, 1.0, 4.8))
    assert stress.finer(visit(), found(), rng())[0].reference.grid.spacing == pytest.approx((0.6, 0.6, 0.6), rel=0.02)


# The ellipsoid's voxels lie from 12.8 mm below to 13.6 mm above the middle, slices are 1.2 mm apart.
@pytest.mark.parametrize(
    ("name", "lowest", "highest"), [("low", -20.0, 13.6 - 0.2 * 26.4), ("high", -12.8 + 0.33 * 26.4, 22.0)]
)
def test_a_field_of_view_ends_where_it_is_told(script: Script, name: str, lowest: float, highest: float) -> None:
    worse, shown = script("studies.stress").STRESSES[name](visit(), found(), rng())
    z = world(worse.reference.grid)[2]
    assert z.min() == pytest.approx(lowest, abs=1.2) and z.max() == pytest.approx(highest, abs=1.2)
    heights = world(found().grid)[2][shown]
    assert heights.min() == pytest.approx(z.min()) and heights.max() == pytest.approx(z.max())


def test_only_further_sequences_move(script: Script) -> None:
    worse, _ = script("studies.stress").moved(visit(), found(), rng())
    assert np.array_equal(worse.reference.grid.affine, AFFINE)
    middle = AFFINE @ [*((np.array(SHAPE) - 1) / 2), 1.0]
    away = (worse.scans[Modality.T1].grid.affine @ np.linalg.inv(AFFINE) @ middle - middle)[:3]
    assert np.linalg.norm(away) == pytest.approx(5.0, abs=0.01)
    alone = Study({Modality.FLAIR: visit().reference})
    assert script("studies.stress").moved(alone, found(), rng()) is None


def test_what_cannot_become_worse_is_left_out(script: Script) -> None:
    stress = script("studies.stress")
    thick, _ = stress.thick(visit(), found(), rng())
    assert stress.thick(thick, found(), rng()) is None


def test_what_a_field_of_view_no_longer_shows_does_not_count(script: Script) -> None:
    """The truth may lie on another lattice of the same shape: mirrored along i here."""
    study = visit()
    reference = study.reference.grid
    mirror = np.diag([-1.0, 1, 1, 1])
    mirror[0, 3] = SHAPE[0] - 1
    other = Grid(SHAPE, reference.affine @ mirror)
    lesions, shown = np.zeros(SHAPE, bool), np.zeros(SHAPE, bool)
    lesions[4:8, 10:14, 10:14] = lesions[30:34, 10:14, 10:14] = shown[:20] = True
    truth = np.zeros(SHAPE, bool)
    truth[-8:-4, 10:14, 10:14] = True  # the first of the two lesions, on the mirrored lattice
    seen = SimpleNamespace(lesions=lesions, grid=reference, study=study)
    figures = script("studies.stress")._figures
    assert figures(seen, truth, other, shown) == pytest.approx([1.0, 1.0])
    assert figures(seen, truth, other, None) == pytest.approx([2 / 3, 2 / 3])


def test_lesions_on_a_drawn_head_are_told_by_what_they_lie_in(script: Script) -> None:
    truth = np.full((6, 6, 6), Anatomy.WHITE_MATTER, np.uint8)
    truth[3:] = Anatomy.CORTEX
    numbered = np.zeros((6, 6, 6), np.int32)
    numbered[0:3, 0, 0], numbered[2:6, 3, 3] = 1, 2
    assert script("studies.lesion_free").lies_in(truth, numbered) == ["white matter", "cortex"]
    assert script("studies.lesion_free").lies_in(truth, 0 * numbered) == []


def test_spots_are_counted_in_white_matter_apart_from_what_is_marked(script: Script) -> None:
    rises = script("studies.spots").rises
    white = np.zeros((40, 40, 40), bool)
    white[2:38, 2:38, 2:38] = True
    grid = np.indices(white.shape)
    image = np.where(white, 1.0, 0.3).astype(np.float32)
    for middle in ((12, 12, 20), (28, 28, 20)):
        away = sum((axis - m) ** 2 for axis, m in zip(grid, middle, strict=True))
        image += np.where(white, 0.4 * np.exp(-away / 8), 0).astype(np.float32)
    nothing, spacing = np.zeros(white.shape, bool), np.ones(3)
    peaks, ml = rises(image, white, nothing, spacing)
    assert np.sum(peaks > 0.06) == 2 and ml == pytest.approx(32**3 / 1000)  # 3 mm from the border
    marked = sum((axis - m) ** 2 for axis, m in zip(grid, (12, 12, 20), strict=True)) < 16
    peaks, less = rises(image, white, marked, spacing)
    assert np.sum(peaks > 0.06) == 1 and less < ml
