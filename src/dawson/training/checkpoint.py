"""Checkpoints as one safetensors file: weights, their average, Adam's moments, and how far the run has come.

No pickle, one file, written aside and renamed: whatever interrupts, the last whole checkpoint stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dawson.core.errors import ModelError, UsageError
from dawson.model.card import CARD, ONNX, load_model
from dawson.model.weights import read_weights
from dawson.recipe import Measure, Recipe
from dawson.training.schedule import Growth


@dataclass
class State:
    """How far a run has come."""

    step: int = 0
    epoch: int = 0
    """Whole epochs done."""
    count: int = 0
    """Steps of the epoch so far."""
    seconds: float = 0.0
    """Spent on them."""
    sums: dict[str, float] = field(default_factory=dict)
    """Their figures, added up."""
    growth: Growth = field(default_factory=Growth)


def average_weights(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the exponential average of the weights one step, in place."""
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            average[name].lerp_(weight, 1 - decay)


def save(
    file: Path, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer, state: State
) -> None:
    """Write everything that resuming needs."""
    tensors = {f"model.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for index, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v for k, v in moments.items()}
    save_weights(file, tensors, {"state": json.dumps(asdict(state))})


def save_weights(file: Path, tensors: dict[str, Tensor], facts: dict[str, str]) -> None:
    """Write tensors and facts aside, then rename."""
    partial = file.with_name(file.name + ".partial")
    try:
        save_file({k: v.detach().contiguous().cpu().clone() for k, v in tensors.items()}, partial, facts)
        partial.replace(file)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise UsageError(
            f"the checkpoint could not be written ({error})",
            file=file,
            remedy="make room and add --resume; the checkpoint before it is whole",
        ) from error


def load_weights(file: Path) -> dict[str, Tensor]:
    """Read the tensors of a file that :func:`save_weights` wrote."""
    with safe_open(file, "pt") as stored:
        return {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)


def restore(file: Path, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> State:
    """Load a checkpoint into network, average and optimizer; returns how far the run had come."""
    try:
        with safe_open(file, "pt") as stored:
            content = json.loads(stored.metadata()["state"])
        tensors = load_weights(file)
        network.load_state_dict(_part(tensors, "model."))
        average.update({k: v.to(average[k].device) for k, v in _part(tensors, "average.").items()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "adam.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
        return State(**content | {"growth": Growth(**content["growth"])})
    except (SafetensorError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"is no checkpoint of this recipe ({type(error).__name__})",
            file=file,
            remedy="resume with the recipe that it was written with, or train into an empty folder",
        ) from error


def check_start(model: Path, recipe: Recipe) -> dict[str, Any]:
    """Refuse a model whose weights cannot start this recipe; returns its name and hash, for the record."""
    source = load_model(model)
    same_kind = (source.recipe.volume is None) == (recipe.volume is None)
    if not same_kind or source.recipe.network != recipe.network:
        raise ModelError(
            "has another network than the recipe",
            file=source.folder / CARD,
            remedy="name a model of the same recipe, set network.* as in its card, or leave --from out",
        )
    return {"name": source.card["name"], "sha256": source.card["sha256"][ONNX]}


def keep_rule(model: Path, recipe: Recipe, overrides: Mapping[str, str] | None) -> tuple[Recipe, dict[str, Any]]:
    """The recipe with the rule of the model that the run goes on from, and what else the new card takes from its card.

    A rule belongs to the probabilities of a network, and a few hundred steps more hardly change those. Fields of
    ``measure`` that ``overrides`` name are the user's; where threshold or least peak are, nothing is calibrated, since
    the calibration fits the model's own. Weights of the anatomy that were fitted to the model stay likewise, unless the
    loss is given others.
    """
    source = load_model(model)
    changed = {f.name for f in fields(Measure) if f"measure.{f.name}" in (overrides or {})}
    kept = {f.name: getattr(source.recipe.measure, f.name) for f in fields(Measure) if f.name not in changed}
    facts: dict[str, Any] = {}
    if not changed & {"threshold", "peak"}:
        facts["calibration"] = source.card.get("calibration")
    if "loss.anatomy_weights" not in (overrides or {}):
        facts["anatomy_weights"] = source.card.get("anatomy_weights")
    facts = {name: fact for name, fact in facts.items() if fact}
    return replace(recipe, measure=replace(recipe.measure, **kept)), facts


def start_from(model: Path, network: nn.Module) -> None:
    """Load the weights of a model folder, to go on learning from them.

    Raises :class:`ModelError` where they do not fit the network or differ from the hash in the card.
    """
    source = load_model(model)
    try:
        network.load_state_dict({name: torch.from_numpy(weight) for name, weight in read_weights(source).items()})
    except RuntimeError as error:
        raise ModelError(
            f"does not fit this recipe's network (see network in {source.folder / CARD})",
            file=source.onnx,
            remedy="name a model of the same recipe, or leave --from out",
        ) from error


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
