"""The region of each lesion, by stated rules on the model's own anatomy labels.

The regions are those that the McDonald criteria count (Thompson et al., Lancet Neurology 2018), and the limits of
what a brain MRI shows are told with them. The order of the rules matters: a cerebellar lesion lies beside
cerebellar cortex and the fourth ventricle, which the labels do not tell from the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Labels, Mask
from dawson.core.grid import Grid
from dawson.measurement.anatomy import BELOW_TENTORIUM, CORTEX, TISSUE, VENTRICLES, label_lookup

TOUCH_MM = 1.5
"""Centres of two voxels closer than this touch: at 1 mm, voxels that share a face or an edge.

Criteria ask for contact without white matter between, and one further millimetre would already be some."""

CONTACT_MM = 3.5
"""Neighbouring slices whose centres lie farther apart than this say nothing about contact.

3 mm, with a gap of up to a tenth, is the thickest that consensus protocols for MS allow (Wattjes et al., Lancet
Neurology 2021). There a voxel still touches the one above it; on thicker slices a ventricle in the next slice may be
a whole slice thickness away, so contact is only looked for within the slice."""

AROUND_MM = (3.0, 10.0)
"""How far the surroundings of a lesion reach, where the labels under it are fluid or outside; farther if need be."""

RULES = (
    "Each lesion belongs to the first region whose rule it meets. Infratentorial: most of its voxels with a tissue "
    "label are brain-stem or cerebellum (where most of the lesion has no tissue label, most of the tissue around it). "
    f"Periventricular: one of its voxels lies within {TOUCH_MM:g} mm of a ventricle voxel, centre to centre. "
    f"Juxtacortical or cortical: one of its voxels is, or lies within {TOUCH_MM:g} mm of, a cortex voxel. Deep white "
    "matter: all others. A step between neighbouring voxels that is longer than that counts as contact too, but from "
    f"slice to slice only up to {CONTACT_MM:g} mm. The anatomy is the model's own, with its errors. The spinal cord "
    "and the optic nerve are outside of what a brain MRI shows."
)

Points = NDArray[np.int64]


def find_regions(pieces: list[Points], anatomy: Labels, names: Mapping[int, str], grid: Grid) -> list[str]:
    """The region of each lesion by :data:`RULES`.

    Args:
        pieces: voxels (n, 3) of each lesion on ``grid``.
        anatomy: (i, j, k) labels on ``grid``.
        names: what the labels mean; see :mod:`dawson.measurement.anatomy`.
        grid: any orientation, spacing and obliqueness.
    """
    if not pieces:
        return []
    number = np.repeat(np.arange(len(pieces)), [len(piece) for piece in pieces])
    voxels = np.concatenate(pieces)
    steps = touching_steps(grid)
    ventricle = _touched(voxels, number, label_lookup(names, (VENTRICLES,))[anatomy], steps)
    cortex = _touched(voxels, number, label_lookup(names, (CORTEX,))[anatomy], steps)
    regions = []
    for identity, piece in enumerate(pieces):
        if _is_infratentorial(piece, anatomy, names, grid):
            regions.append("infratentorial")
        elif ventricle[identity]:
            regions.append("periventricular")
        else:
            regions.append("juxtacortical" if cortex[identity] else "deep")
    return regions


def touching_steps(grid: Grid) -> Points:
    """Steps (n, 3) in voxels, none among them, that lead from a voxel to those it touches: see :data:`TOUCH_MM`."""
    spacing = np.array(grid.spacing)
    across = int(spacing.argmax())
    reach = spacing.copy()
    for axis, step in enumerate(spacing):
        if step > TOUCH_MM and (axis != across or step <= CONTACT_MM):
            reach[axis] = TOUCH_MM  # a neighbour touches, whatever its size; a diagonal one does not
    vectors = grid.affine[:3, :3] / spacing * reach
    most = np.ceil(TOUCH_MM / reach).astype(int) + 1  # one more: axes need not be orthogonal
    steps = np.stack(np.meshgrid(*[np.arange(-n, n + 1) for n in most], indexing="ij"), axis=-1).reshape(-1, 3)
    near = np.linalg.norm(steps @ vectors.T, axis=1) <= TOUCH_MM * (1 + 1e-3)  # headers are float32
    touching: Points = steps[near]
    return touching


def _touched(voxels: Points, number: NDArray[np.int64], target: Mask, steps: Points) -> Mask:
    """For each number, whether any of its voxels (n, 3) comes upon the target (i, j, k) by one of the steps."""
    rim = int(np.abs(steps).max())
    low, high = voxels.min(axis=0) - rim, voxels.max(axis=0) + rim + 1
    box = _padded_box(target, low, high)
    strides = np.array([box.shape[1] * box.shape[2], box.shape[2], 1])
    flat, places = box.ravel(), (voxels - low) @ strides
    touched = np.zeros(int(number[-1]) + 1, dtype=bool)
    for step in (steps @ strides).tolist():
        touched[number[flat[places + step]]] = True
    return touched


def _padded_box(target: NDArray[np.generic], low: Points, high: Points) -> NDArray[np.generic]:
    """The box [low, high) of an array, zero where it reaches beyond."""
    first, last = np.maximum(low, 0), np.minimum(high, target.shape)
    inside = target[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    return np.pad(inside, np.stack([first - low, high - last], axis=1).tolist())


def _is_infratentorial(piece: Points, anatomy: Labels, names: Mapping[int, str], grid: Grid) -> bool:
    tissue, below = label_lookup(names, TISSUE), label_lookup(names, BELOW_TENTORIUM)
    under = anatomy[tuple(piece.T)]
    known = under[tissue[under]]
    if 2 * len(known) < len(under):
        known = _tissue_around(piece, anatomy, tissue, grid)
    return 2 * int(np.count_nonzero(below[known])) > len(known)


def _tissue_around(piece: Points, anatomy: Labels, tissue: Mask, grid: Grid) -> Labels:
    """Tissue labels (n,) near a lesion, which itself does not count."""
    for reach in AROUND_MM:
        rim = np.ceil(reach / np.array(grid.spacing)).astype(np.int64)
        low = np.maximum(piece.min(axis=0) - rim, 0)
        high = np.minimum(piece.max(axis=0) + rim + 1, grid.shape)
        outside = np.ones(high - low, dtype=bool)
        outside[tuple((piece - low).T)] = False
        apart = ndimage.distance_transform_edt(outside, sampling=grid.spacing)
        labels = anatomy[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
        near: Labels = labels[outside & (apart <= reach) & tissue[labels]]
        if len(near):
            break
    return near
