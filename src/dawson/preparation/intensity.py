"""Intensities that mean the same in every scan: zero is background, 1 the median of the brain's parenchyma."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.study import Scan, Study

CEILING = 4.0  # relative to the brain's median; brighter is fat or an artefact, and how much is no matter

BACKGROUND = 0.05  # least share of the voxels that have the background's one value
DARKEST = 0.1  # percentile of a brain that counts as black where a standardised scan does not tell
NEGATIVE_SHARE = 0.2  # of the voxels that are not zero; more below zero is no magnitude image


def from_zero(voxels: Image) -> tuple[Image, str | None]:
    """Make the background zero, as it is on magnitude images; say so where the scan was rescaled.

    Scans standardised to mean zero have negative voxels by the million. Where one value, the smallest,
    fills the background, that value is subtracted. Where the background is zero around a brain of both signs, as tools
    leave it that standardise within a mask, the brain's darkest voxels, fluid mostly, are taken for black: what zero
    was there, nobody can tell. What is largely below zero without any background stays as it is, with a warning.
    """
    lowest = float(voxels.min())
    if lowest >= 0:
        return voxels, None
    negative = np.count_nonzero(voxels < 0)
    if negative < NEGATIVE_SHARE * np.count_nonzero(voxels):
        return voxels, None  # ringing of an interpolation, say
    if np.count_nonzero(voxels == lowest) > BACKGROUND * voxels.size:
        return voxels - np.float32(lowest), "was standardised; its background was set back to zero"
    background = voxels == 0
    if np.count_nonzero(background) > BACKGROUND * voxels.size:
        black = np.float32(np.percentile(voxels[~background], DARKEST))
        lifted: Image = np.where(background, np.float32(0), np.maximum(voxels - black, 0))
        return lifted, "was standardised within a mask; its darkest voxels were taken for black, which is a guess"
    return voxels, "is largely below zero: give the scan as it was before it was standardised"


def scan_from_zero(scan: Scan) -> Scan:
    """A scan whose voxels :func:`from_zero` has set, with a warning where it had to; of such a scan, the same again.

    This comes before any other step of preparation: boxes, thresholds, registration and resampling all take zero for
    what is no tissue.
    """
    voxels, warning = from_zero(scan.voxels)
    warnings = scan.warnings if warning is None or warning in scan.warnings else (*scan.warnings, warning)
    same = voxels is scan.voxels and warnings is scan.warnings
    return scan if same else replace(scan, voxels=voxels, warnings=warnings)


def study_from_zero(study: Study) -> Study:
    """A study of scans that are set from zero, each as :func:`scan_from_zero` has it."""
    return replace(study, scans={modality: scan_from_zero(scan) for modality, scan in study.scans.items()})


def rough_scale(voxels: Image) -> float:
    """A scale for a scan whose brain is not known yet: its contraharmonic mean, Σx² / Σx.

    Tissue counts by its brightness, so the noise of air counts little, and no threshold has to tell them apart. What is
    very bright is cut off at the 99.5th percentile of what is positive. 1 for an image of zeros.
    """
    positive = voxels[voxels > 0]
    if positive.size == 0:
        return 1.0
    cut = np.minimum(positive, np.percentile(positive, 99.5)).astype(np.float64)
    return float(np.square(cut).sum() / cut.sum())


def brain_median(voxels: Image, parenchyma: Mask) -> float:
    """Median intensity of the parenchyma; robust to lesion load and to what lies outside the brain.

    Zeros are no tissue but what a tool or a field of view has cut away. 0 where nothing else is there.
    """
    shown = voxels[parenchyma]
    shown = shown[shown > 0]
    return float(np.median(shown)) if shown.size else 0.0


def normalise(voxels: Image, scale: float) -> Image:
    """Divide by ``scale`` and clip to [0, :data:`CEILING`]; zero stays zero."""
    scaled: Image = np.clip(voxels / np.float32(scale), 0.0, CEILING).astype(np.float32, copy=False)
    return scaled
