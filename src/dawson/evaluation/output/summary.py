"""An evaluation in figures: what ``summary.json``, table, charts and page all take their numbers from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from dawson.evaluation.metrics.cohort import compare, load_group, recall_by_region, summarise_cohort
from dawson.evaluation.metrics.columns import SIZES, columns_of, cut_in_words, definitions_of
from dawson.evaluation.result import CaseResult, Evaluation
from dawson.evaluation.settings import Settings, suffix_of
from dawson.results.summary import NOTICE, versions

SCHEMA = 1
KIND = "dawson evaluation"
LOADS = ("none", "<5 ml", "5-15 ml", ">15 ml")

COHORT = {
    "mean": "Mean over cases; a case in which a figure is undefined does not enter it, and n says how many do.",
    "interval": "95 % interval of the mean: percentile bootstrap over patients, who are drawn with all their cases.",
    "comparison": "Difference between two predictions of the same cases, case by case: mean difference with its 95 % "
    "bootstrap interval by patient, and the Wilcoxon signed-rank test on the patients' mean differences.",
    "bland_altman": "Predicted less true lesion volume against their mean: bias and limits of agreement, bias plus and "
    "minus 1.96 standard deviations (Bland and Altman 1986).",
    "recall_by_size": "Share of the truth's lesions that were found, by volume of the lesion, all cases pooled.",
    "recall_by_region": "Share of the truth's lesions that were found, by the region that most of the lesion lies in, "
    "all cases pooled; regions are those of the model's anatomy.",
    "precision_recall": "Voxel-wise precision and recall at each threshold of the probability, all cases pooled.",
    "calibration": "Of the voxels that were given a probability, how many are lesion in the truth; on the diagonal, a "
    "probability of 0.3 means three in ten.",
    "froc": "Share of the truth's lesions found against false-positive lesions a case, as the threshold falls "
    "(free-response ROC); lesion-free cases count.",
    "raters": "Agreement of the raters with one another, mean over pairs of raters: what can be asked of a program at "
    "most. The truth is what more than half of the raters marked (of two raters: what both marked).",
    "against_raters": "Mean Dice and lesion F1 of the prediction against each single rater, to be held against the "
    "raters' agreement; figures against what most of them marked are higher for men and machines alike.",
}
"""One sentence for each figure of the cohort, printed beside it."""


def headline(settings: Settings) -> tuple[str, ...]:
    """The columns that a short table shows, in its order."""
    rule = suffix_of(settings.rule)
    columns = ["dice", f"lesion_f1_{rule}", f"lesion_recall_{rule}", f"lesion_precision_{rule}"]
    columns += ["volume_difference_percent"]
    return (*columns, "hd95_mm", "assd_mm", "nsd") if settings.surfaces else tuple(columns)


def rules_in_words(evaluation: Evaluation) -> str:
    """The choices that every figure depends on, in one sentence."""
    settings = evaluation.settings
    cut = ""
    if evaluation.reading.threshold is not None:
        cut = f" Predictions are probabilities cut at {evaluation.reading.threshold:g}."
    return (
        f"A lesion is found under the rule '{settings.rule}', with {cut_in_words(settings.rule, settings)} (smaller "
        "ones are left out of lesion-wise figures, not of voxel-wise ones). A case without lesions is never dropped: "
        "both masks empty count as 1; any false voxel on a lesion-free truth makes its Dice 0, a false lesion of at "
        f"least the minimum size its lesion F1 0, and distances and per cent differences are undefined there.{cut}"
    )


def summarise(evaluation: Evaluation) -> dict[str, Any]:
    """All figures of an evaluation in plain types, ready for JSON, with the sentence that defines each."""
    settings = evaluation.settings
    groups: dict[str, list[str]] = {}
    for row in evaluation.rows:
        cases = groups.setdefault(row.pair.patient, [])
        if row.pair.case not in cases:
            cases.append(row.pair.case)
    content = {
        "schema": SCHEMA,
        "kind": KIND,
        "notice": NOTICE,
        "settings": asdict(settings),
        "reading": asdict(evaluation.reading),
        "rules": rules_in_words(evaluation),
        "cases": len({row.pair.case for row in evaluation.rows}),
        "patients": len(groups),
        "grouping": groups,
        "predictions": {name: _method(evaluation.of(name), settings) for name in evaluation.methods},
        "comparisons": _comparisons(evaluation),
        "raters": _raters(evaluation),
        "curves": {
            name: {
                "precision_recall": curves.precision_recall(),
                "calibration": curves.calibration(),
                "froc": curves.froc(),
                "cases": curves.cases,
            }
            for name, curves in evaluation.curves.items()
        },
        "rows": [_row(row) for row in evaluation.rows],
        "skipped": list(evaluation.skipped),
        "failed": list(evaluation.failed),
        "model": evaluation.model,
        "definitions": {"columns": definitions_of(settings), "cohort": COHORT},
        "versions": versions(),
    }
    plain: dict[str, Any] = _plain(content)
    return plain


def size_recall(rows: Sequence[CaseResult]) -> dict[str, dict[str, Any]]:
    """By size group: pooled recall of the truth's lesions and how many there are."""
    table = {}
    for name, *_ in SIZES:
        count = sum(row.metrics.values[f"n_{name}"] or 0 for row in rows)
        found = sum(
            (row.metrics.values[f"recall_{name}"] or 0) * (row.metrics.values[f"n_{name}"] or 0) for row in rows
        )
        table[name] = {"recall": round(found) / count if count else None, "n": int(count)}
    return table


