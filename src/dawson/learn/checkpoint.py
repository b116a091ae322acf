"""Checkpoints as one safetensors file: weights, their average, Adam's moments and the step.

No pickle, one file, written aside and renamed: whatever interrupts, the last whole checkpoint stays.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from dawson.errors import UsageError


def average_weights(average: dict[str, Tensor], network: nn.Module, decay: float) -> None:
    """Move the exponential average of the weights one step, in place."""
    with torch.no_grad():
        for name, weight in network.state_dict().items():
            average[name].lerp_(weight, 1 - decay)


def save(
    file: Path, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer, step: int
) -> None:
    """Write everything that resuming needs."""
    tensors = {f"model.{k}": v for k, v in network.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"adam.{index}.{k}": v for k, v in state.items()}
    partial = file.with_name(file.name + ".partial")
    save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, partial, {"step": str(step)})
    partial.replace(file)


def restore(file: Path, network: nn.Module, average: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> int:
    """Load a checkpoint into network, average and optimizer; returns the step it was written after."""
    try:
        with safe_open(file, "pt") as stored:
            step = int(stored.metadata()["step"])
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
        network.load_state_dict(_part(tensors, "model."))
        average.update(_part(tensors, "average."))
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _part(tensors, "adam.").items():
            index, key = name.split(".")
            moments.setdefault(int(index), {})[key] = value
        groups = optimizer.state_dict()["param_groups"]
        optimizer.load_state_dict({"state": moments, "param_groups": groups})
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise UsageError(
            f"is no checkpoint of this recipe ({type(error).__name__})",
            file=file,
            remedy="resume with the recipe that it was written with, or train into an empty folder",
        ) from error
    return step


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
