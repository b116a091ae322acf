"""What the model is shown: framed and scaled by a brain, and told where that goes on or has another median."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.inputs import Head, cut_off_cm2, frame, in_head, scale_off
from dawson.prepare.intensity import CEILING
from dawson.study import Grid, Mask, Scan, Sequence, Study

SIDE = 140
BRAIN = (slice(20, 120), slice(20, 120), slice(0, 110))


@pytest.fixture
def study() -> Study:
    """A FLAIR of a brain of 200 with a lesion of 500, in muscle of 100."""
    voxels = np.full((SIDE, SIDE, SIDE), 100.0, np.float32)
    voxels[BRAIN] = 200.0
    voxels[60:64, 60:64, 60:64] = 500.0
    return Study({Sequence.FLAIR: Scan(Sequence.FLAIR, voxels, Grid((SIDE, SIDE, SIDE), np.eye(4)))})


@pytest.fixture
def head(study: Study) -> Head:
    images = np.zeros((3, SIDE, SIDE, SIDE), np.float32)
    images[0] = study.reference.voxels
    return Head(images, images > 0, study.reference.grid, {}, ())


def filled(*box: slice) -> Mask:
    mask = np.zeros((SIDE, SIDE, SIDE), bool)
    mask[box] = True
    return mask


def test_a_brain_frames_and_scales_and_loses_nothing_to_the_ceiling(study: Study, head: Head) -> None:
    inputs = frame(study, head, filled(*BRAIN))
    assert inputs.box == (slice(12, 128), slice(12, 128), slice(0, 118))
    assert inputs.images.shape[1:] == inputs.grid.shape == inputs.parenchyma.shape
    assert np.allclose(inputs.grid.affine[:3, 3], [12, 12, 0])
    assert np.median(inputs.images[0][inputs.parenchyma]) == pytest.approx(1.0)
    assert CEILING > inputs.images[0].max() == pytest.approx(2.5)
    assert not inputs.images[1:].any()
    assert np.array_equal(in_head(inputs, inputs.parenchyma, head), filled(*BRAIN))


def test_a_scale_by_something_else_is_told(study: Study, head: Head) -> None:
    scalp = filled(slice(0, SIDE), slice(0, SIDE), slice(112, SIDE))
    assert scale_off(frame(study, head, scalp), filled(*BRAIN), head) == pytest.approx(2.0)
    inputs = frame(study, head, filled(*BRAIN))
    assert scale_off(inputs, filled(*BRAIN), head) == 1.0
    assert scale_off(inputs, scalp, head) == pytest.approx(2.0)
    assert scale_off(inputs, np.zeros_like(scalp), head) == 1.0  # no brain tells of no other scale


def test_a_brain_is_cut_off_only_where_the_head_goes_on(study: Study, head: Head) -> None:
    """The locator has seen 80 of 100 mm in depth; below, the scan itself ends."""
    inputs = frame(study, head, filled(slice(20, 120), slice(20, 100), slice(0, 110)))
    assert cut_off_cm2(inputs, filled(slice(30, 50), slice(20, 60), slice(0, 50)), head) == 0.0
    whole = filled(*BRAIN)
    assert cut_off_cm2(inputs, whole, head) == pytest.approx(110.0)  # 100 by 110 mm in the last slice that was shown
    assert cut_off_cm2(frame(study, head, whole), whole, head) == 0.0
