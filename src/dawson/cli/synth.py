"""``dawson synth``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from dawson.cli.terminal import EXIT_CODES, INTERRUPTED
from dawson.cli.train import need_torch
from dawson.core.errors import UsageError
from dawson.core.stop import Stopped, stoppable


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "synth",
        short_help="Make a synthetic cohort as a BIDS data set (needs torch).",
        epilog="\b\nExamples:\n"
        "  dawson synth --patients 40 --maps labelmaps --masks lesion-masks -o cohort\n"
        "  dawson synth --patients 40 --volumes 256 --maps labelmaps --masks lesion-masks -o cohort\n\n" + EXIT_CODES,
    )(_synth)


def _synth(
    *,
    patients: Annotated[int, typer.Option("--patients", metavar="N", min=1, help="Number of patients.")],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="BIDS_DIR", help="Folder of the data set; made where missing.")
    ],
    maps: Annotated[
        Path | None, typer.Option("--maps", metavar="DIR", help="Folder of whole-head label maps (NIfTI, 1 mm).")
    ] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="Folder of lesion masks (NIfTI, MNI152, 1 mm).")
    ] = None,
    visits: Annotated[
        str, typer.Option("--visits", metavar="N or N-M", help="Visits of a patient, a number or a range.")
    ] = "1-4",
    volumes: Annotated[
        int | None,
        typer.Option(
            "--volumes",
            metavar="V",
            min=1,
            help="Number of scans in all: single T1 and T2 scans are left out until this many remain.",
        ),
    ] = None,
    healthy: Annotated[
        float, typer.Option("--healthy", metavar="SHARE", min=0.0, max=1.0, help="Share of patients without lesions.")
    ] = 0.05,
    own_grids: Annotated[
        bool, typer.Option("--own-grids", help="Give every sequence slices of its own (else all lie on one grid).")
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="S", min=0, help="Another seed gives another cohort.")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", metavar="W", min=1, help="Processes at once, 1.7 GB each; as cores and memory allow."
        ),
    ] = None,
) -> None:
    """Make a cohort of synthetic patients with FLAIR, T1 and T2, lesion masks, and several visits.

    Patients that are in the folder already are kept: interrupt at any time, and run the same command to go on.
    Needs torch, of the extra [train].
    """
    folders = _folders(maps, masks)
    span = _span(visits)
    need_torch("making patients")
    from dawson.synthesis.cohort.make import make_cohort  # noqa: PLC0415 (needs torch)
    from dawson.synthesis.cohort.plan import CohortSettings  # noqa: PLC0415
    from dawson.synthesis.label_maps import nifti_files  # noqa: PLC0415

    settings = CohortSettings(
        maps=tuple(nifti_files(folders[0])),
        masks=tuple(nifti_files(folders[1])),
        patients=patients,
        visits=span,
        volumes=volumes,
        healthy=healthy,
        own_grids=own_grids,
        seed=seed,
    )
    try:
        with stoppable(), _show_patients() as show:
            make_cohort(output, settings, workers=workers, progress=show)
    except KeyboardInterrupt as stop:
        typer.echo(f"Stopped; the same command goes on from the patients that are in {output}.", err=True)
        raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED) from stop
    typer.echo(f"{patients} patient{'' if patients == 1 else 's'}, a BIDS data set with lesion masks: {output}")


def _folders(maps: Path | None, masks: Path | None) -> tuple[Path, Path]:
    if maps is not None and masks is not None:
        return maps, masks
    missing = [name for name, given in (("--maps", maps), ("--masks", masks)) if given is None]
    raise UsageError(
        f"{' and '.join(missing)} {'was' if len(missing) == 1 else 'were'} not given, and dawson ships neither label "
        "maps nor masks",
        remedy="give --maps a folder of whole-head label maps with FreeSurfer values at 1 mm (such as those of "
        "SynthSeg), and --masks one of binary MS lesion masks in MNI152 space at 1 mm (such as those of the "
        "Ljubljana MS set)",
    )


def _span(visits: str) -> tuple[int, int]:
    first, dash, last = visits.partition("-")
    parts = (first, last) if dash else (first, first)
    if not all(part.strip().isdecimal() for part in parts):
        raise UsageError(f"--visits {visits} is not a number or a range", remedy="write it like 2 or 1-4")
    return int(parts[0]), int(parts[1])


@contextmanager
def _show_patients() -> Iterator[Callable[[int, int], None]]:
    """A function to call with the patients done and of all.

    It draws a bar with the time left on a terminal (stderr), and writes a line a patient elsewhere.
    """
    from rich.console import Console  # noqa: PLC0415 (help does without it)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda done, of: typer.echo(f"patients: {done} of {of}", err=True)
        return
    columns = (TextColumn("patients"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
