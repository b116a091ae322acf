"""Evaluate a model: run it on subsets of the sequences of every case, keep what it found, and compare.

Each result is an ordinary result folder of ``dawson segment``. Its summary names the hashes of scans and
model; where they agree with what is asked for, the result is taken up again instead of computed anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

from dawson.core.errors import InputError, UsageError
from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP, SUMMARY
from dawson.core.study import Modality
from dawson.evaluation.matching.grids import refusal, told
from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.result import Evaluation
from dawson.evaluation.run import Progress, evaluate_pairs
from dawson.evaluation.settings import Settings
from dawson.model.card import Model, load_model, sha256
from dawson.nifti.mask import read_mask
from dawson.preparation.locator import about_locator
from dawson.results.summary import RULE, code_hash

WHICH = ("name", "version", "sha256", "int8_sha256")  # of a model, as results name it
FITTED = ("calibration", "anatomy_weights")  # of a card, and so of results: they change without the weights

ALL = "all"
PREDICTIONS = "predictions"


class CaseLike(Protocol):
    """A labelled visit, as :class:`dawson.cases.case.Case` is one."""

    @property
    def patient(self) -> str:
        """Whose it is; intervals are drawn by patient."""

    @property
    def name(self) -> str:
        """Of patient and visit, unique among the cases."""

    @property
    def scans(self) -> Mapping[Modality, Path]:
        """The scans by sequence."""

    @property
    def mask(self) -> Path:
        """The lesion mask."""


@dataclass(frozen=True, eq=False)
class Unit:
    """One run of the model: a case and the sequences that it is given; ``method`` groups units in tables."""

    case: CaseLike
    modalities: tuple[Modality, ...]
    method: str

    @property
    def inputs(self) -> str:
        """Such as ``flair+t1``."""
        return "+".join(self.modalities)


def units_of(cases: Iterable[CaseLike], inputs: Sequence[str]) -> tuple[tuple[Unit, ...], tuple[str, ...]]:
    """The units of all cases for each subset of sequences, and a line for each that a case cannot give.

    ``inputs`` are such as ``flair``, ``flair+t1`` and ``all`` (whatever the case has).

    Raises:
        UsageError: a subset that names no sequences, or no case that can give any.
    """
    cases = tuple(cases)
    subsets = {name: _subset(name) for name in inputs}
    units, skipped = [], []
    for name, wanted in subsets.items():
        for case in cases:
            missing = [s for s in wanted or () if s not in case.scans]
            if missing:
                skipped.append(f"{case.name}: not evaluated from {name}, for it has no {' and no '.join(missing)}")
            else:
                given = wanted or tuple(s for s in Modality if s in case.scans)
                units.append(Unit(case, given, name))
    if not units:
        raise UsageError(
            f"no case has the sequences {', '.join(subsets)}", remedy="ask for others with --inputs, or use all"
        )
    return tuple(units), tuple(skipped)


def evaluate_model(
    units: Sequence[Unit],
    out: Path | str,
    *,
    model: Path | str | None = None,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    skipped: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Run a model on every unit and compare what it finds with the mask of the case.

    Args:
        units: cases with the sequences that the model is given, as :func:`units_of` makes them.
        out: where results are kept, in ``predictions/<case>/<sequences>``; those made by the same model and
            version of dawson from the same scans are taken up again.
        model: a model or run folder; the shipped model where left out.
        settings: what counts as a lesion and as found.
        skipped: lines to carry on, of units that there are not.
        workers: processes for the comparison, as in :func:`~dawson.evaluation.run.evaluate_pairs`.
        progress: called as each run or case is done.

    Returns:
        The evaluation. A scan that the model's pipeline refuses (as one without a brain) does not stop the
        others; it is listed in ``failed``.

    Raises:
        InputError: before any run, listing every mask that cannot be used; or when every run failed.
        ModelError: a model that cannot be used.
    """
    network = load_model(model)
    _check_masks(units)
    pairs: list[Pair] = []
    failed: list[str] = []
    done: dict[tuple[str, str], Path | None] = {}  # one run serves all methods that ask for the same sequences
    for number, unit in enumerate(units):
        key = (unit.case.name, unit.inputs)
        if key not in done:
            folder = Path(out) / PREDICTIONS / _safe(unit.case.name) / unit.inputs
            try:
                _predict(unit, folder, network)
                done[key] = folder
            except InputError as error:
                done[key] = None
                failed.append(f"{unit.case.name} from {unit.inputs}: {told(error)}")
        found = done[key]
        if found is not None:
            pairs.append(_pair(unit, found))
        if progress is not None:
            progress("segment", number + 1, len(units))
    if not pairs:
        raise refusal(failed, what="scans")
    evaluation = evaluate_pairs(pairs, settings=settings, workers=workers, progress=progress)
    return replace(evaluation, skipped=tuple(skipped), failed=tuple(failed), model=network.summary)


