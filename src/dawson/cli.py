"""The command line: each command hands its options to a verb and says how it went. No science here.

Only typer is imported up front; everything heavier waits until a command really runs, so that help is
instant. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.errors import UsageError
from dawson.terminal import DONE, INTERRUPTED, REFUSED, explain, show_record, show_steps

if TYPE_CHECKING:
    from dawson.study import Study

EXIT_CODES = "Exit codes: 0 done, 1 failed unexpectedly, 2 bad input or usage, 130 interrupted."

app = typer.Typer(
    name="dawson",
    help="Find and measure multiple sclerosis lesions on brain MRI (FLAIR, T1, T2).\n\n"
    "Research software, not a medical device.",
    epilog="\b\nStart with:         dawson demo\nHelp on a command:  dawson segment --help\n\n" + EXIT_CODES,
    add_completion=False,
    rich_markup_mode=None,  # plain help: nothing is cut off on a narrow terminal, and it is there at once
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        from dawson import __version__  # noqa: PLC0415

        typer.echo(f"dawson {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _dawson(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(REFUSED)


@app.command(
    "segment",
    short_help="Find the lesions of one visit.",
    epilog="\b\nExamples:\n"
    "  dawson segment --flair FLAIR.nii.gz --t1 T1.nii.gz -o results\n"
    "  dawson segment visit1 -o results --overwrite\n"
    "  dawson segment visit1 -o results --json | jq .lesion_load_ml\n\n" + EXIT_CODES,
)
def _segment(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="VISIT_FOLDER",
            help="Folder with the scans of one visit; sequences are told by the usual file names. "
            "Leave it out when naming files.",
            show_default=False,
        ),
    ] = None,
    *,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Folder for the results; made where missing."),
    ],
    flair: Annotated[Path | None, typer.Option("--flair", metavar="FILE", help="The FLAIR scan.")] = None,
    t1: Annotated[Path | None, typer.Option("--t1", metavar="FILE", help="The T1-weighted scan.")] = None,
    t2: Annotated[Path | None, typer.Option("--t2", metavar="FILE", help="The T2-weighted scan.")] = None,
    model: Annotated[
        Path | None,
        typer.Option("--model", metavar="DIR", help="Model folder; the shipped model where left out."),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout, and nothing else there.")
    ] = False,
) -> None:
    """Find the lesions of one visit, from any of FLAIR, T1 and T2 (NIfTI).

    Scans may have any orientation and slice thickness, with or without skull, and need not be aligned.
    Results lie on the grid of the FLAIR where given, else of the T1, else of the T2.
    """
    given = {name: file for name, file in (("flair", flair), ("t1", t1), ("t2", t2)) if file is not None}
    if folder is not None and given:
        raise UsageError(
            f"a visit folder and --{' and --'.join(given)} were both given", remedy="give one or the other"
        )
    if folder is None and not given:
        raise UsageError("no scan was given", remedy="give a visit folder or at least one of --flair, --t1 and --t2")

    def read() -> Study:
        from dawson.read import read_study  # noqa: PLC0415

        return read_study(folder, **given)

    inputs = tuple(given.values())
    _process(read, output, model=model, overwrite=overwrite, inputs=inputs, as_json=as_json)
    if not as_json:
        typer.echo(f"Results are in {output}; see {output / 'overview.png'} first.")


@app.command("demo", short_help="Segment a synthetic patient that comes with dawson.", epilog=EXIT_CODES)
def _demo(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the results.")] = Path(
        "dawson-demo"
    ),
    overwrite: Overwrite = False,
) -> None:
    """Segment a synthetic patient that comes with dawson: no scan, no network and no GPU needed."""
    from dawson.demo import demo_study_files  # noqa: PLC0415

    def read() -> Study:
        from dawson.read import read_study  # noqa: PLC0415

        return read_study(**{sequence.value: file for sequence, file in demo_study_files().items()})

    typer.echo("This is a synthetic patient, made by dawson's own generator: nobody's scan.")
    _process(read, output, overwrite=overwrite)
    from dawson.write.folder import RESULTS  # noqa: PLC0415

    typer.echo(f"Results are in {output}:")
    for name, meaning in RESULTS.items():
        typer.echo(f"  {name:<19} {meaning}")
    typer.echo("Next, with a scan of your own: dawson segment --flair FLAIR.nii.gz -o results")


@app.command(
    "train",
    short_help="Train a model from a recipe (needs torch).",
    epilog="\b\nExample:\n  dawson train --maps labelmaps --masks lesion-masks -o runs/first\n\n" + EXIT_CODES,
)
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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 1 failed unexpectedly, 2 bad input or usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a file name the locale cannot spell must not end in an error
            stream.reconfigure(errors="backslashreplace")
    try:
        code = app(args=arguments, prog_name="dawson", standalone_mode=False) or DONE
    except KeyboardInterrupt:
        code = INTERRUPTED
    except Exception as error:  # dawson's own, the option parser's, and what nobody thought of
        sentence, code = explain(error)
        typer.echo(sentence, err=True)
    if code == INTERRUPTED:  # typer turns Ctrl-C into this number
        typer.echo("Interrupted.", err=True)
    sys.exit(code)


def _process(
    read: Callable[[], Study],
    output: Path,
    *,
    overwrite: bool,
    model: Path | None = None,
    inputs: Sequence[Path] = (),
    as_json: bool = False,
) -> None:
    """Read, segment, write, and say what was found; a bad output folder is refused first of all."""
    with show_steps() as step:
        step("start")  # the imports below may take a second
        from dawson.write import check_output, write  # noqa: PLC0415

        check_output(output, overwrite=overwrite, inputs=inputs)
        from dawson.pipeline import segment  # noqa: PLC0415

        step("read")
        study = read()
        segmentation = segment(study, model=model, progress=step)
        step("write")
        summary = write(segmentation, output, overwrite=overwrite)
    if as_json:
        from dawson.write.summary import to_json  # noqa: PLC0415

        typer.echo(to_json(summary, ascii_only=True), nl=False)  # safe in every locale
        return
    # Here, unlike in the summary, warnings come with file names; each is told once.
    for warning in dict.fromkeys((*study.warnings, *segmentation.warnings)):
        typer.echo(f"Warning: {warning}", err=True)
    count, load = len(segmentation.table), segmentation.load_ml
    sequences = ", ".join(sequence.upper() for sequence in segmentation.used)
    typer.echo(f"{count} lesion{'' if count == 1 else 's'}, {load:.2f} ml in all, from {sequences}. Not a diagnosis.")


def _key_and_value(setting: str) -> tuple[str, str]:
    key, equals, value = setting.partition("=")
    if not (key and equals and value):
        raise UsageError(f"--set {setting} is not KEY=VALUE", remedy="write it like --set optimizer.lr=5e-4")
    return key.strip(), value.strip()
