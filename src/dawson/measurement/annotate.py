"""The table of lesions completed: region, side, position and confidence of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Labels
from dawson.core.grid import Grid
from dawson.core.result import Lesion
from dawson.measurement.anatomy import knows_anatomy
from dawson.measurement.brain_frame import Frame
from dawson.measurement.confidence import classify
from dawson.measurement.lesions import lesion_voxels
from dawson.measurement.position import describe_position
from dawson.measurement.regions import find_regions


def annotate_lesions(
    table: tuple[Lesion, ...],
    labels: NDArray[np.int32],
    anatomy: Labels,
    names: Mapping[int, str],
    grid: Grid,
    *,
    frame: Frame | None,
) -> tuple[Lesion, ...]:
    """Say of each lesion where it lies and how much it is to be believed.

    Args:
        table: the lesions, by rising id.
        labels: (i, j, k) their ids on ``grid``.
        anatomy: (i, j, k) labels on ``grid``; where ``names`` does not tell ventricles, cortex and what lies below
            the tentorium apart, lesions get no region.
        names: what the anatomy labels mean.
        grid: any.
        frame: of the brain, which side and position are told by; None gives neither.
    """
    pieces = lesion_voxels(labels)
    known = knows_anatomy(names)
    regions: list[str] | list[None] = find_regions(pieces, anatomy, names, grid) if known else [None] * len(pieces)
    placed = []
    for lesion, piece, region in zip(table, pieces, regions, strict=True):
        side, position = (None, None) if frame is None else describe_position(piece, grid, frame)
        confidence = classify(lesion.peak_probability, lesion.volume_ml)
        placed.append(replace(lesion, region=region, side=side, position=position, confidence=confidence))
    return tuple(placed)
