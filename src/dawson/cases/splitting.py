"""Cases into training, validation and test sets, patients never divided.

What is divided are *volumes*, each one sequence of one visit, as in the paper; the group is the patient. Which patients
add up to exactly the wanted counts is a subset-sum problem, solved by dynamic programming
(:mod:`dawson.cases.subset_sum`); among many solutions the one is taken whose sets resemble the
whole cohort most in lesion load and sequences.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from dawson.cases.case import Case
from dawson.cases.split import SETS, Split, split_by
from dawson.cases.subset_sum import even_groups, group_counts
from dawson.core.errors import UsageError
from dawson.core.study import Modality

QUANTILES = (0.25, 0.5, 0.75)  # of the lesion load, between which cases count as alike
HOW = "write it as counts of volumes such as 204/32/20, or as shares such as 0.8/0.125/0.075"

Wanted = tuple[int, int, int] | tuple[float, float, float]


def parse_wanted(text: str) -> Wanted:
    """Counts ``"204/32/20"`` (all whole numbers) or shares ``"0.8/0.125/0.075"`` of train, validation and test.

    The test set may be 0, the others not. Raises :class:`UsageError` for anything else, and where shares
    add up to more than 1.
    """
    parts = [part.strip() for part in text.split("/")]
    try:
        counts = all(part.isdecimal() for part in parts)
        numbers = [float(part) for part in parts]
    except ValueError:
        raise UsageError(f"the split {text!r} is not made of numbers", remedy=HOW) from None
    if len(numbers) != 3 or not all(math.isfinite(n) and n >= 0 for n in numbers):
        raise UsageError(f"the split {text!r} is not three numbers of 0 or more", remedy=HOW)
    train, validation, test = numbers
    if train == 0 or validation == 0:
        raise UsageError(f"the split {text!r} leaves no volume to train on or to validate with", remedy=HOW)
    if counts:
        return int(train), int(validation), int(test)
    if sum(numbers) > 1 + 1e-6:
        raise UsageError(f"the shares of the split {text!r} add up to {sum(numbers):g}, more than 1", remedy=HOW)
    return train, validation, test


def split_cases(cases: Sequence[Case], loads: Mapping[str, float], wanted: str | Wanted, *, seed: int) -> Split:
    """Divide the volumes of the cases as ``wanted``, exactly where whole patients can be made to add up.

    ``loads`` are lesion loads in ml by :attr:`Case.name`. Wanted volumes that are fewer than there are leave
    the rest unused. The same cases, loads, wish and seed give the same split.

    Raises :class:`UsageError` where more volumes are wanted than there are, or where there are fewer
    patients than sets.
    """
    wanted = parse_wanted(wanted) if isinstance(wanted, str) else wanted
    patients = _by_patient(cases)
    sizes = np.array([_count(visits) for visits in patients.values()], dtype=np.int64)
    total = int(sizes.sum())
    counts = _counts(wanted, total)
    needed = sum(count > 0 for count in counts[:3])
    if len(patients) < needed:
        have = "one patient" if len(patients) == 1 else f"{len(patients)} patients"
        raise UsageError(
            f"the cases are of {have} only, and {needed} sets without a patient in common need at least {needed}",
            remedy="add patients" if needed == 2 else "add patients, or do without a test set (--split 0.8/0.2/0)",
        )
    features = _features(patients, loads)
    solutions = group_counts(sizes, counts, np.random.default_rng(seed))
    best = min(solutions, key=lambda groups: _imbalance(groups, sizes, features))
    sets = dict(zip(patients, (SETS[int(g)] for g in best), strict=True))
    got = np.bincount(best, weights=sizes, minlength=4).astype(int)
    notes = [
        f"{name}: {have} volumes instead of {want}, since patients are not divided"
        for name, have, want in zip(SETS[:3], got.tolist(), counts, strict=False)
        if have != want
    ]
    if got[3]:
        left = sum(name == "unused" for name in sets.values())
        notes.append(
            f"{got[3]} of {total} volumes (of {left} {'patient' if left == 1 else 'patients'}) stay unused, since "
            f"the split asks for {sum(counts[:3])}"
        )
    return split_by(cases, lambda scan: sets[scan.case.patient], notes)


def k_folds(cases: Sequence[Case], loads: Mapping[str, float], k: int, *, seed: int) -> tuple[Split, ...]:
    """Divide the patients into ``k`` parts of like size and load; each is the test set of one split.

    The part after it validates, the others train. Raises :class:`UsageError` for fewer than three parts and
    for more parts than patients.
    """
    patients = _by_patient(cases)
    if k < 3:
        raise UsageError(
            f"{k} folds were asked for", remedy="ask for 3 or more: one tests, one validates, the rest train"
        )
    if k > len(patients):
        raise UsageError(
            f"{k} folds were asked for, but there are only {len(patients)} patients",
            remedy="ask for at most as many folds as there are patients",
        )
    sizes = np.array([_count(visits) for visits in patients.values()], dtype=np.int64)
    features = _features(patients, loads)
    solutions = even_groups(sizes, k, np.random.default_rng(seed))
    best = min(solutions, key=lambda groups: _imbalance(groups, sizes, features))
    part = dict(zip(patients, best.tolist(), strict=True))

    def role(patient: str, fold: int) -> str:
        return {0: "test", 1: "validation"}.get((part[patient] - fold) % k, "train")

    def fold_split(fold: int) -> Split:
        return split_by(cases, lambda scan: role(scan.case.patient, fold), ())

    return tuple(fold_split(fold) for fold in range(k))


def _by_patient(cases: Iterable[Case]) -> dict[str, list[Case]]:
    patients: dict[str, list[Case]] = {}
    for case in sorted(cases, key=lambda case: (case.patient, case.visit)):  # whatever order they come in
        patients.setdefault(case.patient, []).append(case)
    return patients


def _count(cases: Iterable[Case]) -> int:
    return sum(len(case.scans) for case in cases)


def _counts(wanted: Wanted, total: int) -> tuple[int, int, int, int]:
    """Volumes for train, validation and test, and those left over."""
    if all(isinstance(number, int) for number in wanted):
        counts = [int(number) for number in wanted]
        if sum(counts) > total:
            raise UsageError(
                f"the split {'/'.join(map(str, counts))} asks for {sum(counts)} volumes, but the cases have {total}",
                remedy="ask for fewer, or for shares such as 0.8/0.125/0.075",
            )
        return counts[0], counts[1], counts[2], total - sum(counts)
    # Largest remainders, so that shares of 1 in all leave no volume out.
    ideal = np.array([*wanted, max(1 - sum(wanted), 0)]) * total
    rounded = np.floor(ideal + 1e-9).astype(int)
    for group in np.argsort(rounded - ideal, kind="stable")[: total - int(rounded.sum())]:
        rounded[group] += 1
    for group in range(3):
        if wanted[group] > 0 and rounded[group] == 0:  # a share of a small cohort: at least one volume
            rounded[group] += 1
            rounded[0] -= 1
    train, validation, test, unused = rounded.tolist()
    return train, validation, test, unused


def _features(patients: Mapping[str, list[Case]], loads: Mapping[str, float]) -> NDArray[np.float64]:
    """Volumes of each patient (patients, features) by class of lesion load (none, then quarters) and by sequence."""
    cases = [case for visits in patients.values() for case in visits]
    missing = [case.name for case in cases if case.name not in loads]
    if missing:
        raise UsageError(f"no lesion load was given for {missing[0]}", remedy="give one for every case")
    some = np.array([loads[case.name] for case in cases if loads[case.name] > 0])
    cuts = np.quantile(some, QUANTILES) if some.size else np.zeros(len(QUANTILES))
    rows = []
    for visits in patients.values():
        row = np.zeros(2 + len(QUANTILES) + len(Modality))
        for case in visits:
            load = loads[case.name]
            row[0 if load <= 0 else 1 + int(np.searchsorted(cuts, load))] += len(case.scans)
            for modality in case.scans:
                row[2 + len(QUANTILES) + list(Modality).index(modality)] += 1
        rows.append(row)
    return np.array(rows)


def _imbalance(groups: NDArray[np.int64], sizes: NDArray[np.int64], features: NDArray[np.float64]) -> float:
    """How far the sets are from the whole cohort: squared differences of shares, summed over sets and features."""
    whole = features.sum(axis=0) / sizes.sum()
    off = 0.0
    for group in np.unique(groups):
        members = groups == group
        off += float(((features[members].sum(axis=0) / sizes[members].sum() - whole) ** 2).sum())
    return off
