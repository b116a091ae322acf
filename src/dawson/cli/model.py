"""``dawson model``: what can be seen and set of a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.cli.terminal import EXIT_CODES, show_counts
from dawson.core.errors import UsageError

ModelName = Annotated[
    str, typer.Argument(metavar="MODEL", help="A shipped model's name, a model folder or a run.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    models = typer.Typer(
        name="model",
        help="Show, calibrate, average and quantise models.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    for name, short, example, command in (
        ("show", "Print what a model's card says.", "show dawson-1", _show),
        ("choose-rule", "Tabulate thresholds and least peaks.", "choose-rule cases.tsv evaluation", _choose_rule),
        (
            "calibrate",
            "Set threshold, least peak and calibration.",
            "calibrate run --threshold 0.3 --peak 0.7 --as flair,flair+t1=0.35,0.98 --as t1=0.1,0.6",
            _calibrate,
        ),
        ("average", "Average the weights of models (needs torch).", "average run-b run-c -o mean", _average),
        ("quantise", "Add weights for 8-bit integers (needs torch).", "quantise run --cases cases.tsv", _quantise),
    ):
        epilog = f"\b\nExample:\n  dawson model {example}\n\n" + EXIT_CODES
        models.command(name, short_help=short, epilog=epilog)(command)
    app.add_typer(models)


def _show(model: ModelName = "dawson-1") -> None:
    """Print what a model finds, from what, by which rule, and how well it was measured to do."""
    from dawson.model.card import load_model  # noqa: PLC0415 (help does without)

    loaded = load_model(model)
    card = loaded.card
    lines = {
        "model": f"{card['name']} {card['version']}, in {loaded.folder}",
        "finds": "lesions and a coarse anatomy" if loaded.task == "lesions" and loaded.anatomy_names else loaded.task,
        "trained on": ", ".join(loaded.inputs),
        "rule": f"threshold {loaded.threshold:g}, least peak {loaded.peak:g}, {loaded.minimum_mm3:g} mm³ or more",
        "calibrated": ", ".join(loaded.calibration) or "no",
        "parameters": f"{card['parameters']:,}",
        "8-bit integers": "yes" if loaded.int8 else "no",
        "mean Dice": ", ".join(f"{name} {dice:.3f}" for name, dice in loaded.dice.items()) or "not measured",
    }
    lines |= {f"sha256 {file}": value for file, value in card["sha256"].items()}
    for name, text in lines.items():
        typer.echo(f"{name:<24} {text}")


def _choose_rule(
    cases: Annotated[Path, typer.Argument(metavar="CASES", help="The labelled cases that were evaluated.")],
    evaluation: Annotated[
        Path, typer.Argument(metavar="EVALUATION", help="The folder that dawson evaluate --cases wrote.")
    ],
    *,
    inputs: Annotated[
        str, typer.Option("--inputs", metavar="LIST", help="Subsets of sequences, with commas; all where left out.")
    ] = "",
    minimum: Annotated[
        float, typer.Option("--minimum", metavar="MM3", min=0.0, help="Volume of the smallest lesion.")
    ] = 3.0,
) -> None:
    """Print how an evaluation's figures would be at other thresholds and least peaks.

    For each subset of sequences: mean Dice, mean lesion F1 and the median of the found volume as a share of the true
    one. The rule of the highest Dice and F1 together is marked with a star. Choose it on cases that no figure is quoted
    from, and write it into the card with `dawson model calibrate`.
    """
    from dawson.evaluation.kept_results import read_kept  # noqa: PLC0415 (help does without)
    from dawson.evaluation.rule_table import average_rules, best_rule, measure_rules  # noqa: PLC0415

    tables: dict[str, list[dict]] = {}  # type: ignore[type-arg]
    with show_counts() as show:
        wanted = [name for name in inputs.split(",") if name]
        total = len(list((evaluation / "predictions").glob("*/*")))
        for done, kept in enumerate(read_kept(cases, evaluation, inputs=wanted, minimum_mm3=minimum), 1):
            tables.setdefault(kept.inputs, []).append(measure_rules(kept.probability, kept.truth, kept.least))
            show("measure", done, total)
    for subset, rows in tables.items():
        means = average_rules(rows)
        best = best_rule(means)
        typer.echo(f"{subset} ({len(rows)} cases)\n    threshold  peak   Dice     F1  volume")
        for rule, one in means.items():
            mark = "*" if rule == best else " "
            typer.echo(
                f"  {mark} {rule.threshold:9.2f}  {rule.peak:4.2f}  {one.dice:.3f}  {one.f1:.3f}  ×{one.volume:.2f}"
            )


def _calibrate(
    model: ModelName,
    *,
    threshold: Annotated[float, typer.Option("--threshold", metavar="P", help="Least probability of a lesion voxel.")],
    peak: Annotated[float, typer.Option("--peak", metavar="P", help="Least highest probability of a lesion.")],
    uncalibrated: Annotated[
        list[str] | None,
        typer.Option(
            "--as",
            metavar="INPUTS=P,P",
            help="Threshold and peak that fit the network's own probabilities from these sequences; may be repeated.",
        ),
    ] = None,
) -> None:
    """Write a rule into a model's card, and what calibrates probabilities by the sequences that are given.

    Results of the model are no longer current for `dawson evaluate` then.
    """
    from dawson.model.card import find_model, is_shipped  # noqa: PLC0415 (help does without)
    from dawson.model.rule import set_rule  # noqa: PLC0415

    if is_shipped(model):
        raise UsageError(f"{model} is a shipped model", remedy="copy its folder, and set the rule of the copy")
    fitted: dict[str, tuple[float, float]] = {}
    for text in uncalibrated or ():
        names, _, values = text.partition("=")
        try:
            low, high = (float(value) for value in values.split(","))
        except ValueError as error:
            raise UsageError(f"--as {text} is not INPUTS=P,P", remedy="write --as flair,flair+t1=0.35,0.98") from error
        fitted |= dict.fromkeys(names.split(","), (low, high))
    changed = set_rule(find_model(model), threshold=threshold, peak=peak, uncalibrated=fitted)
    typer.echo(f"{changed.folder}: threshold {changed.threshold:g}, peak {changed.peak:g}")
    for subset, (slope, offset) in changed.calibration.items():
        typer.echo(f"  {subset:<12} slope {slope:g}, offset {offset:g}")


def _average(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Models; the rule is the first one's.")],
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="DIR", help="Folder of the new model.")],
) -> None:
    """Write a model whose weights are the mean of others that were trained on from one another. Needs torch."""
    from dawson.cli.train import need_torch  # noqa: PLC0415 (help does without)

    need_torch("averaging")
    from dawson.model.card import find_model  # noqa: PLC0415
    from dawson.training.refine.average import average_models  # noqa: PLC0415

    typer.echo(f"The model is in {average_models([find_model(model) for model in models], output)}.")


def _quantise(
    model: ModelName,
    *,
    cases: Annotated[
        Path, typer.Option("--cases", metavar="PATH", help="Labelled cases to set ranges by: a BIDS folder or a table.")
    ],
    cache: Annotated[Path, typer.Option("--cache", metavar="DIR", help="Where prepared scans are kept.")] = Path(
        "cache"
    ),
    helper: Annotated[
        str | None, typer.Option("--helper", metavar="MODEL", help="The model that the visits in --cache are for.")
    ] = None,
) -> None:
    """Add weights for 8-bit integers, which x86 CPUs compute faster. Needs torch.

    They are compared with the others on further windows, and deleted again where they agree too little.
    """
    from dawson.cli.train import need_torch  # noqa: PLC0415 (help does without)

    need_torch("quantising")
    from dawson.model.card import find_model, is_shipped  # noqa: PLC0415
    from dawson.training.refine.integers import quantise_from_cases  # noqa: PLC0415

    if is_shipped(model):
        raise UsageError(f"{model} is a shipped model", remedy="copy its folder, and quantise the copy")
    with show_counts() as show:
        anatomy_model = None if helper is None else find_model(helper)
        found = quantise_from_cases(find_model(model), cases, cache=cache, anatomy_model=anatomy_model, progress=show)
    typer.echo(
        f"Dice with f32 {found.dice:.3f}; anatomy differs in {100 * found.anatomy:.2f} % of the voxels, log-odds by "
        f"{found.log_odds:.2f}."
    )
