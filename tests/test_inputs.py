"""What the model is shown: scaled anew by the brain that it found, and told where the brain goes on."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.inputs import Inputs, cut_off_cm2, rescaled, scales_by
from dawson.prepare.intensity import CEILING, normalise
from dawson.study import Grid, Sequence

SIDE = 40


@pytest.fixture
def inputs() -> Inputs:
    """A FLAIR whose brain of 200 was taken for one of 100, with a lesion of 500, in a head that goes on below."""
    raw = np.zeros((3, SIDE, SIDE, SIDE), np.float32)
    raw[0, 5:35, 5:35, 5:35] = 200.0
    raw[0, 18:22, 18:22, 18:22] = 500.0
    images = raw.copy()
    images[0] = normalise(raw[0], 100.0)
    return Inputs(
        images=images,
        grid=Grid((SIDE, SIDE, SIDE), np.eye(4)),
        parenchyma=raw[0] > 0,
        used=(Sequence.FLAIR,),
        alignment={},
        warnings=(),
        raw=raw,
        scales={Sequence.FLAIR: 100.0},
        within=((False, False), (False, False), (True, False)),
    )


def test_another_brain_gives_another_scale_and_loses_nothing_to_the_ceiling(inputs: Inputs) -> None:
    assert inputs.images[0].max() == CEILING  # the lesion was cut off
    scales, change = scales_by(inputs, inputs.parenchyma)
    assert change == pytest.approx(2.0)
    images = rescaled(inputs, scales).images
    assert np.median(images[0][inputs.parenchyma]) == pytest.approx(1.0)
    assert images[0].max() == pytest.approx(2.5)
    assert not images[1:].any()


def test_the_same_scale_changes_nothing(inputs: Inputs) -> None:
    right = rescaled(inputs, {Sequence.FLAIR: 200.0})
    scales, change = scales_by(right, inputs.parenchyma)
    assert (scales, change) == ({Sequence.FLAIR: 200.0}, 1.0)
    assert np.array_equal(right.images[0], normalise(inputs.raw[0], 200.0))


def test_where_no_brain_was_found_the_scale_stays(inputs: Inputs) -> None:
    scales, change = scales_by(inputs, np.zeros_like(inputs.parenchyma))
    assert (scales, change) == (inputs.scales, 1.0)


def test_a_brain_is_cut_off_only_where_the_head_goes_on(inputs: Inputs) -> None:
    brain = np.zeros_like(inputs.parenchyma)
    brain[:20, 5:35, 10:] = True  # at the left, where the head ends, and at the top
    assert cut_off_cm2(inputs, brain) == 0.0
    brain[5:15, 5:25, 0] = True
    assert cut_off_cm2(inputs, brain) == pytest.approx(2.0)
