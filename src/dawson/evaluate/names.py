"""Which case and which patient a mask's path tells, and which files of a folder are masks at all."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from dawson.read.names import tell_sequence
from dawson.read.nifti import ENDINGS
from dawson.study import Sequence

LESION = re.compile(r"(lesions?|wmh|les)\d*", re.IGNORECASE)
MASK = re.compile(
    r"(masks?|[ad]?seg|segmentations?|labels?|roi|gt|truth|groundtruth|reference|manual|consensus|majority"
    r"|pred|predictions?|predicted|outputs?|results?|rater|expert|bin|binary|final)(\d*|[a-d])",
    re.IGNORECASE,
)
PROBABILITY = re.compile(r"(prob|probs|probability|probabilities|probseg|pmap|softmax|heatmap)\d*", re.IGNORECASE)
SCAN = re.compile(r"(3d)?flair|t[12]w|t[12]weighted", re.IGNORECASE)  # T1 and T2 alone may be time points
NO_MASK = re.compile(r"(anatomy|brain|brainmask|tissues?|aseg|aparc|atlas|synthseg)\d*", re.IGNORECASE)
FOLDERS = {"anat", "derivatives"}  # of BIDS, naming nobody

VISIT = re.compile(
    r"[_\-. ]?(?:(?:ses|session|visit|timepoint|time|tp|month|year|scan|study|exam|day)[_\-.]?[a-z]*\d*"
    r"|(?:t|v|m|y|d)\d{1,4}|m\d+|y\d+|baseline|bl|followup|follow-up|fu\d*)$",
    re.IGNORECASE,
)
SEPARATORS = re.compile(r"([_\-. ]+)")


def mask_files(folder: Path, *, probability: bool = False) -> list[Path]:
    """The lesion masks (or, where asked for, the maps of lesion probability) in a folder and those below it.

    Hidden files, anatomy and brain masks never count. In each folder the best named files are taken: BIDS
    lesion masks (``label-L`` or ``label-lesion``), else those that speak of lesions, else of a mask, else
    all others, scans last of all.
    """
    by_folder: dict[Path, list[tuple[int, Path]]] = defaultdict(list)
    for file in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
        if not hidden and file.name.lower().endswith(ENDINGS) and file.is_file():
            rank = _rank(file, probability=probability)
            if rank is not None:
                by_folder[file.parent].append((rank, file))
    best = {where: min(rank for rank, _ in ranked) for where, ranked in by_folder.items()}
    worst_allowed = 3 if any(rank < 4 for rank in best.values()) else 4  # scans only where there is nothing else
    return [
        file
        for where, ranked in by_folder.items()
        for rank, file in ranked
        if rank == best[where] and rank <= worst_allowed
    ]


def case_name(file: Path, root: Path) -> str:
    """The name of the case that a mask below ``root`` belongs to.

    BIDS entities (``sub-01_ses-2``) where there are any; else folders and file name, less the words that
    only say that this is a mask: ``P14_T1_mask.nii.gz``, ``P14/T1/lesions.nii.gz`` and
    ``P14_T1/lesions.nii.gz`` are all ``P14_T1``.
    """
    bids = _bids_entities(file, root)
    if bids:
        return "_".join(bids)
    folders = [_less_words(part) for part in file.relative_to(root).parent.parts if part.lower() not in FOLDERS]
    parts = [part for part in (*folders, _less_words(_stem(file))) if part]
    # A folder whose name the next part repeats says nothing: P14/P14_T1.nii.gz is P14_T1.
    told = [
        part
        for place, part in enumerate(parts)
        if not any(f"{key_of(following)}_".startswith(f"{key_of(part)}_") for following in parts[place + 1 : place + 2])
    ]
    return "_".join(told) or _less_words(root.name) or root.name or _stem(file)


def key_of(name: str) -> str:
    """What two names of one case have in common: words, without case and separators."""
    return SEPARATORS.sub("_", name).strip("_").lower()


def patient_of(case: str) -> str:
    """The patient that a case belongs to: BIDS ``sub-``, or its name before a visit such as ``_T2``.

    Visits of one patient are not independent, so intervals are drawn by patient.
    """
    bids = re.match(r"(sub-[A-Za-z0-9]+)", case)
    if bids:
        return bids[1]
    shorter = VISIT.sub("", case)
    return shorter if shorter else case


def other_patient(first: str, second: str) -> bool:
    """Whether the names of two cases tell different patients beyond doubt.

    Two BIDS subjects, or two names that differ in nothing but the numbers of the patient (P14 and P15);
    ``truth`` and ``output2`` tell nobody.
    """
    one, two = patient_of(first).lower(), patient_of(second).lower()
    if one == two:
        return False
    if one.startswith("sub-") and two.startswith("sub-"):
        return True
    skeletons = [re.sub(r"\d+", "#", key_of(name)) for name in (one, two)]
    return skeletons[0] == skeletons[1] and "#" in skeletons[0]


def tells_nothing(file: Path) -> bool:
    """Whether a file's name says only that it is a mask, as ``lesions.nii.gz`` does."""
    return not _less_words(_stem(file))


