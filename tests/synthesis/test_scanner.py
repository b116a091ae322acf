"""What motion does to an image is what shifted k-space lines do, and no more."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.study import Modality
from dawson.recipe import Synthesis
from dawson.synthesis.rescan import rescan
from dawson.synthesis.samples import Sample
from dawson.synthesis.scanner.motion import (
    MOTION_MM,
    Motion,
    apply_line_factors,
    draw_line_factors,
    draw_motion,
    simulate_motion,
)
from dawson.synthesis.scanner.scan import draw_scan, simulate_scan
from dawson.synthesis.scanner.slices import AcquisitionParameters, build_acquisition, draw_acquisition
from dawson.synthesis.tissues import Anatomy

SIDE = 24
SHARP = AcquisitionParameters(SIDE, 1.0, -1, 1.0, 0.0, 0.0, (0.0, 0.0, 0.0), 0.0)  # neither slices nor blur


def head(seed: int = 0) -> torch.Tensor:
    """A bright block with a darker one inside, on nothing."""
    image = torch.zeros(SIDE, SIDE, SIDE)
    image[5:19, 4:20, 6:18] = 1.0
    image[9:14, 8:13, 9:15] = 0.3
    return image + 0.05 * torch.rand(image.shape, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.permutations([0, 1, 2]), st.booleans())
def test_motion_takes_nothing_away(seed: int, axes: list[int], sliced: bool) -> None:
    along, across, _ = axes
    factors = draw_line_factors(SIDE, SIDE if sliced else 1, np.random.default_rng(seed))
    moved = apply_line_factors(head(seed), Motion(along, across, factors))
    assert float(moved.square().sum()) == pytest.approx(float(head(seed).square().sum()), rel=1e-4)


def test_no_line_is_shifted_further_than_patients_move() -> None:
    """The phase of a line is its number times the shift, in turns of the field of view."""
    lines, order = 192, np.fft.fftfreq(192) * 192
    near = np.abs(order) == 2  # lines that no shift in question takes through more than half a turn
    shifts = [
        np.abs(np.angle(draw_line_factors(lines, 3, np.random.default_rng(seed)).numpy())[:, near] / order[near]).max()
        for seed in range(200)
    ]
    furthest = np.array(shifts) * lines / (2 * np.pi)
    assert furthest.max() <= MOTION_MM[1] + 1e-3 and furthest.max() > 1.0


def test_what_is_small_stays_where_its_label_is() -> None:
    """Labels do not move with the image, so a lesion must not either, slice by slice."""
    lines, place = 192, np.arange(192.0)
    bump = torch.from_numpy(np.exp(-0.5 * ((place - 96) / 3) ** 2)).float().reshape(1, lines, 1).repeat(8, 1, 1)
    away = []
    for seed in range(100):
        motion = Motion(1, 0, draw_line_factors(lines, 8, np.random.default_rng(seed)))
        moved = apply_line_factors(bump, motion)[:, 80:113, 0].numpy()
        kept = moved * (moved > 0.5 * moved.max(axis=1, keepdims=True))
        away += list(np.abs((kept * place[80:113]).sum(axis=1) / kept.sum(axis=1) - 96))
    assert np.percentile(away, 90) < 0.3 and max(away) < 1.5


@pytest.mark.parametrize(("along", "across"), [(0, 2), (1, 2), (2, 0), (1, 0), (2, 1), (0, 1)])
def test_each_slice_of_a_2d_acquisition_meets_its_own_motion(along: int, across: int) -> None:
    image = head()
    factors = draw_line_factors(SIDE, SIDE, np.random.default_rng(3))
    moved = apply_line_factors(image, Motion(along, across, factors))
    for number in (0, 11, 23):
        alone = apply_line_factors(image, Motion(along, across, factors[[number]])).select(across, number)
        assert torch.allclose(moved.select(across, number), alone, atol=1e-5)


def test_one_shift_of_all_lines_is_a_shift_of_the_image() -> None:
    lines = torch.fft.fftfreq(SIDE)
    away = torch.polar(torch.ones(1, SIDE), (-2 * np.pi * 3 * lines)[None]).to(torch.complex64)
    assert torch.allclose(apply_line_factors(head(), Motion(1, 0, away)), torch.roll(head(), 3, 1), atol=1e-4)


@pytest.mark.parametrize("sliced", [-1, 0, 2])
def test_a_patient_who_moved_is_seen_less_well(sliced: int) -> None:
    changes = []
    for seed in range(20):
        image = head()
        if sliced >= 0:
            image = image.narrow(sliced, 0, 7)  # thick slices are fewer
        moved = simulate_motion(image, draw_motion(image.shape, sliced, np.random.default_rng(seed)))
        assert moved.shape == image.shape and bool(moved.isfinite().all()) and float(moved.min()) >= 0
        changes.append(float((moved - image).square().mean().sqrt()))
    assert min(changes) > 1e-4 and max(changes) > 0.05


def test_planes_of_one_slice_meet_one_motion() -> None:
    flat = head()[:, :, [12]].repeat(1, 1, SIDE)  # planes that do not differ but by motion
    for seed in range(5):
        moved = simulate_motion(flat, draw_motion(flat.shape, 2, np.random.default_rng(seed), planes=4))
        new = [k for k in range(1, SIDE) if not torch.allclose(moved[..., k], moved[..., k - 1], atol=1e-5)]
        assert 5 <= len(new) <= 6 and set(np.diff(new)) == {4}


def test_an_acquisition_knows_its_slices() -> None:
    for axis in range(3):
        cut = build_acquisition(draw_acquisition(SIDE, (axis, 4.0), np.random.default_rng(0)))
        assert cut.sliced == axis
    assert build_acquisition(draw_acquisition(SIDE, (-1, 0.0), np.random.default_rng(0))).sliced == -1


@pytest.mark.parametrize("given_sequences", [(Modality.FLAIR,), (Modality.T1, Modality.T2)])
def test_windows_of_visits_are_shown_as_if_the_patient_had_moved(
    monkeypatch: pytest.MonkeyPatch, given_sequences: tuple[Modality, ...]
) -> None:
    for name in ("MOVED", "THICKER", "BIASED", "NOISIER"):
        monkeypatch.setattr(f"dawson.synthesis.rescan.{name}", 0.0)
    images = torch.zeros(3, SIDE, SIDE, SIDE)
    for modality in given_sequences:
        images[list(Modality).index(modality)] = head()
    anatomy = torch.full((SIDE,) * 3, int(Anatomy.WHITE_MATTER), dtype=torch.uint8)
    sample = Sample(images, torch.zeros_like(anatomy), anatomy)

    def shown(motion: float, seed: int) -> torch.Tensor:
        return rescan(sample, {}, Synthesis(stripped=0.0, bias=0.0, motion=motion), np.random.default_rng(seed)).images

    for channel, modality in enumerate(Modality):
        assert torch.equal(shown(0.0, 1)[channel], images[channel])
        moved = sum(not torch.allclose(shown(1.0, seed)[channel], images[channel]) for seed in range(8))
        assert moved >= 7 if modality in given_sequences else moved == 0


def test_a_visit_moves_slice_by_slice_as_it_was_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []

    def draw(shape: tuple[int, ...], sliced: int, rng: np.random.Generator, *, planes: int) -> Motion:
        drawn.append((sliced, planes))
        return draw_motion(shape, sliced, rng, planes=planes)

    monkeypatch.setattr("dawson.synthesis.rescan.draw_motion", draw)
    images = torch.stack([head(), head(), head()])
    anatomy = torch.full((SIDE,) * 3, int(Anatomy.WHITE_MATTER), dtype=torch.uint8)
    slices = {Modality.FLAIR: (1, 3.0), Modality.T1: (0, 1.0)}
    rescan(Sample(images, 0 * anatomy, anatomy), slices, Synthesis(motion=1.0), np.random.default_rng(0))
    assert drawn == [(1, 3), (-1, 1), (-1, 1)]


def test_only_patients_who_move_are_seen_so() -> None:
    def once(motion: float) -> torch.Tensor:
        drawn = draw_scan(SHARP, np.random.default_rng(5), noise=0.0, bias=0.0, motion=motion)
        return simulate_scan(head(), drawn, torch.Generator().manual_seed(1))

    assert torch.allclose(once(0.0), head(), atol=1e-6)
    assert not torch.allclose(once(1.0), head(), atol=1e-2)
