"""Where the head lies in a scan: thresholds, coarse blocks and the box around it."""

from __future__ import annotations

from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.preparation.resample import Box, reorient

COARSE_MM = 4.0  # the head is looked for at this spacing: noise averages out and the search takes no time
HEAD_MM = 230.0  # crown to below the chin; a brain ends about 170 mm below the crown even in large heads


def head_box(voxels: NDArray[Any], grid: Grid) -> Box:
    """Voxel bounding box of the head, or of a skull-stripped brain, with some 4 mm to spare.

    The volume is averaged to about 4 mm, cut halfway between the background and Otsu's threshold
    (Otsu, IEEE Trans. Syst. Man Cybern. 9, 1979) of the intensities below their 99th percentile,
    and the largest connected piece is taken; halfway, because the box may be generous but must not
    lose dim tissue. At most 230 mm below its top are kept: enough for any brain, and the neck is left out.
    An image without any contrast yields the whole grid.

    Returns:
        First index (inclusive) and last index (exclusive) along the stored axes i, j, k.
    """
    canonical = grid.canonical()
    image = reorient(voxels, grid, canonical)
    shape = np.array(image.shape)
    step = np.clip(np.rint(COARSE_MM / np.array(canonical.spacing)).astype(int), 1, shape)
    coarse = block_means(image, step)
    threshold = foreground_threshold(coarse)
    pieces = sitk.ConnectedComponent(sitk.GetImageFromArray((coarse > threshold).astype(np.uint8)))
    numbers = sitk.GetArrayFromImage(pieces)
    sizes = np.bincount(numbers.ravel())[1:]
    if not sizes.size:
        return np.zeros(3, dtype=np.int64), np.array(grid.shape, dtype=np.int64)
    found = np.argwhere(numbers == sizes.argmax() + 1)
    lo = np.maximum((found.min(axis=0) - 1) * step, 0)
    hi = np.minimum((found.max(axis=0) + 2) * step, shape)
    lo[2] = max(lo[2], hi[2] - int(np.ceil(HEAD_MM / canonical.spacing[2])))
    corners = grid.to_index(canonical.to_world(np.array([lo, hi - 1], dtype=np.float64)))
    first, last = np.rint(np.sort(corners, axis=0)).astype(np.int64)
    return first, last + 1


def block_means(image: NDArray[Any], step: NDArray[np.int64]) -> NDArray[np.float32]:
    """Means over blocks of ``step`` voxels; the last block of an axis is filled up with edge values."""
    padded = np.pad(image, [(0, -n % s) for n, s in zip(image.shape, step, strict=True)], mode="edge")
    for axis, s in enumerate(step.tolist()):
        split = (*padded.shape[:axis], -1, s, *padded.shape[axis + 1 :])
        padded = padded.reshape(split).mean(axis=axis + 1, dtype=np.float32)
    return np.asarray(padded, dtype=np.float32)


def spread_blocks(blocks: Mask, step: int, shape: tuple[int, ...]) -> Mask:
    """What holds for blocks of ``step`` voxels a side (:func:`block_means`) at each of the voxels of ``shape``."""
    for axis in range(3):
        blocks = blocks.repeat(step, axis)
    i, j, k = shape
    return blocks[:i, :j, :k]


def foreground_threshold(values: NDArray[np.float32]) -> float:
    """Halfway between the mean of the darker class and Otsu's threshold."""
    low, high = np.percentile(values, (0, 99))
    if low == high:
        return float(high)
    counts, edges = np.histogram(np.clip(values, low, high), bins=256)
    centres = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    moment = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = (moment[-1] * below / total - moment) ** 2 / (below * (total - below))
    cut = int(np.nanargmax(spread[:-1]))
    return float((moment[cut] / below[cut] + edges[cut + 1]) / 2)
