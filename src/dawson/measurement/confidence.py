"""How much a lesion is to be believed: three classes by a simple rule, whose meaning is measured.

Of what the model calls a lesion, the share that raters marked too depends above all on the highest probability
inside, and little else once that is known. What the shares are is measured on labelled scans
(``tools/studies/confidence.py``) and told by the model's card; the names of the classes promise nothing by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HIGH_PEAK, MEDIUM_PEAK = 0.95, 0.8
HIGH_ML = 0.03
"""Thirty voxels of 1 mm: below that, even high peaks were too few to be measured."""

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "high": f"a peak probability of {HIGH_PEAK:g} or more, and a volume of {HIGH_ML:g} ml or more",
        "medium": f"a peak probability of {MEDIUM_PEAK:g} or more, and not high",
        "low": f"a peak probability below {MEDIUM_PEAK:g}",
    }
)
"""Every class and its rule, from the most to the least to be believed."""


def classify(peak_probability: float, volume_ml: float) -> str:
    """The class of a lesion by :data:`CLASSES`."""
    if peak_probability >= HIGH_PEAK and volume_ml >= HIGH_ML:
        return "high"
    return "medium" if peak_probability >= MEDIUM_PEAK else "low"
