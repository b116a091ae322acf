"""Labelled cases: which scans belong to which visit of which patient, and which mask marks their lesions.

They come from a BIDS data set with lesion masks as derivatives, or from a table. Here files are only found
and sorted; what they hold is looked at by :mod:`dawson.cases.check`. All problems are told at once, since
whoever puts a cohort in order wants to see the whole list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dawson.cases.table import Row, read_rows
from dawson.core.errors import InputError
from dawson.core.study import Modality

SUFFIXES = {"FLAIR": Modality.FLAIR, "T1w": Modality.T1, "T2w": Modality.T2}  # of BIDS
MASK_SUFFIXES = ("mask", "roi", "dseg")
MASK_LABELS = ("L", "lesion")
TABLES = ("cases.tsv", "cases.csv")
Visit = tuple[str, str]  # patient, visit
CHOOSE = "name the one to use in a table cases.tsv with the columns patient, visit, flair, t1, t2 and mask"


@dataclass(frozen=True)
class Case:
    """One visit of one patient: its scans by sequence, and the lesion mask that holds for all of them.

    ``patient`` and ``visit`` are the user's names (``sub-01`` and ``ses-2`` in BIDS); ``visit`` is empty
    where visits have no names. ``unsure`` marks, on the mask's grid, what nobody could call lesion or not:
    training looks away there.
    """

    patient: str
    visit: str
    scans: Mapping[Modality, Path]
    mask: Path
    unsure: Path | None = None

    @property
    def name(self) -> str:
        """``patient_visit``, or the patient alone where the visit has no name; unique in a cohort."""
        return f"{self.patient}_{self.visit}" if self.visit else self.patient

    @property
    def masks(self) -> dict[str, Path]:
        """The masks that there are, by the names of their columns in a table."""
        return {"mask": self.mask} | ({} if self.unsure is None else {"unsure": self.unsure})

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way to a worker process, which a read-only mapping does not."""
        return _case, (self.patient, self.visit, dict(self.scans), self.mask, self.unsure)


def _case(patient: str, visit: str, scans: Mapping[Modality, Path], mask: Path, unsure: Path | None = None) -> Case:
    ordered = {modality: scans[modality] for modality in Modality if modality in scans}
    return Case(patient, visit, MappingProxyType(ordered), mask, unsure)


def find_cases(source: Path | str) -> tuple[Case, ...]:
    """Find all cases of a BIDS data set or of a table, in the order of patients and visits.

    In a BIDS folder, scans are ``sub-*/[ses-*/]anat/*_{FLAIR,T1w,T2w}.nii[.gz]`` and masks
    ``*_label-{L,lesion}[_...]_{mask,roi,dseg}.nii[.gz]``, beside the scans or in the same folders under
    ``derivatives/*/``; contrast-enhanced scans (``ce-``) are not used. A table (``.tsv`` or ``.csv``, or a
    folder with a ``cases.tsv`` or ``cases.csv``) has the columns patient, visit (may be left out), any of
    flair, t1, t2, and mask, and may have one unsure (a mask of voxels that training looks away from); paths are
    relative to the table; ``n/a`` or nothing stands for no scan.

    Raises :class:`InputError` that lists every problem found: a missing mask or file, a patient without
    scans, several scans or masks for one place, a visit named twice, a file used twice.
    """
    source = Path(source)
    if source.is_dir():
        table = next((source / name for name in TABLES if (source / name).is_file()), None)
    elif source.is_file():
        table = source
    else:
        raise InputError("there is no such file or folder", remedy="check the path", file=source)
    problems: list[str] = []
    if table is None:
        cases = list(_bids_cases(source, problems))
    else:
        cases = list(_table_cases(read_rows(table, problems), table.parent, problems))
    cases.sort(key=lambda case: (case.patient, case.visit))
    problems += _used_twice(cases)
    if problems:
        raise refusal(source, problems)
    if not cases:
        raise InputError(
            "holds no case",
            remedy="give a BIDS data set with lesion masks in derivatives (*_label-lesion_mask.nii.gz), or a table "
            "cases.tsv with the columns patient, visit, flair, t1, t2 and mask",
            file=source,
        )
    return tuple(cases)


def refusal(source: Path | None, problems: Iterable[str]) -> InputError:
    """One error for all problems of a cohort, a line each."""
    lines = list(dict.fromkeys(problems))
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    return InputError(
        f"{count} found in these cases", remedy="put right what is listed here:\n  " + "\n  ".join(lines), file=source
    )


