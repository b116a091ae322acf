"""What is painted of one patient agrees between sequences as tissue does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dawson.core.study import Modality
from dawson.synthesis.lesions import Implant, no_lesions
from dawson.synthesis.placement import HeadPatch
from dawson.synthesis.scene import Scene, build_scene, draw_paint, draw_scene, paint
from dawson.synthesis.tissues import INDEX, TISSUES

N = 8


def scene_of(glow: float) -> Scene:
    """White matter throughout, that glows evenly, without any texture."""
    zeros, ones = torch.zeros((N, N, N)), torch.ones((N, N, N))
    white = torch.full((N, N, N), INDEX["cerebral white matter"], dtype=torch.uint8)
    return Scene(white.long(), no_lesions(N), ones * glow, zeros, ones, zeros, zeros, zeros, zeros)


def shares(modality: Modality, glow: float) -> list[float]:
    """How much of the way from white matter to lesion the glow goes, for some draws."""
    means = np.zeros(len(TISSUES))
    means[INDEX["cerebral white matter"]], means[INDEX["lesion"]] = 1.0, 2.0
    scene = scene_of(glow)
    drawn = [draw_paint(modality, np.random.default_rng(seed)) for seed in range(40)]
    return [float(paint(scene, means, modality, parameters).mean()) - 1 for parameters in drawn]


def test_diffuse_white_matter_is_brighter_on_t2_than_on_flair_and_faint_on_t1() -> None:
    assert np.allclose(shares(Modality.FLAIR, 0.2), 0.2, atol=1e-6)
    t2, t1 = shares(Modality.T2, 0.2), shares(Modality.T1, 0.2)
    assert 0.2 <= min(t2) < 0.25 and 0.35 < max(t2) <= 0.4
    assert min(t1) >= 0 and max(t1) <= 0.1


def test_diffuse_white_matter_is_never_brighter_than_a_lesion() -> None:
    assert max(shares(Modality.T2, 0.8)) <= 1.0 + 1e-6


@pytest.mark.parametrize(("tissue", "shown"), [("cerebral white matter", 0.7), ("cerebral cortex", 0.5)])
def test_on_t1_a_lesion_darkens_white_matter_and_brightens_no_cortex(tissue: str, shown: float) -> None:
    means = np.zeros(len(TISSUES))
    means[INDEX["cerebral white matter"]], means[INDEX["cerebral cortex"]], means[INDEX["lesion"]] = 1.0, 0.5, 0.7
    ones = torch.ones((N, N, N))
    scene = replace(
        scene_of(0.0),
        tissue=torch.full((N, N, N), INDEX[tissue], dtype=torch.long),
        lesion=Implant(ones, ones, ones, 0 * ones),
    )
    image = paint(scene, means, Modality.T1, draw_paint(Modality.T1, np.random.default_rng(0)))
    assert torch.allclose(image, torch.full_like(image, shown), atol=1e-5)


def test_spaces_below_the_putamen_hold_fluid_and_never_shine() -> None:
    """Every brain has them: on FLAIR as bright as the tissue around where they are closed, else darker."""
    tissue = torch.full((16, 16, 16), INDEX["perivascular space"], dtype=torch.long)
    far, outer = torch.full((16, 16, 16), 30.0), torch.zeros((16, 16, 16))
    patch = HeadPatch(torch.zeros(3, 16, 16, 16), tissue, far, outer)
    means = np.ones(len(TISSUES))
    means[INDEX["lateral ventricle"]], means[INDEX["lesion"]] = 0.2, 2.0
    shown = []
    for seed in range(12):
        rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
        scene = build_scene(patch, no_lesions(16), draw_scene(rng), generator)
        even = replace(scene, texture=torch.zeros_like(scene.texture))
        image = paint(even, means, Modality.FLAIR, draw_paint(Modality.FLAIR, rng))
        assert float(image.max()) <= 1.0 + 1e-5
        shown.append(float(image.mean()))
    assert min(shown) < 0.5 < 0.8 < max(shown)
