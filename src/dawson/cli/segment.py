"""``dawson segment`` and ``dawson demo``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli.terminal import SEGMENT_EXIT_CODES, UNFIT, show_steps
from dawson.core.errors import UsageError
from dawson.core.names import OVERVIEW, REPORT_FILES, REPORT_PAGE, REPORT_PDF, RESULT_FILES

if TYPE_CHECKING:
    from dawson.core.study import Study

Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace results that are there already.")]
NoReport = Annotated[bool, typer.Option("--no-report", help=f"Write no {REPORT_PAGE} and {REPORT_PDF}.")]
NoViewer = Annotated[
    bool, typer.Option("--no-viewer", help=f"Leave the interactive viewer out of {REPORT_PAGE}: a smaller page.")
]


@dataclass(frozen=True)
class Request:
    """What is asked for: where results go, whether earlier ones may be replaced, which reports, by which model."""

    output: Path
    overwrite: bool
    report: bool
    viewer: bool
    model: Path | None = None


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command(
        "segment",
        short_help="Find the lesions of one visit.",
        epilog="\b\nExamples:\n"
        "  dawson segment --flair FLAIR.nii.gz --t1 T1.nii.gz -o results\n"
        "  dawson segment visit1 -o results --overwrite\n"
        "  dawson segment visit1 -o results --json | jq .lesion_load_ml\n\n" + SEGMENT_EXIT_CODES,
    )(_segment)
    app.command(
        "demo",
        short_help="Segment a synthetic patient that comes with dawson.",
        epilog="\b\nExamples:\n  dawson demo\n  dawson demo -o somewhere --overwrite\n\n" + SEGMENT_EXIT_CODES,
    )(_demo)


def _segment(
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="VISIT_FOLDER",
            help="Folder with the scans of one visit; sequences are known by the usual file names. "
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
        typer.Option(
            "--model", metavar="MODEL", help="A shipped model's name, a model folder or a run; dawson-1 where left out."
        ),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict", help="Refuse the visit where one of its scans cannot be used, not only where none can."
        ),
    ] = False,
    overwrite: Overwrite = False,
    no_report: NoReport = False,
    no_viewer: NoViewer = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON on stdout, and nothing else there.")
    ] = False,
) -> None:
    """Find the lesions of one visit, from any of FLAIR, T1 and T2 (NIfTI or .mgz).

    Scans may have any orientation and slice thickness, with or without skull, and need not be aligned.
    Results lie on the grid of the FLAIR where given, else of the T1, else of the T2.

    Open report.html in the folder of results first. Results that fail quality control are written too, but must not be
    used: the exit code is 3 then.
    """
    given = {name: file for name, file in (("flair", flair), ("t1", t1), ("t2", t2)) if file is not None}
    _check_scans(folder, given)

    def read() -> Study:
        from dawson.cases.visit import read_study  # noqa: PLC0415

        return read_study(folder, **given, strict=strict)

    _process(
        read,
        Request(output, overwrite=overwrite, report=not no_report, viewer=not no_viewer, model=model),
        inputs=tuple(given.values()),
        as_json=as_json,
        done=f"Results are in {output}; see {output / (OVERVIEW if no_report else REPORT_PAGE)} first.",
    )


def _check_scans(folder: Path | None, given: Mapping[str, Path]) -> None:
    """Refuse both a folder and files, or neither."""
    if folder is not None and given:
        raise UsageError(
            f"a visit folder and --{' and --'.join(given)} were both given", remedy="give one or the other"
        )
    if folder is None and not given:
        raise UsageError("no scan was given", remedy="give a visit folder or at least one of --flair, --t1 and --t2")


def _demo(
    *,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="OUT", help="Folder for the results.")] = Path(
        "dawson-demo"
    ),
    overwrite: Overwrite = False,
    no_report: NoReport = False,
    no_viewer: NoViewer = False,
) -> None:
    """Segment a synthetic patient that comes with dawson: no scan, no network and no GPU needed."""
    from dawson.cases.demo import demo_study_files  # noqa: PLC0415

    def read() -> Study:
        from dawson.cases.visit import read_study  # noqa: PLC0415

        return read_study(**{modality.value: file for modality, file in demo_study_files().items()}, strict=True)

    typer.echo("This is a synthetic patient, made by dawson's own generator: nobody's scan.")
    written = {name: what for name, what in RESULT_FILES.items() if not (no_report and name in REPORT_FILES)}
    listing = [f"  {name:<19} {meaning}" for name, meaning in written.items()]
    listing.append("Next, with a scan of your own: dawson segment --flair FLAIR.nii.gz -o results")
    _process(
        read,
        Request(output, overwrite=overwrite, report=not no_report, viewer=not no_viewer),
        done="\n".join((f"Results are in {output}:", *listing)),
    )


def _process(
    read: Callable[[], Study], request: Request, *, done: str, inputs: Sequence[Path] = (), as_json: bool = False
) -> None:
    """Read, segment, write, report, and say what was found; a bad output folder is refused first of all.

    ``done`` is said at the end. Exits with :data:`~dawson.cli.terminal.UNFIT` where quality control failed.
    """
    summary, warnings = _compute(read, request, inputs)
    if as_json:
        from dawson.results.summary import to_json  # noqa: PLC0415

        typer.echo(to_json(summary, ascii_only=True), nl=False)  # safe in every locale
    else:
        for warning in warnings:
            typer.echo(f"Warning: {warning}", err=True)
        count, load = summary["lesion_count"], summary["lesion_load_ml"]
        used = ", ".join(modality.upper() for modality in summary["sequences"])
        typer.echo(f"{count} lesion{'' if count == 1 else 's'}, {load:.2f} ml in all, from {used}. Not a diagnosis.")
        typer.echo(done)
    _exit_if_unfit(summary["quality"], request.output)


def _compute(
    read: Callable[[], Study], request: Request, inputs: Sequence[Path]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Write the result and its report. Gives the summary, and every warning once, with the names of files in it."""
    with show_steps() as step:
        step("start")  # the imports below may take a second
        from dawson.core.files import check_output  # noqa: PLC0415
        from dawson.results.write import write  # noqa: PLC0415

        check_output(request.output, overwrite=request.overwrite, inputs=inputs)
        from dawson.segmentation.pipeline import segment  # noqa: PLC0415

        step("read")
        study = read()
        segmentation = segment(study, model=request.model, progress=step)
        step("write")
        summary = write(segmentation, request.output, overwrite=request.overwrite)
        checks = (check.words for check in segmentation.quality if check.status == "warn")
        warnings = tuple(dict.fromkeys((*study.warnings, *segmentation.warnings, *checks)))
        del study, segmentation  # the report is made from the files alone: let the volumes go first
        if request.report:
            step("report")
            from dawson.reporting.run import report  # noqa: PLC0415

            report(request.output, viewer=request.viewer)
    return summary, warnings


def _exit_if_unfit(quality: Mapping[str, Any], output: Path) -> None:
    """Say in red which checks failed, and end with the exit code for it; nothing where none did."""
    if quality["status"] != "fail":
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415 (no markup: the words are data)

    failed = " ".join(check["words"] for check in quality["checks"] if check["status"] == "fail")
    message = f"Quality control failed: {failed} The results are written in {output} but must not be used."
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text(message, style="bold red"))
    raise typer.Exit(UNFIT)
