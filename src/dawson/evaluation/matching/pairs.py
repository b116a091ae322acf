"""Which prediction belongs to which truth: two files, two folders, BIDS derivatives, dawson's own results."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dawson.core.errors import UsageError
from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP, SUMMARY
from dawson.evaluation.matching.case_names import (
    bids_name,
    case_name,
    is_generic_name,
    mask_files,
    match_key,
    method_names,
    other_patient,
    patient_of,
    subject_conflict,
    visit_conflict,
    without_identity,
)
from dawson.evaluation.matching.grids import refusal

MOST_TOLD = 12  # names of files that are no masks, in one line


@dataclass(frozen=True)
class Pair:
    """One prediction of one case, and the truth that it is measured against.

    ``truths`` are the masks of one rater or of several; ``method`` names the prediction (a tool, or the
    sequences that a model was given); ``inputs`` are those sequences where known. ``probability``,
    ``anatomy`` and ``image`` (a scan to draw on) may lie on any grid; ``resample`` allows the prediction
    to lie on another grid than the truth.
    """

    case: str
    patient: str
    truths: tuple[Path, ...]
    method: str
    prediction: Path
    probability: Path | None = None
    anatomy: Path | None = None
    image: Path | None = None
    inputs: tuple[str, ...] = ()
    resample: bool = False


def find_pairs(
    truths: Sequence[Path],
    predictions: Sequence[Path],
    *,
    names: Sequence[str] = (),
    probabilities: Sequence[Path] = (),
    are_probabilities: bool = False,
    resample: bool = False,
    skipped: list[str] | None = None,
) -> tuple[Pair, ...]:
    """Pair the masks of one or several predictions with the truth's.

    Args:
        truths: a file or folder for each rater.
        predictions: a file or folder for each prediction.
        names: of the predictions; from their paths where left out.
        probabilities: a file or folder for each prediction, in the same order, or none at all.
        are_probabilities: the predictions themselves are probability maps, to be cut at a threshold.
        resample: allow predictions to lie on other grids.
        skipped: a line is added for each folder whose NIfTI files were not all taken for masks.

    Returns:
        One pair a case and prediction: all cases of the first prediction, then of the next. Folders are
        paired by the names that :func:`dawson.evaluation.matching.case_names.case_name` tells.

    Raises:
        InputError: listing all that is wrong: cases without counterpart, two files for one case, another
            patient by name, a folder without masks.
        UsageError: numbers of paths or names that do not fit each other.
    """
    _check_counts(truths, predictions, names, probabilities)
    names = tuple(names) or tuple(method_names(list(predictions)))
    problems: list[str] = []
    left = [] if skipped is None else skipped
    raters = [_masks(path, problems, left) for path in truths]
    found = [_masks(path, problems, left, probability=are_probabilities) for path in predictions]
    maps = [_masks(path, problems, [], probability=True) for path in probabilities] or [{} for _ in predictions]
    if problems:
        raise refusal(problems, what="folders")
    given = (*zip(truths, raters, strict=True), *zip(predictions, found, strict=True))
    if all(_needs_no_name(path, masks) for path, masks in (*given, *zip(probabilities, maps, strict=False))):
        return tuple(_single(raters, found, maps, names, resample, problems))
    cases = _unmatched(raters, found, maps if probabilities else [], truths, names, problems)
    if problems:
        raise refusal(problems, what="folders")
    return tuple(
        _pair(key, raters, masks[key][1], name, maps[number].get(key, ("", None))[1], resample)
        for number, (name, masks) in enumerate(zip(names, found, strict=True))
        for key in cases
    )


FileByCase = dict[str, tuple[str, Path]]  # by key: the name of the case and its file


def _check_counts(
    truths: Sequence[Path], predictions: Sequence[Path], names: Sequence[str], probabilities: Sequence[Path]
) -> None:
    if not truths or not predictions:
        raise UsageError("no masks to compare were given", remedy="give --truth and --prediction")
    for what, several in (("--name", names), ("--probability", probabilities)):
        if several and len(several) != len(predictions):
            raise UsageError(
                f"{len(predictions)} predictions were given and {len(several)} times {what}",
                remedy=f"give one {what} for each prediction, in the same order, or none",
            )
    if len(set(names)) < len(names):
        raise UsageError("two predictions have the same name", remedy="give each a --name of its own")


def _masks(path: Path, problems: list[str], left: list[str], *, probability: bool = False) -> FileByCase:
    """The masks of a file or folder by the key of their case; what is no mask by its name is told in ``left``."""
    if not path.is_dir():
        if not path.exists():
            problems.append(f"{path}: there is no such file or folder; check the path")
        return {match_key(name := bids_name(path) or case_name(path, path.parent)): (name, path)}
    result = path / (PROBABILITY_MAP if probability else LESION_MASK)
    one_visit = result.is_file() and (path / SUMMARY).is_file()
    files, others = ([result], []) if one_visit else mask_files(path, probability=probability)
    if others:
        left.append(_left_out(path, others))
    if not files:
        what = "map of lesion probability" if probability else "lesion mask"
        problems.append(f"{path}: this folder holds no {what} (.nii or .nii.gz); check the path")
    by_key: dict[str, list[tuple[str, Path]]] = defaultdict(list)
    for file in files:
        problem = subject_conflict(file, path)
        if problem is not None:
            problems.append(problem)
        name = case_name(file, path)
        by_key[match_key(name)].append((name, file))
    for several in by_key.values():
        if len(several) > 1:
            listed = ", ".join(str(file.relative_to(path)) for _, file in several)
            problems.append(
                f"{path}: {len(several)} files for case {several[0][0]} ({listed}); "
                "keep one mask a case (masks of several raters in a folder each, with --truth for each)"
            )
    return {key: several[0] for key, several in by_key.items()}


def _left_out(path: Path, files: Sequence[Path]) -> str:
    """A line on what was not taken for a mask; a data set repeats its scans' names, so each is told once."""
    names = list(dict.fromkeys(without_identity(file.name) for file in files))
    further = f" and {len(names) - MOST_TOLD} other names" if len(names) > MOST_TOLD else ""
    count = "1 NIfTI file was" if len(files) == 1 else f"{len(files)} NIfTI files were"
    return f"{path}: {count} not taken for lesion masks, by name: {', '.join(names[:MOST_TOLD])}{further}"


