"""One case measured from its files: read, brought onto the truth's grid, and handed to the metrics.

This runs in a worker process, so that what it takes and gives survives pickling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.grid import Grid
from dawson.evaluation.matching.grids import bring_to_grid, outside_ml, same_lattice
from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.metrics.case import measure_case
from dawson.evaluation.metrics.curves import Curves
from dawson.evaluation.metrics.raters import agreement, consensus
from dawson.evaluation.result import CaseResult
from dawson.evaluation.settings import Reading, Settings, suffix_of
from dawson.nifti.mask import read_anatomy, read_mask, read_probability

CasePairs = tuple[Pair, ...]
"""All predictions of one case, with the same truths."""


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of one case: a result and, where it has probabilities, curves for each of its pairs."""

    results: tuple[CaseResult, ...]
    curves: tuple[Curves | None, ...]
    raters: Mapping[str, Any] | None


@dataclass(frozen=True, eq=False)
class _Prediction:
    """A prediction on the truth's grid; ``outside_ml`` of what it marks lie outside of that grid."""

    mask: Mask
    resampled: bool
    outside_ml: float
    sha256: dict[str, str]
    probability: Image | None = None
    anatomy: Labels | None = None
    anatomy_names: Mapping[int, str] = field(default_factory=dict)


def measure_pairs(task: tuple[CasePairs, Reading, Settings]) -> Measured:
    """Read the truths and every prediction of a case, and measure each prediction."""
    pairs, reading, settings = task
    files = [read_mask(file, label=reading.truth_label) for file in pairs[0].truths]
    grid = files[0].grid
    masks = [bring_to_grid(file.mask, file.grid, grid, allowed=False) for file in files]
    truth = masks[0] if len(masks) == 1 else consensus(masks)
    hashes = {"truth" if n == 0 else f"rater_{n + 1}": file.sha256 for n, file in enumerate(files)}
    results, curves = [], []
    for pair in pairs:
        prediction = _read_prediction(pair, reading, grid)
        metrics = measure_case(
            truth,
            prediction.mask,
            grid,
            settings=settings,
            probability=prediction.probability,
            anatomy=prediction.anatomy,
            anatomy_names=prediction.anatomy_names,
        )
        results.append(
            CaseResult(
                pair=pair,
                metrics=replace(metrics, values=dict(metrics.values)),  # a read-only mapping cannot be pickled
                against_raters=_against_raters(masks, prediction.mask, grid, settings) if len(masks) > 1 else None,
                resampled=prediction.resampled,
                outside_ml=prediction.outside_ml,
                sha256=hashes | prediction.sha256,
            )
        )
        curves.append(_curves(truth, prediction, grid, settings))
    raters = agreement(masks, grid, settings) if len(masks) > 1 else None
    return Measured(tuple(results), tuple(curves), raters)


def _read_prediction(pair: Pair, reading: Reading, grid: Grid) -> _Prediction:
    probability: Image | None = None
    if reading.threshold is not None:
        probability, source, sha256 = read_probability(pair.prediction)
        # Cut before any resampling, so that the mask is the one that the prediction's own grid shows; in float64,
        # as whoever wrote the map did.
        mask = probability >= np.float64(reading.threshold)
    else:
        file = read_mask(pair.prediction, label=reading.label)
        mask, source, sha256 = file.mask, file.grid, file.sha256
    hashes = {"prediction": sha256}
    prediction = _Prediction(
        mask=bring_to_grid(mask, source, grid, allowed=pair.resample, file=pair.prediction),
        resampled=not same_lattice(source, grid),
        outside_ml=outside_ml(mask, source, grid),
        sha256=hashes,
    )
    if pair.probability is not None:
        probability, source, hashes["probability"] = read_probability(pair.probability)
    if probability is not None:
        probability = bring_to_grid(probability, source, grid, allowed=pair.resample, file=pair.probability)
        prediction = replace(prediction, probability=probability)
    if pair.anatomy is not None:
        labels, source, names = read_anatomy(pair.anatomy)
        anatomy = bring_to_grid(labels, source, grid, allowed=pair.resample, file=pair.anatomy)
        prediction = replace(prediction, anatomy=anatomy, anatomy_names=names)
    return prediction


def _against_raters(masks: list[Mask], mask: Mask, grid: Grid, settings: Settings) -> dict[str, float]:
    """Mean Dice and lesion F1 of a prediction against each single rater."""
    quick = replace(settings, surfaces=False, rules=(settings.rule,))
    each = [measure_case(rater, mask, grid, settings=quick).values for rater in masks]
    f1 = f"lesion_f1_{suffix_of(settings.rule)}"
    return {
        "dice": float(np.mean([values["dice"] for values in each])),  # Dice and F1 are defined for all masks
        "lesion_f1": float(np.mean([values[f1] for values in each])),
    }


def _curves(truth: Mask, prediction: _Prediction, grid: Grid, settings: Settings) -> Curves | None:
    if prediction.probability is None:
        return None
    curves = Curves(settings)
    curves.add(truth, prediction.probability, grid, None if prediction.anatomy is None else prediction.anatomy > 0)
    return curves
