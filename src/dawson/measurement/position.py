"""Where a lesion lies, in words: its side of the mid-sagittal plane, and its place along the brain's extent.

No lobe is named: the coarse anatomy does not tell lobes apart.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawson.core.grid import Grid
from dawson.measurement.brain_frame import Frame

MIDLINE_MM = 3.0  # a centroid this near to the plane lies on neither side
SPANNING = 0.1  # share of a lesion's voxels beyond that on each side, from which on it spans the midline

FRONT_TO_BACK = ("posterior third", "central third", "anterior third")
HEIGHT = ("lower third", "middle height", "upper third")

POSITION_RULES = (
    "The side is the patient's. It is told by the centroid's distance to a plane through the middle of the brain: "
    f"within {MIDLINE_MM:g} mm, or where a tenth of the lesion or more lies farther than that on each side, it is "
    "midline. Thirds are those of the brain's extent from back to front and from bottom to top. No lobe is named, for "
    "the model cannot tell lobes apart."
)

Points = NDArray[np.int64]


def describe_position(piece: Points, grid: Grid, frame: Frame) -> tuple[str, str]:
    """The side of a lesion with voxels (n, 3) on ``grid``, and its position in words."""
    world = grid.to_world(piece.astype(np.float64))
    centroid = world.mean(axis=0)
    apart = frame.plane.distance(world)
    beyond = min(float(np.mean(apart > MIDLINE_MM)), float(np.mean(apart < -MIDLINE_MM)))
    middle = float(frame.plane.distance(centroid))
    side = "right" if middle > 0 else "left"
    if abs(middle) <= MIDLINE_MM or beyond >= SPANNING:
        side = "midline"
    share = (centroid - frame.low) / np.maximum(frame.high - frame.low, 1e-9)
    _, front, up = np.clip(np.floor(share * 3), 0, 2).astype(int).tolist()
    return side, f"{side}, {FRONT_TO_BACK[front]}, {HEIGHT[up]}"
