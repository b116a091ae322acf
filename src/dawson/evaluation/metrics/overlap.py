"""Voxel by voxel: what two masks share, and how much of each there is."""

from __future__ import annotations

import numpy as np

from dawson.core.arrays import Mask
from dawson.core.grid import Grid


def measure_overlap(truth: Mask, prediction: Mask, grid: Grid, *, reference_rate: float) -> dict[str, float | None]:
    """Dice, IoU, precision, sensitivity, normalised Dice and volumes, as defined in ``columns.py``.

    Args:
        truth: (i, j, k), all of it or any box that holds both masks.
        prediction: likewise.
        grid: the whole grid, whose voxels the normalised Dice counts.
        reference_rate: the lesion share r of the normalised Dice.
    """
    both = int(np.count_nonzero(truth & prediction))
    true, predicted = int(np.count_nonzero(truth)), int(np.count_nonzero(prediction))
    missed, wrong = true - both, predicted - both
    none = true == predicted == 0
    others = int(np.prod(grid.shape, dtype=np.int64)) - true
    # Where the truth is empty, the authors' own code (Shifts 2.0) leaves false positives unscaled.
    scale = (1.0 - reference_rate) * true / (reference_rate * others) if true and others else 1.0
    ml = grid.voxel_volume / 1000.0

    def share(part: float, whole: float) -> float | None:
        if none:
            return 1.0
        return part / whole if whole else None

    if true:
        percent: float | None = 100.0 * abs(predicted - true) / true
    else:
        percent = 0.0 if none else None
    return {
        "dice": share(2 * both, 2 * both + wrong + missed),
        "iou": share(both, both + wrong + missed),
        "precision": share(both, predicted),
        "sensitivity": share(both, true),
        "normalised_dice": share(2 * both, 2 * both + scale * wrong + missed),
        "volume_truth_ml": true * ml,
        "volume_predicted_ml": predicted * ml,
        "volume_difference_percent": percent,
        "volume_difference_ml": (predicted - true) * ml,
    }
