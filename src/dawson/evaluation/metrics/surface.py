"""How far the surfaces of two masks lie apart, in mm and in three dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Mask

DISTANCE_TOLERANCE = 1e-4
"""Relative slack on the tolerance: files hold float32, and one voxel of 1.0000002 mm is within 1 mm."""

Spacing = tuple[float, float, float]


def measure_surfaces(
    truth: Mask, prediction: Mask, spacing: Spacing, *, tolerance_mm: float
) -> dict[str, float | None]:
    """HD95, ASSD and normalised surface Dice of two masks, as defined in ``columns.py``.

    Args:
        truth: (i, j, k), all of it or any box that holds both masks; beyond it counts as outside.
        prediction: likewise.
        spacing: of voxel centres along i, j, k in mm.
        tolerance_mm: of the normalised surface Dice.
    """
    if not truth.any() or not prediction.any():
        both = not truth.any() and not prediction.any()
        return {"hd95_mm": 0.0 if both else None, "assd_mm": 0.0 if both else None, "nsd": 1.0 if both else 0.0}
    forth, back = surface_distances(truth, prediction, spacing)
    every = np.concatenate([forth, back])
    within = np.count_nonzero(every <= tolerance_mm * (1.0 + DISTANCE_TOLERANCE))
    return {
        "hd95_mm": float(max(np.percentile(forth, 95), np.percentile(back, 95))),
        "assd_mm": float(every.mean()),
        "nsd": within / len(every),
    }


def surface_distances(first: Mask, second: Mask, spacing: Spacing) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances in mm from each surface voxel of ``first`` to the surface of ``second``, and the other way.

    Both masks (i, j, k) hold at least one voxel. Distances are exact, from voxel centre to voxel centre
    (SciPy's exact Euclidean distance transform).
    """
    # One voxel of margin: a mask that touches the edge of its box has a surface there.
    one, two = surface(np.pad(first, 1)), surface(np.pad(second, 1))
    return _distances(two, spacing)[one], _distances(one, spacing)[two]


def surface(mask: Mask) -> Mask:
    """Voxels of a mask (i, j, k) that touch, by a face, a voxel outside it; its outermost layer is outside."""
    result: Mask = mask & ~ndimage.binary_erosion(mask)
    return result


def _distances(surface_voxels: Mask, spacing: Spacing) -> NDArray[np.float64]:
    """Distance in mm (i, j, k) to the nearest surface voxel."""
    distance: NDArray[np.float64] = ndimage.distance_transform_edt(~surface_voxels, sampling=spacing)
    return distance
