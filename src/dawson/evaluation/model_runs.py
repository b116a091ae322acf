"""Evaluate a model: run it on subsets of the sequences of every case, keep what it found, and compare.

Each result is an ordinary result folder of ``dawson segment``. Its summary names the hashes of scans and
model; where they agree with what is asked for, the result is taken up again instead of computed anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dawson.cases.case import Case
from dawson.cases.find import find_cases
from dawson.cases.split import patients_of
from dawson.core.errors import InputError, UsageError
from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP
from dawson.core.study import Modality
from dawson.evaluation.kept_results import is_current, result_folder
from dawson.evaluation.matching.grids import one_line, refusal
from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.result import Evaluation
from dawson.evaluation.run import Progress, evaluate_pairs
from dawson.evaluation.settings import Settings
from dawson.model.card import Model, load_model
from dawson.nifti.mask import read_mask

ALL = "all"


@dataclass(frozen=True)
class ModelRequest:
    """A model and the cases to run it on, as a user names them.

    ``cases`` is a BIDS data set or a table. ``inputs`` are the subsets of sequences to give, as for
    :func:`plan_runs`. With a ``split`` (a split.tsv) only cases of the patients of its set ``set_name`` are used.
    ``model`` is a model or run folder; the shipped model where left out.
    """

    cases: Path
    inputs: tuple[str, ...] = (ALL,)
    split: Path | None = None
    set_name: str = "test"
    model: Path | None = None


@dataclass(frozen=True, eq=False)
class ModelRun:
    """One run of the model: a case and the sequences that it is given; ``method`` groups runs in tables."""

    case: Case
    modalities: tuple[Modality, ...]
    method: str

    @property
    def inputs(self) -> str:
        """Such as ``flair+t1``."""
        return "+".join(self.modalities)


def plan_runs(cases: Iterable[Case], inputs: Sequence[str]) -> tuple[tuple[ModelRun, ...], tuple[str, ...]]:
    """The runs of all cases for each subset of sequences, and a line for each that a case cannot give.

    ``inputs`` are such as ``flair``, ``flair+t1`` and ``all`` (whatever the case has).

    Raises:
        UsageError: a subset that names no sequences, or no case that can give any.
    """
    cases = tuple(cases)
    subsets = {name: _subset(name) for name in inputs}
    runs, skipped = [], []
    for name, wanted in subsets.items():
        for case in cases:
            missing = [s for s in wanted or () if s not in case.scans]
            if missing:
                skipped.append(f"{case.name}: not evaluated from {name}, for it has no {' and no '.join(missing)}")
            else:
                given = wanted or tuple(s for s in Modality if s in case.scans)
                runs.append(ModelRun(case, given, name))
    if not runs:
        raise UsageError(
            f"no case has the sequences {', '.join(subsets)}", remedy="ask for others with --inputs, or use all"
        )
    return tuple(runs), tuple(skipped)


def evaluate_model(
    runs: Sequence[ModelRun],
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
        runs: cases with the sequences that the model is given, as :func:`plan_runs` makes them.
        out: where results are kept, in ``predictions/<case>/<sequences>``; those made by the same model and
            version of dawson from the same scans are taken up again.
        model: a model or run folder; the shipped model where left out.
        settings: what counts as a lesion and as found.
        skipped: lines to carry on, of runs that there are not.
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
    _check_masks(runs)
    pairs: list[Pair] = []
    failed: list[str] = []
    done: dict[tuple[str, str], Path | None] = {}  # one run serves all methods that ask for the same sequences
    for number, run in enumerate(runs):
        key = (run.case.name, run.inputs)
        if key not in done:
            folder = result_folder(Path(out), run.case.name, run.inputs)
            try:
                _predict(run, folder, network)
                done[key] = folder
            except InputError as error:
                done[key] = None
                failed.append(f"{run.case.name} from {run.inputs}: {one_line(error)}")
        found = done[key]
        if found is not None:
            pairs.append(_pair(run, found))
        if progress is not None:
            progress("segment", number + 1, len(runs))
    if not pairs:
        raise refusal(failed, what="scans")
    evaluation = evaluate_pairs(pairs, settings=settings, workers=workers, progress=progress)
    return replace(evaluation, skipped=tuple(skipped), failed=tuple(failed), model=network.summary)


def evaluate_request(
    request: ModelRequest,
    out: Path | str,
    *,
    settings: Settings = Settings(),  # noqa: B008 (frozen)
    workers: int = 1,
    progress: Progress | None = None,
) -> Evaluation:
    """Find the cases that a request names, and evaluate its model on them: see :func:`evaluate_model`.

    Raises:
        InputError: cases or a split that cannot be used.
        UsageError: no case of the set, or none with the sequences.
    """
    cases = find_cases(request.cases)
    if request.split is not None:
        cases = _of_set(cases, request.split, request.set_name)
    runs, skipped = plan_runs(cases, request.inputs)
    return evaluate_model(
        runs, out, model=request.model, settings=settings, skipped=skipped, workers=workers, progress=progress
    )


def _of_set(cases: tuple[Case, ...], split: Path, set_name: str) -> tuple[Case, ...]:
    """The cases whose patients are in one set of a split; patients are never divided between sets."""
    patients = patients_of(split, set_name)
    chosen = tuple(case for case in cases if case.patient in patients)
    if not chosen:
        raise UsageError(
            f"no case belongs to a patient of the set {set_name!r}",
            remedy="give the split that was made of these cases",
            file=split,
        )
    return chosen


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


def _check_masks(runs: Sequence[ModelRun]) -> None:
    """Refuse the whole set where any mask cannot be used: finding out after hours of runs would be late."""
    problems = []
    for mask in dict.fromkeys(run.case.mask for run in runs):
        try:
            read_mask(mask)
        except InputError as error:
            problems.append(one_line(error))
    if problems:
        raise refusal(problems, what="masks")


def _predict(run: ModelRun, folder: Path, network: Model) -> None:
    """Make sure that ``folder`` holds the model's result for this run."""
    files = {s: run.case.scans[s] for s in run.modalities}
    if is_current(folder, files, network):
        return
    from dawson.cases.visit import read_study  # noqa: PLC0415
    from dawson.results.write import write  # noqa: PLC0415
    from dawson.segmentation.pipeline import segment  # noqa: PLC0415 (OpenVINO is loaded only where something must be run)

    study = read_study(**{s.value: file for s, file in files.items()}, strict=True)
    write(segment(study, model=network.folder), folder, overwrite=True)


def _pair(run: ModelRun, folder: Path) -> Pair:
    return Pair(
        case=run.case.name,
        patient=run.case.patient,
        truths=(run.case.mask,),
        method=run.method,
        prediction=folder / LESION_MASK,
        probability=folder / PROBABILITY_MAP,
        anatomy=folder / ANATOMY_MAP,
        image=run.case.scans[run.modalities[0]],
        inputs=run.modalities,
        # Results lie on the grid of the first scan given, which need not be the one that the mask was drawn on.
        resample=True,
    )
