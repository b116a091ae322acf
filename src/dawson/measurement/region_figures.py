"""Counts, volumes and long axes of lesions by region."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dawson.core.result import REGIONS, Lesion

LONG_AXIS_MM = 3.0
"""Criteria count lesions from this long axis on."""


@dataclass(frozen=True)
class RegionFigures:
    """What lies in one region."""

    count: int
    count_long_axis_3mm: int
    volume_ml: float
    largest_long_axis_mm: float | None


def by_region(lesions: Iterable[Lesion]) -> dict[str, RegionFigures]:
    """Counts, volumes and the largest long axis by region; all four regions, also those without a lesion."""
    lesions = tuple(lesions)
    figures = {}
    for region in REGIONS:
        here = [lesion for lesion in lesions if lesion.region == region]
        figures[region] = RegionFigures(
            count=len(here),
            count_long_axis_3mm=count_long(here),
            volume_ml=sum((lesion.volume_ml for lesion in here), 0.0),
            largest_long_axis_mm=max((lesion.long_axis_mm for lesion in here), default=None),
        )
    return figures


def count_long(lesions: Iterable[Lesion]) -> int:
    """Lesions with a long axis of 3 mm or more, rounded to a hundredth as in tables, so that they agree."""
    return sum(round(lesion.long_axis_mm, 2) >= LONG_AXIS_MM for lesion in lesions)
