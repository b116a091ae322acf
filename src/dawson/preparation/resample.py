"""Between the lattice a scan was stored on and the lattice that dawson works on, there and back.

Two conventions hold throughout. Index coordinates name voxel *centres*, so a lattice of n voxels covers
-0.5 ... n - 0.5 along each axis; and world coordinates are RAS+ millimetres. Arrays are (i, j, k).
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dawson.core.errors import InputError
from dawson.core.grid import Grid

Box = tuple[NDArray[np.int64], NDArray[np.int64]]
"""A voxel box: its first index (inclusive) and its last (exclusive), each (3,), along the stored axes."""

THREADS = 1
"""ITK threads. One, always: a thread count taken from the machine could make reruns differ."""


def reorient(array: NDArray[Any], source: Grid, target: Grid) -> NDArray[Any]:
    """Turn an array on ``source`` into the array on ``target``, two orientations of one lattice.

    A view with permuted and flipped axes: no value changes and nothing is copied.

    Raises:
        InputError: the array is not on ``source``, or the grids are not the same lattice.
    """
    _check_shape(array, source)
    turn = np.rint(np.linalg.solve(source.affine, target.affine)[:3, :3]).astype(int)
    axes = np.abs(turn).argmax(axis=0)  # the source axis that each target axis runs along
    if sorted(axes.tolist()) == [0, 1, 2]:
        flipped = [turn[axis, step] < 0 for step, axis in enumerate(axes)]
        view = array.transpose(axes.tolist())[tuple(slice(None, None, -1 if f else 1) for f in flipped)]
        to_source = np.zeros((4, 4))
        to_source[3, 3] = 1.0
        for step, (axis, flip) in enumerate(zip(axes, flipped, strict=True)):
            to_source[axis, step] = -1.0 if flip else 1.0
            to_source[axis, 3] = source.shape[axis] - 1 if flip else 0
        i, j, k = view.shape
        if Grid(shape=(i, j, k), affine=source.affine @ to_source).same_as(target):
            return view
    raise InputError("the two grids are not orientations of one lattice", remedy="resample between them instead")


def working_grid(grid: Grid, *, spacing: float, box: Box | None = None, margin_mm: float = 0.0) -> Grid:
    """An isotropic lattice of ``spacing`` mm over ``grid``, along the scan's own directions.

    Its axes are the canonical axes of ``grid`` (for a sheared grid the orthonormal axes nearest to
    them), so that an oblique scan is not turned and its slices stay slices. It covers the voxels of
    ``grid``, or of ``box`` in it, from outer face to outer face, plus ``margin_mm`` on all six sides.

    Centres: the fewest voxels that cover this extent are centred on it, so they overhang by less than
    half a voxel on either side. A 1 mm scan prepared at 1 mm with a whole margin therefore keeps its
    voxel centres and is not interpolated at all.
    """
    axes = grid.canonical().affine[:3, :3]
    u, _, vt = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    directions = u @ vt  # the polar factor: the orthonormal frame nearest to the axes
    lo, hi = (np.zeros(3), np.array(grid.shape)) if box is None else (np.asarray(b, float) for b in box)
    faces = np.array(np.meshgrid(*zip(lo - 0.5, hi - 0.5, strict=True), indexing="ij")).reshape(3, -1).T
    along = grid.to_world(faces) @ directions  # corners of the box in mm along each new axis
    extent = np.ptp(along, axis=0) + 2 * margin_mm
    shape = np.maximum(np.ceil(extent / spacing - 1e-4), 1).astype(int)  # 1e-4: headers are float32
    centre = (along.min(axis=0) + along.max(axis=0)) / 2
    first = centre - (shape - 1) / 2 * spacing
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = directions @ first
    i, j, k = shape.tolist()
    return Grid(shape=(i, j, k), affine=affine)


def resample(
    voxels: NDArray[Any],
    source: Grid,
    target: Grid,
    *,
    interpolation: Literal["linear", "nearest"],
    transform: NDArray[np.float64] | None = None,
    outside: float = 0.0,
) -> NDArray[Any]:
    """Values of ``voxels`` (i, j, k on ``source``) at the voxel centres of ``target``.

    ``transform`` (4, 4) maps RAS mm of the target's world to RAS mm of the source's world (identity
    where left out). Any invertible affine is honoured, sheared and left-handed ones too: ITK is given
    plain index spaces and one affine from target index to source index, so its habit of making
    direction cosines orthonormal never comes into play.

    Nearest returns the dtype given (bool, unsigned and signed integers, float32); linear returns
    float32, where a mask becomes the fraction covered. Up to half a voxel beyond the outermost centres
    (inside the outer faces) the nearest voxels are carried on; farther out is ``outside``. There is no
    smoothing before going to a coarser lattice.

    Raises:
        InputError: the array is not on ``source``.
    """
    _check_shape(voxels, source)
    between = np.eye(4) if transform is None else np.asarray(transform, dtype=np.float64)
    to_source = np.linalg.solve(source.affine, between @ target.affine)
    # ITK's x is an array's last axis. Naming the axes in reverse costs nothing; transposing would copy.
    mapping = sitk.AffineTransform(3)
    mapping.SetMatrix(to_source[2::-1, 2::-1].ravel().tolist())
    mapping.SetTranslation(to_source[2::-1, 3].tolist())
    stored = np.uint8 if voxels.dtype == np.bool_ else voxels.dtype
    image = sitk.GetImageFromArray(
        np.ascontiguousarray(voxels, dtype=np.float32 if interpolation == "linear" else stored)
    )
    sampler = sitk.ResampleImageFilter()
    sampler.SetSize(target.shape[::-1])
    sampler.SetTransform(mapping)
    sampler.SetInterpolator(sitk.sitkLinear if interpolation == "linear" else sitk.sitkNearestNeighbor)
    sampler.SetDefaultPixelValue(float(outside))
    sampler.SetNumberOfThreads(THREADS)
    values: NDArray[Any] = sitk.GetArrayFromImage(sampler.Execute(image))
    return values if interpolation == "linear" else values.astype(voxels.dtype, copy=False)


def bring_back(
    probability: NDArray[np.float32], source: Grid, target: Grid, *, threshold: float, peak: float
) -> NDArray[np.float32]:
    """Probabilities (i, j, k on ``source``) on ``target``: interpolated, no peak lost that lies between its voxels.

    A lesion is told by its highest probability, and that of a small one is the matter of a voxel or two: interpolation
    between it and its neighbours would drop the lesion on one lattice that it keeps on another. So the ``target``'s
    voxel nearest to one that reaches ``peak`` gets its probability, where it is less than a voxel of ``source`` away
    and reaches ``threshold`` by itself: which voxels are lesion does not change. On the same lattice nothing does, nor
    where ``peak`` is no more than ``threshold`` and so no rule. Elsewhere the map holds for this rule, not for others.
    """
    brought: NDArray[np.float32] = np.clip(resample(probability, source, target, interpolation="linear"), 0.0, 1.0)
    if peak <= threshold:
        return brought
    peaks = np.argwhere(probability >= np.float64(peak))
    nearest = np.rint(target.to_index(source.to_world(peaks.astype(np.float64)))).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < target.shape)).all(axis=1)
    away = np.abs(source.to_index(target.to_world(nearest.astype(np.float64))) - peaks).max(axis=1)
    near = away < 1 - 1e-3  # headers are float32, and slices often lie just one voxel away
    peaks, nearest = peaks[inside & near], nearest[inside & near]
    lesion = brought[tuple(nearest.T)] >= np.float64(threshold)
    np.maximum.at(brought, tuple(nearest[lesion].T), probability[tuple(peaks[lesion].T)])
    return brought


def _check_shape(array: NDArray[Any], grid: Grid) -> None:
    if array.shape != grid.shape:
        raise InputError(
            f"an array of shape {array.shape} was handed over with a grid of shape {grid.shape}",
            remedy="give each array the grid it lies on",
        )
