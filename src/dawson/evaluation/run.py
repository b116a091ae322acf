"""From pairs of files to an evaluation: everything is checked first, then measured case by case.

The figures themselves are computed in :mod:`dawson.evaluation.metrics.case` and its neighbours; here files are read,
brought onto the truth's grid, and handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.matching.check import check_case
from dawson.evaluation.matching.grids import onto, outside_ml, refusal, same_lattice
from dawson.evaluation.matching.pairs import Pair, find_pairs
from dawson.evaluation.metrics.case import CaseMetrics, LesionOutcome, measure_case
from dawson.evaluation.metrics.curves import Curves
from dawson.evaluation.metrics.raters import agreement, consensus
from dawson.evaluation.result import CaseResult, Evaluation
from dawson.evaluation.settings import Reading, Settings, suffix_of
from dawson.evaluation.workers import workers as start_workers
from dawson.nifti.mask import read_anatomy, read_mask, read_probability

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many cases are done, and of how many."""


def evaluate(
    truth: Path | str | Sequence[Path | str],
    prediction: Path | str | Sequence[Path | str],
    *,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    names: Sequence[str] = (),
    threshold: float | None = None,
    label: int | None = None,
    truth_label: int | None = None,
    resample: bool = False,
    workers: int = 1,
) -> Evaluation:
    """Compare lesion masks with the truth: files, or folders whose files are paired by name.

    Several truths are several raters, whose majority is the truth; several predictions are compared with one
    another. See :func:`dawson.evaluation.matching.pairs.find_pairs` for the pairing and :func:`evaluate_pairs` for the
    rest. With more than one worker, call it under ``if __name__ == "__main__":``.

    Raises:
        InputError: listing everything that is wrong with the files.
        UsageError: options that do not fit each other.

    >>> import dawson
    >>> evaluation = dawson.evaluate("results/lesions.nii.gz", "results/lesions.nii.gz")  # a mask is its own truth
    >>> evaluation.rows[0].metrics.values["dice"]
    1.0
    """
    skipped: list[str] = []
    pairs = find_pairs(
        _paths(truth),
        _paths(prediction),
        names=names,
        are_probabilities=threshold is not None,
        resample=resample,
        skipped=skipped,
    )
    reading = Reading(label=label, truth_label=truth_label, threshold=threshold)
    return evaluate_pairs(pairs, settings=settings, reading=reading, skipped=skipped, workers=workers)


