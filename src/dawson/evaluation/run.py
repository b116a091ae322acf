"""From pairs of files to an evaluation: everything is checked first, then measured case by case.

One case is measured in :mod:`dawson.evaluation.measure`; here the cases are spread over processes and brought together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dawson.core.errors import UsageError
from dawson.evaluation.matching.check import check_case
from dawson.evaluation.matching.grids import refusal
from dawson.evaluation.matching.pairs import Pair, find_pairs
from dawson.evaluation.measure import CasePairs, Measured, measure_pairs
from dawson.evaluation.metrics.curves import Curves
from dawson.evaluation.result import CaseResult, Evaluation
from dawson.evaluation.settings import Reading, Settings
from dawson.evaluation.workers import workers as start_workers

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
        measured: dict[int, Measured] = {}
        for done, (number, result) in enumerate(run(measure_pairs, [(c, reading, settings) for c in cases]), 1):
            measured[number] = result
            _count_up(progress, "measure", done, len(cases))
    evaluation = _collect(cases, [measured[n] for n in range(len(cases))], pairs, settings, reading)
    return replace(evaluation, skipped=tuple(skipped))


def _by_case(pairs: Sequence[Pair]) -> list[CasePairs]:
    grouped: dict[tuple[str, tuple[Path, ...]], list[Pair]] = {}
    for pair in pairs:
        grouped.setdefault((pair.case, pair.truths), []).append(pair)
    return [tuple(several) for several in grouped.values()]


def _collect(
    cases: list[CasePairs], measured: list[Measured], pairs: Sequence[Pair], settings: Settings, reading: Reading
) -> Evaluation:
    results: dict[int, CaseResult] = {}
    curves: dict[str, Curves] = {}
    raters: dict[str, Mapping[str, Any]] = {}
    for case, one in zip(cases, measured, strict=True):
        if one.raters is not None:
            raters[case[0].case] = one.raters
        for pair, result, curve in zip(case, one.results, one.curves, strict=True):
            metrics = replace(result.metrics, values=MappingProxyType(dict(result.metrics.values)))
            results[id(pair)] = replace(result, pair=pair, metrics=metrics)
            if curve is not None:
                curves.setdefault(pair.method, Curves(settings)).merge(curve)
    methods = tuple(dict.fromkeys(pair.method for pair in pairs))
    return Evaluation(settings, reading, methods, tuple(results[id(pair)] for pair in pairs), curves, raters)


def _count_up(progress: Progress | None, what: str, done: int, of: int) -> None:
    if progress is not None:
        progress(what, done, of)


def _paths(given: Path | str | Sequence[Path | str]) -> tuple[Path, ...]:
    return (Path(given),) if isinstance(given, str | Path) else tuple(Path(path) for path in given)
