"""How far the lesion load could be off, from the probabilities themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawson.core.arrays import Image
from dawson.core.grid import Grid
from dawson.core.result import LoadInterval
from dawson.measurement.lesions import lesion_load

ODDS = 3.0
"""The interval ends where the odds of a voxel being lesion are this many times the threshold's, and one part in it.

A model whose odds are off by such a factor in all voxels is badly calibrated but not broken; how often the truth lies
inside is measured on labelled scans, and a model's card may name better thresholds."""


def method(interval: LoadInterval, threshold: float | None) -> str:
    """How an interval came about, in words."""
    own = "" if threshold is None else f" (the model's own is {threshold:.3g})"
    return (
        f"the loads that the same rule gives at the thresholds {interval.higher_threshold:.3g} and "
        f"{interval.lower_threshold:.3g}{own}; it tells how much hangs on the threshold, not on lesions that the "
        "model has missed or made up with confidence"
    )


def measure_interval(
    probability: Image,
    grid: Grid,
    *,
    threshold: float,
    minimum_mm3: float,
    peak: float,
    card: Mapping[str, Any],
    given: str = "",
) -> LoadInterval:
    """The lesion load at a higher and at a lower threshold, minimum size as ever: it always holds the load itself.

    A lesion at a higher threshold is part of one at a lower, so that the load can but grow as the threshold falls.

    Args:
        probability: (i, j, k) on ``grid``.
        grid: any.
        threshold: the model's.
        minimum_mm3: likewise.
        peak: likewise.
        card: the model's card; ``load_interval`` in it may name thresholds ``low`` and ``high`` and, by subset of
            sequences, a measured ``coverage``.
        given: the sequences that the probabilities are from, ``flair+t1``.
    """
    odds = threshold / (1.0 - threshold) if threshold < 1 else float("inf")
    rule = card.get("load_interval") or {}
    lower = min(float(rule.get("low", _probability(odds / ODDS))), threshold)
    higher = max(float(rule.get("high", _probability(odds * ODDS))), threshold)
    low, high = (
        lesion_load(probability, grid, threshold=t, minimum_mm3=minimum_mm3, peak=peak) for t in (higher, lower)
    )
    return LoadInterval(low, high, lower, higher, (rule.get("coverage") or {}).get(given))


def _probability(odds: float) -> float:
    return odds / (1.0 + odds) if odds < float("inf") else 1.0
