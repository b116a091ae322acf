"""The brain's own frame: its mid-sagittal plane, and its extent along x, y and z."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Labels
from dawson.core.grid import Grid

POINTS = 8000  # of the brain that are mirrored
LEAST_POINTS = 200
STEPS_MM = (8.0, 4.0, 2.0, 1.0, 0.5)  # of the search, at the surface of a brain
ARM_MM = 60.0  # from its middle
STEEPEST = 0.5  # slope, some 27 degrees: no head lies so in a scanner
EXTENT = (0.5, 99.5)  # percentiles of the brain along x, y and z that count as its ends

World = NDArray[np.float64]


@dataclass(frozen=True)
class Midplane:
    """The plane x = ``a`` + ``b`` y + ``c`` z in RAS+ mm that divides the brain into left and right."""

    a: float
    b: float
    c: float

    @property
    def normal(self) -> World:
        """The unit vector (3,) across it, to the patient's right."""
        across = np.array([1.0, -self.b, -self.c])
        return across / float(np.linalg.norm(across))

    def distance(self, world: World) -> World:
        """Signed distances (...) in mm of points (..., 3): positive to the patient's right."""
        normal = self.normal
        apart: World = world @ normal - self.a * normal[0]
        return apart


@dataclass(frozen=True, eq=False)
class Frame:
    """The brain's own frame: its mid-sagittal plane, and its ends ``low`` and ``high`` (3,) along x, y, z in mm."""

    plane: Midplane
    low: World
    high: World


def find_frame(anatomy: Labels, grid: Grid) -> Frame | None:
    """The frame of a brain from its labels (i, j, k) on ``grid``; None where there is too little of it.

    The plane is the one across which the labels mirror best: the largest share of points of the brain has the same
    label on the other side. It is searched for from the plane x = constant through the brain's middle, by ever smaller
    shifts and tilts. (Mid-points of the outline alone would not do: those of a ball do not tilt with it.)
    """
    inside = np.flatnonzero(anatomy)
    points = np.stack(np.unravel_index(inside[:: max(inside.size // POINTS, 1)], anatomy.shape), axis=1)
    if len(points) < LEAST_POINTS:
        return None
    labels = anatomy[tuple(points.T)]
    world = grid.to_world(points.astype(np.float64))
    low, high = np.percentile(world, EXTENT, axis=0)
    centre = (low + high) / 2
    from_centre = world - centre
    inverse = np.linalg.inv(grid.affine)
    last = np.array(grid.shape) - 1

    def symmetry(slopes: World) -> float:
        plane = Midplane(*slopes.tolist())
        mirrored = from_centre - 2 * plane.distance(from_centre)[:, None] * plane.normal
        index = np.rint((mirrored + centre) @ inverse[:3, :3].T + inverse[:3, 3]).astype(np.int64)
        index = np.clip(index, 0, last)
        return float(np.mean(anatomy[index[:, 0], index[:, 1], index[:, 2]] == labels))

    a, b, c = _climb(symmetry).tolist()
    x, y, z = centre.tolist()
    return Frame(Midplane(a + x - b * y - c * z, b, c), low, high)


def _climb(score: Callable[[World], float]) -> World:
    """The (a, b, c) of the plane with the highest score, by a pattern search from (0, 0, 0)."""
    best = np.zeros(3)
    highest = score(best)
    for step in STEPS_MM:
        better = True
        while better:
            better = False
            for move in np.concatenate([np.eye(3), -np.eye(3)]) * (step, step / ARM_MM, step / ARM_MM):
                tried = best + move
                if np.abs(tried[1:]).max() <= STEEPEST and (reached := score(tried)) > highest:
                    best, highest, better = tried, reached, True
    return best
