"""What motion does to an image is what shifted k-space lines do, and no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.learn.scanner import Acquisition, draw_motion, move, restless, scan

SIDE = 24
STILL = Acquisition((None,) * 3, (None,) * 3, 1.0)


def head(seed: int = 0) -> torch.Tensor:
    """A bright block with a darker one inside, on nothing."""
    image = torch.zeros(SIDE, SIDE, SIDE)
    image[5:19, 4:20, 6:18] = 1.0
    image[9:14, 8:13, 9:15] = 0.3
    return image + 0.05 * torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([1, 5]), st.integers(4, 40))
def test_motion_shifts_lines_and_takes_nothing_away(seed: int, slices: int, lines: int) -> None:
    motion = draw_motion(lines, slices, np.random.default_rng(seed))
    assert motion.shape == (slices, lines)
    assert torch.allclose(motion.abs(), torch.ones(slices, lines), atol=1e-5)
    assert torch.allclose(motion[:, 0], torch.ones(slices, dtype=motion.dtype), atol=1e-5)  # the middle of k-space


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations([0, 1, 2]), st.booleans())
def test_energy_stays_and_what_is_even_stays_as_it_is(seed: int, axes: list[int], sliced: bool) -> None:
    along, across, _ = axes
    motion = draw_motion(SIDE, SIDE if sliced else 1, np.random.default_rng(seed))
    moved = move(head(seed), along, across, motion)
    assert float(moved.square().sum()) == pytest.approx(float(head(seed).square().sum()), rel=1e-4)
    even = torch.full((SIDE, SIDE, SIDE), 0.7)
    assert torch.allclose(move(even, along, across, motion), even, atol=1e-4)


@pytest.mark.parametrize(("along", "across"), [(0, 2), (1, 2), (2, 0), (1, 0), (2, 1), (0, 1)])
def test_each_slice_of_a_2d_acquisition_meets_its_own_motion(along: int, across: int) -> None:
    image = head()
    motion = draw_motion(SIDE, SIDE, np.random.default_rng(3))
    moved = move(image, along, across, motion)
    for number in (0, 11, 23):
        own = move(image, along, across, motion[[number]]).select(across, number)
        assert torch.allclose(moved.select(across, number), own, atol=1e-5)


def test_one_shift_of_all_lines_is_a_shift_of_the_image() -> None:
    lines = torch.fft.fftfreq(SIDE)
    away = torch.polar(torch.ones(1, SIDE), (-2 * np.pi * 3 * lines)[None]).to(torch.complex64)
    assert torch.allclose(move(head(), 1, 0, away), torch.roll(head(), 3, 1), atol=1e-4)


@pytest.mark.parametrize("sliced", [-1, 0, 2])
def test_a_patient_who_moved_is_seen_less_well_but_in_place(sliced: int) -> None:
    changes = []
    for seed in range(20):
        image = head()
        if sliced >= 0:
            image = image.narrow(sliced, 0, 7)  # thick slices are fewer
        moved = restless(image, sliced, np.random.default_rng(seed))
        assert moved.shape == image.shape and bool(moved.isfinite().all()) and float(moved.min()) >= 0
        changes.append(float((moved - image).square().mean().sqrt()))
        assert float(torch.corrcoef(torch.stack([moved.flatten(), image.flatten()]))[0, 1]) > 0.7
    assert min(changes) > 1e-3 and max(changes) > 0.05


def test_only_patients_who_move_are_seen_so() -> None:
    def once(motion: float) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        return scan(head(), STILL, np.random.default_rng(5), generator, noise=0.0, bias=0.0, motion=motion)

    assert torch.allclose(once(0.0), head(), atol=1e-6)
    assert not torch.allclose(once(1.0), head(), atol=1e-2)
