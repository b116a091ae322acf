"""The one brain among all that a network takes for brain."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from dawson.study import Mask

BRIDGE_MM = 2.0  # strips thinner than twice this do not connect
REACH_MM = 8.0  # cortex and the fluid on it lie this near to white matter; scalp lies farther out


def find_brain(candidates: Mask, core: Mask, *, spacing: float) -> Mask:
    """What belongs to the brain, of all that may.

    ``core`` (i, j, k) marks what lies inside of cortex and fluid: white matter, deep grey matter, cerebellum and
    brain-stem. Its largest connected piece, thin bridges cut, is taken for the inside of the one brain;
    ``candidates`` (i, j, k) near to it are the brain. Scalp or neck muscle that was taken for cortex has no such
    inside, or lies apart. Isotropic grid of ``spacing`` mm; all false where no core survives.
    """
    bridge = round(BRIDGE_MM / spacing)  # none where voxels are as wide as what it is to cut
    image = sitk.GetImageFromArray(core.astype(np.uint8))
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(sitk.BinaryErode(image, [bridge] * 3, sitk.sitkBall)))
    inside = pieces == 1
    # A distance map costs the same for any reach; a dilation by a large ball does not.
    apart = sitk.SignedMaurerDistanceMap(inside, squaredDistance=False, useImageSpacing=False)
    near = sitk.GetArrayFromImage(apart) <= (bridge + REACH_MM / spacing)
    if not sitk.GetArrayViewFromImage(inside).any():
        near[:] = False
    found: Mask = near & candidates
    return found