def _needs_no_name(path: Path, masks: FileByCase) -> bool:
    """Whether this is one mask that needs no name to be paired: a file, or the only mask of a folder of one visit."""
    return not path.is_dir() or (len(masks) == 1 and all(is_generic_name(file) for _, file in masks.values()))


def _single(
    raters: list[FileByCase],
    found: list[FileByCase],
    maps: list[FileByCase],
    names: Sequence[str],
    resample: bool,
    problems: list[str],
) -> Iterator[Pair]:
    """One case, whatever its files are called, unless they tell two patients."""
    (key, (case, truth)), *_ = raters[0].items()
    for other in (*raters[1:], *found, *maps):
        for name, file in other.values():
            # A folder's name (try1/lesions.nii.gz) says who it is only in BIDS, there on every level.
            visits = visit_conflict(truth, file)
            sure = not (is_generic_name(file) or is_generic_name(truth))
            if visits is not None:
                problems.append(
                    f"{file}: by their paths this and {truth} are of {visits}; give masks of one patient and session"
                )
            elif sure and other_patient(case, name):
                problems.append(
                    f"{file}: by its name this is {patient_of(name)}, but {truth} is {patient_of(case)}; "
                    "give masks of one patient, or rename the file if it is"
                )
    if problems:
        raise refusal(problems, what="files")
    everyone = [{key: next(iter(rater.values()))} for rater in raters]
    for name, masks, several in zip(names, found, maps, strict=True):
        file = next(iter(masks.values()))[1]
        probability = next((file for _, file in several.values()), None)
        yield _pair(key, everyone, file, name, probability, resample)


def _unmatched(
    raters: list[FileByCase],
    found: list[FileByCase],
    maps: list[FileByCase],
    truths: Sequence[Path],
    names: Sequence[str],
    problems: list[str],
) -> list[str]:
    """The keys of all cases, in order; what has no counterpart becomes a problem."""
    first = raters[0]
    others = [(f"rater {n}", rater) for n, rater in enumerate(raters[1:], start=2)]
    others += [(f"prediction {name}", masks) for name, masks in zip(names, found, strict=True)]
    others += [(f"probability of {name}", masks) for name, masks in zip(names, maps, strict=False)]
    for what, masks in others:
        for key in sorted(first.keys() - masks.keys()):
            problems.append(f"{first[key][0]}: {first[key][1]} has no counterpart in {what}")
        for key in sorted(masks.keys() - first.keys()):
            problems.append(f"{masks[key][0]}: {masks[key][1]} ({what}) has no counterpart in {truths[0]}")
    return sorted(first)


def _pair(
    key: str, raters: Sequence[Mapping[str, tuple[str, Path]]], file: Path, name: str, probability: Path | None,
    resample: bool,
) -> Pair:  # fmt: skip
    case = raters[0][key][0]
    beside = file.parent
    is_result = file.name == LESION_MASK and (beside / SUMMARY).is_file()
    if probability is None and is_result and (beside / PROBABILITY_MAP).is_file():
        probability = beside / PROBABILITY_MAP
    anatomy = beside / ANATOMY_MAP if is_result and (beside / ANATOMY_MAP).is_file() else None
    return Pair(
        case=case,
        patient=patient_of(case),
        truths=tuple(rater[key][1] for rater in raters),
        method=name,
        prediction=file,
        probability=probability,
        anatomy=anatomy,
        resample=resample,
    )
