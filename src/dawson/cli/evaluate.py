"""``dawson evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli.terminal import EXIT_CODES, FAILED, show_counts
from dawson.core.errors import UsageError

if TYPE_CHECKING:
    from dawson.cases.case import Case
    from dawson.evaluation.result import Evaluation
    from dawson.evaluation.run import Progress
    from dawson.evaluation.settings import Settings

RULES = ("any", "iou-0.1", "msseg")


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
    truth: Annotated[
        list[Path] | None,
        typer.Option("--truth", metavar="PATH", help="Mask file or folder; once for each rater."),
    ] = None,
    prediction: Annotated[
        list[Path] | None,
        typer.Option("--prediction", metavar="PATH", help="Mask file or folder; once for each tool to compare."),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="Name of each prediction, in order; from its path if left out."),
    ] = None,
    probability: Annotated[
        list[Path] | None,
        typer.Option("--probability", metavar="PATH", help="Probability file or folder of each prediction, in order."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option("--threshold", metavar="P", help="Predictions are probability maps: cut them at P."),
    ] = None,
    label: Annotated[
        int | None, typer.Option("--label", metavar="N", help="The value that is lesion, in label maps.")
    ] = None,
    truth_label: Annotated[
        int | None,
        typer.Option("--truth-label", metavar="N", help="The same for the truth, where it differs from --label."),
    ] = None,
    resample: Annotated[
        bool, typer.Option("--resample", help="Bring predictions on other grids to the truth's (nearest voxel).")
    ] = False,
    cases: Annotated[
        Path | None,
        typer.Option("--cases", metavar="PATH", help="Labelled cases to run a model on: BIDS folder or table."),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", metavar="MODEL", help="A shipped model's name, a model folder or a run; dawson-1 where left out."
        ),
    ] = None,
    inputs: Annotated[
        str | None,
        typer.Option("--inputs", metavar="LIST", help="Sequences to give the model, such as flair,t1+t2; or all."),
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option("--split", metavar="FILE", help="A split.tsv; only cases of one of its sets are used."),
    ] = None,
    set_name: Annotated[
        str | None, typer.Option("--set-name", metavar="SET", help="Which set of the split; test where left out.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="OUT", help="Folder for tables, charts and page.")
    ] = None,
    rule: Annotated[
        str, typer.Option("--rule", metavar="RULE", help="When a lesion counts as found: any, msseg, or iou-T.")
    ] = "any",
    connectivity: Annotated[
        int, typer.Option("--connectivity", metavar="N", help="Of voxels within a lesion: 6, 18 or 26.")
    ] = 26,
    minimum: Annotated[
        float, typer.Option("--minimum-mm3", metavar="V", help="Smaller lesions are left out, on both sides.")
    ] = 3.0,
    no_surfaces: Annotated[
        bool, typer.Option("--no-surfaces", help="Leave out surface distances, which take most of the time.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an evaluation that is there.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout, and nothing else there.")
    ] = False,
) -> None:
    """Compare lesion masks, or a model, with the truth, by the field's definitions.

    Either masks: --truth and --prediction, files or folders (paired by file name, BIDS entities or result
    folders of dawson). Or a model: --cases and --inputs run it on each subset of the sequences of every case; what
    it found is kept in OUT/predictions and taken up again by a rerun.
    """
    from dawson.evaluation.output.write import check_evaluation_output, write_evaluation  # noqa: PLC0415
    from dawson.evaluation.settings import Settings  # noqa: PLC0415
    from dawson.evaluation.workers import default_workers  # noqa: PLC0415

    settings = Settings(
        connectivity=connectivity,
        minimum_mm3=minimum,
        rule=rule,
        rules=tuple(dict.fromkeys((rule, *RULES))),
        surfaces=not no_surfaces,
    )
    masks = {"--truth": truth, "--prediction": prediction, "--probability": probability, "--name": name}
    of_masks = {**masks, "--threshold": threshold, "--label": label, "--truth-label": truth_label}
    of_masks["--resample"] = resample or None
    of_model = {"--cases": cases, "--model": model, "--inputs": inputs, "--split": split, "--set-name": set_name}
    _check_kind(of_masks, of_model, output)
    if output is not None:
        given = (*(truth or ()), *(prediction or ()), *(probability or ()))
        check_evaluation_output(output, overwrite=overwrite, inputs=given)
    with show_counts() as progress:
        if cases is None:
            from dawson.evaluation.matching.pairs import find_pairs  # noqa: PLC0415
            from dawson.evaluation.result import Reading  # noqa: PLC0415
            from dawson.evaluation.run import evaluate_pairs  # noqa: PLC0415

            reading = Reading(
                label=label, truth_label=label if truth_label is None else truth_label, threshold=threshold
            )
            left: list[str] = []
            pairs = find_pairs(
                truth or (),
                prediction or (),
                names=name or (),
                probabilities=probability or (),
                are_probabilities=threshold is not None,
                resample=resample,
                skipped=left,
            )
            evaluation = evaluate_pairs(
                pairs, settings=settings, reading=reading, skipped=left, workers=default_workers(), progress=progress
            )
        else:
            evaluation = _run_model(
                cases, inputs or "all", split, set_name or "test", output or Path(), model, settings, progress
            )
        if output is not None:
            progress("write", 0, 1)
            summary = write_evaluation(evaluation, output, overwrite=overwrite)
        else:
            from dawson.evaluation.output.summary import digest  # noqa: PLC0415

            summary = digest(evaluation)
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


def _check_kind(of_masks: Mapping[str, object], of_model: Mapping[str, object], output: Path | None) -> None:
    """Masks or a model, not a mixture of both, and all that either needs."""
    masks = [option for option, value in of_masks.items() if value not in (None, [])]
    run = [option for option, value in of_model.items() if value is not None]
    if masks and run:
        raise UsageError(
            f"{masks[0]} and {run[0]} were both given",
            remedy="compare masks (--truth, --prediction) or run a model (--cases), one at a time",
        )
    if run or not masks:
        if of_model["--cases"] is None:
            raise UsageError(
                "there is nothing to evaluate",
                remedy="give --truth and --prediction, or --cases to run a model on",
            )
        if of_model["--set-name"] is not None and of_model["--split"] is None:
            raise UsageError("--set-name was given without --split", remedy="name the split.tsv too")
        if output is None:
            raise UsageError("a model's results need a folder", remedy="name one with -o")
    elif not (of_masks["--truth"] and of_masks["--prediction"]):
        missing = "--prediction" if of_masks["--truth"] else "--truth"
        raise UsageError(f"{missing} was not given", remedy="give both --truth and --prediction")


def _run_model(
    cases: Path,
    inputs: str,
    split: Path | None,
    set_name: str,
    output: Path,
    model: Path | None,
    settings: Settings,
    progress: Progress,
) -> Evaluation:
    from dawson.cases.find import find_cases  # noqa: PLC0415
    from dawson.evaluation.model_runs import evaluate_model, units_of  # noqa: PLC0415
    from dawson.evaluation.workers import default_workers  # noqa: PLC0415

    subsets = [subset.strip() for subset in inputs.split(",") if subset.strip()]
    found = find_cases(cases)
    units, skipped = units_of(found if split is None else _of_set(found, split, set_name), subsets)
    return evaluate_model(
        units,
        output,
        model=model,
        settings=settings,
        skipped=skipped,
        workers=default_workers(),
        progress=progress,
    )


def _of_set(cases: tuple[Case, ...], split: Path, set_name: str) -> tuple[Case, ...]:
    """The cases whose patients are in one set of a split; patients are never divided between sets."""
    from dawson.cases.split import patients_of  # noqa: PLC0415

    patients = patients_of(split, set_name)
    chosen = tuple(case for case in cases if case.patient in patients)
    if not chosen:
        raise UsageError(
            f"no case belongs to a patient of the set {set_name!r}",
            remedy="give the split that was made of these cases",
            file=split,
        )
    return chosen
