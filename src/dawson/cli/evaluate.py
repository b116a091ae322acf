"""``dawson evaluate``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli.terminal import EXIT_CODES, FAILED, show_counts
from dawson.core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dawson.evaluation.result import Evaluation
    from dawson.evaluation.run import Progress
    from dawson.evaluation.settings import Settings as EvaluationSettings

RULES = ("any", "iou-0.1", "msseg")

Truth = Annotated[
    list[Path] | None,
    typer.Option("--truth", metavar="PATH", help="Mask file or folder; once for each rater."),
]
Prediction = Annotated[
    list[Path] | None,
    typer.Option("--prediction", metavar="PATH", help="Mask file or folder; once for each tool to compare."),
]
Name = Annotated[
    list[str] | None,
    typer.Option("--name", metavar="NAME", help="Name of each prediction, in order; from its path if left out."),
]
Probability = Annotated[
    list[Path] | None,
    typer.Option("--probability", metavar="PATH", help="Probability file or folder of each prediction, in order."),
]
Threshold = Annotated[
    float | None,
    typer.Option("--threshold", metavar="P", help="Predictions are probability maps: cut them at P."),
]
Label = Annotated[int | None, typer.Option("--label", metavar="N", help="The value that is lesion, in label maps.")]
TruthLabel = Annotated[
    int | None,
    typer.Option("--truth-label", metavar="N", help="The same for the truth, where it differs from --label."),
]
Resample = Annotated[
    bool, typer.Option("--resample", help="Bring predictions on other grids to the truth's (nearest voxel).")
]
Cases = Annotated[
    Path | None,
    typer.Option("--cases", metavar="PATH", help="Labelled cases to run a model on: BIDS folder or table."),
]
Model = Annotated[
    Path | None,
    typer.Option(
        "--model", metavar="MODEL", help="A shipped model's name, a model folder or a run; dawson-1 where left out."
    ),
]
Inputs = Annotated[
    str | None,
    typer.Option("--inputs", metavar="LIST", help="Sequences to give the model, such as flair,t1+t2; or all."),
]
Split = Annotated[
    Path | None,
    typer.Option("--split", metavar="FILE", help="A split.tsv; only cases of one of its sets are used."),
]
SetName = Annotated[
    str | None, typer.Option("--set-name", metavar="SET", help="Which set of the split; test where left out.")
]
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="OUT", help="Folder for tables, charts and page.")
]
Rule = Annotated[
    str, typer.Option("--rule", metavar="RULE", help="When a lesion counts as found: any, msseg, or iou-T.")
]
Connectivity = Annotated[
    int, typer.Option("--connectivity", metavar="N", help="Of voxels within a lesion: 6, 18 or 26.")
]
Minimum = Annotated[
    float, typer.Option("--minimum-mm3", metavar="V", help="Smaller lesions are left out, on both sides.")
]
NoSurfaces = Annotated[
    bool, typer.Option("--no-surfaces", help="Leave out surface distances, which take most of the time.")
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation that is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the summary as JSON on stdout, and nothing else there.")]


@dataclass(frozen=True)
class _Masks:
    """Options of a comparison of masks."""

    truth: list[Path] | None
    prediction: list[Path] | None
    name: list[str] | None
    probability: list[Path] | None
    threshold: float | None
    label: int | None
    truth_label: int | None
    resample: bool


@dataclass(frozen=True)
class _ModelOptions:
    """Options of a run of a model."""

    cases: Path | None
    model: Path | None
    inputs: str | None
    split: Path | None
    set_name: str | None


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "evaluate",
        short_help="Compare lesion masks, or a model, with the truth.",
        epilog="\b\nExamples:\n"
        "  dawson evaluate --truth masks --prediction results -o evaluation\n"
        "  dawson evaluate --truth rater1 --truth rater2 --prediction ours --prediction theirs -o evaluation\n"
        "  dawson evaluate --cases cases.tsv --inputs flair,t1,flair+t1,all -o evaluation\n\n" + EXIT_CODES,
    )(_evaluate)


def _evaluate(
    *,
    truth: Truth = None,
    prediction: Prediction = None,
    name: Name = None,
    probability: Probability = None,
    threshold: Threshold = None,
    label: Label = None,
    truth_label: TruthLabel = None,
    resample: Resample = False,
    cases: Cases = None,
    model: Model = None,
    inputs: Inputs = None,
    split: Split = None,
    set_name: SetName = None,
    output: Output = None,
    rule: Rule = "any",
    connectivity: Connectivity = 26,
    minimum: Minimum = 3.0,
    no_surfaces: NoSurfaces = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Compare lesion masks, or a model, with the truth, by the field's definitions.

    Either masks: give --truth and --prediction, files or folders. They are paired by file name, by BIDS entities, or by
    result folders of dawson.

    Or a model: --cases and --inputs run it on each subset of the sequences of every case. What it found is kept in
    OUT/predictions, and a rerun goes on from there.
    """
    masks = _Masks(truth, prediction, name, probability, threshold, label, truth_label, resample)
    request = _ModelOptions(cases, model, inputs, split, set_name)
    _check_kind(masks, request, output)
    evaluation, summary = _run(masks, request, output, _settings(rule, connectivity, minimum, no_surfaces), overwrite)
    if as_json:
        from dawson.results.summary import to_json  # noqa: PLC0415

        typer.echo(to_json(summary, ascii_only=True), nl=False)
    else:
        from dawson.evaluation.output.table import text_report  # noqa: PLC0415

        typer.echo(text_report(evaluation, summary))
        if output is not None:
            typer.echo(f"\nThe evaluation is in {output}; see {output / 'evaluation.html'} first.")
    if evaluation.failed:
        typer.echo(f"{len(evaluation.failed)} runs of the model failed; they are listed with the results.", err=True)
        raise typer.Exit(FAILED)


