"""Which case and which patient a mask's path tells, and which files of a folder are masks at all."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile
from pathlib import Path

from dawson.cases.bids_names import parse_entity, parse_name, parse_path
from dawson.cases.scan_names import modality_of_name
from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP
from dawson.core.study import Modality
from dawson.nifti.formats import NIFTI_ENDINGS

LESION = re.compile(r"(lesions?|wmh|les)\d*", re.IGNORECASE)
MASK = re.compile(
    r"(masks?|[ad]?seg|segmentations?|labels?|roi|gt|truth|groundtruth|reference|manual|consensus|majority"
    r"|pred|predictions?|predicted|outputs?|results?|rater|expert|bin|binary|final)(\d*|[a-d])",
    re.IGNORECASE,
)
PROBABILITY = re.compile(r"(prob|probs|probability|probabilities|probseg|pmap|softmax|heatmap)\d*", re.IGNORECASE)
SCAN = re.compile(r"(3d)?flair|t[12]w|t[12]weighted", re.IGNORECASE)  # T1 and T2 alone may be time points
NO_MASK = re.compile(r"(anatomy|brain|brainmask|tissues?|aseg|aparc|atlas|synthseg)\d*", re.IGNORECASE)
PLAIN, BY_SCAN = 3, 4  # ranks of a name without any word that counts, and of a scan's name
FOLDERS = {"anat", "derivatives"}  # of BIDS, naming nobody

VISIT = re.compile(  # after a separator only: patient1, client7 and adam1 are people, not time points
    r"[_\-. ](?:(?:ses|session|visit|timepoint|time|tp|month|year|scan|study|exam|day)[_\-.]?[a-z]*\d*"
    r"|(?:t|v|m|y|d)\d{1,4}|m\d+|y\d+|baseline|bl|followup|follow-up|fu\d*)$",
    re.IGNORECASE,
)
IDENTITY = ("sub", "ses", "run")  # entities of BIDS that tell one case from another
SEPARATORS = re.compile(r"([_\-. ]+)")


def mask_files(folder: Path, *, probability: bool = False) -> tuple[list[Path], list[Path]]:
    """The lesion masks (or maps of lesion probability) in a folder and those below it, and what was left out.

    Hidden files count nowhere; anatomy and brain masks are left out unless their name speaks of lesions. For
    each case (in each folder) the best named files are taken: BIDS lesion masks (``label-L``, ``label-lesion``,
    ``label-WMH``), else those that speak of lesions, else of a mask, else others. A file without any such word
    is left out where its name continues that of a case whose mask lies beside it (``P1_PD`` beside
    ``P1_lesion``), and scans are taken only where there is nothing else at all.
    """
    found = [file for file in sorted(folder.rglob("*")) if _is_image(file, folder)]
    ranks = {file: _rank(file, probability=probability) for file in found}
    by_folder: dict[Path, dict[str, int]] = defaultdict(dict)  # by case: the best rank of its files
    for file, rank in ranks.items():
        if rank is not None:
            best, key = by_folder[file.parent], match_key(case_name(file, folder))
            best[key] = min(rank, best.get(key, rank))
    worst_allowed = PLAIN if any(rank is not None and rank <= PLAIN for rank in ranks.values()) else BY_SCAN
    whole = {file.parent for file, rank in ranks.items() if rank is not None and rank < PLAIN and is_generic_name(file)}
    taken, left = [], []
    for file, rank in ranks.items():
        best, key = by_folder[file.parent], match_key(case_name(file, folder))
        # A word of its own, but beside the mask of its own case: PD.nii.gz with lesion.nii.gz, P1_PD with P1_lesion.
        continues = any(other < PLAIN and key.startswith(f"{case}_") for case, other in best.items())
        beside = rank == PLAIN and (continues or file.parent in whole)
        if rank is not None and rank == best[key] and rank <= worst_allowed and not beside:
            taken.append(file)
        elif not (file.name in (PROBABILITY_MAP, ANATOMY_MAP) and file.with_name(LESION_MASK) in ranks):
            left.append(file)
    return taken, left


def case_name(file: Path, root: Path) -> str:
    """The name of the case that a mask below ``root`` belongs to.

    BIDS entities (``sub-01_ses-2``) where there are any; else folders and file name, less the words that
    only say that this is a mask: ``P14_T1_mask.nii.gz``, ``P14/T1/lesions.nii.gz`` and
    ``P14_T1/lesions.nii.gz`` are all ``P14_T1``.
    """
    bids = _bids_case(file.relative_to(root).parts)
    if bids is not None:
        return bids
    folders = [_without_mask_words(part) for part in file.relative_to(root).parent.parts if part.lower() not in FOLDERS]
    parts = [part for part in (*folders, _without_mask_words(_stem(file))) if part]
    # A folder whose name the next part repeats says nothing: P14/P14_T1.nii.gz is P14_T1.
    telling = [
        part
        for place, part in enumerate(parts)
        if not any(
            f"{match_key(following)}_".startswith(f"{match_key(part)}_") for following in parts[place + 1 : place + 2]
        )
    ]
    return "_".join(telling) or _without_mask_words(root.name) or root.name or _stem(file)


def match_key(name: str) -> str:
    """What two names of one case have in common: words, without case and separators."""
    return SEPARATORS.sub("_", name).strip("_").lower()


def patient_of(case: str) -> str:
    """The patient that a case belongs to: BIDS ``sub-``, or its name before a visit such as ``_T2``.

    Visits of one patient are not independent, so intervals are drawn by patient.
    """
    subject = parse_name(case).entities.get("sub")
    if subject is not None and case.startswith(f"sub-{subject}"):
        return f"sub-{subject}"
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
    skeletons = [re.sub(r"\d+", "#", match_key(name)) for name in (one, two)]
    return skeletons[0] == skeletons[1] and "#" in skeletons[0]


def is_generic_name(file: Path) -> bool:
    """Whether a file's name says only that it is a mask, as ``lesions.nii.gz`` does."""
    return not _without_mask_words(_stem(file))