def contradiction(file: Path, root: Path) -> str | None:
    """A problem where a BIDS file's folder and its name tell two subjects."""
    subjects = re.findall(r"sub-[A-Za-z0-9]+", file.relative_to(root).as_posix())
    if len(set(subjects)) > 1:
        return f"{file}: its folder says {subjects[0]} and its name {subjects[-1]}; put it where it belongs"
    return None


def method_names(paths: list[Path]) -> list[str]:
    """A short name for each prediction, from its path: the last part that tells them apart."""
    parts = [[*(p for p in path.resolve().parent.parts), _stem(path)] for path in paths]
    for depth in range(1, max(len(p) for p in parts) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if depth == 1:
            names = [
                _less_words(name) or p[-2] if path.is_file() else name
                for name, p, path in zip(names, parts, paths, strict=True)
            ]
        if len(set(names)) == len(names):
            return names
    return [f"prediction {number}" for number in range(1, len(paths) + 1)]


def _rank(file: Path, *, probability: bool) -> int | None:
    words = [word for word in SEPARATORS.split(_stem(file)) if word]
    is_probability = any(PROBABILITY.fullmatch(word) for word in words)
    if probability:
        return 0 if is_probability else None if any(NO_MASK.fullmatch(w) or LESION.fullmatch(w) for w in words) else 3
    if is_probability or any(NO_MASK.fullmatch(word) for word in words):
        return None
    if re.search(r"_label-(L|lesion)_(?:[^/]*_)?(mask|roi|dseg)$", _stem(file)):
        return 0
    if re.search(r"_label-", _stem(file)):  # BIDS, of something else
        return None
    if any(LESION.fullmatch(word) for word in words):
        return 1
    if any(MASK.fullmatch(word) for word in words):
        return 2
    return 4 if isinstance(tell_sequence(file.name), Sequence) else 3


def _bids_entities(file: Path, root: Path) -> list[str]:
    where = "_".join((*file.relative_to(root).parent.parts, _stem(file)))
    found = []
    for entity in ("sub", "ses", "run"):
        values = re.findall(rf"(?:^|_){entity}-([A-Za-z0-9]+)", where)
        if values:
            found.append(f"{entity}-{values[-1]}")
    return found if found and found[0].startswith("sub-") else []


def _less_words(name: str) -> str:
    """A name without the words that only say that it is a mask, each taken away with the separator before it."""
    pieces = SEPARATORS.split(name)
    kept = ""
    for place in range(0, len(pieces), 2):
        word = pieces[place]
        if any(kind.fullmatch(word) for kind in (LESION, MASK, PROBABILITY, SCAN)):
            continue
        kept += (pieces[place - 1] if kept else "") + word
    return kept


def _stem(file: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", file.name, flags=re.IGNORECASE)
