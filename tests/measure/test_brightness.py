"""Candidates that are no brighter on FLAIR than cortex is are dropped, whole, and others are not touched."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.measure.brightness import drop_dark

SHAPE = (30, 30, 30)


@pytest.fixture
def scene() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probability with a bright, a dark and a faint candidate, FLAIR, and cortex of 0 to 100."""
    probability, flair = np.zeros(SHAPE, np.float32), np.full(SHAPE, 40, np.float32)
    cortex = np.zeros(SHAPE, bool)
    cortex[:, :5] = True
    flair[cortex] = np.linspace(0, 100, int(cortex.sum()))
    for start, brightness in ((10, 150.0), (20, 85.0)):
        probability[start : start + 4, 10:14, 10:14] = 0.9
        flair[start : start + 4, 10:14, 10:14] = brightness
    probability[2:4, 20:24, 20:24] = 0.2
    return probability, flair, cortex


def test_the_darker_candidate_goes_and_the_brighter_stays(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    probability, flair, cortex = scene
    before = probability.copy()
    left = drop_dark(probability, flair, cortex, threshold=0.3, share=0.9)
    assert (left[10:14, 10:14, 10:14] == np.float32(0.9)).all()
    assert not left[20:24, 10:14, 10:14].any()
    assert (left[2:4, 20:24, 20:24] == np.float32(0.2)).all()  # no candidate
    assert np.array_equal(probability, before)
    assert drop_dark(probability, flair, cortex, threshold=0.3, share=0.8)[20:24, 10:14, 10:14].all()


@pytest.mark.parametrize("scale", [0.001, 1.0, 3000.0])
def test_units_do_not_matter(scene: tuple[np.ndarray, np.ndarray, np.ndarray], scale: float) -> None:
    probability, flair, cortex = scene
    one = drop_dark(probability, flair, cortex, threshold=0.3, share=0.9)
    assert np.array_equal(one, drop_dark(probability, flair * np.float32(scale), cortex, threshold=0.3, share=0.9))


def test_without_a_yardstick_nothing_is_dropped(scene: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    probability, flair, cortex = scene
    assert drop_dark(probability, flair, np.zeros_like(cortex), threshold=0.3, share=0.9) is probability
    assert drop_dark(probability, flair, cortex, threshold=0.3, share=0.0) is probability


def test_bright_cortex_that_is_called_lesion_does_not_move_the_yardstick(
    scene: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    probability, flair, cortex = scene
    probability[:, :3][flair[:, :3] > 20] = 0.8  # half of the cortex, and not its dark part
    flair[:, :3][flair[:, :3] > 20] = 400.0
    left = drop_dark(probability, flair, cortex, threshold=0.3, share=0.9)
    assert left[10:14, 10:14, 10:14].all()
