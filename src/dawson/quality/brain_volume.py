"""Check of the volume of the brain."""

from __future__ import annotations

from dawson.core.result import Check
from dawson.measurement.volumes import USUAL_BRAIN_ML


def check_brain_volume(brain_ml: float) -> Check:
    """Whether the brain is as large as those of adults."""
    low, high = USUAL_BRAIN_ML
    figures: dict[str, float | str | None] = {"brain_ml": round(brain_ml, 3)}
    if low <= brain_ml <= high:
        return Check("brain volume", "pass", f"The brain of {brain_ml:.0f} ml is as large as usual.", figures)
    words = (
        f"A brain of {brain_ml:.0f} ml is unusual ({low:.0f} to {high:.0f} ml are usual): part of it may be cut off, "
        "or the model has misjudged it."
    )
    return Check("brain volume", "warn", words, figures)
