"""What probabilities are worth at every threshold: precision-recall, calibration and FROC over many cases."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image, Mask, bounding_box
from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.lesionwise import Cut, Lesions, cut_for, match, overlaps, ratio
from dawson.evaluation.settings import Settings

VOXEL_THRESHOLDS = np.arange(1, 100) / 100.0
LESION_THRESHOLDS = np.arange(1, 20) / 20.0
BINS = 10


class Curves:
    """Sums over cases from which all curves follow; no volume is kept.

    Voxels and lesions of all cases are pooled. A voxel is predicted at a threshold t where its probability
    is at least t. Instances can be sent between processes and joined by :meth:`merge`.
    """

    def __init__(self, settings: Settings = Settings()) -> None:  # noqa: B008 (frozen)
        self.settings = settings
        self.cases = 0
        self._truth_voxels = 0
        self._hits = np.zeros(len(VOXEL_THRESHOLDS), dtype=np.int64)
        self._predicted = np.zeros(len(VOXEL_THRESHOLDS), dtype=np.int64)
        self._bin_count = np.zeros(BINS, dtype=np.int64)
        self._bin_lesion = np.zeros(BINS, dtype=np.int64)
        self._bin_probability = np.zeros(BINS)
        self._truth_lesions = 0
        self._found = np.zeros(len(LESION_THRESHOLDS), dtype=np.int64)
        self._false = np.zeros(len(LESION_THRESHOLDS), dtype=np.int64)

    def add(self, truth: Mask, probability: Image, grid: Grid, within: Mask | None = None) -> None:
        """Count one case in.

        Args:
            truth: (i, j, k) bool on ``grid``.
            probability: (i, j, k) in [0, 1].
            grid: where the voxels lie.
            within: (i, j, k) bool, the voxels that could be predicted, such as the brain; None for all.
                Elsewhere the probability counts as 0 and the truth still counts, as missed; calibration
                looks at these voxels only.

        Raises:
            UsageError: an array that is not on ``grid``, a mask that is not bool, or a probability that is
                NaN or outside [0, 1].
        """
        _check(truth, probability, within, grid)
        self.cases += 1
        self._calibrate(truth, probability, within)
        if within is not None:
            probability = np.where(within, probability, np.float32(0.0))
        box = bounding_box(truth, probability >= min(VOXEL_THRESHOLDS[0], LESION_THRESHOLDS[0]))
        truth, probability = np.ascontiguousarray(truth[box]), np.ascontiguousarray(probability[box])
        self._truth_voxels += int(np.count_nonzero(truth))
        self._hits += _reaching(probability[truth])
        self._predicted += _reaching(probability)
        self._detect(truth, probability, grid)

    def merge(self, other: Curves) -> None:
        """Add the cases that another instance counted under the same settings.

        Raises:
            UsageError: other settings.
        """
        if self.settings != other.settings:
            raise UsageError("curves of different settings were joined", remedy="count all cases under one")
        for name, counts in vars(self).items():
            if name != "settings":
                setattr(self, name, counts + getattr(other, name))

    def precision_recall(self) -> dict[str, list[Any]]:
        """Voxel-wise precision and recall at 99 thresholds, all cases pooled.

        ``precision`` is None where nothing reaches the threshold, ``recall`` where no truth holds a lesion.
        """
        hits, predicted = self._hits.tolist(), self._predicted.tolist()
        return {
            "threshold": VOXEL_THRESHOLDS.tolist(),
            "precision": [ratio(hit, all_) for hit, all_ in zip(hits, predicted, strict=True)],
            "recall": [ratio(hit, self._truth_voxels) for hit in hits],
        }

    def calibration(self) -> dict[str, list[Any]]:
        """In ten bins of probability: what was predicted and what share of the voxels was lesion.

        ``low`` and ``high`` bound a bin (high excluded but in the last), ``predicted`` is its mean
        probability, ``observed`` the share of its voxels that the truth marks (both None in an empty bin),
        ``count`` its number of voxels. The first bin holds all the background of what was looked at.
        """
        count = self._bin_count.tolist()
        return {
            "low": (np.arange(BINS) / BINS).tolist(),
            "high": (np.arange(1, BINS + 1) / BINS).tolist(),
            "predicted": [ratio(s, n) for s, n in zip(self._bin_probability.tolist(), count, strict=True)],
            "observed": [ratio(s, n) for s, n in zip(self._bin_lesion.tolist(), count, strict=True)],
            "count": count,
        }

    def froc(self) -> dict[str, list[Any]]:
        """Free-response curve: lesion sensitivity against false-positive lesions per case, at 19 thresholds.

        At each threshold the probability map is cut into lesions anew, and truth and prediction are matched
        by the rule of the settings. ``sensitivity`` is pooled over the lesions of all cases (None where there
        is none), ``false_positives`` is a mean over all cases, lesion-free ones included.
        """
        return {
            "threshold": LESION_THRESHOLDS.tolist(),
            "sensitivity": [ratio(found, self._truth_lesions) for found in self._found.tolist()],
            "false_positives": [ratio(false, self.cases) for false in self._false.tolist()],
        }

    def _calibrate(self, truth: Mask, probability: Image, within: Mask | None) -> None:
        values, lesion = (probability, truth) if within is None else (probability[within], truth[within])
        # Nearly all voxels lie near 0: only the others are sorted into bins, the first bin gets the rest.
        above = values >= 1.0 / BINS
        high = values[above].astype(np.float64)
        number = np.searchsorted(np.arange(1, BINS) / BINS, high, side="right")
        count = np.bincount(number, minlength=BINS)
        marked = np.bincount(number[lesion[above]], minlength=BINS)
        total = np.bincount(number, weights=high, minlength=BINS)
        count[0] = values.size - len(high)
        marked[0] = np.count_nonzero(lesion) - marked.sum()
        total[0] = values.sum(dtype=np.float64, where=~above)
        self._bin_count += count
        self._bin_lesion += marked
        self._bin_probability += total

    def _detect(self, truth: Mask, probability: Image, grid: Grid) -> None:
        how = cut_for(self.settings.rule, self.settings, grid.voxel_volume)
        lesions = how.cut(truth)
        self._truth_lesions += len(lesions.voxels)
        for number, threshold in enumerate(LESION_THRESHOLDS):
            found, right = match(overlaps(*_cut_in_box(lesions, probability >= threshold, how)), self.settings.rule)
            self._found[number] += np.count_nonzero(found)
            self._false[number] += np.count_nonzero(~right)


def _cut_in_box(lesions: Lesions, predicted: Mask, how: Cut) -> tuple[Lesions, Lesions]:
    """The truth's lesions and the predicted ones, in the box that holds the prediction: beyond it none overlaps."""
    box = bounding_box(predicted)
    return Lesions(lesions.labels[box], lesions.voxels), how.cut(np.ascontiguousarray(predicted[box]))


