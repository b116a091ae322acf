"""``dawson train`` and ``dawson recipe``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.cli.terminal import EXIT_CODES, INTERRUPTED, show_training
from dawson.core.errors import UsageError

if TYPE_CHECKING:
    from dawson.training.settings import TrainingData, TrainingOptions

Recipe = Annotated[str, typer.Option("--recipe", metavar="NAME", help="Name of a shipped recipe, or a TOML file.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change one field of the recipe; may be repeated."),
]

SHOW_EXAMPLES = "\b\nExamples:\n  dawson recipe show paper > my.toml\n  dawson recipe show --set optimizer.lr=1e-4\n\n"
CHECK_EXAMPLES = "\b\nExample:\n  dawson recipe check my.toml\n\n"


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        "train",
        short_help="Train a model from a recipe (needs torch).",
        epilog="\b\nExamples:\n"
        "  dawson train --recipe paper --cases my-bids --split 204/32/20 -o runs/paper\n"
        "  dawson train --cases cases.tsv --from dawson-1 --set optimizer.lr=1e-4 -o runs/tuned\n"
        "  dawson train --maps labelmaps --masks lesion-masks -o runs/synthetic\n"
        "  torchrun --nproc-per-node 4 -m dawson train --recipe paper --cases my-bids \\\n"
        "      --set optimizer.batch=8 -o runs/four-gpus\n\n"
        "A run that was stopped goes on with the same command and --resume.\n\n" + EXIT_CODES,
    )(_train)
    recipes = typer.Typer(
        name="recipe",
        help="Show or check recipes: every choice that a model is trained by.",
        rich_markup_mode=None,
        no_args_is_help=True,
    )
    recipes.command("show", short_help="Print a whole recipe as TOML.", epilog=SHOW_EXAMPLES + EXIT_CODES)(_show)
    recipes.command("check", short_help="Check recipes field by field.", epilog=CHECK_EXAMPLES + EXIT_CODES)(_check)
    app.add_typer(recipes)


RunFolder = Annotated[
    Path,
    typer.Option("--output", "-o", metavar="RUN", help="Folder of the run: checkpoints, record, charts, model."),
]
LabelledScans = Annotated[
    Path | None,
    typer.Option(
        "--cases",
        metavar="PATH",
        help="Labelled scans: a BIDS data set with lesion masks as derivatives, or a table "
        "(patient, visit, flair, t1, t2, mask).",
    ),
]
MapFolder = Annotated[
    Path | None,
    typer.Option("--maps", metavar="DIR", help="Folder of anatomical label maps, for synthetic patients."),
]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="A/B/C",
        help="Volumes for training, validation and test as counts (204/32/20) or shares (0.8/0.125/0.075, the "
        "default), patients never divided; or a split.tsv, such as an earlier run's. Where that has no validation "
        "set, the last weights are the model.",
    ),
]


def _train(
    *,
    output: RunFolder,
    recipe: Recipe = "dawson",
    cases: LabelledScans = None,
    maps: MapFolder = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="Folder of lesion masks in MNI space, with --maps.")
    ] = None,
    split: Split = None,
    folds: Annotated[
        int | None, typer.Option("--folds", metavar="K", min=3, help="A k-fold split instead, with --fold.")
    ] = None,
    fold: Annotated[
        int | None, typer.Option("--fold", metavar="N", min=1, help="Which of the folds tests; the next one validates.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Go on from a trained model: a folder, or a shipped one's name."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    settings: Settings = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", min=1, help="Stop after this many steps, on the recipe's schedule."),
    ] = None,
    cache: Annotated[
        Path | None,
        typer.Option("--cache", metavar="DIR", help="Where prepared scans are kept; in the run's folder by default."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without visits that cannot be prepared; they are listed.")
    ] = False,
    device: Annotated[
        str, typer.Option("--device", metavar="NAME", help="auto (a GPU where there is one), cpu or cuda.")
    ] = "auto",
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes that prepare images beside the training.")
    ] = 1,
    test: Annotated[bool, typer.Option("--test/--no-test", help="End with the test set's table.")] = True,
) -> None:
    """Train a model from a recipe. Needs torch, of the extra [train].

    Give labelled scans (--cases), or label maps and lesion masks (--maps, --masks) for synthetic patients, or all of
    them. `dawson recipe show` prints what can be set. The model is in RUN/model at the end: use it by --model RUN.
    """
    need_torch()
    from dawson.model.card import find_model  # noqa: PLC0415
    from dawson.training.settings import TrainingData, TrainingOptions  # noqa: PLC0415

    data = TrainingData(
        cases=cases,
        maps=maps,
        masks=masks,
        split=split,
        folds=folds,
        fold=fold,
        cache=cache,
        skip_bad=skip_bad,
    )
    options = TrainingOptions(
        overrides=overrides_of(settings),
        start=None if start is None else find_model(start),
        resume=resume,
        steps=steps,
        test=test,
        workers=workers,
        device=device,
    )
    _run(recipe, output, data, options)


def _run(recipe: str, output: Path, data: TrainingData, options: TrainingOptions) -> None:
    """Train, and say where the run is, or how to go on with one that was stopped."""
    from dawson.core.stop import Stopped  # noqa: PLC0415
    from dawson.training.run import train  # noqa: PLC0415

    try:
        with show_training() as show:
            train(recipe, output, data, options, progress=show)
    except KeyboardInterrupt as stop:
        if (output / "checkpoint.safetensors").exists():
            typer.echo(f"Stopped; nothing is lost: the same command with --resume goes on from {output}.", err=True)
        else:
            typer.echo("Stopped before the first step; scans prepared so far are kept for the same command.", err=True)
        raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED) from stop
    typer.echo(f"The run is in {output}, the model in {output / 'model'}.")


def _show(
    recipe: Annotated[str, typer.Argument(metavar="NAME", help="Name of a shipped recipe, or a TOML file.")] = "dawson",
    *,
    settings: Settings = None,
) -> None:
    """Print every field of a recipe, those that it leaves at their defaults too."""
    from dawson.recipe import load_recipe, recipe_to_toml  # noqa: PLC0415

    typer.echo(recipe_to_toml(load_recipe(recipe, overrides_of(settings)), explain=True), nl=False)


def _check(
    recipes: Annotated[list[str], typer.Argument(metavar="FILE...", help="Recipes to check.")],
    *,
    settings: Settings = None,
) -> None:
    """Check recipes; the first field that is wrong is named, with what it may hold."""
    from dawson.recipe import load_recipe  # noqa: PLC0415

    for name in recipes:
        recipe = load_recipe(name, overrides_of(settings))
        sees = "windows of up to three sequences" if recipe.volume is None else "one sequence at a time, whole"
        shape = "×".join(map(str, recipe.input_shape))
        typer.echo(f"{name}: sound; the network sees {sees}, {shape} voxels.")


def overrides_of(settings: list[str] | None) -> dict[str, str]:
    """Fields and values of ``--set`` options."""
    return dict(_key_and_value(setting) for setting in settings or ())


def need_torch(what: str = "training") -> None:
    """Refuse where the training extra is not installed; ``what`` needs it."""
    from importlib.util import find_spec  # noqa: PLC0415

    if find_spec("torch") is None:
        raise UsageError(
            f"{what} needs torch, which is not installed",
            remedy="install a build of torch that fits this machine first (for CPUs alone, the small CPU build of "
            "torch 2.13.0), then in the clone of dawson: pip install '.[train]'",
        )


def _key_and_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key and equals and value):
        raise UsageError(f"--set {setting} is not KEY=VALUE", remedy="write it like --set optimizer.lr=5e-4")
    return key.strip(), value.strip()
