"""The cases of a table: lines of a .tsv or .csv file, with whatever is wrong in them told by line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from dawson.cases.case import Case, make_case
from dawson.core.errors import InputError
from dawson.core.study import Modality
from dawson.core.tables import original_text

COLUMNS: Mapping[str, str] = {"patient": "patient", "visit": "visit", "mask": "mask", "unsure": "unsure"} | {
    alias: modality.value for modality in Modality for alias in (modality.value, f"{modality.value}w")
}
NOTHING = ("", "n/a")
SHAPE = (
    "a table has the columns patient, visit (may be left out), any of flair, t1, t2, mask, and unsure (may be left out)"
)


@dataclass(frozen=True)
class CaseRow:
    """One line: names of files as they stand there, empty for none."""

    line: int
    patient: str
    visit: str
    scans: Mapping[Modality, str]
    mask: str
    unsure: str

    @property
    def masks(self) -> tuple[tuple[str, str], ...]:
        """Both masks by what they are called."""
        return ("mask", self.mask), ("unsure", self.unsure)


def table_cases(table: Path, problems: list[str]) -> Iterator[Case]:
    """The cases of a table; what is wrong with the others goes to ``problems``.

    Raises :class:`InputError` where there is no table to speak of: unreadable, or without the needed columns.
    """
    first_line: dict[str, int] = {}
    folder = table.parent
    for row in _read_rows(table, problems):
        scans = {modality: folder / name for modality, name in row.scans.items()}
        unsure = folder / row.unsure if row.unsure else None
        case = make_case(row.patient, row.visit, scans, folder / row.mask, unsure)
        faults = list(_faults(row, folder))
        if case.name in first_line:
            faults.append(
                f"{case.name} is in line {first_line[case.name]} already; give each visit a line and a name of its own"
            )
        first_line.setdefault(case.name, row.line)
        problems += [f"line {row.line}: {fault}" for fault in faults]
        if not faults:
            yield case


def _faults(row: CaseRow, folder: Path) -> Iterable[str]:
    for what, name in (*((modality.upper(), name) for modality, name in row.scans.items()), *row.masks):
        if name and not (folder / name).is_file():
            yield f"{what} {name!r} does not exist"
    if not row.scans:
        yield f"{row.patient} has no scan; fill in one of flair, t1 and t2"
    if not row.mask:
        yield f"{row.patient} has no lesion mask; name one (an empty one for a visit without lesions)"


def _read_rows(table: Path, problems: list[str]) -> Iterator[CaseRow]:
    """The lines of a table that can be used; what is wrong with the others goes to ``problems``."""
    try:
        text = table.read_text("utf-8-sig")  # spreadsheets put a mark in front
    except OSError as error:
        raise InputError(f"cannot be read ({error.strerror})", remedy="check its permissions", file=table) from error
    except UnicodeDecodeError as error:
        remedy = "give a BIDS folder or a table, and save tables as .tsv or .csv in UTF-8"
        raise InputError("is not a text file in UTF-8", remedy=remedy, file=table) from error
    first = text.partition("\n")[0]
    delimiter = next((mark for mark in ("\t", ";") if mark in first), ",")  # some spreadsheets write ; for ,
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        yield from _rows(lines, table, problems)
    except csv.Error as error:
        finding = f"cannot be read as a table beyond line {lines.line_num} ({error})"
        raise InputError(finding, remedy="save it again as .tsv", file=table) from error


def _rows(lines: Iterator[list[str]], table: Path, problems: list[str]) -> Iterator[CaseRow]:
    header = [COLUMNS.get(cell.strip().lower(), "") for cell in next(lines, [])]
    missing = [name for name in ("patient", "mask") if name not in header]
    if not any(modality.value in header for modality in Modality):
        missing.append("flair, t1 or t2")
    if missing:
        raise InputError(f"has no column {' and no column '.join(missing)}", remedy=SHAPE, file=table)
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        remedy = "keep one of each"
        raise InputError(f"has more than one column for {' and '.join(twice)}", remedy=remedy, file=table)
    for number, cells in enumerate(lines, 2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(header):
            problems.append(f"line {number}: {len(cells)} cells under {len(header)} columns; {SHAPE}")
            continue
        values = {name: original_text(cell.strip()) for name, cell in zip(header, cells, strict=False) if name}
        values = {name: "" if cell.lower() in NOTHING else cell for name, cell in values.items()}
        patient, visit = values.get("patient", ""), values.get("visit", "")
        bad = [name for name in (patient, visit) if not _can_be_a_name(name)]
        if not patient:
            problems.append(f"line {number}: no patient; name one, whatever the name")
        elif bad:
            problems.append(f"line {number}: {bad[0]!r} cannot be used in file names; leave out / \\ : and the like")
        else:
            scans = {s: values[s.value] for s in Modality if values.get(s.value)}
            yield CaseRow(number, patient, visit, scans, values.get("mask", ""), values.get("unsure", ""))


def _can_be_a_name(name: str) -> bool:
    """Whether files can be named by it on every system: patients' names end up in caches and pictures."""
    return name.isprintable() and not any(mark in name for mark in '/\\:*?"<>|') and not name.startswith(".")
