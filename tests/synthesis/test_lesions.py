"""Where drawn lesions may lie."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dawson.recipe import Synthesis
from dawson.synthesis.label_maps import LesionMap
from dawson.synthesis.lesion_course import draw_course
from dawson.synthesis.lesions import PLAIN, draw_appearance, draw_lesions, place_lesions
from dawson.synthesis.tissues import INDEX

SIZE, CORTEX_BEGINS = 64, 40
NOTHING = LesionMap("nothing", np.zeros((2, 2, 2), np.uint8), np.eye(4), np.ones(1), np.zeros((1, 3)))
SETTINGS = replace(
    Synthesis(), cortical=0.0, small_lesions=1.0, small_lesion_count=12.0, small_lesion_radius_mm=4.0, whole_load=1.0
)


def drawn(seed: int, **changes: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Lesion numbers, where they may lie and where cortex is: white matter below, cortex above."""
    tissue = torch.full((SIZE,) * 3, INDEX["cerebral white matter"])
    tissue[..., CORTEX_BEGINS:] = INDEX["cerebral cortex"]
    line = torch.arange(SIZE, dtype=torch.float32)
    where = torch.stack(torch.meshgrid(line, line, line, indexing="ij"))
    far = torch.full(tissue.shape, 25.0)
    rng = np.random.default_rng(seed)
    parameters = draw_lesions(tissue, far, replace(SETTINGS, **changes), rng)
    component, allowed = place_lesions(tissue, where, NOTHING, np.eye(4), parameters)
    return component, allowed, tissue == INDEX["cerebral cortex"]


@pytest.mark.parametrize("seed", range(4))
def test_juxtacortical_lesions_lie_in_white_matter_and_reach_into_cortex(seed: int) -> None:
    component, _, cortex = drawn(seed, juxtacortical=1.0)
    numbers = [int(n) for n in component.unique() if n]
    assert numbers
    appearance = draw_appearance(SETTINGS, np.random.default_rng(seed))
    reaching = 0
    for number in numbers:
        piece = component == number
        depth = CORTEX_BEGINS - piece.nonzero()[:, 2].float()
        assert bool((piece & ~cortex).any()), "none lies in cortex alone"
        assert float(depth.min()) <= 3, "all come close to cortex"
        reaching += bool((piece & cortex).any())
        assert PLAIN[0] <= float(appearance.contrast[number]) <= PLAIN[1]
    assert reaching > len(numbers) / 2


@pytest.mark.parametrize("seed", range(4))
def test_other_lesions_stay_out_of_cortex(seed: int) -> None:
    component, _, cortex = drawn(seed, juxtacortical=0.0)
    assert bool(component.any())
    assert not bool((component * cortex).any())


def test_a_patient_of_one_visit_keeps_juxtacortical_lesions_whole() -> None:
    component, allowed, cortex = drawn(0, juxtacortical=1.0)
    assert bool((component * cortex).any())
    course = draw_course(component, allowed, 1, np.random.default_rng(0))
    assert torch.equal(course.at(0) > 0, component > 0)
