"""The display volumes of a result as views to draw: in canonical orientation, cut to the brain."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from dawson.core.version import dawson_version
from dawson.results.overview import CanonicalView, canonical_view
from dawson.results.read import Result

WINDOW = (0.0, 255.0)  # display volumes are windowed already
PLANES = ((2, "RL", "axial"), (1, "RL", "coronal"), (0, "AP", "sagittal"))
"""Axis that a plane stands on, letters of its sides, its name: as seen in radiological convention."""


def display_view(result: Result, number: int) -> CanonicalView:
    """The display volume of one sequence, by its place among them."""
    shown: NDArray[Any] = result.display[..., number]
    brain = result.anatomy > 0
    return canonical_view(shown, result.mask, brain if brain.any() else shown > 0, result.grid)


def signature() -> str:
    """What every picture says of its maker."""
    return f"dawson {dawson_version()} - not a medical device"
