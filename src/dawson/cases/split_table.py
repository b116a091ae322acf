"""The split as a file: a line a volume, to be read by people and taken up again by later runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dawson.cases.find import Case
from dawson.core.errors import InputError, UsageError
from dawson.core.files import replace_file
from dawson.core.study import Modality
from dawson.core.tables import original_text, table_text

SETS = ("train", "validation", "test", "unused")
COLUMNS = ("patient", "visit", "sequence", "set")

Key = tuple[str, str, str]  # patient, visit, sequence


@dataclass(frozen=True)
class Volume:
    """One sequence of one visit."""

    case: Case
    modality: Modality

    @property
    def file(self) -> Path:
        """The scan."""
        return self.case.scans[self.modality]

    @property
    def key(self) -> Key:
        """Patient, visit and sequence: what a split's file knows of a volume."""
        return self.case.patient, self.case.visit, self.modality.value


@dataclass(frozen=True)
class Split:
    """Which volumes train, validate and test, in the order of the cases; ``notes`` say what is not as wanted."""

    train: tuple[Volume, ...]
    validation: tuple[Volume, ...]
    test: tuple[Volume, ...]
    unused: tuple[Volume, ...] = ()
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> tuple[Volume, ...]:
        """The set of that name, one of :data:`SETS`."""
        volumes: tuple[Volume, ...] = getattr(self, name)
        return volumes


def split_by(cases: Iterable[Case], role: Callable[[Volume], str], notes: Iterable[str]) -> Split:
    """The split that puts each volume into the set that ``role`` names."""
    sets: dict[str, list[Volume]] = {name: [] for name in SETS}
    for case in cases:
        for modality in case.scans:
            volume = Volume(case, modality)
            sets[role(volume)].append(volume)
    train, validation, test, unused = (tuple(sets[name]) for name in SETS)
    return Split(train, validation, test, unused, tuple(notes))


def write_split(file: Path, split: Split) -> Path:
    """Write ``patient, visit, sequence, set`` as tab-separated values, in place at once."""
    rows = [(*v.key, name) for name in SETS for v in split[name]]
    lines = [(patient, visit or "n/a", modality, name) for patient, visit, modality, name in sorted(rows)]
    try:
        replace_file(file, table_text([COLUMNS, *lines], delimiter="\t"))
    except OSError as error:
        remedy = "make room or give permission there"
        raise UsageError(f"the split could not be written ({error.strerror})", remedy=remedy, file=file) from error
    return file


def read_split(file: Path, cases: Sequence[Case]) -> Split:
    """Read a split for these cases.

    Raises :class:`InputError` where it is no split, has a patient in two sets (volumes that are unused do
    not count), lacks a volume of the cases, or leaves nothing to train on.
    """
    sets = _read_sets(file)
    roles: dict[str, set[str]] = {}
    for (patient, _, _), name in sets.items():
        roles.setdefault(patient, set()).add(name)
    leaks = [f"{p} ({' and '.join(sorted(r))})" for p, r in sorted(roles.items()) if len(r - {"unused"}) > 1]
    if leaks:
        raise InputError(f"has patients in two sets: {', '.join(leaks)}", remedy="keep each in one set", file=file)
    volumes = [Volume(case, modality) for case in cases for modality in case.scans]
    missing = [f"{v.case.name} {v.modality.upper()}" for v in volumes if v.key not in sets]
    if missing:
        raise InputError(
            f"lacks {len(missing)} volumes of the cases ({', '.join(missing[:8])}{', …' if len(missing) > 8 else ''})",
            remedy="give it a line for each (the set may be unused), or make a new split",
            file=file,
        )
    more = len(sets) - len(volumes)
    notes = [f"the split names {more} volumes that are not among the cases"] if more else []
    split = split_by(cases, lambda volume: sets[volume.key], notes)
    if not split.train:
        raise InputError("leaves no volume to train on", remedy="give some volumes the set train", file=file)
    return split


def _read_sets(file: Path) -> dict[Key, str]:
    try:
        lines = list(csv.reader(io.StringIO(file.read_text("utf-8-sig"), newline=""), delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "it is no tab-separated text"
        raise InputError(
            f"cannot be read ({reason})", remedy="name a split.tsv as dawson writes it", file=file
        ) from error
    if not lines or tuple(lines[0]) != COLUMNS:
        raise InputError(f"does not begin with the columns {', '.join(COLUMNS)}", remedy="restore them", file=file)
    sets: dict[Key, str] = {}
    for number, stored in enumerate(lines[1:], 2):
        cells = [original_text(cell) for cell in stored]
        if not any(cells):
            continue
        if len(cells) != len(COLUMNS) or cells[3] not in SETS or cells[2] not in set(Modality):
            finding = (
                f"line {number} is not a patient, a visit, one of {', '.join(Modality)} and one of {', '.join(SETS)}"
            )
            raise InputError(finding, remedy="correct it", file=file)
        key = (cells[0], "" if cells[1] == "n/a" else cells[1], cells[2])
        if key in sets:
            raise InputError(f"line {number} names a volume a second time", remedy="keep one line", file=file)
        sets[key] = cells[3]
    return sets
