"""The arrays that rooms hand to one another, all of them indexed (i, j, k) as stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]

UNSURE = 2
"""In lesion labels, where 1 is lesion: nobody knows. Losses and measures do not look there."""


def bounding_box(*masks: Mask, margin: int = 0) -> tuple[slice, slice, slice]:
    """The smallest box of voxels that holds every mask (i, j, k), and ``margin`` more where the array has them.

    A box without voxels where all masks are empty.
    """
    sides = []
    for axis in range(3):
        across = tuple(other for other in range(3) if other != axis)
        inside = np.flatnonzero(np.logical_or.reduce([mask.any(axis=across) for mask in masks]))
        low, high = (inside[0] - margin, inside[-1] + 1 + margin) if len(inside) else (0, 0)
        sides.append(slice(max(int(low), 0), min(int(high), masks[0].shape[axis])))
    return sides[0], sides[1], sides[2]
