"""``dawson segment`` and ``dawson demo``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dawson.errors import UsageError
from dawson.terminal import EXIT_CODES, show_steps

if TYPE_CHECKING:
    from dawson.study import Study

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        "segment",
        short_help="Find the lesions of one visit.",
        epilog="\b\nExamples:\n"
        "  dawson segment --flair FLAIR.nii.gz --t1 T1.nii.gz -o results\n"
        "  dawson segment visit1 -o results --overwrite\n"
        "  dawson segment visit1 -o results --json | jq .lesion_load_ml\n\n" + EXIT_CODES,
    )(_segment)
    app.command("demo", short_help="Segment a synthetic patient that comes with dawson.", epilog=EXIT_CODES)(_demo)


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
