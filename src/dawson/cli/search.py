"""``dawson search``."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dawson.cli.terminal import INTERRUPTED, Pace, time_left
from dawson.cli.train import need_torch, overrides_of
from dawson.core.errors import UsageError

if TYPE_CHECKING:
    from dawson.searching.search import Search
    from dawson.searching.task import Jobs
    from dawson.training.settings import TrainingData, TrainingOptions

UNFINISHED = 1
EXIT_CODES = (
    "Exit codes: 0 all points finished, 1 some points failed (listed), 2 bad input or usage, 130 interrupted, "
    "143 ended by SIGTERM."
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "search",
        short_help="Find the best values of a recipe's fields by grid search (needs torch).",
        epilog="\b\nExample:\n"
        '  dawson search --recipe paper --grid "optimizer.lr=1e-3,1e-4,1e-5" \\\n'
        '    --grid "loss.lambda=0.25,0.5,0.75" --cases cases.tsv -o searches/first\n\n' + EXIT_CODES,
    )(_search)


def _search(
    *,
    grid: Annotated[
        list[str],
        typer.Option("--grid", metavar="FIELD=VALUES", help="A field and its values, with commas; may be repeated."),
    ],
    cases: Annotated[
        Path,
        typer.Option("--cases", metavar="CASES", help="BIDS data set with lesion masks, or a table of cases."),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Folder of the search; the same command goes on there."),
    ],
    recipe: Annotated[
        str, typer.Option("--recipe", metavar="NAME", help="Name of a shipped recipe, or a TOML file.")
    ] = "paper",
    maps: Annotated[Path | None, typer.Option("--maps", metavar="DIR", help="Folder of label maps (NIfTI).")] = None,
    masks: Annotated[
        Path | None, typer.Option("--masks", metavar="DIR", help="Folder of lesion masks (NIfTI).")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option("--from", metavar="MODEL", help="Go on from a trained model: a folder, or a shipped one's name."),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SPLIT",
            help="Volumes to train, validate and test with, such as 204/32/20, shares, or a split.tsv. "
            "All points share it; none sees the test set.",
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Folder of prepared volumes; OUT/cache if left out.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change one field at all points; may be repeated."),
    ] = None,
    on: Annotated[
        str | None,
        typer.Option(
            "--on",
            metavar="PLACE",
            help="local:2 runs two points at once, slurm submits all as jobs, slurm:8 eight at a time. "
            "One after another if left out.",
        ),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option("--slurm", metavar="OPTIONS", help="Options of sbatch: partition=gpu,gres=gpu:1,time=12:00:00"),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Go on without visits that cannot be prepared; they are listed.")
    ] = False,
    workers: Annotated[
        int, typer.Option("--workers", metavar="N", min=0, help="Processes that prepare samples, for each point.")
    ] = 1,
) -> None:
    """Train at every point of a grid and rank the points by Dice on the validation set, never the test set.

    Every point is a run of its own under OUT. Stop at any time: the same command goes on where this one was,
    leaves finished points alone and tries failed ones again. Needs torch, of the extra [train].
    """
    need_torch()
    if slurm and not (on or "").startswith("slurm"):
        raise UsageError("--slurm was given without --on slurm", remedy="add --on slurm, or leave it out")
    from dawson.model.card import find_model  # noqa: PLC0415
    from dawson.searching.slurm import parse_slurm  # noqa: PLC0415
    from dawson.searching.task import Jobs, parse_place  # noqa: PLC0415
    from dawson.training.settings import TrainingData, TrainingOptions  # noqa: PLC0415

    data = TrainingData(cases=cases, maps=maps, masks=masks, split=split, cache=cache, skip_bad=skip_bad)
    model = None if start is None else find_model(start)
    options = TrainingOptions(overrides=overrides_of(settings), start=model, workers=workers)
    _run(recipe, output, grid, data, options, Jobs(parse_place(on), parse_slurm(slurm or ())))


def _run(recipe: str, output: Path, grid: list[str], data: TrainingData, options: TrainingOptions, jobs: Jobs) -> None:
    """Search, and print the ranking, or how to go on with a search that was stopped."""
    from dawson.core.stop import Stopped, stoppable  # noqa: PLC0415
    from dawson.searching.search import search  # noqa: PLC0415

    try:
        with _show() as follow, stoppable():
            found = search(recipe, output, grid, data, options, jobs=jobs, follow=follow)
    except KeyboardInterrupt as stop:
        queued = " Jobs in Slurm's queue go on (squeue shows them)." if jobs.place.kind == "slurm" else ""
        typer.echo(f"Nothing is lost: the same command goes on from here.{queued}", err=True)
        raise typer.Exit(stop.exit_code if isinstance(stop, Stopped) else INTERRUPTED) from stop
    _print(found)
    if any(row.state != "finished" for row in found.rows):
        raise typer.Exit(UNFINISHED)


@contextmanager
def _show() -> Iterator[Callable[[str, str, Mapping[str, Any]], None]]:
    """A function to call with each change of a point: on a terminal (stderr) it is shown.

    Elsewhere a line tells of each point that begins or ends, and in between one line a minute of one that runs.
    """
    from rich.console import Console  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    ended = {"finished": 0, "failed": 0}
    if not console.is_terminal:
        pace, begun = Pace(), set[str]()

        def write(name: str, state: str, known: Mapping[str, Any]) -> None:
            new, due = name not in begun, pace.due()
            begun.add(name)
            if state in ended or new or due:
                text = known.get("reason", "") if state in ended else _progress("", known)
                console.print(f"{name}: {state} {text}".rstrip(), markup=False, soft_wrap=True)

        yield write
        return
    running: dict[str, str] = {}
    with console.status("search", spinner="line") as status:

        def show(name: str, state: str, known: Mapping[str, Any]) -> None:
            running.pop(name, None)
            if state in ended:
                ended[state] += 1
                console.print(f"  {state:<9} {name}  {known.get('reason', '')}", style="dim", markup=False)
            else:
                running[name] = _progress(state, known)
            counts = ", ".join(f"{count} {word}" for word, count in ended.items() if count) or "search"
            lines = [counts, *(f"{name}: {text}" for name, text in list(running.items())[:10])]
            status.update("\n  ".join(lines).replace("[", "\\["))

        yield show


def _progress(state: str, known: Mapping[str, Any]) -> str:
    """What is known of a running point, in a few words."""
    if "done" in known:  # files that are checked or prepared
        return f"{known.get('event', state)} {known['done']} of {known.get('of', '?')}"
    words = [f"{name} {known[name]}" for name in ("job", "epoch", "step") if name in known]
    validation = known.get("validation")
    if isinstance(validation, Mapping) and isinstance(validation.get("dice"), int | float):
        words.append(f"validation Dice {validation['dice']:.3f}")
    if "left_s" in known:
        words.append(f"{known['seconds_per_step']:.1f} s a step, {time_left(known['left_s'])} left")
    return " ".join([state, *words]).strip()


def _print(found: Search) -> None:
    """The ranking on stdout; remarks and reasons on stderr."""
    from dawson.searching.ranking import TABLE, table  # noqa: PLC0415
    from dawson.searching.search import PICTURE  # noqa: PLC0415

    for note in found.notes:
        typer.echo(f"Note: {note}", err=True)
    lines = [line[:-2] for line in table(found.axes, found.rows)]  # reasons and names have lines of their own
    widths = [max(len(line[n]) for line in lines) for n in range(len(lines[0]))]
    for line in lines:
        typer.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    for row in found.rows:
        if row.reason:
            typer.echo(f"{row.point.name}: {row.reason}", err=True)
    picture = f" and {found.out / PICTURE}" if (found.out / PICTURE).exists() else ""
    typer.echo(f"Ranked by Dice on the validation set; see {found.out / TABLE}{picture}.")
    best = found.rows[0]
    if best.dice is not None:
        typer.echo(f"The best point is the run {found.out / best.point.name}; the test set is still untouched.")
