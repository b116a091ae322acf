"""What of a head a scan shows, for a network that finds the brain: the field of view cuts, faces are taken off.

Heads of label maps end below the chin. Scans end anywhere from the brain-stem to the shoulders, now and then within
the brain, and openly shared ones have lost their faces.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dawson.synthesis.tissues import Anatomy

CUT_BELOW, CUT_ABOVE, CUT_ASIDE, DEFACED = 0.6, 0.15, 0.1, 0.3  # shares of samples
DEEPEST_MM = 25.0  # how far a cut goes into the brain


def draw_view(anatomy: Tensor, spacing: float, rng: np.random.Generator) -> Tensor:
    """Mask (n, n, n) of 0 and 1 of what a scan shows of a head; ``anatomy`` (n, n, n) has R, A, S axes."""
    size = anatomy.shape[0]
    seen = torch.ones(size, size, size)
    brain = anatomy != Anatomy.OUTSIDE
    if not bool(brain.any()):
        return seen
    low, high = _extent(brain)
    deep = DEEPEST_MM / spacing
    if rng.random() < CUT_BELOW:  # most often in the neck, at times the cerebellum goes
        seen[:, :, : _at(rng.uniform(low[2] - 60 / spacing, low[2] + deep), size)] = 0
    if rng.random() < CUT_ABOVE:
        seen[:, :, _at(rng.uniform(high[2] - deep, high[2] + 0.5 * deep), size) :] = 0
    for axis in (0, 1):
        if rng.random() < CUT_ASIDE:
            seen.narrow(axis, 0, _at(rng.uniform(low[axis] - deep, low[axis] + 0.2 * deep), size)).fill_(0)
            first = _at(rng.uniform(high[axis] - 0.2 * deep, high[axis] + deep), size)
            seen.narrow(axis, first, size - first).fill_(0)
    if rng.random() < DEFACED:
        seen = seen * _faceless(brain, low, high, spacing, rng)
    return seen


def _faceless(
    brain: Tensor, low: tuple[int, int, int], high: tuple[int, int, int], spacing: float, rng: np.random.Generator
) -> Tensor:
    """Less what lies in front of a plane that leans from the forehead down to the throat, unless it is brain."""
    size = brain.shape[0]
    line = torch.arange(size, dtype=torch.float32)
    forehead = high[1] - rng.uniform(0, 15) / spacing
    middle = low[2] + rng.uniform(0.3, 0.7) * (high[2] - low[2])
    slope = rng.uniform(0.3, 1.2)  # mm backwards for every mm down
    limit = forehead - slope * (middle - line).clamp(min=0)
    front = (line[:, None] > limit[None, :]) & (line[None, :] < middle)
    keep = ~front[None].expand(size, size, size)
    return (keep | brain).float()


def _extent(mask: Tensor) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    where = mask.nonzero()
    low, high = where.min(0).values.tolist(), where.max(0).values.tolist()
    return (low[0], low[1], low[2]), (high[0], high[1], high[2])


def _at(place: float, size: int) -> int:
    return int(np.clip(round(place), 0, size))
