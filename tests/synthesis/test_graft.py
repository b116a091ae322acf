"""Synthetic lesions on real visits, and these visits as another scanner would show them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dawson.core.study import Modality
from dawson.recipe import Synthesis
from dawson.synthesis.graft import graft
from dawson.synthesis.label_maps import LesionMap
from dawson.synthesis.rescan import rescan
from dawson.synthesis.samples import Sample
from dawson.synthesis.tissues import Anatomy
from dawson.training.loss import UNSURE

SIZE = 64
BOX = (140, 180, 150)
CORNER = (25, 60, 75)  # where the toy lesion maps have their lesions
LEVELS = {Modality.FLAIR: (1.0, 1.2, 0.3), Modality.T1: (1.0, 0.7, 0.3), Modality.T2: (1.0, 1.3, 3.0)}
SLICES = dict.fromkeys(Modality, (2, 3.0))
SETTINGS = replace(Synthesis(), whole_load=1.0, small_lesions=1.0, small_lesion_count=20.0)


def visit(modalities: tuple[Modality, ...] = tuple(Modality)) -> Sample:
    """White matter with a ventricle in its middle and cortex around, each of one grey."""
    anatomy = torch.full((SIZE,) * 3, int(Anatomy.WHITE_MATTER), dtype=torch.uint8)
    anatomy[28:36, 20:44, 24:40] = Anatomy.VENTRICLES
    anatomy[:4] = anatomy[-4:] = Anatomy.CORTEX
    images = torch.zeros(3, SIZE, SIZE, SIZE)
    for channel, modality in enumerate(Modality):
        if modality in modalities:
            white, grey, fluid = LEVELS[modality]
            images[channel] = white
            images[channel][anatomy == Anatomy.CORTEX] = grey
            images[channel][anatomy == Anatomy.VENTRICLES] = fluid
    return Sample(images, torch.zeros_like(anatomy), anatomy)


def grafted(lesions: list[LesionMap], seed: int, before: Sample) -> Sample:
    return graft(before, CORNER, BOX, SLICES, lesions, SETTINGS, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(4))
def test_lesions_are_bright_on_flair_and_t2_and_dark_on_t1(toy_lesions: list[LesionMap], seed: int) -> None:
    before = visit()
    after = grafted(toy_lesions, seed, before)
    lesion = after.lesion == 1
    assert int(lesion.sum()) > 30
    assert set(after.anatomy[lesion].tolist()) <= {Anatomy.WHITE_MATTER, Anatomy.CORTEX, Anatomy.VENTRICLES}
    change = (after.images - before.images)[:, lesion].median(dim=1).values
    assert change[0] > 0.05 and change[2] > 0.05
    assert change[1] < -0.005


def test_what_is_far_from_lesions_stays_as_it_was(toy_lesions: list[LesionMap]) -> None:
    before = visit()
    after = grafted(toy_lesions, 0, before)
    changed = (after.images != before.images).any(0)
    assert bool(changed.any()) and not bool(changed.all())
    assert torch.equal(after.anatomy, before.anatomy)
    assert not bool(before.lesion.any())  # the visit itself is not written to


def test_absent_sequences_stay_absent(toy_lesions: list[LesionMap]) -> None:
    after = grafted(toy_lesions, 1, visit((Modality.T2,)))
    assert [bool(channel.any()) for channel in after.images] == [False, False, True]
    assert bool((after.lesion == 1).any())


def test_labels_that_were_there_stay(toy_lesions: list[LesionMap]) -> None:
    before = visit()
    before.lesion[:, :, :32] = UNSURE
    before.lesion[40:44, 40:44, 40:44] = 1
    after = grafted(toy_lesions, 2, before)
    assert bool((after.lesion[before.lesion == UNSURE] == UNSURE).all())
    assert bool((after.lesion[before.lesion == 1] == 1).all())
    assert int((after.lesion == 1).sum()) > int((before.lesion == 1).sum())


def test_a_window_without_white_matter_comes_back_as_it_was(toy_lesions: list[LesionMap]) -> None:
    empty = Sample(torch.zeros(3, SIZE, SIZE, SIZE), *torch.zeros(2, SIZE, SIZE, SIZE, dtype=torch.uint8))
    assert grafted(toy_lesions, 0, empty) is empty


def test_thick_slices_smear_what_is_grafted(toy_lesions: list[LesionMap]) -> None:
    """Within a thick slice all that is added is the same but for the interpolation between slices."""
    before = visit((Modality.FLAIR,))
    roughness = {}
    for millimetres in (1.0, 8.0):
        slices = {Modality.FLAIR: (2, millimetres)}
        after = graft(before, CORNER, BOX, slices, toy_lesions, SETTINGS, np.random.default_rng(3))
        added = (after.images - before.images)[0]
        along, across = added.diff(dim=2).abs().mean(), added.diff(dim=0).abs().mean()
        roughness[millimetres] = float(along / across)
    assert roughness[8.0] < 0.6 * roughness[1.0]


@pytest.mark.parametrize("seed", range(12))
def test_another_look_keeps_shapes_ranges_and_labels(seed: int) -> None:
    before = visit((Modality.FLAIR, Modality.T1))
    before.lesion[20:26, 20:26, 20:26] = 1
    before.lesion[40:46, 20:26, 20:26] = UNSURE
    after = rescan(before, {}, Synthesis(), np.random.default_rng(seed))
    assert after.images.shape == before.images.shape and after.lesion.shape == before.lesion.shape
    assert bool(torch.isfinite(after.images).all())
    assert 0 <= float(after.images.min()) <= float(after.images.max()) <= 4
    assert [bool(channel.any()) for channel in after.images] == [True, True, False]
    assert set(after.lesion.unique().tolist()) <= {0, 1, UNSURE}
    assert set(after.anatomy.unique().tolist()) <= {0, *before.anatomy.unique().tolist()}


def test_another_look_turns_images_and_labels_alike() -> None:
    """What was the ventricle is as dark as it was, wherever it went."""
    settings = replace(Synthesis(), stripped=0.0, bias=0.0, thickest_mm=3.0)
    moved = 0
    for seed in range(20):
        after = rescan(visit((Modality.FLAIR,)), {}, settings, np.random.default_rng(seed))
        fluid = after.anatomy == Anatomy.VENTRICLES
        moved += not torch.equal(fluid, visit().anatomy == Anatomy.VENTRICLES)
        assert float(after.images[0][fluid].median()) < 0.5
        assert float(after.images[0][after.anatomy == Anatomy.WHITE_MATTER].median()) == pytest.approx(1.0, abs=0.05)
    assert 2 <= moved <= 18


def test_thicker_slices_leave_in_doubt_where_a_lesion_would_be_drawn() -> None:
    """A small lesion between thick slices fades, a large one keeps its middle; where sequences are thin all stays."""
    before = visit((Modality.FLAIR,))
    lesion = torch.zeros_like(before.lesion)
    n = lesion.shape[0]
    lesion[n // 2 - 8 : n // 2 + 8, n // 2 - 8 : n // 2 + 8, n // 2 - 12 : n // 2 + 12] = 1
    lesion[4:7, 4:7, n // 2] = 1  # a millimetre high
    settings = Synthesis(rotation_degrees=0.0, scaling=1.0, stripped=0.0, thickest_mm=8.0, visible=False)
    doubts = 0
    for seed in range(40):
        after = rescan(replace(before, lesion=lesion), {}, settings, np.random.default_rng(seed)).lesion
        if not torch.equal(after, lesion):
            doubts += 1
            changed = after[after != lesion]
            assert bool((changed == UNSURE).all())
            assert after[n // 2, n // 2, n // 2] == 1
    assert 3 <= doubts <= 20  # a fifth of windows have thicker slices


def test_what_a_noisy_visit_hides_is_not_taught_and_its_rim_is_in_doubt(toy_lesions: list[LesionMap]) -> None:
    before = visit((Modality.FLAIR,))
    noise = torch.randn(before.images[0].shape, generator=torch.Generator().manual_seed(1))
    noisy = replace(before, images=torch.cat([(before.images[:1] + 0.3 * noise).clamp(0), before.images[1:]]))
    hidden = graft(noisy, CORNER, BOX, {}, toy_lesions, SETTINGS, np.random.default_rng(2)).lesion
    drawn = graft(
        noisy, CORNER, BOX, {}, toy_lesions, replace(SETTINGS, visible=False), np.random.default_rng(2)
    ).lesion
    assert bool((drawn == 1).any()) and not bool((drawn == UNSURE).any())
    assert int((hidden == 1).sum()) < int((drawn == 1).sum())
    assert bool((hidden == UNSURE).any())
    assert bool(((hidden == UNSURE) & (drawn == 0)).any())


def test_noise_over_a_faint_lesion_leaves_it_in_doubt() -> None:
    before = visit((Modality.FLAIR,))
    lesion = torch.zeros_like(before.lesion)
    n = lesion.shape[0] // 2
    lesion[n : n + 4, n : n + 4, n : n + 4] = 1
    settings = Synthesis(rotation_degrees=0.0, scaling=1.0, stripped=0.0, bias=0.0, thickest_mm=3.0)
    labels = [
        rescan(replace(before, lesion=lesion), {}, settings, np.random.default_rng(seed)).lesion for seed in range(30)
    ]
    doubtful = sum(bool((label == UNSURE).any()) for label in labels)
    assert 3 <= doubtful < 30  # where noise was added; marks on what is as it was are left alone
    assert sum(torch.equal(label, lesion) for label in labels) >= 3
