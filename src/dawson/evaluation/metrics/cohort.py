"""A cohort: means with intervals by patient, agreement of volumes, pooled lesions, and two predictions compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dawson.core.errors import UsageError
from dawson.evaluation.metrics.case import CaseMetrics
from dawson.evaluation.metrics.lesionwise import detection_of, ratio
from dawson.evaluation.metrics.statistics import Values, bootstrap_interval, pearson, signed_rank, spearman

CaseValues = Mapping[str, float | None]

LIMITS = 1.96
"""Standard deviations between the bias and a Bland-Altman limit of agreement."""


def summarise_cohort(
    values: Sequence[CaseValues], patients: Sequence[str], *, columns: Sequence[str], seed: int = 0, draws: int = 2000
) -> dict[str, Any]:
    """What the cases of a cohort amount to.

    Args:
        values: one row a case, as :attr:`dawson.evaluation.metrics.case.CaseMetrics.values`.
        patients: whose case each row is; the unit that intervals draw.
        columns: the columns to summarise.
        seed: of the bootstrap, the same for every column.
        draws: of the bootstrap.

    Returns:
        For each column, under its name, ``mean``, ``median``, ``low`` and ``high`` (95 % bootstrap interval of
        the mean by patient) and ``n``, the cases in which it is defined; all but n are None where it is in
        none, the interval also where fewer than two patients have it. Besides, where the rows hold the columns
        they need:

        - ``volume_correlation``: ``pearson`` and ``spearman`` of predicted and true volume, and ``n``;
        - ``bland_altman``: of predicted less true volume in ml, ``bias_ml`` and the limits of agreement
          ``low_ml`` and ``high_ml`` (bias -/+ 1.96 standard deviations; Bland & Altman 1986), and ``n``;
        - ``pooled_lesions``: ``recall``, ``precision``, ``f1`` over the lesions of all cases as if of one, and
          their counts;
        - ``lesion_free``: ``cases`` without a truth lesion and their ``mean_false_positives``;
        - ``cases`` and ``patients``, how many there are.

    Raises:
        UsageError: not as many patients as rows, or a column that the rows lack.
    """
    _check(values, patients, columns)
    summary: dict[str, Any] = {}
    for column in columns:
        summary[column] = _column([row[column] for row in values], patients, seed=seed, draws=draws)
    rows = list(values)
    if all(row.keys() >= {"volume_truth_ml", "volume_predicted_ml"} for row in rows):
        summary |= _volumes(rows)
    if all(row.keys() >= {"truth_lesions", "predicted_lesions", "true_positives", "false_positives"} for row in rows):
        summary |= _lesions(rows)
    return {**summary, "cases": len(rows), "patients": len(set(patients))}


def compare(
    first: Sequence[CaseValues],
    second: Sequence[CaseValues],
    patients: Sequence[str],
    *,
    column: str,
    seed: int = 0,
    draws: int = 2000,
) -> dict[str, Any]:
    """Two predictions of the same cases, case by case.

    Args:
        first: one row a case.
        second: the other prediction's rows of the same cases in the same order.
        patients: whose case each is.
        column: what is compared; cases in which either prediction lacks it are left out.
        seed: of the bootstrap.
        draws: of the bootstrap.

    Returns:
        ``mean_difference`` (first - second) over cases, ``low`` and ``high`` (95 % bootstrap interval by
        patient), ``p`` (two-sided Wilcoxon signed-rank test on the patients' mean differences: visits of one
        patient are not independent, and the test takes its pairs to be; None for a single patient), ``n`` cases
        and ``patients``. All but the counts are None where no case has both.

    Raises:
        UsageError: rows or patients of different number, or rows that lack the column.
    """
    _check(first, patients, [column])
    _check(second, patients, [column])
    pairs = [(one[column], two[column], patient) for one, two, patient in zip(first, second, patients, strict=True)]
    kept = [(one - two, patient) for one, two, patient in pairs if one is not None and two is not None]
    names = [patient for _, patient in kept]
    if not kept:
        return {"mean_difference": None, "low": None, "high": None, "p": None, "n": 0, "patients": 0}
    difference = np.array([value for value, _ in kept])
    low, high = bootstrap_interval(difference, names, seed=seed, draws=draws)
    _, who = np.unique(np.asarray(names, dtype=str), return_inverse=True)
    by_patient = np.bincount(who, weights=difference) / np.bincount(who)
    return {
        "mean_difference": float(difference.mean()),
        "low": low,
        "high": high,
        "p": signed_rank(by_patient) if len(by_patient) > 1 else None,
        "n": len(kept),
        "patients": len(by_patient),
    }


def load_group(volume_ml: float) -> str:
    """The lesion-load group of a truth volume in ml: none, <5 ml, 5-15 ml (both ends included) or >15 ml."""
    if volume_ml <= 0.0:
        return "none"
    if volume_ml < 5.0:
        return "<5 ml"
    return "5-15 ml" if volume_ml <= 15.0 else ">15 ml"


def recall_by_region(cases: Sequence[CaseMetrics]) -> dict[str, dict[str, Any]]:
    """For each region, sorted by name, ``recall`` over the truth's lesions of all cases in it and their number ``n``.

    Lesions whose region is not known are left out; without any anatomy the result is empty.
    """
    outcomes = [lesion for case in cases for lesion in case.truth_lesions if lesion.region is not None]
    regions = {}
    for region in sorted({str(lesion.region) for lesion in outcomes}):
        found = [lesion.matched for lesion in outcomes if lesion.region == region]
        regions[region] = {"recall": ratio(sum(found), len(found)), "n": len(found)}
    return regions


def _column(column: Sequence[float | None], patients: Sequence[str], *, seed: int, draws: int) -> dict[str, Any]:
    kept = [(value, patient) for value, patient in zip(column, patients, strict=True) if value is not None]
    if not kept:
        return {"mean": None, "median": None, "low": None, "high": None, "n": 0}
    values = np.array([value for value, _ in kept], dtype=np.float64)
    low, high = bootstrap_interval(values, [patient for _, patient in kept], seed=seed, draws=draws)
    return {
        "mean": float(values.mean()),
        "median": float(np.median(values)),
        "low": low,
        "high": high,
        "n": len(values),
    }


def _volumes(rows: Sequence[CaseValues]) -> dict[str, Any]:
    true, predicted = _series(rows, "volume_truth_ml"), _series(rows, "volume_predicted_ml")
    difference = predicted - true
    bias = float(difference.mean()) if len(rows) else None
    spread = LIMITS * float(difference.std(ddof=1)) if len(rows) > 1 else None
    return {
        "volume_correlation": {
            "pearson": pearson(predicted, true),
            "spearman": spearman(predicted, true),
            "n": len(rows),
        },
        "bland_altman": {
            "bias_ml": bias,
            "low_ml": None if bias is None or spread is None else bias - spread,
            "high_ml": None if bias is None or spread is None else bias + spread,
            "n": len(rows),
        },
    }


def _lesions(rows: Sequence[CaseValues]) -> dict[str, Any]:
    lesions, predicted = _series(rows, "truth_lesions"), _series(rows, "predicted_lesions")
    found, false = _series(rows, "true_positives"), _series(rows, "false_positives")
    recall, precision, f1 = detection_of(
        int(found.sum()), int(lesions.sum()), int((predicted - false).sum()), int(predicted.sum())
    )
    free = false[lesions == 0]
    return {
        "pooled_lesions": {
            "recall": recall,
            "precision": precision,
            "f1": f1,
            "truth_lesions": int(lesions.sum()),
            "predicted_lesions": int(predicted.sum()),
            "true_positives": int(found.sum()),
            "false_positives": int(false.sum()),
        },
        "lesion_free": {
            "cases": len(free),
            "mean_false_positives": float(free.mean()) if len(free) else None,
        },
    }


def _series(rows: Sequence[CaseValues], column: str) -> Values:
    """A column that is never undefined."""
    return np.array([row[column] for row in rows], dtype=np.float64)


def _check(rows: Sequence[CaseValues], patients: Sequence[str], columns: Sequence[str]) -> None:
    if len(rows) != len(patients):
        raise UsageError(f"there are {len(rows)} cases and {len(patients)} patients", remedy="name one patient a case")
    for column in columns:
        if any(column not in row for row in rows):
            raise UsageError(f"a case has no column {column!r}", remedy="measure all cases under the same settings")
