"""Who trains, validates and tests, and ``split.tsv``: a line a scan, for people and for later runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dawson.cases.case import Case
from dawson.core.errors import InputError, UsageError
from dawson.core.files import replace_file
from dawson.core.study import Modality
from dawson.core.tables import original_text, table_text

SETS = ("train", "validation", "test", "unused")
UNUSED = "unused"  # nothing is learned from it, so that its patient may be in another set too
COLUMNS = ("patient", "visit", "sequence", "set")
NOTHING = "n/a"  # as the visit, where visits have no names

Key = tuple[str, str, str]  # patient, visit, sequence


@dataclass(frozen=True)
class CaseScan:
    """One sequence of one visit."""

    case: Case
    modality: Modality

    @property
    def file(self) -> Path:
        """The scan."""
        return self.case.scans[self.modality]

    @property
    def key(self) -> Key:
        """Patient, visit and sequence: what a split's file knows of a scan."""
        return self.case.patient, self.case.visit, self.modality.value


@dataclass(frozen=True)
class Split:
    """Which scans train, validate and test, in the order of the cases; ``notes`` say what is not as wanted."""

    train: tuple[CaseScan, ...]
    validation: tuple[CaseScan, ...]
    test: tuple[CaseScan, ...]
    unused: tuple[CaseScan, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> tuple[CaseScan, ...]:
        """The set of that name, one of :data:`SETS`."""
        scans: tuple[CaseScan, ...] = getattr(self, name)
        return scans


def split_by(cases: Iterable[Case], role: Callable[[CaseScan], str], notes: Iterable[str]) -> Split:
    """The split that puts each scan into the set that ``role`` names."""
    sets: dict[str, list[CaseScan]] = {name: [] for name in SETS}
    for case in cases:
        for modality in case.scans:
            scan = CaseScan(case, modality)
            sets[role(scan)].append(scan)
    train, validation, test, unused = (tuple(sets[name]) for name in SETS)
    return Split(train, validation, test, unused, tuple(notes))


def write_split(file: Path, split: Split) -> Path:
    """Write ``patient, visit, sequence, set`` as tab-separated values, in place at once."""
    rows = sorted((*scan.key, name) for name in SETS for scan in split[name])
    lines = [(patient, visit or NOTHING, modality, name) for patient, visit, modality, name in rows]
    try:
        replace_file(file, table_text([COLUMNS, *lines], delimiter="\t"))
    except OSError as error:
        remedy = "make room or give permission there"
        raise UsageError(f"the split could not be written ({error.strerror})", remedy=remedy, file=file) from error
    return file


def read_split(file: Path, cases: Sequence[Case]) -> Split:
    """Read a split for these cases.

    Raises:
        InputError: it is no split with all four columns, has a patient in two sets (scans that are unused do
            not count), lacks a scan of the cases, or leaves nothing to train on.
    """
    sets = _sets_by_scan(file)
    scans = [CaseScan(case, modality) for case in cases for modality in case.scans]
    missing = [f"{scan.case.name} {scan.modality.upper()}" for scan in scans if scan.key not in sets]
    if missing:
        raise InputError(
            f"lacks {len(missing)} volumes of the cases ({', '.join(missing[:8])}{', …' if len(missing) > 8 else ''})",
            remedy="give it a line for each (the set may be unused), or make a new split",
            file=file,
        )
    more = len(sets) - len(scans)
    notes = [f"the split names {more} volumes that are not among the cases"] if more else []
    split = split_by(cases, lambda scan: sets[scan.key], notes)
    if not split.train:
        raise InputError("leaves no volume to train on", remedy="give some volumes the set train", file=file)
    return split


def patients_of(file: Path, set_name: str) -> frozenset[str]:
    """The patients of one set, so that a model is judged on those that it never saw.

    Only the columns patient and set are needed, and sets may have any names.

    Raises:
        InputError: it is no split, or has a patient in two sets (``unused`` does not count).
        UsageError: there is no such set.
    """
    rows = _read_rows(file, needed=("patient", "set"))
    names = sorted({row["set"] for row in rows})
    if set_name not in names:
        raise UsageError(f"there is no set {set_name!r}", remedy=f"name one of {', '.join(names)}", file=file)
    return frozenset(row["patient"] for row in rows if row["set"] == set_name)


def _sets_by_scan(file: Path) -> dict[Key, str]:
    sets: dict[Key, str] = {}
    for row in _read_rows(file, needed=COLUMNS):
        if row["set"] not in SETS or row["sequence"] not in set(Modality):
            finding = (
                f"line {row['line']} is not a patient, a visit, one of {', '.join(Modality)} and one of "
                f"{', '.join(SETS)}"
            )
            raise InputError(finding, remedy="correct it", file=file)
        key = (row["patient"], "" if row["visit"] == NOTHING else row["visit"], row["sequence"])
        if key in sets:
            raise InputError(f"line {row['line']} names a volume a second time", remedy="keep one line", file=file)
        sets[key] = row["set"]
    return sets


def _read_rows(file: Path, *, needed: Sequence[str]) -> list[dict[str, str]]:
    """The cells of each line by column, and its number as ``line``. Columns may stand in any order, others beside them.

    Raises:
        InputError: the file cannot be read, lacks a needed column or has it twice, has a line of another length or
            without patient or set, or has a patient in two sets.
    """
    try:
        text = file.read_text("utf-8-sig")  # spreadsheets put a mark in front
        header, *lines = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t")) or [[]]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no tab-separated text"
        remedy = "name a split.tsv as dawson writes it"
        raise InputError(f"cannot be read ({reason})", remedy=remedy, file=file) from error
    columns = [cell.strip() for cell in header]
    if any(columns.count(name) != 1 for name in needed):
        finding = f"does not have one column each of {', '.join(needed)}"
        raise InputError(finding, remedy="give a split.tsv as dawson writes it", file=file)
    rows = []
    for number, cells in enumerate(lines, 2):
        if not any(cells):
            continue
        row = dict(zip(columns, (original_text(cell.strip()) for cell in cells), strict=False))
        if len(cells) != len(columns) or not (row["patient"] and row["set"]):
            finding = f"line {number} has no patient or no set, or more or fewer cells than there are columns"
            raise InputError(finding, remedy="correct it", file=file)
        rows.append(row | {"line": str(number)})
    _check_patients(file, rows)
    return rows


def _check_patients(file: Path, rows: Iterable[Mapping[str, str]]) -> None:
    """Refuse a patient in two sets: what was learned from one scan would help with the other."""
    sets: dict[str, set[str]] = {}
    for row in rows:
        if row["set"] != UNUSED:
            sets.setdefault(row["patient"], set()).add(row["set"])
    leaks = [f"{patient} ({' and '.join(sorted(names))})" for patient, names in sorted(sets.items()) if len(names) > 1]
    if leaks:
        raise InputError(f"has patients in two sets: {', '.join(leaks)}", remedy="keep each in one set", file=file)