def _settings(rule: str, connectivity: int, minimum: float, no_surfaces: bool) -> EvaluationSettings:
    from dawson.evaluation.settings import Settings  # noqa: PLC0415 (help does without it)

    rules = tuple(dict.fromkeys((rule, *RULES)))
    return Settings(connectivity=connectivity, minimum_mm3=minimum, rule=rule, rules=rules, surfaces=not no_surfaces)


def _run(
    masks: _Masks, request: _ModelOptions, output: Path | None, settings: EvaluationSettings, overwrite: bool
) -> tuple[Evaluation, dict[str, Any]]:
    """The evaluation and its summary, written where there is an output folder."""
    from dawson.evaluation.output.summary import summarise  # noqa: PLC0415 (help does without them)
    from dawson.evaluation.output.write import check_evaluation_output, write_evaluation  # noqa: PLC0415

    if output is not None:
        given = (*(masks.truth or ()), *(masks.prediction or ()), *(masks.probability or ()))
        check_evaluation_output(output, overwrite=overwrite, inputs=given)
    with show_counts() as progress:
        if request.cases is None:
            evaluation = _compare_masks(masks, settings, progress)
        else:
            evaluation = _run_model(request, request.cases, output or Path(), settings, progress)
        if output is None:
            return evaluation, summarise(evaluation)
        progress("write", 0, 1)
        return evaluation, write_evaluation(evaluation, output, overwrite=overwrite)


def _compare_masks(masks: _Masks, settings: EvaluationSettings, progress: Progress) -> Evaluation:
    from dawson.evaluation.matching.pairs import find_pairs  # noqa: PLC0415
    from dawson.evaluation.run import evaluate_pairs  # noqa: PLC0415
    from dawson.evaluation.settings import Reading  # noqa: PLC0415
    from dawson.evaluation.workers import default_workers  # noqa: PLC0415

    truth_label = masks.label if masks.truth_label is None else masks.truth_label
    reading = Reading(label=masks.label, truth_label=truth_label, threshold=masks.threshold)
    skipped: list[str] = []
    pairs = find_pairs(
        masks.truth or (),
        masks.prediction or (),
        names=masks.name or (),
        probabilities=masks.probability or (),
        are_probabilities=masks.threshold is not None,
        resample=masks.resample,
        skipped=skipped,
    )
    return evaluate_pairs(
        pairs, settings=settings, reading=reading, skipped=skipped, workers=default_workers(), progress=progress
    )


def _run_model(
    options: _ModelOptions, cases: Path, output: Path, settings: EvaluationSettings, progress: Progress
) -> Evaluation:
    from dawson.evaluation.model_runs import ALL, ModelRequest, evaluate_request  # noqa: PLC0415
    from dawson.evaluation.workers import default_workers  # noqa: PLC0415

    subsets = tuple(subset.strip() for subset in (options.inputs or ALL).split(",") if subset.strip())
    request = ModelRequest(cases, subsets, options.split, options.set_name or "test", options.model)
    return evaluate_request(request, output, settings=settings, workers=default_workers(), progress=progress)


def _check_kind(masks: _Masks, request: _ModelOptions, output: Path | None) -> None:
    """Masks or a model, not a mixture of both, and all that either needs."""
    of_masks, of_model = _given(vars(masks)), _given(vars(request))
    if of_masks and of_model:
        raise UsageError(
            f"{of_masks[0]} and {of_model[0]} were both given",
            remedy="compare masks (--truth, --prediction) or run a model (--cases), one at a time",
        )
    if of_model or not of_masks:
        if request.cases is None:
            raise UsageError(
                "there is nothing to evaluate",
                remedy="give --truth and --prediction, or --cases to run a model on",
            )
        if request.set_name is not None and request.split is None:
            raise UsageError("--set-name was given without --split", remedy="name the split.tsv too")
        if output is None:
            raise UsageError("a model's results need a folder", remedy="name one with -o")
    elif not (masks.truth and masks.prediction):
        missing = "--prediction" if masks.truth else "--truth"
        raise UsageError(f"{missing} was not given", remedy="give both --truth and --prediction")


def _given(options: Mapping[str, object]) -> list[str]:
    """The options that were given, as users spell them."""
    return [
        f"--{name.replace('_', '-')}"
        for name, value in options.items()
        if value is not None and value is not False and value != []
    ]
