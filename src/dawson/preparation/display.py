"""Scans brought to the reference and to 256 greys, for pictures and viewers."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image, Mask
from dawson.core.study import Modality, Study
from dawson.preparation.intensity import from_zero, scan_from_zero
from dawson.preparation.resample import resample

BRIGHT = 99.5  # percentile within the brain
ROOM = 1.15  # above it, so that the brightest lesions and the scalp are told from plain white

WINDOW = (
    f"0 is black and {ROOM:g} times the {BRIGHT:g}th percentile within the brain is white, sequence by sequence; "
    "a scan with values below zero begins at the 1st percentile within the brain"
)


def show(
    study: Study, used: tuple[Modality, ...], matrices: Mapping[Modality, NDArray[np.float64]], brain: Mask
) -> dict[Modality, NDArray[np.uint8]]:
    """The reference and every further used scan, each uint8 (i, j, k) on the grid of the reference.

    Args:
        study: the scans.
        used: sequences to show beside the reference.
        matrices: (4, 4) each, from RAS mm of the reference to RAS mm of the scan; identity where there is none.
        brain: (i, j, k) on the reference's grid, which :data:`WINDOW` is taken from (from all where empty).
    """
    reference = study.reference
    shown = {}
    for modality in dict.fromkeys((reference.modality, *used)):
        scan, matrix = scan_from_zero(study.scans[modality]), matrices.get(modality)
        voxels = scan.voxels
        if not (scan.grid.same_as(reference.grid) and (matrix is None or np.array_equal(matrix, np.eye(4)))):
            voxels = resample(voxels, scan.grid, reference.grid, transform=matrix, interpolation="linear")
        shown[modality] = windowed(voxels, brain)
    return shown


def windowed(voxels: Image, brain: Mask) -> NDArray[np.uint8]:
    """Voxels (i, j, k) in 256 greys as :data:`WINDOW` says."""
    voxels, _ = from_zero(voxels)
    inside = voxels[brain] if brain.any() else voxels
    low, high = np.percentile(inside, (1.0, BRIGHT))
    low = min(float(low), 0.0)
    span = max((float(high) - low) * ROOM, 1e-12)
    scaled = (voxels - np.float32(low)) * np.float32(255.0 / span)
    greys: NDArray[np.uint8] = np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8)
    return greys
