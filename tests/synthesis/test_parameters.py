"""Stored and replayed, drawn parameters give the same sample; and the samples of a seed stay what they are."""

from __future__ import annotations

import hashlib
import pickle
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from dawson.core.study import Modality
from dawson.recipe import Synthesis
from dawson.synthesis.graft import graft
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.rescan import rescan
from dawson.synthesis.samples import Sample, draw_sample, render_sample, synthesize, vary

SIZE = 32
SETTINGS = {
    "as shipped": (Synthesis(), 1.0),
    "who moved, stripped": (replace(Synthesis(), motion=1.0, stripped=1.0), 1.0),
    "whole heads": (replace(Synthesis(), whole_head=True), 3.0),
    "greys, thick slices": (replace(Synthesis(), random_contrast=True, thick=1.0), 1.0),
    "many lesions": (replace(Synthesis(), bias=0.0, healthy=0.0, cortical=1.0, small_lesions=1.0), 1.0),
}
# Sums over the samples of six seeds, as they are drawn now: voxels of lesion, anatomy labels, intensities.
GOLDEN = {
    "as shipped": (390, 684162, 281790.25),
    "who moved, stripped": (397, 683290, 228413.51),
    "whole heads": (25, 179733, 79896.65),
    "greys, thick slices": (359, 672462, 268327.63),
    "many lesions": (5037, 563771, 247413.91),
}
# The same of four windows, without anatomy, that were varied, scanned again or given lesions.
WINDOWS = [
    ("vary", 4917, 96364.50),
    ("rescan", 8477, 82324.35),
    ("graft", 8025, 98448.14),
]


def content(sample: Sample) -> str:
    """A hash of all voxels."""
    arrays = (sample.images, sample.lesion, sample.anatomy)
    return hashlib.sha256(b"".join(a.contiguous().numpy().tobytes() for a in arrays)).hexdigest()


def leaves(value: Any) -> list[Any]:
    """What a tree of dataclasses and tuples holds."""
    if is_dataclass(value):
        return [leaf for field in fields(value) for leaf in leaves(getattr(value, field.name))]
    if isinstance(value, tuple):
        return [leaf for one in value for leaf in leaves(one)]
    return [value]


@pytest.mark.parametrize("name", SETTINGS)
def test_samples_of_a_seed_are_what_they_were(toy_head: HeadModel, toy_lesions: list[LesionMap], name: str) -> None:
    settings, spacing = SETTINGS[name]
    sums = [0.0, 0.0, 0.0]
    for seed in range(6):
        sample = synthesize([toy_head], toy_lesions, settings, SIZE, np.random.default_rng(seed), spacing=spacing)
        for at, array in enumerate((sample.lesion, sample.anatomy, sample.images)):
            sums[at] += float(array.double().sum())
    lesion, anatomy, intensity = GOLDEN[name]
    assert sums[:2] == [lesion, anatomy]
    assert sums[2] == pytest.approx(intensity, rel=1e-4)


@pytest.mark.parametrize("name", SETTINGS)
def test_stored_parameters_give_the_same_sample(toy_head: HeadModel, toy_lesions: list[LesionMap], name: str) -> None:
    settings, spacing = SETTINGS[name]
    for seed in range(3):
        one, other = np.random.default_rng(seed), np.random.default_rng(seed)
        sample = synthesize([toy_head], toy_lesions, settings, SIZE, one, spacing=spacing)
        stored = pickle.dumps(draw_sample([toy_head], toy_lesions, settings, SIZE, other, spacing=spacing))
        assert len(stored) < 100_000  # numbers and small arrays, no images
        assert one.random() == other.random()  # rendering draws nothing
        replayed = [render_sample(pickle.loads(stored), [toy_head], toy_lesions) for _ in range(2)]
        assert {content(r) for r in replayed} == {content(sample)}


def test_parameters_are_plain(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    plain = (int, float, bool, Modality, np.ndarray, torch.Tensor, type(None))
    for settings, spacing in SETTINGS.values():
        drawn = draw_sample([toy_head], toy_lesions, settings, SIZE, np.random.default_rng(0), spacing=spacing)
        assert all(isinstance(leaf, plain) for leaf in leaves(drawn))


def test_one_parameter_changes_what_it_stands_for(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    settings = replace(Synthesis(), stripped=0.0)
    drawn = draw_sample([toy_head], toy_lesions, settings, SIZE, np.random.default_rng(1))
    sample = render_sample(drawn, [toy_head], toy_lesions)
    mirrored = render_sample(replace(drawn, mirrored=not drawn.mirrored), [toy_head], toy_lesions)
    assert torch.equal(mirrored.images, sample.images.flip(1)) and torch.equal(mirrored.anatomy, sample.anatomy.flip(0))
    louder = tuple(replace(m, gain=0.5 * m.gain) for m in drawn.modalities)
    softer = render_sample(replace(drawn, modalities=louder), [toy_head], toy_lesions)
    assert torch.equal(softer.lesion, sample.lesion) and float(softer.images.sum()) < float(sample.images.sum())
    noisy = tuple(replace(m, scan=replace(m.scan, noise=0.3)) for m in drawn.modalities)
    other = render_sample(replace(drawn, modalities=noisy), [toy_head], toy_lesions)
    assert torch.equal(other.anatomy, sample.anatomy) and not torch.equal(other.images, sample.images)


def test_windows_of_visits_are_what_they_were(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    sums = []
    for step in ("vary", "rescan", "graft"):
        lesion, intensity = 0, 0.0
        for seed in range(4):
            rng = np.random.default_rng(seed)
            sample = synthesize([toy_head], toy_lesions, SETTINGS["many lesions"][0], SIZE, rng)
            if step == "vary":
                sample = vary(sample, rng)
            elif step == "rescan":
                settings = replace(Synthesis(), motion=0.5)
                sample = rescan(sample, {Modality.FLAIR: (1, 3.0), Modality.T1: (2, 4.0)}, settings, rng)
            else:
                slices = {Modality.FLAIR: (2, 3.0)}
                sample = graft(sample, (20, 20, 20), (84, 100, 90), slices, toy_lesions, Synthesis(), rng)
            lesion += int(sample.lesion.sum())
            intensity += float(sample.images.double().sum())
        sums.append((step, lesion, pytest.approx(intensity, rel=1e-4)))
    assert sums == WINDOWS
