"""Several raters of one scan: how far they agree, and what most of them marked."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from dawson.core.arrays import Mask, bounding_box
from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.lesionwise import cut_for, detection, match, overlaps
from dawson.evaluation.metrics.overlap import measure_overlap
from dawson.evaluation.settings import Settings


def agreement(masks: Sequence[Mask], grid: Grid, settings: Settings) -> dict[str, Any]:
    """How far the raters of one scan agree with one another: what can be asked of a program at most.

    Args:
        masks: two raters' masks or more, each (i, j, k) bool on ``grid``.
        grid: where the voxels lie.
        settings: what counts as a lesion and, by ``rule``, as found by the other rater.

    Returns:
        ``dice`` and ``lesion_f1``, means over all pairs of raters (both are symmetric: no rater is the
        truth); ``pairs``, for each pair the numbers of the two ``raters`` from 0 and both figures; and
        ``raters``, how many there are.

    Raises:
        UsageError: fewer than two masks, or one that is not bool on ``grid``.
    """
    if len(masks) < 2:
        raise UsageError(f"agreement was asked of {len(masks)} rater", remedy="give the masks of two raters or more")
    _check(masks, grid.shape)
    box = bounding_box(*masks)
    masks = [np.ascontiguousarray(mask[box]) for mask in masks]
    lesions = [cut_for(settings.rule, settings, grid.voxel_volume).cut(mask) for mask in masks]
    pairs = []
    for one, two in combinations(range(len(masks)), 2):
        dice = measure_overlap(masks[one], masks[two], grid, reference_rate=settings.reference_rate)["dice"]
        f1 = detection(*match(overlaps(lesions[one], lesions[two]), settings.rule))[2]
        pairs.append({"raters": (one, two), "dice": dice, "lesion_f1": f1})
    means = {name: float(np.mean([pair[name] for pair in pairs])) for name in ("dice", "lesion_f1")}
    return {**means, "pairs": pairs, "raters": len(masks)}


def consensus(masks: Sequence[Mask]) -> Mask:
    """What the majority marked: voxels (i, j, k) that more than half of the raters hold to be lesion.

    Of two raters that is what both marked; of one, that rater's mask.

    Raises:
        UsageError: no mask, or masks that are not bool of one shape.
    """
    if not masks:
        raise UsageError("a consensus was asked of no rater", remedy="give at least one mask")
    _check(masks, masks[0].shape)
    votes = np.zeros(masks[0].shape, dtype=np.uint16)
    for mask in masks:
        votes += mask
    majority: Mask = votes > len(masks) // 2
    return majority


def _check(masks: Sequence[Mask], shape: tuple[int, ...]) -> None:
    for number, mask in enumerate(masks, start=1):
        if mask.dtype != np.bool_ or mask.shape != shape:
            raise UsageError(
                f"the mask of rater {number} is an array of {mask.dtype} and shape {mask.shape}",
                remedy=f"give masks of bool on one grid of shape {shape}",
            )