def evaluate_pairs(
    pairs: Sequence[Pair],
    *,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    reading: Reading = Reading(),  # noqa: B008 (frozen)
    skipped: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Check every file of all pairs, then measure every pair.

    Args:
        pairs: as :func:`~dawson.evaluation.matching.pairs.find_pairs` makes them, or one's own.
        settings: what counts as a lesion and as found.
        reading: how the files are read.
        skipped: lines to carry on, of what was left out.
        workers: processes; with more than one (at most :data:`dawson.evaluation.workers.MOST`) the caller's
            script must be guarded by ``if __name__ == "__main__":``, since they are started afresh.
        progress: called as each case is done.

    Raises:
        InputError: before anything is measured, listing everything that is wrong with any file: not a mask,
            NaN, 4D, damaged, on another grid, a label that occurs nowhere.
    """
    if settings.rule not in settings.rules:  # its recall, precision and F1 head every table
        settings = replace(settings, rules=(settings.rule, *settings.rules))
    cases = _by_case(pairs)
    if not cases:
        raise UsageError("there is nothing to evaluate", remedy="give at least one pair of masks")
    with start_workers(min(workers, len(cases))) as run:
        faults: dict[int, list[str]] = {}
        held: dict[str, list[bool]] = {}  # by side: which cases have the label that was asked for
        for done, (number, (found, has_label)) in enumerate(run(check_case, [(c, reading) for c in cases]), 1):
            faults[number] = found
            for side, has in has_label.items():
                held.setdefault(side, []).append(has)
            _count_up(progress, "check", done, len(cases))
        problems = [fault for number in range(len(cases)) for fault in faults[number]]
        problems += [
            f"{side}: none of its {len(has)} masks holds the label; check --label and --truth-label"
            for side, has in held.items()
            if not any(has)
        ]
        if problems:
            raise refusal(problems, what="masks")
        results: dict[int, _Measured] = {}
        for done, (number, result) in enumerate(run(_measure, [(c, reading, settings) for c in cases]), 1):
            results[number] = result
            _count_up(progress, "measure", done, len(cases))
    evaluation = _collect(cases, [results[n] for n in range(len(cases))], pairs, settings, reading)
    return replace(evaluation, skipped=tuple(skipped))


Case = tuple[Pair, ...]  # all predictions of one case
_Values = tuple[dict[str, float | None], tuple[LesionOutcome, ...], tuple[LesionOutcome, ...]]


@dataclass(frozen=True, eq=False)
class _Measured:
    """What a worker sends back of one case, in types that travel."""

    values: list[_Values]
    against: list[dict[str, float] | None]
    resampled: list[bool]
    outside_ml: list[float]
    sha256: list[dict[str, str]]
    curves: list[Curves | None]
    raters: dict[str, Any] | None


def _by_case(pairs: Sequence[Pair]) -> list[Case]:
    grouped: dict[tuple[str, tuple[Path, ...]], list[Pair]] = {}
    for pair in pairs:
        grouped.setdefault((pair.case, pair.truths), []).append(pair)
    return [tuple(several) for several in grouped.values()]


def _measure(task: tuple[Case, Reading, Settings]) -> _Measured:
    pairs, reading, settings = task
    read = [read_mask(file, label=reading.truth_label) for file in pairs[0].truths]
    grid = read[0].grid
    masks = [onto(m.mask, m.grid, grid, allowed=False) for m in read]
    truth = masks[0] if len(masks) == 1 else consensus(masks)
    hashes = {"truth" if n == 0 else f"rater_{n + 1}": m.sha256 for n, m in enumerate(read)}
    measured = _Measured([], [], [], [], [], [], agreement(masks, grid, settings) if len(masks) > 1 else None)
    quick = replace(settings, surfaces=False, rules=(settings.rule,))
    for pair in pairs:
        mask, probability, anatomy, names, facts, lost = _prediction(pair, reading, grid)
        metrics = measure_case(
            truth,
            mask,
            grid,
            settings=settings,
            probability=probability,
            anatomy=anatomy,
            anatomy_names=names,
        )
        measured.values.append((dict(metrics.values), metrics.truth_lesions, metrics.predicted_lesions))
        measured.against.append(_against(masks, mask, grid, quick) if len(masks) > 1 else None)
        measured.outside_ml.append(lost)
        measured.resampled.append(facts.pop("resampled") == "yes")
        measured.sha256.append(hashes | facts)
        curves = None
        if probability is not None:
            curves = Curves(settings)
            curves.add(truth, probability, grid, None if anatomy is None else anatomy > 0)
        measured.curves.append(curves)
    return measured


def _prediction(
    pair: Pair, reading: Reading, grid: Grid
) -> tuple[Mask, Image | None, Labels | None, dict[int, str], dict[str, str], float]:
    """Mask, probability and anatomy on the truth's grid, the names of the anatomy, facts about the files, and the
    volume in ml that was marked outside of that grid."""
    probability: Image | None = None
    if reading.threshold is not None:
        probability, source, sha256 = read_probability(pair.prediction)
        # Cut before any resampling, so that the mask is the one that the prediction's own grid shows; in float64,
        # as whoever wrote the map did.
        mask = probability >= np.float64(reading.threshold)
    else:
        read = read_mask(pair.prediction, label=reading.label)
        mask, source, sha256 = read.mask, read.grid, read.sha256
    facts = {"prediction": sha256, "resampled": "no" if same_lattice(source, grid) else "yes"}
    lost = outside_ml(mask, source, grid)
    mask = onto(mask, source, grid, allowed=pair.resample, file=pair.prediction)
    if pair.probability is not None:
        probability, source, facts["probability"] = read_probability(pair.probability)
    if probability is not None:
        probability = onto(probability, source, grid, allowed=pair.resample, file=pair.probability)
    anatomy: Labels | None = None
    names: dict[int, str] = {}
    if pair.anatomy is not None:
        labels, source, names = read_anatomy(pair.anatomy)
        anatomy = onto(labels, source, grid, allowed=pair.resample, file=pair.anatomy)
    return mask, probability, anatomy, names, facts, lost


def _against(masks: list[Mask], mask: Mask, grid: Grid, settings: Settings) -> dict[str, float]:
    """Mean Dice and lesion F1 of a prediction against each single rater."""
    each = [measure_case(rater, mask, grid, settings=settings).values for rater in masks]
    f1 = f"lesion_f1_{suffix_of(settings.rule)}"
    return {
        "dice": float(np.mean([values["dice"] for values in each])),  # Dice and F1 are defined for all masks
        "lesion_f1": float(np.mean([values[f1] for values in each])),
    }


def _collect(
    cases: list[Case], results: list[_Measured], pairs: Sequence[Pair], settings: Settings, reading: Reading
) -> Evaluation:
    rows: dict[int, CaseResult] = {}
    curves: dict[str, Curves] = {}
    raters: dict[str, Mapping[str, Any]] = {}
    for case, result in zip(cases, results, strict=True):
        if result.raters is not None:
            raters[case[0].case] = result.raters
        for number, pair in enumerate(case):
            values, true, predicted = result.values[number]
            rows[id(pair)] = CaseResult(
                pair=pair,
                metrics=CaseMetrics(MappingProxyType(values), true, predicted),
                against_raters=result.against[number],
                resampled=result.resampled[number],
                outside_ml=result.outside_ml[number],
                sha256=result.sha256[number],
            )
            one = result.curves[number]
            if one is not None:
                curves.setdefault(pair.method, Curves(settings)).merge(one)
    methods = tuple(dict.fromkeys(pair.method for pair in pairs))
    return Evaluation(settings, reading, methods, tuple(rows[id(pair)] for pair in pairs), curves, raters)


def _count_up(progress: Progress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)


def _paths(given: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, str | Path) else tuple(Path(path) for path in given)
