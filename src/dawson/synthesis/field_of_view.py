"""What of a head a scan shows: the field of view cuts, faces are taken off, tools strip the skull.

Heads of label maps end below the chin. Scans end anywhere from the brain-stem to the shoulders, now and then within
the brain, and openly shared ones have lost their faces.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dawson.synthesis.scanner.fields import along_axes, blur_matrix
from dawson.synthesis.tissues import Anatomy

CUT_BELOW, CUT_ABOVE, CUT_ASIDE, DEFACED = 0.6, 0.15, 0.1, 0.3  # shares of samples
DEEPEST_MM = 25.0  # how far a cut goes into the brain

Range = tuple[int, int]


@dataclass(frozen=True)
class FaceCut:
    """A plane in voxels that takes the face: from ``forehead`` (A) at the height ``middle`` (S) down and backwards."""

    forehead: float
    middle: float
    slope: float


@dataclass(frozen=True)
class FieldOfView:
    """The voxels that are shown along each axis, first and one past the last, and what defacing took."""

    shown: tuple[Range, Range, Range]
    face: FaceCut | None = None


@dataclass(frozen=True)
class StripParameters:
    """How a tool strips the skull: the blur of the brain mask in voxels, and the height of its border."""

    blur: float
    border: float


def draw_field_of_view(anatomy: Tensor, spacing: float, rng: np.random.Generator) -> FieldOfView:
    """Draw a field of view for a head; ``anatomy`` (n, n, n) has R, A, S axes. Without a brain all is shown."""
    size = anatomy.shape[0]
    first, last = [0, 0, 0], [size, size, size]
    brain = anatomy != Anatomy.OUTSIDE
    if not bool(brain.any()):
        return FieldOfView(((0, size), (0, size), (0, size)))
    low, high = _extent(brain)
    deep = DEEPEST_MM / spacing
    if rng.random() < CUT_BELOW:  # most often in the neck, at times the cerebellum goes
        first[2] = _voxel(rng.uniform(low[2] - 60 / spacing, low[2] + deep), size)
    if rng.random() < CUT_ABOVE:
        last[2] = _voxel(rng.uniform(high[2] - deep, high[2] + 0.5 * deep), size)
    for axis in (0, 1):
        if rng.random() < CUT_ASIDE:
            first[axis] = _voxel(rng.uniform(low[axis] - deep, low[axis] + 0.2 * deep), size)
            last[axis] = _voxel(rng.uniform(high[axis] - 0.2 * deep, high[axis] + deep), size)
    face = None
    if rng.random() < DEFACED:
        forehead = high[1] - rng.uniform(0, 15) / spacing
        middle = low[2] + rng.uniform(0.3, 0.7) * (high[2] - low[2])
        face = FaceCut(forehead, middle, rng.uniform(0.3, 1.2))  # mm backwards for every mm down
    return FieldOfView(((first[0], last[0]), (first[1], last[1]), (first[2], last[2])), face)


def field_of_view_mask(anatomy: Tensor, view: FieldOfView) -> Tensor:
    """Mask (n, n, n) of 0 and 1 of what a field of view shows; a brain keeps what its face cut would take of it."""
    shown = torch.zeros(anatomy.shape)
    (left, right), (back, front), (low, high) = view.shown
    shown[left:right, back:front, low:high] = 1
    return shown if view.face is None else shown * _faceless(anatomy != Anatomy.OUTSIDE, view.face)


def draw_strip(rng: np.random.Generator, *, spacing: float = 1.0) -> StripParameters:
    """Draw how a tool strips the skull off voxels of ``spacing`` mm: too tight, or with a rim."""
    return StripParameters(rng.uniform(1.2, 3.0) / spacing, rng.uniform(0.12, 0.6))


def strip_mask(anatomy: Tensor, parameters: StripParameters, *, spacing: float = 1.0) -> Tensor:
    """Brain mask (n, n, n) of 0 and 1 as skull-stripping tools leave it."""
    wide = blur_matrix(anatomy.shape[0], 5.0 / spacing)
    deep = along_axes((anatomy > 0).float(), (wide, wide, wide)) > 0.8  # fluid there is kept
    brain = (anatomy > 0) & ((anatomy != Anatomy.OTHER_CSF) | deep)
    soft = blur_matrix(anatomy.shape[0], parameters.blur)
    return (along_axes(brain.float(), (soft, soft, soft)) > parameters.border).float()


def _faceless(brain: Tensor, face: FaceCut) -> Tensor:
    """Less what lies in front of a plane that leans from the forehead down to the throat, unless it is brain."""
    size = brain.shape[0]
    line = torch.arange(size, dtype=torch.float32)
    limit = face.forehead - face.slope * (face.middle - line).clamp(min=0)
    front = (line[:, None] > limit[None, :]) & (line[None, :] < face.middle)
    keep = ~front[None].expand(size, size, size)
    return (keep | brain).float()


def _extent(mask: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    where = mask.nonzero()
    low, high = where.min(0).values.tolist(), where.max(0).values.tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _voxel(place: float, size: int) -> int:
    return int(np.clip(round(place), 0, size))
