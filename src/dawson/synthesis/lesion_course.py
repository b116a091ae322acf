"""Lesions over time: from one visit to the next some grow, shrink, vanish or appear, most stay as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

MARGIN = 4  # voxels around a lesion that it may grow into
ABSENT = -100.0  # mm: less than any lesion is deep
GROW, SHRINK, VANISH, APPEAR = 0.06, 0.04, 0.015, 0.06  # chances a lesion and visit; of APPEAR, a lesion in all
GROWTH_MM = (0.5, 2.0)  # of the border, where it moves

Box = tuple[slice, slice, slice]


@dataclass(frozen=True, eq=False)
class Course:
    """The lesions of one patient at each of a number of visits.

    ``depth`` holds, by lesion, the box around it and how far each voxel of the box lies outside its first
    outline, in mm (negative inside), roughened; ``border`` (visits, lesions) is where its outline
    stands at each visit on that scale; ``allowed`` (n, n, n) is the tissue that lesions may lie in.
    """

    numbers: tuple[int, ...]
    depth: tuple[tuple[Box, NDArray[np.float32]], ...]
    border: NDArray[np.float64]
    allowed: NDArray[np.bool_]

    def at(self, visit: int) -> Tensor:
        """Numbers (n, n, n) of the lesions at a visit, 0 elsewhere."""
        found = np.zeros(self.allowed.shape, dtype=np.int64)
        for number, (box, depth), border in zip(self.numbers, self.depth, self.border[visit], strict=True):
            part = found[box]
            part[(depth < border) & self.allowed[box] & (part == 0)] = number
        return torch.from_numpy(found)


def draw_course(component: Tensor, allowed: Tensor, visits: int, rng: np.random.Generator) -> Course:
    """Draw what becomes of lesions numbered in ``component`` (n, n, n).

    Without visits before or after, they are just as they are. Voxels are 1 mm. How active the disease is
    differs between patients: some change nothing for years.
    """
    numbered = component.numpy()
    where = np.argwhere(numbered)
    found = numbered[tuple(where.T)]
    order = np.argsort(found, kind="stable")
    numbers, first = np.unique(found[order], return_index=True)
    depth = []
    for voxels in np.split(where[order], first[1:]) if len(numbers) else ():
        low = np.maximum(voxels.min(axis=0) - MARGIN, 0)
        high = np.minimum(voxels.max(axis=0) + 1 + MARGIN, numbered.shape)
        box = (slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2]))
        inside = np.zeros(high - low, dtype=np.uint8)
        inside[tuple((voxels - low).T)] = 1
        depth.append((box, _depth(inside, rng)))
    border = _draw_borders(len(numbers), visits, rng)
    return Course(tuple(int(n) for n in numbers), tuple(depth), border, allowed.numpy())


def _depth(inside: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """Signed distance to the outline, 0 between its inner and outer voxels, roughened by less than half a voxel.

    That leaves the outline itself as it is and makes a lesion grow to one side more than to the other.
    """
    image = sitk.GetImageFromArray(inside)
    distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=False))
    direction = rng.normal(size=3)
    direction /= np.linalg.norm(direction)
    axes = np.meshgrid(*[np.arange(n) for n in inside.shape], indexing="ij", sparse=True)
    along = sum(a * d for a, d in zip(axes, direction, strict=True))
    lopsided = 0.3 * np.sin(2 * np.pi * along / max(inside.shape) + rng.uniform(0, 2 * np.pi))
    rough = rng.uniform(-0.19, 0.19, inside.shape)
    return np.asarray(distance - 0.5 + lopsided + rough, dtype=np.float32)


def _draw_borders(lesions: int, visits: int, rng: np.random.Generator) -> NDArray[np.float64]:
    activity = rng.gamma(1.0, 1.0)  # from a quiet course to several changes between any two visits
    border = np.zeros((visits, lesions))
    for lesion in range(lesions):
        late = visits > 1 and rng.random() < min(APPEAR * activity, 0.5)
        onset = int(rng.integers(1, visits)) if late else 0
        border[:onset, lesion] = ABSENT
        for visit in range(onset + 1, visits):
            change, step = rng.random() / activity, rng.uniform(*GROWTH_MM)
            now = border[visit - 1, lesion]
            if change < GROW:
                now += step
            elif change < GROW + SHRINK:
                now -= step
            elif change < GROW + SHRINK + VANISH:
                now = ABSENT
            border[visit, lesion] = min(now, MARGIN - 1.0)
    if lesions and visits:  # a patient has at least one lesion at the first visit
        border[0, int(rng.integers(lesions))] = 0.0
    return border
