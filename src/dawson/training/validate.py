"""Dice and IoU of a network on prepared images, voxel by voxel on their own grid, at the recipe's threshold.

Fast, for every epoch. The figures that are quoted come from :mod:`dawson.evaluation` on the scans' own grids.
An image without lesions scores 1 where none is found, and else 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from dawson.core.arrays import UNSURE
from dawson.model.windows import run_windows
from dawson.recipe import Recipe
from dawson.training.distributed import mixed_precision
from dawson.training.loss import loss
from dawson.training.prepared_cases import PreparedExample


def scores(found: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Dice and IoU (batch,) of masks ``found`` and lesion labels ``truth`` (batch, i, j, k), less what is unsure."""
    axes = (1, 2, 3)
    found, truth = found.bool() & (truth != UNSURE), truth == 1
    both = (found & truth).sum(axes).double()
    either = (found | truth).sum(axes).double()
    empty = either == 0
    iou = torch.where(empty, 1.0, both / either.clamp(min=1))
    return 2 * iou / (1 + iou), iou


def validate(
    network: nn.Module, prepared: Iterable[PreparedExample], recipe: Recipe, device: torch.device, precision: str
) -> dict[str, Any]:
    """Mean loss, Dice and IoU over prepared images, and the mean Dice by their sequences."""
    rows: list[tuple[str, float, float, float]] = []
    network.eval()
    with torch.no_grad():
        for one in prepared:
            probability, part = _predict(network, one, recipe, device, precision)
            truth = torch.from_numpy(np.array(one.lesion))[None]
            dice, iou = scores(probability[None] >= recipe.measure.threshold, truth)
            rows.append(("+".join(one.example.modalities), part, float(dice), float(iou)))
    network.train()
    by_sequence = {
        name: round(float(np.mean([dice for other, _, dice, _ in rows if other == name])), 6)
        for name in dict.fromkeys(row[0] for row in rows)
    }
    means = np.mean([row[1:] for row in rows], axis=0)
    names = ("loss", "dice", "iou")
    figures: dict[str, Any] = {n: round(float(v), 6) for n, v in zip(names, means, strict=True)}
    return figures | {"by_sequence": by_sequence}


def _predict(
    network: nn.Module, one: PreparedExample, recipe: Recipe, device: torch.device, precision: str
) -> tuple[Tensor, float]:
    """Lesion probability (i, j, k), and the lesions' part of the loss."""
    images = one.images.astype(np.float32)

    def infer(window: NDArray[np.float32]) -> NDArray[np.float32]:
        batch = torch.from_numpy(window)[None].to(device)
        with mixed_precision(device, precision):
            logits = network(batch.to(memory_format=torch.channels_last_3d))[0, :1]
        return np.asarray(torch.sigmoid(logits.float()).cpu().numpy())

    if recipe.volume is not None:
        found = infer(images)
    else:
        found, _ = run_windows(infer, images, window=recipe.prepare.window, overlap=recipe.prepare.overlap)
    probability = torch.from_numpy(found)
    truth = torch.from_numpy(np.array(one.lesion))
    logits = torch.logit(probability, 1e-6)
    total, _ = loss(logits[None], truth[None], truth[None], recipe.loss)
    return probability[0], float(total)
