"""The one brain among all that a network takes for brain."""

from __future__ import annotations

import numpy as np
import SimpleITK as sitk

from dawson.study import Mask

BRIDGE_MM = 2.0  # strips thinner than twice this, such as scalp taken for cortex, do not connect
REGROW_MM = 3.0  # what the opening took from gyri and cerebellum comes back from the mask itself


def largest_piece(mask: Mask, *, spacing: float) -> Mask:
    """The largest connected piece of a mask (i, j, k) on an isotropic grid of ``spacing`` mm.

    The mask is opened with a ball first, so that thin bridges do not count as connection; the largest
    piece of what is left is grown again within the mask. All false where nothing survives the opening.
    """
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    core = sitk.BinaryErode(image, [max(round(BRIDGE_MM / spacing), 1)] * 3, sitk.sitkBall)
    pieces = sitk.RelabelComponent(sitk.ConnectedComponent(core))
    reach = max(round(BRIDGE_MM / spacing), 1) + max(round(REGROW_MM / spacing), 1)
    grown = sitk.BinaryDilate(pieces == 1, [reach] * 3, sitk.sitkBall)
    found: Mask = (sitk.GetArrayFromImage(grown) > 0) & mask
    return found
