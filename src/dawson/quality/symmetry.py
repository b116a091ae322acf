"""Check whether both halves of the brain are there."""

from __future__ import annotations

import numpy as np

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.result import Check
from dawson.measurement.brain_frame import Frame

LEAST_HALVES = 0.85  # the smaller half of a brain by the larger
LEAST_WIDTH = 0.6  # width by length; narrower than any skull, so that a side must be missing


def check_symmetry(brain: Mask, grid: Grid, frame: Frame | None) -> Check:
    """Whether both halves of the brain are there, and what no check can tell about left and right."""
    swapped = "a header that swaps left and right cannot be seen in an image"
    if frame is None:
        return Check("left and right", "warn", f"The middle of the brain was not found; and {swapped}.")
    step = [max(round(2.0 / edge), 1) for edge in grid.spacing]
    world = grid.to_world((np.argwhere(brain[:: step[0], :: step[1], :: step[2]]) * step).astype(np.float64))
    right = int(np.count_nonzero(frame.plane.distance(world) > 0))
    left = len(world) - right
    ratio = min(left, right) / max(left, right, 1)
    width, length, _ = (frame.high - frame.low).tolist()
    figures = {"smaller_to_larger_half": round(ratio, 3), "width_mm": round(width, 1), "length_mm": round(length, 1)}
    if ratio < LEAST_HALVES or width < LEAST_WIDTH * length:
        words = (
            f"The halves of the brain are unlike (volumes 1 to {ratio:.2f}, {width:.0f} mm wide and {length:.0f} mm "
            f"long): part of one may be missing; and {swapped}."
        )
        return Check("left and right", "warn", words, figures)
    words = f"Both halves of the brain are alike in volume (1 to {ratio:.2f}); but {swapped}."
    return Check("left and right", "pass", words, figures)