def _method(rows: Sequence[CaseResult], settings: Settings) -> dict[str, Any]:
    if not rows:
        return {"cases": 0, "patients": 0}
    values = [row.metrics.values for row in rows]
    patients = [row.pair.patient for row in rows]
    summary = summarise_cohort(values, patients, columns=columns_of(settings))
    by_load = {}
    for load in LOADS:
        chosen = [n for n, one in enumerate(values) if load_group(one["volume_truth_ml"] or 0.0) == load]
        if chosen:
            part = summarise_cohort(
                [values[n] for n in chosen], [patients[n] for n in chosen], columns=headline(settings)
            )
            by_load[load] = {"cases": len(chosen), **{column: part[column] for column in headline(settings)}}
    content = {
        "cases": len(rows),
        "patients": len(set(patients)),
        "inputs": sorted({"+".join(row.pair.inputs) for row in rows if row.pair.inputs}),
        **summary,
        "recall_by_size": size_recall(rows),
        "recall_by_region": recall_by_region([row.metrics for row in rows]),
        "by_load": by_load,
    }
    against = [row.against_raters for row in rows if row.against_raters is not None]
    if against:
        content["against_raters"] = {
            figure: float(np.mean([one[figure] for one in against])) for figure in ("dice", "lesion_f1")
        }
    return content


def _comparisons(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Each two predictions on the cases that both have."""
    comparisons = []
    for first, second in combinations(evaluation.methods, 2):
        one = {row.pair.case: row for row in evaluation.of(first)}
        two = {row.pair.case: row for row in evaluation.of(second)}
        cases = [case for case in one if case in two]
        if len(cases) < 2:
            continue
        patients = [one[case].pair.patient for case in cases]
        for column in headline(evaluation.settings)[:2]:
            result = compare(
                [one[case].metrics.values for case in cases],
                [two[case].metrics.values for case in cases],
                patients,
                column=column,
            )
            comparisons.append({"first": first, "second": second, "column": column, **result})
    return comparisons


def _raters(evaluation: Evaluation) -> dict[str, Any] | None:
    if not evaluation.raters:
        return None
    cases = evaluation.raters
    return {
        "raters": max(case["raters"] for case in cases.values()),
        "dice": float(np.mean([case["dice"] for case in cases.values()])),
        "lesion_f1": float(np.mean([case["lesion_f1"] for case in cases.values()])),
        "cases": dict(cases),
    }


def _row(row: CaseResult) -> dict[str, Any]:
    pair = row.pair
    return {
        "case": pair.case,
        "patient": pair.patient,
        "prediction": pair.method,
        "inputs": "+".join(pair.inputs) or None,
        "resampled": row.resampled,
        "outside_ml": row.outside_ml,
        "sha256": dict(row.sha256),
        "values": dict(row.metrics.values),
        "against_raters": row.against_raters,
    }


def _plain(value: Any) -> Any:
    """The same in types that JSON has; what is not a number becomes null."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, bool | int) else str(value)
