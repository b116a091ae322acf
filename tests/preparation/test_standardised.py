"""A scan that was standardised is prepared as the raw one is: every step sees voxels that are set from zero."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan, Study
from dawson.preparation.display import show
from dawson.preparation.intensity import scan_from_zero, study_from_zero
from dawson.preparation.register import align
from dawson.preparation.resample import resample
from dawson.preparation.single_volume import prepare_volume
from dawson.preparation.visit import align_study
from dawson.recipe import Prepare, SingleVolume

SHAPE, SPACING = (64, 72, 60), (3.0, 3.0, 3.0)
PAPER = SingleVolume(shape=(40, 48, 24), spacing_mm=(4.0, 4.0, 6.0), blur_mm=2.0, kernel_mm=6.0)
BLOCK_MM = 4.0  # the head is looked for in blocks of about this size


def stripped(seed: int, *, fluid: float, lean: float) -> tuple[np.ndarray, np.ndarray]:
    """A brain without skull (i, j, k), fluid around and within it, and where it is; everything else is zero."""
    rng = np.random.default_rng(seed)
    x, y, z = np.meshgrid(*[np.linspace(-1, 1, n) for n in SHAPE], indexing="ij")
    radius = np.sqrt((x / 0.75) ** 2 + (y / 0.8) ** 2 + ((z - lean) / 0.72) ** 2)
    voxels = np.select([radius < 0.2, radius < 0.8, radius < 0.9, radius < 1], [fluid, 300.0, 400.0, fluid], 0.0)
    brain = radius < 1
    voxels[brain] = np.maximum(voxels[brain] + rng.normal(0, 12, int(brain.sum())), 1.0)
    return voxels.astype(np.float32), brain


def scan_of(voxels: np.ndarray, modality: Modality = Modality.FLAIR) -> Scan:
    affine = np.diag([*SPACING, 1.0])
    affine[:3, 3] = (-96.0, -108.0, -90.0)
    return Scan(modality, voxels.astype(np.float32), Grid(SHAPE, affine))


def standardised(voxels: np.ndarray, brain: np.ndarray, gain: float) -> dict[str, np.ndarray]:
    """The same scan as tools leave it: over all voxels; by the brain, over all; by the brain, which alone is kept."""
    inside = voxels[brain]
    by_brain = (voxels - inside.mean()) / inside.std() * gain
    return {
        "over all": (voxels - voxels.mean()) / voxels.std() * gain,
        "by the brain": by_brain,
        "within the brain": np.where(brain, by_brain, 0.0),
    }


Drawn = tuple[int, float, float, float]
scans = st.tuples(st.integers(0, 99), st.floats(20, 120), st.floats(-0.1, 0.1), st.floats(0.1, 50))


def corners(grid: Grid) -> np.ndarray:
    return grid.to_world(np.array([[0, 0, 0], grid.shape], float) - 0.5)


@settings(deadline=None, max_examples=15)
@given(scans)
def test_the_lattice_of_a_single_volume_does_not_depend_on_standardisation(
    drawn: Drawn,
) -> None:
    seed, fluid, lean, gain = drawn
    voxels, brain = stripped(seed, fluid=fluid, lean=lean)
    raw = prepare_volume(scan_of(voxels), PAPER)
    for name, other in standardised(voxels, brain, gain).items():
        prepared = prepare_volume(scan_of(other), PAPER)
        assert np.abs(corners(prepared.grid) - corners(raw.grid)).max() <= BLOCK_MM + 1e-6, name
        inside = resample(np.ones(PAPER.shape, bool), prepared.grid, scan_of(voxels).grid, interpolation="nearest")
        held = resample(np.ones(PAPER.shape, bool), raw.grid, scan_of(voxels).grid, interpolation="nearest")
        assert inside[brain].mean() >= held[brain].mean() - 0.02, name
        assert [text for text in prepared.warnings if "standardised" in text], name


@settings(deadline=None, max_examples=8)
@given(scans)
def test_the_box_around_the_head_does_not_depend_on_standardisation(drawn: Drawn) -> None:
    seed, fluid, lean, gain = drawn
    voxels, brain = stripped(seed, fluid=fluid, lean=lean)
    raw = align_study(Study({Modality.FLAIR: scan_of(voxels)}), Prepare())
    for name, other in standardised(voxels, brain, gain).items():
        aligned = align_study(Study({Modality.FLAIR: scan_of(other)}), Prepare())
        assert np.abs(corners(aligned.grid) - corners(raw.grid)).max() <= BLOCK_MM + 1e-6, name
        assert (aligned.images >= 0).all(), name
        assert [text for text in aligned.warnings if "standardised" in text], name


@pytest.mark.parametrize("which", ["over all", "by the brain", "within the brain"])
def test_registration_does_not_depend_on_standardisation(which: str) -> None:
    """A T1 moved by 6 mm in its header comes back to within a millimetre, whatever was done to its intensities."""
    voxels, brain = stripped(1, fluid=60.0, lean=0.0)
    marked = voxels.copy()
    marked[20:30, 40:50, 20:40] = 380.0  # or a turn could not be seen
    t1 = np.where(brain, 500 - marked, 0).astype(np.float32)
    other = standardised(t1, brain, 1.0)[which]
    moving = scan_of(other, Modality.T1)
    affine = moving.grid.affine.copy()
    affine[0, 3] += 6.0
    moving = replace(moving, grid=Grid(SHAPE, affine))
    found = align(moving, scan_of(marked))
    assert np.abs(found.matrix - np.eye(4))[:3, 3] == pytest.approx([6.0, 0.0, 0.0], abs=1.0)


def test_voxels_are_set_from_zero_once_and_said_so_once() -> None:
    voxels, brain = stripped(2, fluid=60.0, lean=0.0)
    scan = scan_of(standardised(voxels, brain, 1.0)["within the brain"])
    once = scan_from_zero(scan)
    assert once.voxels.min() == 0
    assert len(once.warnings) == 1
    assert scan_from_zero(once) is once
    study = study_from_zero(study_from_zero(Study({Modality.FLAIR: scan})))
    assert study.warnings == (f"flair: {once.warnings[0]}",)
    below = replace(scan, voxels=np.random.default_rng(0).normal(0, 1, SHAPE).astype(np.float32))  # no background
    assert len(scan_from_zero(scan_from_zero(below)).warnings) == 1


def test_a_raw_scan_stays_itself() -> None:
    scan = scan_of(stripped(3, fluid=60.0, lean=0.0)[0])
    assert scan_from_zero(scan) is scan


def test_pictures_of_a_standardised_scan_on_another_grid_have_a_black_background() -> None:
    """Beyond its field of view there is nothing, which is no mid-grey."""
    voxels, brain = stripped(4, fluid=60.0, lean=0.0)
    t1 = scan_of(standardised(voxels, brain, 1.0)["over all"], Modality.T1)
    affine = t1.grid.affine.copy()
    affine[0, 3] += 60.0
    study = Study({Modality.FLAIR: scan_of(voxels), Modality.T1: replace(t1, grid=Grid(SHAPE, affine))})
    shown = show(study, (Modality.FLAIR, Modality.T1), {}, brain)[Modality.T1]
    assert shown[:19].max() == 0  # the T1 begins 20 voxels on
