"""Whatever a recipe may hold can be trained with: one step at the extremes of every field."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawson.core.study import Modality
from dawson.recipe import Recipe, load_recipe
from dawson.recipe.schema import TABLES
from dawson.training.data import Data
from dawson.training.distributed import Team
from dawson.training.fit import Setting, advance, build, compute_gradients
from dawson.training.sources import Patches, Windows, augment

SMALL = {
    "prepare.window": 32,
    "network.widths": [4, 8],
    "network.convolutions": [1, 1],
    "optimizer.precision": "f32",
    "optimizer.batch": 1,
}
FIXED = ("subsets", "exclude_masks", "anatomy_weights", "whole_head", "lr", *(k.split(".")[1] for k in SMALL))
"""Fields that are small here, or that have no two ends; a whole head has no room in a small window."""


def ends(hint: Any) -> list[Any]:
    """The lowest and the highest value, or all words, that a field of this type may hold."""
    limits: dict[str, float] = {}
    while get_origin(hint) is Annotated:
        for part in (p for m in hint.__metadata__ for p in m.metadata):
            limits |= {side: getattr(part, side) for side in ("ge", "le") if hasattr(part, side)}
        hint = get_args(hint)[0]
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    if get_origin(hint) is tuple:
        low, high = ends(get_args(hint)[0])
        return [[low, low], [low, high], [high, high]]
    return [False, True] if hint is bool else [hint(limits["ge"]), hint(limits["le"])]


CHOICES = {
    f"{table}.{one.name.removesuffix('_')}": ends(get_type_hints(TABLES[table], include_extras=True)[one.name])
    for table in ("loss", "optimizer", "synthesis", "augment")
    for one in fields(TABLES[table])
    if one.name not in FIXED
}


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    chosen = SMALL | {name: draw(st.sampled_from(values)) for name, values in CHOICES.items()}
    if chosen["optimizer.algorithm"] == "adam":
        chosen["optimizer.weight_decay"] = 0.0
    return load_recipe("dawson", {name: json.dumps(value) for name, value in chosen.items()})


def test_extremes_are_those_of_the_schema() -> None:
    assert len(CHOICES) > 40
    assert CHOICES["synthesis.thickest_mm"] == [3.0, 20.0]
    assert CHOICES["synthesis.noise"][1] == [1e-4, 1.0]


@settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(recipe=recipes())
def test_one_step_at_the_extremes(recipe: Recipe, toy_head: Any, toy_lesions: Any, tmp_path: Path) -> None:
    """A synthetic patch, a window of a real visit (here a drawn one), and a volume that is varied."""
    synthetic = Patches([toy_head], toy_lesions, recipe).draw(0)
    visit = SimpleNamespace(
        images=np.maximum(synthetic[0].numpy(), 1e-3),
        lesion=synthetic[1].numpy(),
        anatomy=synthetic[2].numpy(),
        used=tuple(Modality),
        slices=dict.fromkeys(Modality, (2, 3.0)),
        name="visit",
    )
    real = Windows([visit], recipe, toy_lesions).draw(1)  # type: ignore[list-item]
    images, lesion = augment(real[0].clamp(0, 1), real[1], recipe.augment, np.random.default_rng(0))
    team = Team(0, 1, torch.device("cpu"))
    learner = build(recipe, team, tmp_path / "none", None)
    setting = Setting(recipe, "f32", Data(Patches([toy_head], toy_lesions, recipe)), team, tmp_path, 0)
    for item in (synthetic, real, (images, lesion, real[2], "volume")):
        assert torch.isfinite(item[0]).all()
        batch = (item[0][None].float(), item[1][None], item[2][None], [item[3]])
        figures = compute_gradients(learner, learner.network, batch, setting)
        advance(learner, figures, recipe)
        assert all(math.isfinite(value) for value in figures.values())
    assert all(torch.isfinite(weight).all() for weight in learner.network.state_dict().values())
