"""What counts as a lesion for a trained model, set after training: threshold, least peak and calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from dawson.core.errors import UsageError
from dawson.model.card import SUBSETS, Model, load_model, write_card


def fit_calibration(
    threshold: float, peak: float, uncalibrated: Mapping[str, tuple[float, float]]
) -> dict[str, list[float]]:
    """Slope and offset of log-odds by subset that turn its own threshold and peak into the model's.

    ``uncalibrated`` holds the threshold and peak that fit the network's own probabilities where these sequences are
    given. Raises :class:`UsageError` for a subset that there is not, and for probabilities that are not in order.
    """
    calibration = {}
    for inputs, (low, high) in {"the rule": (threshold, peak), **uncalibrated}.items():
        if inputs != "the rule" and inputs not in SUBSETS:
            raise UsageError(f"{inputs!r} is no subset of sequences", remedy=f"use {', '.join(SUBSETS)}")
        if not 0 < low < high < 1:
            remedy = "give probabilities between 0 and 1, the threshold below the peak"
            raise UsageError(f"threshold and peak of {inputs} are {low:g} and {high:g}", remedy=remedy)
        slope = (_log_odds(peak) - _log_odds(threshold)) / (_log_odds(high) - _log_odds(low))
        calibration[inputs] = [round(slope, 4), round(_log_odds(threshold) - slope * _log_odds(low), 4)]
    del calibration["the rule"]
    return calibration


def set_rule(
    folder: Path, *, threshold: float, peak: float, uncalibrated: Mapping[str, tuple[float, float]] | None = None
) -> Model:
    """Write a threshold, a least peak and the calibration into the card of a model, in its recipe too.

    The weights stay. Returns the model as it is then; see :func:`fit_calibration` for the rest.
    """
    model = load_model(folder)
    calibration = fit_calibration(threshold, peak, uncalibrated or {})
    rule = {"threshold": threshold, "peak": peak}
    recipe = model.card["recipe"] | {"measure": model.card["recipe"]["measure"] | rule}
    write_card(model.folder, dict(model.card) | rule | {"calibration": calibration, "recipe": recipe})
    return load_model(model.folder)


def _log_odds(probability: float) -> float:
    return math.log(probability / (1 - probability))
