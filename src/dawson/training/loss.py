"""The loss: λ·BCE + (1−λ)·Dice for lesions, cross-entropy for the anatomy."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from dawson.core.arrays import UNSURE
from dawson.recipe import Loss

NEIGHBOURHOOD = 9  # voxels: side of the box within which a lesion voxel's company is counted


def lesion_weight(truth: Tensor, extra: float) -> Tensor:
    """BCE weights (batch, i, j, k): 1, and up to 1 + ``extra`` for lesion voxels with little lesion around.

    Under Dice and plain cross-entropy small lesions vanish in the sum; weighting each lesion voxel by the
    emptiness of its neighbourhood raises them without counting components at every step.
    """
    company = truth[:, None]
    for kernel in (
        (NEIGHBOURHOOD, 1, 1),
        (1, NEIGHBOURHOOD, 1),
        (1, 1, NEIGHBOURHOOD),
    ):  # ten times faster than a cube
        company = functional.avg_pool3d(company, kernel, 1, tuple(side // 2 for side in kernel))
    return 1.0 + extra * truth * torch.exp(-company[:, 0] / 0.06)


def loss(logits: Tensor, lesion: Tensor, anatomy: Tensor, settings: Loss) -> tuple[Tensor, dict[str, float]]:
    """Total loss and its parts.

    ``logits`` (batch, 1 + classes, i, j, k); ``lesion`` and ``anatomy`` (batch, i, j, k) integers; anatomy is not
    looked at where the network knows none, and what lies where ``lesion`` is :data:`UNSURE` does not count for
    lesions. Every term is a mean over images, so that several processes that share a batch may average their
    gradients.
    """
    scores = logits[:, 0].float()
    truth = (lesion == 1).float()
    known = (lesion != UNSURE).float()
    weight = lesion_weight(truth, settings.small_lesion_weight) * known
    bce = functional.binary_cross_entropy_with_logits(scores, truth, weight)
    probability = torch.sigmoid(scores) * known
    axes = (1, 2, 3)
    overlap = (probability * truth).sum(axes)
    total = probability.sum(axes) + truth.sum(axes)
    dice = 1 - ((2 * overlap + settings.dice_smoothing) / (total + settings.dice_smoothing)).mean()
    lesions = settings.lambda_ * settings.bce_scale * bce + (1 - settings.lambda_) * dice
    parts = {"bce": float(bce.detach()), "dice_loss": float(dice.detach())}
    if logits.shape[1] == 1 or settings.anatomy == 0:
        return lesions, parts
    weights = logits.new_tensor(settings.anatomy_weights, dtype=torch.float32)
    # Image by image: the mean over classes' weights must not depend on who shares the batch.
    each = [
        functional.cross_entropy(one[None, 1:].float(), labels[None].long(), weights)
        for one, labels in zip(logits, anatomy, strict=True)
    ]
    cross = torch.stack(each).mean()
    return lesions + settings.anatomy * cross, parts | {"anatomy": float(cross.detach())}
