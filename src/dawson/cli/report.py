"""``dawson report``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from dawson.cli.terminal import EXIT_CODES, REFUSED, show_counts
from dawson.core.errors import DawsonError
from dawson.core.names import COHORT_PAGE, COHORT_TABLE, REPORT_FILES, REPORT_PAGE, REPORT_PDF


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "report",
        short_help="Make the report of results again, and a cohort's table.",
        epilog="\b\nExamples:\n"
        "  dawson report results\n"
        "  dawson report results --no-viewer\n"
        "  dawson report study/visit1 study/visit2 --cohort study/cohort\n"
        "  dawson report study --missing --cohort study/cohort\n\n" + EXIT_CODES,
    )(_report)


def _report(
    outs: Annotated[
        list[Path],
        typer.Argument(
            metavar="OUT...",
            help="Folders that dawson segment wrote, or folders that hold such folders.",
            show_default=False,
        ),
    ],
    *,
    cohort: Annotated[
        Path | None,
        typer.Option(
            "--cohort",
            metavar="DIR",
            help=f"Also write {COHORT_TABLE} and {COHORT_PAGE} of all visits there; made if missing.",
        ),
    ] = None,
    no_viewer: Annotated[
        bool, typer.Option("--no-viewer", help="Leave the interactive viewer out: smaller pages.")
    ] = False,
    missing: Annotated[
        bool, typer.Option("--missing", help="Make only reports that are not there yet; keep the others.")
    ] = False,
) -> None:
    """Make report.html and report.pdf from results that are there; the scans are not needed.

    A result that cannot be read is named, and the others go on. The exit code is 2 then.
    """
    from dawson.reporting.cohort.write import check_target, write_cohort  # noqa: PLC0415
    from dawson.reporting.run import find_results  # noqa: PLC0415

    if cohort is not None:
        check_target(cohort)
    folders = find_results(outs)
    good, made, problems = _make(folders, viewer=not no_viewer, missing=missing)
    if len(folders) == 1 and good and made:
        typer.echo(f"The report is in {good[0] / REPORT_PAGE}, for print in {good[0] / REPORT_PDF}.")
    elif good:
        kept = f", {len(good) - made} kept" if made < len(good) else ""
        typer.echo(f"{_count(made)} made{kept}.")
    if cohort is not None and good:
        _, page = write_cohort(good, cohort, left_out=problems)
        typer.echo(f"The cohort is in {page}.")
    if problems:
        if len(folders) > 1:
            typer.echo(f"{len(problems)} of {len(folders)} results had no report made; see above.", err=True)
        raise typer.Exit(REFUSED)


def _make(folders: Iterable[Path], *, viewer: bool, missing: bool) -> tuple[list[Path], int, list[str]]:
    """Make the reports. Gives the folders that have one, how many were made, and what was wrong with the others."""
    from dawson.reporting.run import report  # noqa: PLC0415
    from dawson.results.read import read_result  # noqa: PLC0415

    folders = list(folders)
    good: list[Path] = []
    made, problems = 0, []
    with show_counts() as progress:
        for number, folder in enumerate(folders):
            progress("report", number, len(folders))
            try:
                if missing and all((folder / name).is_file() for name in REPORT_FILES):
                    read_result(folder)  # the cohort needs its summary
                else:
                    report(folder, viewer=viewer)
                    made += 1
                good.append(folder)
            except DawsonError as error:
                problems.append(str(error))
                typer.echo(str(error), err=True)
    return good, made, problems


def _count(number: int) -> str:
    return f"{number} report{'' if number == 1 else 's'}"
