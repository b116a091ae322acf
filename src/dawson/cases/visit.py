"""The scans of one visit: given one by one, or told by their names in a folder."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

from dawson.cases.scan_names import NotUsed, modality_of_name
from dawson.core.errors import AccessError, InputError, UsageError
from dawson.core.study import Modality, Scan, Study
from dawson.nifti.formats import ENDINGS, FOREIGN, IMAGE_ENDINGS, find_half
from dawson.nifti.scan import check_path, read_scan
from dawson.nifti.stream import DICOM_MAGIC, TO_NIFTI

logger = logging.getLogger(__name__)

SHOWN = 12  # names in a message, at most
LOOKED_AT = 50  # files looked into for DICOM, at most
ONE_BY_ONE = "name each scan by itself with --flair, --t1 and --t2"


def read_study(
    folder: Path | str | None = None,
    *,
    flair: Path | str | None = None,
    t1: Path | str | None = None,
    t2: Path | str | None = None,
    strict: bool = False,
) -> Study:
    """Read one visit: either a folder, whose scans :func:`find_scans` tells, or up to three files.

    Every scan is read and checked by :func:`dawson.nifti.scan.read_scan`. A scan in the folder that was left
    out on purpose, such as a contrast-enhanced T1, is named in the warnings of the first scan.

    A scan whose file is damaged, or holds what cannot be a scan of a head, is left out where another one can be
    used: :attr:`Study.left_out` and the warnings say why. With ``strict`` it is refused.

    Raises :class:`UsageError` where nothing is given, a folder together with files, or one file for two
    sequences (also as a copy or a link), :class:`AccessError` where a file is missing or cannot be reached, and
    :class:`InputError` where the folder or, ``strict`` or not, no scan can be used.

    >>> import dawson
    >>> from dawson.cases.demo import demo_study_files
    >>> files = demo_study_files()
    >>> study = dawson.read_study(flair=files[dawson.Modality.FLAIR], t1=files[dawson.Modality.T1])
    >>> [modality.value for modality in study.modalities], study.reference.modality.value
    (['flair', 't1'], 'flair')
    """
    given = {Modality.FLAIR: flair, Modality.T1: t1, Modality.T2: t2}
    files = {modality: Path(file) for modality, file in given.items() if file is not None}
    left_out: tuple[str, ...] = ()
    if folder is not None:
        folder = Path(folder)
        if files:
            remedy = "give either the folder of a visit or the files of its scans"
            raise UsageError("both a folder and single scans were given", remedy=remedy, file=folder)
        files, left_out = _sort_folder(folder)
    if not files:
        remedy = "give at least one of FLAIR, T1 and T2, or the folder of a visit"
        raise UsageError("no scan was given", remedy=remedy)
    scans, unusable = _read_scans(files, strict=strict)
    by_hash: dict[str | None, Modality] = {}
    for modality, scan in scans.items():
        if scan.sha256 in by_hash:
            finding = f"the same scan was given as {by_hash[scan.sha256].upper()} and as {modality.upper()}"
            raise UsageError(finding, remedy="give each sequence its own scan", file=scan.file)
        by_hash[scan.sha256] = modality
    first = next(iter(scans))
    scans[first] = replace(scans[first], warnings=scans[first].warnings + left_out)
    for scan in scans.values():
        size = " × ".join(map(str, scan.grid.shape))
        spacing = " × ".join(f"{edge:.2f}" for edge in scan.grid.spacing)
        logger.info("%s: %s voxels of %s mm, %s", scan.modality.upper(), size, spacing, scan.grid.orientation)
    return Study(scans, unusable)


def _read_scans(files: Mapping[Modality, Path], *, strict: bool) -> tuple[dict[Modality, Scan], dict[Modality, str]]:
    """The scans, and why others were left out. What says nothing of a scan, such as a missing file, is raised."""
    for file in files.values():
        check_path(file)
    scans: dict[Modality, Scan] = {}
    errors: dict[Modality, InputError] = {}
    for modality, file in files.items():
        try:
            scans[modality] = read_scan(file, modality)
        except AccessError:
            raise
        except InputError as error:
            if strict or len(files) == 1:
                raise
            errors[modality] = error
    if not scans:
        first, *others = errors.values()
        more = "".join(f"; {error.file}: {error.finding}" for error in others)
        raise InputError(f"no scan can be used: {first.finding}{more}", remedy=first.remedy, file=first.file)
    return scans, {modality: error.finding for modality, error in errors.items()}


def find_scans(folder: Path | str) -> dict[Modality, Path]:
    """The scans in ``folder``, and in its ``anat`` folder as BIDS has it, by sequence.

    Sequences are told by the usual file names, in upper or lower case: ``FLAIR.nii.gz``, ``t1.nii``,
    ``study1_T2W.nii.gz``, ``sub-01_ses-1_T1w.nii.gz``, ``3DFLAIR``, ``t2_flair`` (a FLAIR),
    ``T1_MPRAGE``. Not used are hidden files, masks and results, contrast-enhanced scans, and other
    sequences such as T2* or SWI. Further folders are not searched.

    Raises :class:`InputError` where the folder is missing, holds two files of one sequence (also as
    .nii beside .nii.gz), or none that can be told: the message lists what was found.
    """
    return _sort_folder(Path(folder))[0]


def _sort_folder(folder: Path) -> tuple[dict[Modality, Path], tuple[str, ...]]:
    """The scans in ``folder`` by sequence, and a remark on each other scan that was left out."""
    try:
        if folder.is_file():
            remedy = "say which sequence it is with --flair, --t1 or --t2"
            raise InputError("this is a file, not the folder of a visit", remedy=remedy, file=folder)
        kinds = {file: modality_of_name(file.name) for file in _nifti_files(folder)}
        if not any(isinstance(kind, Modality) for kind in kinds.values()):
            raise _nothing_found(folder, kinds)
    except FileNotFoundError:
        raise InputError("there is no such folder", remedy="check the path", file=folder) from None
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the path
        reason = getattr(problem, "strerror", None) or "this cannot be a path"
        finding = f"the folder cannot be read ({reason})"
        raise InputError(finding, remedy="check the path and the permission to read it", file=folder) from None
    scans: dict[Modality, Path] = {}
    for modality in Modality:
        files = [file for file, kind in kinds.items() if kind is modality]
        if len(files) > 1:
            names = _listed(str(file.relative_to(folder)) for file in files)
            finding = f"there are {len(files)} scans named {modality.upper()} in this folder ({names})"
            raise InputError(finding, remedy=f"keep one visit a folder, or {ONE_BY_ONE}", file=folder)
        if files:
            scans[modality] = files[0]
    worth_saying = (NotUsed.CONTRAST, NotUsed.OTHER, NotUsed.SEVERAL)
    # Without their names: those may name the patient, and remarks are kept with the results.
    left_out = (f"another scan in the folder is not used ({kind})" for kind in kinds.values() if kind in worth_saying)
    foreign = (
        f"another scan in the folder is not used ({FOREIGN[entry.suffix.lower()]}, which dawson does not read)"
        for entry in _entries(folder)
        if entry.suffix.lower() in FOREIGN and not entry.name.startswith(".")
    )
    return scans, (*left_out, *foreign)


def _nifti_files(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in _entries(folder)
        if entry.name.lower().endswith(ENDINGS) and not entry.name.startswith(".") and not entry.is_dir()
        # a pair is one scan, known by its header
        if not (entry.name.lower().endswith(IMAGE_ENDINGS) and find_half(entry) is not None)
    )


def _entries(folder: Path) -> list[Path]:
    anat = folder / "anat"
    return [*folder.iterdir(), *(anat.iterdir() if anat.is_dir() else ())]


def _nothing_found(folder: Path, kinds: dict[Path, Modality | NotUsed]) -> InputError:
    if kinds:
        names = _listed(f"{file.relative_to(folder)}: {kind}" for file, kind in kinds.items())
        remedy = f"name the scans FLAIR.nii.gz, T1.nii.gz and T2.nii.gz, or {ONE_BY_ONE}"
        return InputError(f"no file name tells a FLAIR, T1 or T2 scan ({names})", remedy=remedy, file=folder)
    files = (entry for entry in folder.rglob("*") if entry.is_file())
    if any(_is_dicom(file) for file in islice(files, LOOKED_AT)):
        finding = "this folder holds DICOM files, which dawson does not read yet"
        return InputError(finding, remedy=TO_NIFTI, file=folder)
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    names = _listed(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
    finding = f"there is no scan in this folder (found: {names or 'nothing'})"
    return InputError(finding, remedy=f"give the folder of one visit, or {ONE_BY_ONE}", file=folder)


def _is_dicom(file: Path) -> bool:
    if file.suffix.lower() in (".dcm", ".ima"):
        return True
    with file.open("rb") as stream:
        return stream.read(132)[128:] == DICOM_MAGIC


def _listed(names: Iterable[str]) -> str:
    names = list(names)
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
