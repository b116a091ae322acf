"""Labelled cases: which scans belong to which visit of which patient, and which mask marks their lesions.

They come from a BIDS data set with lesion masks as derivatives, or from a table. Here files are only found
and sorted; what they hold is looked at by :mod:`dawson.cases.check`. All problems are told at once, since
whoever puts a cohort in order wants to see the whole list.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from dawson.cases.bids import bids_cases
from dawson.cases.case import Case, cohort_error
from dawson.cases.table import table_cases
from dawson.core.errors import InputError

TABLES = ("cases.tsv", "cases.csv")


def find_cases(source: Path | str) -> tuple[Case, ...]:
    """Find all cases of a BIDS data set or of a table, in the order of patients and visits.

    In a BIDS folder, scans are ``sub-*/[ses-*/]anat/*_{FLAIR,T1w,T2w}.nii[.gz]`` and masks
    ``*_label-{L,lesion,WMH}[_...]_{mask,roi,dseg}.nii[.gz]``, beside the scans or in the same folders under
    ``derivatives/*/``; contrast-enhanced scans (``ce-``) are not used. A table (``.tsv`` or ``.csv``, or a
    folder with a ``cases.tsv`` or ``cases.csv``) has the columns patient, visit (may be left out), any of
    flair, t1, t2, and mask, and may have one unsure (a mask of voxels that training looks away from); paths are
    relative to the table; ``n/a`` or nothing stands for no scan.

    Raises :class:`InputError` that lists every problem found: a missing mask or file, a patient without
    scans, several scans or masks for one place, a visit named twice, a file used twice, a name that is no BIDS name
    or contradicts its folder.
    """
    source = Path(source)
    if source.is_dir():
        table = next((source / name for name in TABLES if (source / name).is_file()), None)
    elif source.is_file():
        table = source
    else:
        raise InputError("there is no such file or folder", remedy="check the path", file=source)
    problems: list[str] = []
    cases = list(bids_cases(source, problems) if table is None else table_cases(table, problems))
    cases.sort(key=lambda case: (case.patient, case.visit))
    problems += _used_twice(cases)
    if problems:
        raise cohort_error(source, problems)
    if not cases:
        raise InputError(
            "holds no case",
            remedy="give a BIDS data set with lesion masks in derivatives (*_label-lesion_mask.nii.gz), or a table "
            "cases.tsv with the columns patient, visit, flair, t1, t2 and mask",
            file=source,
        )
    return tuple(cases)


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
