"""Checks of the brain's shape and size: cut off, lopsided, or unusually large or small."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.result import Check
from dawson.measurement.location import Frame

RADIUS_MM = 70.0  # of the sphere that the ends of a brain resemble
FLAT_MM2 = 800.0  # that the last slice may show beyond twice the cap of such a sphere
MISSING_MM2 = 6000.0  # beyond it: a cut right through the brain, of which half a slice has some 12,000
STEM_MM2 = 1200.0  # of brain-stem at the lower end of any scan: that is where it goes on as spinal cord

LEAST_HALVES = 0.85  # the smaller half of a brain by the larger
LEAST_WIDTH = 0.6  # width by length; narrower than any skull, so that a side must be missing
LIKE_BRAINS, UNLIKE_BRAINS = 0.7, 0.5  # Dice of the locator's coarse brain and the model's: below, warn; fail
CUT_CM2 = 10.0  # of brain at a side of the box that the locator drew
USUAL_BRAIN_ML = (800.0, 1800.0)  # parenchyma of adults with room to spare

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


def check_halves(brain: Mask, grid: Grid, frame: Frame | None) -> Check:
    """Whether both halves of the brain are there, and what no check can tell about left and right."""
    unseen = "a header that swaps left and right cannot be seen in an image"
    if frame is None:
        return Check("left and right", "warn", f"The middle of the brain was not found; and {unseen}.")
    step = [max(round(2.0 / edge), 1) for edge in grid.spacing]
    world = grid.to_world((np.argwhere(brain[:: step[0], :: step[1], :: step[2]]) * step).astype(np.float64))
    right = np.count_nonzero(frame.plane.distance(world) > 0)
    left = len(world) - right
    ratio = min(left, right) / max(left, right, 1)
    width, length, _ = (frame.high - frame.low).tolist()
    figures = {"smaller_to_larger_half": round(ratio, 3), "width_mm": round(width, 1), "length_mm": round(length, 1)}
    if ratio < LEAST_HALVES or width < LEAST_WIDTH * length:
        words = (
            f"The halves of the brain are unlike (volumes 1 to {ratio:.2f}, {width:.0f} mm wide and {length:.0f} mm "
            f"long): part of one may be missing; and {unseen}."
        )
        return Check("left and right", "warn", words, figures)
    words = f"Both halves of the brain are alike in volume (1 to {ratio:.2f}); but {unseen}."
    return Check("left and right", "pass", words, figures)


def check_brain_volume(brain_ml: float) -> Check:
    """Whether the brain is as large as those of adults."""
    low, high = USUAL_BRAIN_ML
    figures: dict[str, float | str | None] = {"brain_ml": round(brain_ml, 3)}
    if low <= brain_ml <= high:
        return Check("brain volume", "pass", f"The brain of {brain_ml:.0f} ml is as large as usual.", figures)
    words = (
        f"A brain of {brain_ml:.0f} ml is unusual ({low:.0f} to {high:.0f} ml are usual): part of it may be cut off, "
        "or the model has misjudged it."
    )
    return Check("brain volume", "warn", words, figures)


@dataclass(frozen=True)
class Outline:
    """The brain as it was looked for and as the model found it: Dice, and how much of the latter is cut off.

    ``cut_cm2`` is the area of brain at a side of the box that the model was shown, where the head goes on.
    """

    dice: float
    cut_cm2: float

    @property
    def doubtful(self) -> bool:
        """Whether the two are too unlike for the model to have seen the whole brain as it is used to."""
        return self.dice < LIKE_BRAINS or self.cut_cm2 > CUT_CM2


def check_outline(outline: Outline) -> Check:
    """Whether two looks at a head took the same for brain: the locator's at the whole, and the model's near by.

    A scan that is scaled and framed by something else than the brain shows the model what it has never seen, or only
    a part of the brain.
    """
    figures: dict[str, float | str | None] = {"dice": round(outline.dice, 3), "cut_cm2": round(outline.cut_cm2, 2)}
    disagree = f"Two looks at the head disagree on where the brain is (Dice {outline.dice:.2f}): "
    never = "neither lesions nor volumes must be used."
    if outline.cut_cm2 > CUT_CM2:
        words = f"The brain goes on where nobody looked ({outline.cut_cm2:.0f} cm² of it at one side): {never}"
        return Check("brain outline", "fail", words, figures)
    if outline.dice < UNLIKE_BRAINS:
        return Check("brain outline", "fail", disagree + never, figures)
    if outline.dice < LIKE_BRAINS:
        return Check("brain outline", "warn", disagree + "look whether the anatomy is right.", figures)
    return Check(
        "brain outline",
        "pass",
        f"Two looks at the head agree on where the brain is (Dice {outline.dice:.2f}).",
        figures,
    )
