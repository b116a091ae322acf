"""``dawson train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dawson.errors import UsageError
from dawson.terminal import EXIT_CODES, show_record


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "train",
        short_help="Train a model from a recipe (needs torch).",
        epilog="\b\nExample:\n  dawson train --maps labelmaps --masks lesion-masks -o runs/first\n\n" + EXIT_CODES,
    )(_train)


def _train(
    *,
    maps: Annotated[Path, typer.Option("--maps", metavar="DIR", help="Folder of anatomical label maps (NIfTI).")],
    masks: Annotated[Path, typer.Option("--masks", metavar="DIR", help="Folder of lesion masks (NIfTI).")],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="RUN", help="Folder of the run: checkpoints, log, model."),
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="Name of a shipped recipe, or a TOML file.")
    ] = "dawson",
    steps: Annotated[
        int | None,
        typer.Option("--steps", metavar="N", min=1, help="Stop after this many steps, on the recipe's schedule."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the run's last checkpoint.")] = False,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one field of the recipe; may be repeated."),
    ] = None,
) -> None:
    """Train a model from a recipe. Needs torch: pip install "dawson[train]"."""
    from importlib.util import find_spec  # noqa: PLC0415

    overrides = dict(_key_and_value(setting) for setting in settings or ())
    if find_spec("torch") is None:
        raise UsageError(
            "training needs torch, which is not installed",
            remedy='install it with pip install "dawson[train]"',
        )
    from dawson.learn.fit import train  # noqa: PLC0415

    with show_record() as show:
        train(
            recipe,
            output,
            maps=maps,
            masks=masks,
            steps=steps,
            resume=resume,
            overrides=overrides,
            progress=show,
        )
    typer.echo(f"The run is in {output}.")


def _key_and_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key and equals and value):
        raise UsageError(f"--set {setting} is not KEY=VALUE", remedy="write it like --set optimizer.lr=5e-4")
    return key.strip(), value.strip()
