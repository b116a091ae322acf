"""The cases of a BIDS data set: scans beside each other, lesion masks beside them or as derivatives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dawson.cases.bids_names import SUFFIXES, parse_entity, parse_name
from dawson.cases.case import Case, make_case
from dawson.core.errors import InputError
from dawson.core.study import Modality

CHOOSE = "name the one to use in a table cases.tsv with the columns patient, visit, flair, t1, t2 and mask"
RENAME = "labels are made of letters and digits; rename it, or name the files in a table cases.tsv"

VisitKey = tuple[str, str]  # patient, visit: names of the folders, the second empty where there is none


@dataclass(frozen=True)
class _VisitFiles:
    """The files of one visit: scans by sequence, and lesion masks."""

    scans: dict[Modality, list[Path]] = field(default_factory=dict)
    masks: list[Path] = field(default_factory=list)


def bids_cases(source: Path, problems: list[str]) -> Iterator[Case]:
    """The cases of the data set in the folder ``source``; what is wrong with the others goes to ``problems``.

    Raises:
        InputError: there is no ``sub-*`` folder.
    """
    patients = sorted(p.name for p in source.glob("sub-*") if p.is_dir())
    if not patients:
        raise InputError(
            "holds neither sub-* folders nor a table cases.tsv",
            remedy="give a BIDS data set, or a table with the columns patient, visit, flair, t1, t2 and mask",
            file=source,
        )
    visits = _visit_files(source, problems)
    without = sorted(set(patients) - {patient for (patient, _), files in visits.items() if files.scans})
    problems += [
        f"{patient}: no FLAIR, T1w or T2w scan in anat; add one or take the folder away" for patient in without
    ]
    for key, files in sorted(visits.items()):
        if key[0] in without:
            continue
        faults = list(_faults(key, files, source))
        problems += faults
        if not faults:
            yield make_case(*key, {s: several[0] for s, several in files.scans.items()}, files.masks[0])


def _faults(key: VisitKey, files: _VisitFiles, source: Path) -> Iterator[str]:
    folders = [part for part in key if part]
    name = "_".join(folders)
    for modality, several in files.scans.items():
        if len(several) > 1:
            yield f"{name}: {len(several)} scans for {modality.upper()} ({_names(several, source)}); {CHOOSE}"
    if not files.scans:
        yield f"{name}: a lesion mask ({_names(files.masks, source)}) but no scan"
    if len(files.masks) > 1:
        yield f"{name}: {len(files.masks)} lesion masks ({_names(files.masks, source)}); {CHOOSE}"
    elif not files.masks:
        yield (
            f"{name}: no lesion mask; add one as derivatives/*/{'/'.join(folders)}/anat/"
            f"{name}_label-lesion_mask.nii.gz (empty for a visit without lesions)"
        )


def _visit_files(source: Path, problems: list[str]) -> dict[VisitKey, _VisitFiles]:
    """All scans and lesion masks by visit."""
    visits: dict[VisitKey, _VisitFiles] = {}
    for folder in (source, *sorted(p for p in source.glob("derivatives/*") if p.is_dir())):
        for file in _anat_files(folder):
            name = parse_name(file.name)
            is_scan = folder == source and name.suffix in SUFFIXES
            if not (name.marks_lesions or is_scan):
                continue
            key = _visit_key(file)
            problem = _name_problem(file, key, source)
            if problem is not None:
                problems.append(problem)
            files = visits.setdefault(key, _VisitFiles())
            if name.marks_lesions:
                files.masks.append(file)
            elif "ce" not in name.entities:
                files.scans.setdefault(SUFFIXES[name.suffix], []).append(file)
    return {key: files for key, files in visits.items() if files.scans or files.masks}


def _anat_files(folder: Path) -> list[Path]:
    found = [*folder.glob("sub-*/anat/*.nii*"), *folder.glob("sub-*/ses-*/anat/*.nii*")]
    return sorted(f for f in found if f.name.endswith((".nii", ".nii.gz")) and not f.name.startswith("."))


def _visit_key(file: Path) -> VisitKey:
    """Patient and visit of a file, by its folders: those decide in BIDS, names only repeat them."""
    parent = file.parent.parent
    return (parent.parent.name, parent.name) if parent.name.startswith("ses-") else (parent.name, "")


def _name_problem(file: Path, key: VisitKey, source: Path) -> str | None:
    """What is wrong with the names of a file and its folders, None where nothing is.

    A part that is no entity could have been one that matters, such as ``ce-``. A file in another patient's folder is
    most often a slip, and would mix patients.
    """
    where = file.relative_to(source).as_posix()
    name = parse_name(file.name)
    for part in (*(folder for folder in key if folder and parse_entity(folder) is None), *name.malformed):
        return f"{where}: {part!r} is no entity of BIDS; {RENAME}"
    for folder in key:
        entity = parse_entity(folder)
        if entity is not None and name.entities.get(entity[0], entity[1]) != entity[1]:
            named = f"{entity[0]}-{name.entities[entity[0]]}"
            return f"{where}: its folder says {folder} and its name {named}; put it where it belongs"
    return None


def _names(files: Iterable[Path], source: Path) -> str:
    return ", ".join(file.relative_to(source).as_posix() for file in files)
