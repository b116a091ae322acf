"""Fields of view: they cut as scanners do, and whole heads are what the locator is shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dawson.recipe import Synthesis
from dawson.synthesis.field_of_view import draw_field_of_view, field_of_view_mask
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.placement import WHOLE_SHIFT_MM
from dawson.synthesis.samples import synthesize
from dawson.synthesis.tissues import Anatomy, anatomy_of_tissue

SPACING = 3.0


def toy_anatomy(head: HeadModel) -> np.ndarray:
    """The coarse anatomy of a head."""
    return anatomy_of_tissue()[head.tissue]


@pytest.fixture
def anatomy() -> torch.Tensor:
    """A ball of brain in a cube of 3 mm voxels."""
    line = torch.arange(60) - 29.5
    radius = (line[:, None, None] ** 2 + line[None, :, None] ** 2 + line[None, None] ** 2).sqrt()
    return torch.where(radius < 22, int(Anatomy.WHITE_MATTER), int(Anatomy.OUTSIDE))


def shown(anatomy: torch.Tensor, seed: int) -> torch.Tensor:
    return field_of_view_mask(anatomy, draw_field_of_view(anatomy, SPACING, np.random.default_rng(seed)))


def test_most_of_the_brain_stays_in_view(anatomy: torch.Tensor) -> None:
    brain = anatomy > 0
    shares = []
    for seed in range(40):
        seen = shown(anatomy, seed)
        assert set(seen.unique().tolist()) <= {0.0, 1.0}
        shares.append(float(seen[brain].mean()))
    assert min(shares) > 0.3
    assert sum(share > 0.97 for share in shares) > 10  # many scans cut nothing off the brain
    assert sum(share < 0.97 for share in shares) > 5  # and some do


def test_faces_go_and_brains_stay(anatomy: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, share in {"CUT_BELOW": 0.0, "CUT_ABOVE": 0.0, "CUT_ASIDE": 0.0, "DEFACED": 1.0}.items():
        monkeypatch.setattr(f"dawson.synthesis.field_of_view.{name}", share)
    for seed in range(10):
        seen = shown(anatomy, seed)
        assert bool((seen[anatomy > 0] == 1).all())
        lost = (seen == 0).nonzero().float().mean(0)
        assert lost[1] > 30  # in front
        assert lost[2] < 30  # and low


def test_without_a_brain_all_is_seen() -> None:
    nothing = torch.zeros(20, 20, 20, dtype=torch.long)
    assert bool((shown(nothing, 0) == 1).all())


@pytest.mark.parametrize("seed", range(4))
def test_whole_heads_lie_in_the_middle_and_are_scaled_by_what_they_hold(
    toy_head: HeadModel, toy_lesions: list[LesionMap], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CUT_BELOW", "CUT_ABOVE", "CUT_ASIDE", "DEFACED"):
        monkeypatch.setattr(f"dawson.synthesis.field_of_view.{name}", 0.0)
    settings = replace(Synthesis(), whole_head=True, stripped=0.0, elastic_mm=0.0, rotation_degrees=0.0, scaling=1.0)
    rng = np.random.default_rng(seed)
    sample = synthesize([toy_head], toy_lesions, settings, 48, rng, spacing=SPACING)
    for image in sample.images:
        if image.any():
            assert 0.7 < float((image**2).sum() / image.sum()) < 1.4
    brain = (sample.anatomy > 0).nonzero().float()
    assert len(brain) * SPACING**3 == pytest.approx(int((toy_anatomy(toy_head) > 0).sum()), rel=0.05)  # all of it
    assert float((brain.mean(0) - 23.5).abs().max()) * SPACING < WHOLE_SHIFT_MM + 5


def test_voxels_are_as_large_as_asked(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    calm = replace(Synthesis(), stripped=0.0, rotation_degrees=0.0, scaling=1.0, elastic_mm=0.0)
    volumes = []
    for spacing, size in ((1.0, 96), (2.0, 48)):
        middle = (np.array(toy_head.tissue.shape) - 1) / 2
        rng = np.random.default_rng(0)
        sample = synthesize([toy_head], toy_lesions, calm, size, rng, spacing=spacing, centre=middle)
        volumes.append(float((sample.anatomy > 0).sum()) * spacing**3)
    assert volumes[0] == pytest.approx(volumes[1], rel=0.02)