def _bids_cases(source: Path, problems: list[str]) -> Iterator[Case]:
    patients = sorted(p.name for p in source.glob("sub-*") if p.is_dir())
    if not patients:
        raise InputError(
            "holds neither sub-* folders nor a table cases.tsv",
            remedy="give a BIDS data set, or a table with the columns patient, visit, flair, t1, t2 and mask",
            file=source,
        )
    scans, masks = _bids_files(source)
    without = sorted(set(patients) - {patient for patient, _ in scans})
    problems += [
        f"{patient}: no FLAIR, T1w or T2w scan in anat; add one or take the folder away" for patient in without
    ]
    for key in sorted({*scans, *masks}):
        if key[0] in without:
            continue
        name, found, marked = "_".join(part for part in key if part), scans.get(key, {}), masks.get(key, [])
        faults = [
            f"{name}: {len(files)} scans for {modality.upper()} ({_names(files, source)}); {CHOOSE}"
            for modality, files in found.items()
            if len(files) > 1
        ]
        if not found:
            faults.append(f"{name}: a lesion mask ({_names(marked, source)}) but no scan")
        if len(marked) > 1:
            faults.append(f"{name}: {len(marked)} lesion masks ({_names(marked, source)}); {CHOOSE}")
        elif not marked:
            faults.append(
                f"{name}: no lesion mask; add one as derivatives/*/{'/'.join(part for part in key if part)}/anat/"
                f"{name}_label-lesion_mask.nii.gz (empty for a visit without lesions)"
            )
        problems += faults
        if not faults:
            yield _case(*key, {s: files[0] for s, files in found.items()}, marked[0])


def _bids_files(source: Path) -> tuple[dict[Visit, dict[Modality, list[Path]]], dict[Visit, list[Path]]]:
    """All scans by visit and sequence, and all lesion masks by visit."""
    scans: dict[Visit, dict[Modality, list[Path]]] = {}
    masks: dict[Visit, list[Path]] = {}
    for file in _anat_files(source):
        entities, suffix = _entities(file)
        if _is_mask(entities, suffix):
            masks.setdefault(_visit(file), []).append(file)
        elif suffix in SUFFIXES and "ce" not in entities:
            scans.setdefault(_visit(file), {}).setdefault(SUFFIXES[suffix], []).append(file)
    for folder in sorted(p for p in source.glob("derivatives/*") if p.is_dir()):
        for file in _anat_files(folder):
            if _is_mask(*_entities(file)):
                masks.setdefault(_visit(file), []).append(file)
    return scans, masks


def _anat_files(folder: Path) -> list[Path]:
    found = [*folder.glob("sub-*/anat/*.nii*"), *folder.glob("sub-*/ses-*/anat/*.nii*")]
    return sorted(f for f in found if f.name.endswith((".nii", ".nii.gz")) and not f.name.startswith("."))


def _visit(file: Path) -> Visit:
    """Patient and visit of a file, by its folders: those decide in BIDS, names only repeat them."""
    parent = file.parent.parent
    return (parent.parent.name, parent.name) if parent.name.startswith("ses-") else (parent.name, "")


def _entities(file: Path) -> tuple[dict[str, str], str]:
    *parts, suffix = file.name.removesuffix(".gz").removesuffix(".nii").split("_")
    pairs = (part.partition("-") for part in parts)
    return {key: value for key, _, value in pairs}, suffix


def _is_mask(entities: Mapping[str, str], suffix: str) -> bool:
    return suffix in MASK_SUFFIXES and entities.get("label") in MASK_LABELS


def _names(files: Iterable[Path], source: Path) -> str:
    return ", ".join(file.relative_to(source).as_posix() for file in files)


def _table_cases(rows: Iterable[Row], folder: Path, problems: list[str]) -> Iterator[Case]:
    seen: dict[str, int] = {}
    for row in rows:
        found = {modality: folder / name for modality, name in row.scans.items()}
        faults = [
            f"{what} {name!r} does not exist"
            for what, name in (*((s.upper(), n) for s, n in row.scans.items()), *row.masks)
            if name and not (folder / name).is_file()
        ]
        if not found:
            faults.append(f"{row.patient} has no scan; fill in one of flair, t1 and t2")
        if not row.mask:
            faults.append(f"{row.patient} has no lesion mask; name one (an empty one for a visit without lesions)")
        unsure = folder / row.unsure if row.unsure else None
        case = _case(row.patient, row.visit, found, folder / row.mask, unsure)
        if case.name in seen:
            faults.append(
                f"{case.name} is in line {seen[case.name]} already; give each visit a line and a name of its own"
            )
        seen.setdefault(case.name, row.line)
        problems += [f"line {row.line}: {fault}" for fault in faults]
        if not faults:
            yield case


def _used_twice(cases: Iterable[Case]) -> list[str]:
    """Files that stand for more than one scan or mask: most often a slip, and across patients a leak."""
    users: dict[Path, list[str]] = defaultdict(list)
    for case in cases:
        for what, file in (*((s.upper(), f) for s, f in case.scans.items()), *case.masks.items()):
            users[file.resolve()].append(f"{what} of {case.name}")
    return [
        f"{file.name}: used as {' and as '.join(used)}; give each its own file"
        for file, used in users.items()
        if len(used) > 1
    ]