def _subset(name: str) -> tuple[Modality, ...] | None:
    """The sequences of a subset in the order FLAIR, T1, T2; None for all that there are."""
    if name == ALL:
        return None
    words = name.lower().split("+")
    if not set(words) <= set(Modality) or len(set(words)) < len(words):
        raise UsageError(
            f"--inputs holds {name!r}, which is no subset of sequences",
            remedy="join flair, t1 and t2 by + (as flair+t1), or give all; separate subsets by commas",
        )
    return tuple(s for s in Modality if s in words)


def _check_masks(units: Sequence[Unit]) -> None:
    """Refuse the whole set where any mask cannot be used: finding out after hours of runs would be late."""
    problems = []
    for mask in dict.fromkeys(unit.case.mask for unit in units):
        try:
            read_mask(mask)
        except InputError as error:
            problems.append(told(error))
    if problems:
        raise refusal(problems, what="masks")


def _predict(unit: Unit, folder: Path, network: Model) -> None:
    """Make sure that ``folder`` holds the model's result for this unit."""
    files = {s: unit.case.scans[s] for s in unit.modalities}
    if _is_current(folder, files, network):
        return
    from dawson.cases.visit import read_study  # noqa: PLC0415
    from dawson.results.write import write  # noqa: PLC0415
    from dawson.segmentation.pipeline import segment  # noqa: PLC0415 (OpenVINO is loaded only where something must be run)

    study = read_study(**{s.value: file for s, file in files.items()})
    write(segment(study, model=network.folder), folder, overwrite=True)


def _is_current(folder: Path, files: Mapping[Modality, Path], network: Model) -> bool:
    try:
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        made_from = {name: scan["sha256"] for name, scan in summary["inputs"].items()}
        told_model = {field: summary["model"].get(field) for field in WHICH}
        locator = summary["model"].get("locator")
        fitted = {field: summary["model"].get(field) for field in FITTED}
        rule, code = summary["rule"], summary["versions"]["code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    from dawson.model.engine import precision  # noqa: PLC0415 (imports OpenVINO, which not every evaluation needs)

    if summary["model"].get("precision") != precision(network):
        return False
    wanted: dict[str, Any] = {field: network.summary[field] for field in told_model}
    same_rule = all(rule.get(field) == network.summary[field] for field in RULE)
    if not (told_model == wanted and same_rule and code == code_hash()):
        return False
    if fitted != json.loads(json.dumps({field: network.summary[field] for field in FITTED})):
        return False
    if locator != (about_locator() if network.recipe.volume is None else None):
        return False
    if not all((folder / name).is_file() for name in (LESION_MASK, PROBABILITY_MAP, ANATOMY_MAP)):
        return False
    return made_from.keys() == set(files) and all(made_from[s] == _hash(file) for s, file in files.items())


def _hash(file: Path) -> str:
    try:
        return sha256(file)
    except OSError:
        return ""  # reading it will say why


def _pair(unit: Unit, folder: Path) -> Pair:
    return Pair(
        case=unit.case.name,
        patient=unit.case.patient,
        truths=(unit.case.mask,),
        method=unit.method,
        prediction=folder / LESION_MASK,
        probability=folder / PROBABILITY_MAP,
        anatomy=folder / ANATOMY_MAP,
        image=unit.case.scans[unit.modalities[0]],
        inputs=unit.modalities,
        # Results lie on the grid of the first scan given, which need not be the one that the mask was drawn on.
        resample=True,
    )


def _safe(name: str) -> str:
    """A name that can be one folder, a different one for each name."""
    quoted = quote(name, safe=" +")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted
