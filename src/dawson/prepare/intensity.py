"""Intensities that mean the same in every scan: 1 is the median of the brain's parenchyma."""

from __future__ import annotations

import numpy as np

from dawson.study import Mask, Volume

CEILING = 4.0  # relative to the brain's median; brighter is fat or an artefact, and how much is no matter


NEGATIVE_SHARE = 0.2  # of the voxels that are not zero; more below zero is no magnitude image


def from_zero(voxels: Volume) -> tuple[Volume, str | None]:
    """Make the background zero, as it is on magnitude images; say so where the scan was rescaled.

    Scans standardised to mean zero have negative voxels by the million. Where one value, the smallest,
    fills the background, that value is subtracted. A background of zero amid a brain of both signs cannot
    be undone: it stays as it is, with a warning.
    """
    lowest = float(voxels.min())
    if lowest >= 0:
        return voxels, None
    negative = np.count_nonzero(voxels < 0)
    if negative < NEGATIVE_SHARE * np.count_nonzero(voxels):
        return voxels, None  # ringing of an interpolation, say
    if np.count_nonzero(voxels == lowest) > 0.05 * voxels.size:
        return voxels - np.float32(lowest), "was standardised; its background was set back to zero"
    return voxels, "is largely below zero: give the scan as it was before it was standardised"


def first_guess(voxels: Volume) -> float:
    """A scale for a scan whose brain is not known yet.

    The median of what is brighter than an eighth of the brightest: on whole heads about the brain, since
    air and bone are dark and bright fat is little; on stripped brains the brain itself.
    """
    positive = voxels[voxels > 0]
    if positive.size == 0:
        return 1.0
    ceiling = np.percentile(positive, 99.5)
    foreground = positive[(positive > 0.12 * ceiling) & (positive < ceiling)]
    return float(np.median(foreground)) if foreground.size else float(ceiling)


def brain_median(voxels: Volume, parenchyma: Mask) -> float:
    """Median intensity of the parenchyma; robust to lesion load and to what lies outside the brain."""
    return float(np.median(voxels[parenchyma]))


def normalise(voxels: Volume, scale: float) -> Volume:
    """Divide by ``scale`` and clip to [0, :data:`CEILING`]; zero stays zero."""
    scaled: Volume = np.clip(voxels / np.float32(scale), 0.0, CEILING).astype(np.float32, copy=False)
    return scaled
