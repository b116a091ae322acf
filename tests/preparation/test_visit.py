"""What the model is shown: framed and scaled by a brain, and told where that goes on or has another median."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan, Study
from dawson.preparation.crop import crop_to_brain, cut_area_cm2, scale_error, uncrop
from dawson.preparation.intensity import CEILING
from dawson.preparation.visit import AlignedStudy, align_study
from dawson.recipe import Prepare

SIDE = 140
BRAIN = (slice(20, 120), slice(20, 120), slice(0, 110))


@pytest.fixture
def study() -> Study:
    """A FLAIR of a brain of 200 with a lesion of 500, in muscle of 100."""
    voxels = np.full((SIDE, SIDE, SIDE), 100.0, np.float32)
    voxels[BRAIN] = 200.0
    voxels[60:64, 60:64, 60:64] = 500.0
    return Study({Modality.FLAIR: Scan(Modality.FLAIR, voxels, Grid((SIDE, SIDE, SIDE), np.eye(4)))})


@pytest.fixture
def head(study: Study) -> AlignedStudy:
    images = np.zeros((3, SIDE, SIDE, SIDE), np.float32)
    images[0] = study.reference.voxels
    return AlignedStudy(study, images, images > 0, study.reference.grid, {}, ())


def filled(*box: slice) -> Mask:
    mask = np.zeros((SIDE, SIDE, SIDE), bool)
    mask[box] = True
    return mask


def test_a_brain_frames_and_scales_and_loses_nothing_to_the_ceiling(study: Study, head: AlignedStudy) -> None:
    inputs = crop_to_brain(head, filled(*BRAIN))
    assert inputs.box == (slice(12, 128), slice(12, 128), slice(0, 118))
    assert inputs.images.shape[1:] == inputs.grid.shape == inputs.parenchyma.shape
    assert np.allclose(inputs.grid.affine[:3, 3], [12, 12, 0])
    assert np.median(inputs.images[0][inputs.parenchyma]) == pytest.approx(1.0)
    assert CEILING > inputs.images[0].max() == pytest.approx(2.5)
    assert not inputs.images[1:].any()
    assert np.array_equal(uncrop(inputs, inputs.parenchyma, head), filled(*BRAIN))


def test_a_scale_by_something_else_is_told(study: Study, head: AlignedStudy) -> None:
    scalp = filled(slice(0, SIDE), slice(0, SIDE), slice(112, SIDE))
    assert scale_error(crop_to_brain(head, scalp), filled(*BRAIN), head) == pytest.approx(2.0)
    inputs = crop_to_brain(head, filled(*BRAIN))
    assert scale_error(inputs, filled(*BRAIN), head) == 1.0
    assert scale_error(inputs, scalp, head) == pytest.approx(2.0)
    assert scale_error(inputs, np.zeros_like(scalp), head) == 1.0  # no brain tells of no other scale


def test_a_brain_is_cut_off_only_where_the_head_goes_on(study: Study, head: AlignedStudy) -> None:
    """The locator has seen 80 of 100 mm in depth; below, the scan itself ends."""
    inputs = crop_to_brain(head, filled(slice(20, 120), slice(20, 100), slice(0, 110)))
    assert cut_area_cm2(inputs, filled(slice(30, 50), slice(20, 60), slice(0, 50)), head) == 0.0
    whole = filled(*BRAIN)
    assert cut_area_cm2(inputs, whole, head) == pytest.approx(110.0)  # 100 by 110 mm in the last slice that was shown
    assert cut_area_cm2(crop_to_brain(head, whole), whole, head) == 0.0


def two(study: Study, head: AlignedStudy, t1: np.ndarray) -> AlignedStudy:
    """The same with a T1."""
    images = head.images.copy()
    images[1] = t1
    scan = Scan(Modality.T1, t1, study.reference.grid)
    both = Study({**study.scans, Modality.T1: scan})
    return AlignedStudy(both, images, np.ones(images.shape, bool), head.grid, {}, ())


def test_a_field_of_view_filled_up_with_zeros_is_told(study: Study, head: AlignedStudy) -> None:
    """A T1 that ends halfway through the brain, in a file that does not."""
    t1 = np.where(np.arange(SIDE) < 56, study.reference.voxels, 0.0).astype(np.float32)
    inputs = crop_to_brain(two(study, head, t1), filled(*BRAIN))
    assert inputs.partial == {Modality.T1: pytest.approx(56 / 110)}
    assert any("t1: shows only 51% of the brain" in warning for warning in inputs.warnings)
    assert inputs.field_of_view([Modality.T1])[..., :56].all()
    assert not inputs.field_of_view([Modality.T1])[..., 56:].any()


def test_what_a_tool_has_cut_from_all_sequences_is_no_gap(study: Study, head: AlignedStudy) -> None:
    images = head.images.copy()
    images[0, :40] = 0.0
    t1 = images[0].copy()
    whole = two(study, AlignedStudy(study, images, head.covered, head.grid, {}, ()), t1)
    assert not crop_to_brain(whole, filled(*BRAIN)).partial


def test_missing_voxels_are_not_covered() -> None:
    """NaN beyond a field of view is read as the smallest value, which may be no zero."""
    shape = (60, 60, 60)
    grid, missing = Grid(shape, np.diag([3.0, 3.0, 3.0, 1.0])), np.zeros(shape, bool)
    missing[..., 30:] = True
    voxels = np.full(shape, 100.0, np.float32)
    voxels[10:50, 10:50, 10:50] = 300.0
    study = Study({Modality.FLAIR: Scan(Modality.FLAIR, voxels, grid, missing=missing)})
    head = align_study(study, Prepare())
    share = head.covered[0].mean()
    assert 0.3 < share < 0.7
    assert not head.covered[1:].any()


def test_a_stripped_sequence_beside_one_with_skull_is_whole(study: Study, head: AlignedStudy) -> None:
    """Its edge runs through the brain as the locator has it, a voxel or two inside, and fluid in it may be zero."""
    t1 = np.zeros_like(study.reference.voxels)
    t1[22:118, 22:118, :108] = 150.0
    t1[50:53, 50:53, 20:60] = 0.0
    inputs = crop_to_brain(two(study, head, t1), filled(*BRAIN))
    assert not inputs.partial
    assert inputs.field_of_view([Modality.T1])[inputs.parenchyma].mean() > 0.95
