"""The one brain among all that a network takes for brain."""

from __future__ import annotations

import itertools

import numpy as np
import SimpleITK as sitk

from dawson.core.arrays import Mask, bounding_box

BRIDGE_MM = 2.0  # strips thinner than twice this are no part of the brain's middle
BLADE_MM = 20.0  # white matter of a gyrus is as thin as a strip, but ends this near to the middle
REACH_MM = 8.0  # cortex and the fluid on it lie this near to white matter; scalp lies farther out


def find_brain(candidates: Mask, core: Mask, *, spacing: float) -> Mask:
    """What belongs to the brain, of all that may.

    ``core`` (i, j, k) marks what lies inside of cortex and fluid: white matter, deep grey matter, cerebellum and
    brain-stem. Its largest connected piece, thin bridges cut, is taken for the middle of the one brain; what hangs on
    it, however thin, belongs to it for as far as the white matter of gyri reaches. ``candidates`` (i, j, k) near to
    that are the brain, and so are those that these enclose: the middle of wide ventricles. Scalp or neck muscle that
    was taken for cortex has no such inside, or lies apart. Isotropic grid of ``spacing`` mm; all false where no core
    survives.
    """
    bridge = round(BRIDGE_MM / spacing)  # none where voxels are as wide as what it is to cut
    found = np.zeros_like(candidates)
    if core.any():
        box = bounding_box(candidates | core, margin=bridge)
        found[box] = _in_box(candidates[box], core[box], bridge, spacing)
    return found


def _in_box(candidates: Mask, core: Mask, bridge: int, spacing: float) -> Mask:
    image = sitk.GetImageFromArray(core.astype(np.uint8))
    eroded = sitk.GetImageFromArray(_eroded(core, bridge).astype(np.uint8))
    middle = sitk.RelabelComponent(sitk.ConnectedComponent(eroded)) == 1
    somewhere = int(sitk.GetArrayViewFromImage(middle).argmax())  # one of its voxels, where it has any
    if not sitk.GetArrayViewFromImage(middle).flat[somewhere]:
        return np.zeros_like(candidates)
    pieces = sitk.ConnectedComponent(sitk.And(image, _within(middle, BLADE_MM / spacing)))
    inside = pieces == int(sitk.GetArrayViewFromImage(pieces).flat[somewhere])
    near = sitk.And(sitk.GetImageFromArray(candidates.astype(np.uint8)), _within(inside, REACH_MM / spacing))
    return candidates & ~_outside(near)


def _outside(mask: sitk.Image) -> Mask:
    """What a mask neither holds nor encloses: the pieces of the rest, by faces, that reach the border of the image."""
    pieces = sitk.GetArrayFromImage(sitk.ConnectedComponent(mask == 0))
    sides = [pieces.take(end, axis).ravel() for axis in range(3) for end in (0, -1)]
    reaching = np.zeros(int(pieces.max()) + 1, dtype=bool)
    reaching[np.concatenate(sides)] = True
    reaching[0] = False
    outside: Mask = reaching[pieces]
    return outside


def _within(mask: sitk.Image, voxels: float) -> sitk.Image:
    """What lies no farther than so many voxels from a mask: a distance map costs the same for any reach."""
    apart = sitk.SignedMaurerDistanceMap(mask, squaredDistance=False, useImageSpacing=False)
    near: sitk.Image = apart <= voxels
    return near


def _eroded(mask: Mask, radius: int) -> Mask:
    """A mask (i, j, k) without what lies within a ball's reach of its outside; beyond the array nothing is outside.

    The ball has half a voxel more than ``radius``, as ITK's has, whose own erosion takes several times as long.
    """
    i, j, k = mask.shape
    steps = range(-radius, radius + 1)
    reach = (radius + 0.5) ** 2
    padded = np.pad(mask, radius, constant_values=True)
    along = {0: padded[:, :, radius : radius + k]}  # for each half width, what a line along k that wide leaves
    for half in range(1, radius + 1):
        sides = padded[:, :, radius - half :][:, :, :k] & padded[:, :, radius + half :][:, :, :k]
        along[half] = along[half - 1] & sides
    left = np.ones_like(mask)
    for a, b in itertools.product(steps, steps):
        if a * a + b * b <= reach:
            half = min(int(np.sqrt(reach - a * a - b * b)), radius)
            left &= along[half][radius + a :, radius + b :][:i, :j]
    return left
