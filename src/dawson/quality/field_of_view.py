"""Check whether a scan shows the whole brain."""

from __future__ import annotations

import numpy as np

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.result import Check
from dawson.measurement.volumes import USUAL_BRAIN_ML

RADIUS_MM = 70.0  # of the sphere that the ends of a brain resemble
FLAT_MM2 = 800.0  # that the last slice may show beyond twice the cap of such a sphere
MISSING_MM2 = 6000.0  # beyond it: a cut right through the brain, of which half a slice has some 12,000
STEM_MM2 = 1200.0  # of brain-stem at the lower end of any scan: that is where it goes on as spinal cord

ENDS = {"R": "right", "L": "left", "A": "front", "P": "back", "S": "upper", "I": "lower"}
OPPOSITE = {"R": "L", "L": "R", "A": "P", "P": "A", "S": "I", "I": "S"}


def check_field_of_view(brain: Mask, stem: Mask, grid: Grid) -> Check:
    """Whether the brain ends as a brain does, or flat as where a scan stops.

    The area of brain in the last slice that shows any, at all six ends, is compared with that of a rounded end cut
    into slices of the same thickness. Where less brain than usual is left, half the excess tells that a large part is
    missing. ``brain`` and ``stem`` are (i, j, k) on ``grid``.
    """
    figures: dict[str, float | str | None] = {}
    cut, missing = [], False
    # Thick slices allow for much; what is left of the brain then tells whether a large part is gone.
    small = np.count_nonzero(brain) * grid.voxel_volume / 1000.0 < USUAL_BRAIN_ML[0]
    for axis, letter in enumerate(grid.orientation):
        across = tuple(other for other in range(3) if other != axis)
        area = grid.voxel_volume / grid.spacing[axis]
        filled = np.count_nonzero(brain, axis=across) * area
        holding = np.flatnonzero(filled)
        if not holding.size:
            continue
        allowed = FLAT_MM2 + 2 * 2 * np.pi * RADIUS_MM * grid.spacing[axis]
        for place, toward in ((holding[-1], letter), (holding[0], OPPOSITE[letter])):
            shown = float(filled[place])
            if toward == "I":
                shown -= min(float(np.count_nonzero(stem.take(place, axis))) * area, STEM_MM2)
            figures[f"{ENDS[toward]}_end_cm2"] = round(shown / 100, 2)
            if shown > allowed:
                cut.append(ENDS[toward])
                missing |= shown > allowed + (MISSING_MM2 / 2 if small else MISSING_MM2)
    if not cut:
        return Check("field of view", "pass", "The whole brain lies within the field of view.", figures)
    much = (
        "a large part of the brain is missing, so lesion load and volumes must not be used"
        if missing
        else ("some brain may lie outside, whose lesions and volume are not counted")
    )
    ends = " and ".join(dict.fromkeys(cut))
    words = f"The brain is cut off at its {ends} end: {much}."
    return Check("field of view", "fail" if missing else "warn", words, figures)