def without_identity(name: str) -> str:
    """A file's name without the entities of BIDS that tell whose it is."""
    return "_".join(part for part in name.split("_") if (parse_entity(part) or ("",))[0] not in IDENTITY)


def bids_name(file: Path) -> str | None:
    """The BIDS subject, session and run that all parts of a file's path tell, folders above it included."""
    return _bids_case(file.absolute().parts)


def visit_conflict(first: Path, second: Path) -> str | None:
    """How the BIDS names in two files' whole paths contradict each other, such as ``sub-01 and sub-02``.

    None where they agree, or where either tells nothing.
    """
    one, two = (parse_path(file.absolute().parts) for file in (first, second))
    for key in ("sub", "ses"):
        if key in one and key in two and one[key].lower() != two[key].lower():
            return f"{key}-{one[key]} and {key}-{two[key]}"
    return None


def subject_conflict(file: Path, root: Path) -> str | None:
    """A problem where a BIDS file's folder and its name tell two subjects."""
    labels = [parse_name(part).entities.get("sub") for part in file.relative_to(root).parts]
    subjects = [label for label in labels if label is not None]
    if len(set(subjects)) > 1:
        return f"{file}: its folder says sub-{subjects[0]} and its name sub-{subjects[-1]}; put it where it belongs"
    return None


def method_names(paths: list[Path]) -> list[str]:
    """A short name for each prediction, from its path: the last part that tells them apart."""
    parts = [[*(p for p in path.resolve().parent.parts), _stem(path)] for path in paths]
    for depth in range(1, max(len(p) for p in parts) + 1):
        names = ["/".join(p[-depth:]) for p in parts]
        if depth == 1:
            names = [
                _without_mask_words(name) or p[-2] if path.is_file() else name
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
    if is_probability:
        return None
    name = parse_name(file.name)
    if name.marks_lesions:
        return 0
    if "label" in name.entities:  # BIDS, of something else
        return None
    if any(LESION.fullmatch(word) for word in words):
        return 1
    if any(NO_MASK.fullmatch(word) for word in words):
        return None
    if any(MASK.fullmatch(word) for word in words):
        return 2
    return BY_SCAN if isinstance(modality_of_name(file.name), Modality) else PLAIN


def _is_image(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.name.lower().endswith(NIFTI_ENDINGS) and file.is_file()


def _bids_case(parts: Iterable[str]) -> str | None:
    """The subject, session and run that the parts of a path tell; None where they tell no subject."""
    entities = parse_path(parts)
    return "_".join(f"{key}-{entities[key]}" for key in IDENTITY if key in entities) if "sub" in entities else None


def _without_mask_words(name: str) -> str:
    """A name without the words that only say that it is a mask, each taken away with the separator before it."""
    if parse_name(name).marks_lesions:  # from the label on, all says which mask this is
        name = "_".join((*takewhile(lambda part: not part.startswith("label-"), name.split("_")), "lesion"))
    pieces = SEPARATORS.split(name)
    kinds = [LESION, MASK, PROBABILITY, SCAN]
    if any(LESION.fullmatch(word) for word in pieces):
        kinds.append(NO_MASK)  # brain_lesions
    kept = ""
    for place in range(0, len(pieces), 2):
        word = pieces[place]
        if any(kind.fullmatch(word) for kind in kinds):
            continue
        kept += (pieces[place - 1] if kept else "") + word
    return kept


def _stem(file: Path) -> str:
    return re.sub(r"\.nii(\.gz)?$", "", file.name, flags=re.IGNORECASE)
