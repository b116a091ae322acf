"""Check whether the lesion load is one that the model has learned from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dawson.core.result import Check

LOADS_ML = (0.0, 80.0)  # lesion loads of the masks that models are usually trained with


def check_load(load_ml: float, card: Mapping[str, Any]) -> Check:
    """Whether ``load_ml`` lies within the loads of the masks that the model of ``card`` was trained with."""
    low, high = (float(limit) for limit in card.get("training_load_ml") or LOADS_ML)
    figures = {"load_ml": round(load_ml, 6), "low_ml": low, "high_ml": high}
    if low <= load_ml <= high:
        words = (
            f"The lesion load of {load_ml:.1f} ml is within what the model has learned from ({low:g} to {high:g} ml)."
        )
        return Check("lesion load", "pass", words, figures)
    words = (
        f"The lesion load of {load_ml:.1f} ml is outside of what the model has learned from ({low:g} to {high:g} ml): "
        "look whether the outlines are right."
    )
    return Check("lesion load", "warn", words, figures)
