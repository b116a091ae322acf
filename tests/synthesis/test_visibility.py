"""Which implanted lesions count: those that a rater could see."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dawson.synthesis.tissues import Anatomy
from dawson.synthesis.visibility import DOUBTFUL, NOT_SEEN, seen_by_raters
from dawson.training.loss import UNSURE

SIZE, SPREAD = 48, 0.05
PLACE = (slice(20, 24), slice(20, 24), slice(20, 24))


def patch(contrast: float, channel: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Noisy white matter on one sequence, with one lesion that stands out by ``contrast`` standard deviations."""
    generator = torch.Generator().manual_seed(5)
    images = torch.zeros(3, SIZE, SIZE, SIZE)
    images[channel] = 1 + SPREAD * torch.randn(SIZE, SIZE, SIZE, generator=generator)
    lesion = torch.zeros(SIZE, SIZE, SIZE, dtype=torch.uint8)
    lesion[PLACE] = 1
    images[channel][PLACE] += contrast * SPREAD
    anatomy = torch.full((SIZE, SIZE, SIZE), int(Anatomy.WHITE_MATTER), dtype=torch.uint8)
    return images, lesion, anatomy


@pytest.mark.parametrize("channel", [0, 2])
@pytest.mark.parametrize(
    ("contrast", "label"), [(0.3, 0), ((NOT_SEEN + DOUBTFUL) / 2, UNSURE), (3.0, 1)], ids=["none", "doubtful", "plain"]
)
def test_a_lesion_counts_by_how_far_it_stands_out(contrast: float, label: int, channel: int) -> None:
    judged = seen_by_raters(*patch(contrast, channel))
    assert set(judged[PLACE].unique().tolist()) == {label}
    far = torch.ones_like(judged)
    far[19:25, 19:25, 19:25] = 0  # the rim of one that is unsure is unsure
    assert not bool((judged * far).any())
    assert bool(judged.sum() > judged[PLACE].sum()) == (label == UNSURE)


@pytest.mark.parametrize(("channel", "contrast"), [(1, -4.0), (2, 4.0)], ids=["t1", "t2"])
def test_what_another_sequence_shows_alone_is_doubtful(channel: int, contrast: float) -> None:
    images, lesion, anatomy = patch(0.3)
    images[channel] = patch(contrast, channel)[0][channel]
    assert bool((seen_by_raters(images, lesion, anatomy)[PLACE] == UNSURE).all())


@pytest.mark.parametrize(("contrast", "label"), [(0.0, UNSURE), (-1.4, 1)])
def test_a_t1_alone_is_forgiven_much(contrast: float, label: int) -> None:
    assert bool((seen_by_raters(*patch(contrast, 1))[PLACE] == label).all())


def test_what_is_large_clipped_or_not_to_be_overlooked_is_doubtful() -> None:
    images, lesion, anatomy = patch(0.0)
    assert bool((seen_by_raters(images, lesion, anatomy, overlook=False)[PLACE] == UNSURE).all())
    lesion[:] = 0
    lesion[0:3, 20:23, 20:23] = 1
    lesion[10:16, 20:26, 20:26] = 1
    judged = seen_by_raters(images, lesion, anatomy)
    assert bool((judged[lesion == 1] == UNSURE).all())


def test_cortex_beside_a_lesion_does_not_hide_it() -> None:
    images, lesion, anatomy = patch(7.5)
    anatomy[24:] = int(Anatomy.CORTEX)
    images[0][24:] += 6 * SPREAD
    assert torch.equal(seen_by_raters(images, lesion, anatomy), lesion)


def test_a_fluid_lesion_is_seen_by_its_rim() -> None:
    images, lesion, anatomy = patch(4.0)
    lesion[18:30, 18:30, 18:30] = 1
    images[0][18:30, 18:30, 18:30] += 4 * SPREAD
    images[0][19:29, 19:29, 19:29] -= 12 * SPREAD  # more than half of it
    assert float(images[0][lesion == 1].median()) < 1
    assert torch.equal(seen_by_raters(images, lesion, anatomy), lesion)


def test_a_very_large_one_is_seen_and_others_are_no_surroundings() -> None:
    images, lesion, anatomy = patch(0.0)
    lesion[15:30, 15:30, 15:30] = 1
    assert torch.equal(seen_by_raters(images, lesion, anatomy), lesion)
    images, lesion, anatomy = patch(4.0)
    beside = (slice(26, 34), slice(18, 26), slice(18, 26))
    lesion[beside] = 1
    images[0][beside] += 20 * SPREAD  # would raise the level and the spread around
    assert torch.equal(seen_by_raters(images, lesion, anatomy), lesion)


def test_marks_of_raters_stay_and_the_input_is_left_alone() -> None:
    images, lesion, anatomy = patch(0.0)
    lesion[5:8, 5:8, 5:8] = UNSURE
    before = lesion.clone()
    judged = seen_by_raters(images, lesion, anatomy)
    assert torch.equal(lesion, before)
    assert bool((judged[5:8, 5:8, 5:8] == UNSURE).all())


def test_what_lies_outside_of_the_brain_is_no_yardstick() -> None:
    images, lesion, anatomy = patch(0.0)
    anatomy[:, :, :] = int(Anatomy.OUTSIDE)
    assert np.array_equal(seen_by_raters(images, lesion, anatomy), lesion)
