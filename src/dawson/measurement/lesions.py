"""From a probability map to numbered lesions: what counts as one, how large it is, where it lies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Image, Mask
from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.core.result import Lesion

CONNECTIVITY = 26
"""Voxels that share a face, an edge or a corner belong to one lesion.

Stated once and used by every mask, table and figure, so that no two of them count differently.
Why 26: on clinical scans a lesion that runs obliquely from slice to slice often touches itself only
at edges and corners, and 6- or 18-connectivity would count its pieces as lesions of their own.
"""

VOLUME_TOLERANCE = 1e-4
"""Relative slack on the minimum volume: files hold float32, and 3 voxels of 0.999998 mm³ are 3 mm³."""

PLACE_MM = 1e-3
"""Centroids closer than this count as one place when lesions of equal size are ordered."""

Points = NDArray[np.int64]


def find_lesions(
    probability: Image, grid: Grid, *, threshold: float, minimum_mm3: float, peak: float = 0.0
) -> tuple[Mask, NDArray[np.int32], tuple[Lesion, ...]]:
    """Cut a probability map into connected lesions and measure each.

    A voxel belongs to a lesion where its probability reaches ``threshold``. Voxels are joined by
    :data:`CONNECTIVITY`; a lesion of less than ``minimum_mm3`` is dropped, one of exactly that volume stays.
    On thick slices a single voxel may exceed the minimum; then nothing is dropped for its size. A lesion that reaches
    ``peak`` nowhere is dropped too: a low threshold draws borders as raters do, a higher peak tells lesions from
    what merely resembles them (hysteresis thresholding; Canny, IEEE TPAMI 1986).

    Args:
        probability: (i, j, k) on ``grid``, in [0, 1]; NaN counts as no lesion.
        grid: where the voxels lie; any orientation, spacing and obliqueness.
        threshold: above 0 and at most 1.
        minimum_mm3: volume in mm³, 0 or more.
        peak: least highest probability of a lesion, from 0 to 1; up to ``threshold`` it drops nothing.

    Returns:
        The mask (i, j, k) of all lesions that stay; labels (i, j, k), 0 outside and the lesion's id
        inside; and the lesions, largest first (equal ones from low to high x, then y, then z of the
        centroid), with ids from 1. The long axis is described at :func:`long_axis`; the centroid is the
        mean of the voxel centres in RAS+ mm, and may lie outside a curved lesion.

    Raises:
        UsageError: threshold, minimum or peak out of range, or an array that is not on ``grid``.
    """
    _check(probability, grid, threshold, minimum_mm3, peak)
    labels = np.zeros(grid.shape, dtype=np.int32)
    pieces = _kept(probability, grid, threshold, minimum_mm3, peak)
    centroids = [grid.to_world(piece.mean(axis=0)) for piece in pieces]

    def rank(number: int) -> tuple[int, tuple[float, ...]]:
        return -len(pieces[number]), tuple(np.rint(centroids[number] / PLACE_MM).tolist())

    lesions = []
    for identity, number in enumerate(sorted(range(len(pieces)), key=rank), start=1):
        piece = pieces[number]
        where = (piece[:, 0], piece[:, 1], piece[:, 2])
        labels[where] = identity
        values = probability[where]
        x, y, z = centroids[number].tolist()
        lesions.append(
            Lesion(
                id=identity,
                volume_ml=len(piece) * grid.voxel_volume / 1000.0,
                long_axis_mm=long_axis(piece, grid),
                centroid=(x, y, z),
                mean_probability=float(values.mean(dtype=np.float64)),
                peak_probability=float(values.max()),
            )
        )
    return labels > 0, labels, tuple(lesions)


def lesion_load(probability: Image, grid: Grid, *, threshold: float, minimum_mm3: float, peak: float = 0.0) -> float:
    """Volume in ml of all lesions that :func:`find_lesions` would find with these values."""
    _check(probability, grid, threshold, minimum_mm3, peak)
    kept = _kept(probability, grid, threshold, minimum_mm3, peak)
    return sum(len(piece) for piece in kept) * grid.voxel_volume / 1000.0


def lesion_voxels(labels: NDArray[np.int32]) -> list[Points]:
    """Voxels (n, 3) of each lesion in labels (i, j, k), in the order of their ids."""
    where = np.nonzero(labels)
    number = labels[where]
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return list(np.split(np.stack(where, axis=1)[order], cuts)) if len(number) else []


def _kept(probability: Image, grid: Grid, threshold: float, minimum_mm3: float, peak: float) -> list[Points]:
    """Voxels (n, 3) of each lesion that is large and sure enough."""
    # A float64 threshold makes NumPy compare in float64, as a reader of the written map would.
    pieces = connected(probability >= np.float64(threshold))
    smallest = minimum_mm3 * (1.0 - VOLUME_TOLERANCE)
    large = [piece for piece in pieces if len(piece) * grid.voxel_volume >= smallest]
    if peak <= threshold:
        return large
    return [piece for piece in large if probability[tuple(piece.T)].max() >= np.float64(peak)]


def long_axis(voxels: Points, grid: Grid) -> float:
    """Longest extent in mm of a set of voxels (n, 3), in any direction of space.

    The greatest distance between any two voxel centres (the maximum Feret diameter, exact), plus one
    voxel's smallest edge for the halves of the two outermost voxels. A row of n voxels of 1 mm is thus
    n mm long, a single voxel as long as its smallest edge. On thick slices that edge lies in the slice:
    a lesion seen in one slice gets its length in that slice, and the slice thickness, which says nothing
    about the lesion, is not counted.
    """
    world = grid.to_world(_outermost(voxels).astype(np.float64))
    return _farthest(world) + min(grid.spacing)


def connected(mask: Mask) -> list[Points]:
    """Voxels (n, 3) of each 26-connected component, in the order of their first voxels."""
    every = np.argwhere(mask)
    if not len(every):
        return []
    low, high = every.min(axis=0), every.max(axis=0) + 1
    box = mask[low[0] : high[0], low[1] : high[1], low[2] : high[2]]  # lesions fill a part of the head
    numbers: NDArray[Any] = ndimage.label(box, structure=np.ones((3, 3, 3)))[0]
    number = numbers[box]  # the same order as argwhere's
    order = np.argsort(number, kind="stable")
    cuts = np.flatnonzero(np.diff(number[order])) + 1
    return list(np.split(every[order], cuts))


def _outermost(voxels: Points) -> Points:
    """Those voxels that are first or last in their row along all three axes at once.

    The two voxels that lie farthest apart are corners of the convex hull, under any affine; and a corner
    is never strictly between two others of its row. So the pair is always kept, and of a lesion of 30 ml
    some hundred voxels out of tens of thousands.
    """
    low = voxels.min(axis=0)
    shape = tuple((voxels.max(axis=0) - low + 1).tolist())
    box = np.zeros(shape, dtype=bool)
    box[tuple((voxels - low).T)] = True
    keep = box.copy()
    for axis, length in enumerate(shape):
        place = np.arange(length).reshape([-1 if a == axis else 1 for a in range(3)])
        first = np.expand_dims(box.argmax(axis=axis), axis)
        last = length - 1 - np.expand_dims(np.flip(box, axis).argmax(axis=axis), axis)
        keep &= (place == first) | (place == last)
    outermost: Points = np.argwhere(keep) + low
    return outermost


def _farthest(world: NDArray[np.float64]) -> float:
    """The greatest distance between any two points (n, 3).

    Points are taken from the rim inwards. No pair of two points lies farther apart than their distances
    from the middle add up to, so once this sum cannot beat what was found, the rest need not be looked at.
    """
    from_middle = np.linalg.norm(world - (world.min(axis=0) + world.max(axis=0)) / 2, axis=1)
    order = np.argsort(-from_middle, kind="stable")
    world, from_middle = world[order], from_middle[order]
    best = 0.0
    for place, point in enumerate(world):
        if from_middle[place] * 2 < best:
            break
        rest = world[place : np.searchsorted(-from_middle, from_middle[place] - best, side="right")]
        if len(rest):
            best = max(best, float(np.sqrt(((rest - point) ** 2).sum(axis=1).max())))
    return best


def _check(probability: Image, grid: Grid, threshold: float, minimum_mm3: float, peak: float) -> None:
    if not 0.0 < threshold <= 1.0:
        raise UsageError(f"the lesion threshold is {threshold}", remedy="give one that is above 0 and at most 1")
    if not minimum_mm3 >= 0.0:
        raise UsageError(f"the minimum lesion volume is {minimum_mm3} mm³", remedy="give 0 or a positive number")
    if not 0.0 <= peak <= 1.0:
        raise UsageError(f"the least peak of a lesion is {peak}", remedy="give one from 0 to 1")
    if probability.shape != grid.shape:
        raise UsageError(
            f"the probability map has shape {probability.shape} and its grid {grid.shape}",
            remedy="give arrays on the grid of the reference scan",
        )