def _reaching(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """How many of the values reach each of :data:`VOXEL_THRESHOLDS`, compared in float64 as lesions are."""
    candidates = values[values >= VOXEL_THRESHOLDS[0]].astype(np.float64)
    reached = np.searchsorted(VOXEL_THRESHOLDS, candidates, side="right")
    counts = np.bincount(reached, minlength=len(VOXEL_THRESHOLDS) + 1)
    at_least: NDArray[np.int64] = counts[::-1].cumsum()[::-1][1:].astype(np.int64)
    return at_least


def _check(truth: Mask, probability: Image, within: Mask | None, grid: Grid) -> None:
    for name, array in (("truth", truth), ("probability map", probability), ("mask of allowed voxels", within)):
        if array is None:
            continue
        if array.shape != grid.shape:
            raise UsageError(
                f"the {name} has shape {array.shape} and its grid {grid.shape}", remedy="give arrays on one grid"
            )
        if name != "probability map" and array.dtype != np.bool_:
            raise UsageError(f"the {name} is an array of {array.dtype}", remedy="give a mask of bool")
    low, high = float(probability.min(initial=0.0)), float(probability.max(initial=0.0))
    if not (low >= 0.0 and high <= 1.0):  # NaN fails too
        raise UsageError(f"the probability map holds values from {low} to {high}", remedy="give values from 0 to 1")
