"""What a person at the terminal sees beside results: progress, and one sentence where something failed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dawson.core.errors import DawsonError

DONE, FAILED, REFUSED, UNFIT, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: all done; an unexpected error; bad input or usage; quality control failed, so that what was written must
not be used; stopped by Ctrl-C (128 + SIGINT)."""

EXIT_CODES = (
    "Exit codes: 0 done, 1 failed unexpectedly, 2 bad input or usage, 3 results written that failed quality control "
    "(segment, demo), 130 interrupted."
)


@contextmanager
def show_steps() -> Iterator[Callable[[str], None]]:
    """A function to call with the name of each step as it begins.

    On a terminal (stderr) the running step is shown, and each one that is done with the time it took;
    NO_COLOR and dumb terminals are respected. Elsewhere nothing is written at all.
    """
    from rich.console import Console  # noqa: PLC0415 (help and version do without it)

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda step: None
        return
    running: list[tuple[str, float]] = []

    def finish() -> None:
        if running:
            name, began = running.pop()
            console.print(f"  {name:<15} {time.perf_counter() - began:5.1f} s", style="dim", markup=False)

    with console.status("", spinner="line") as status:  # a spinner in plain ASCII

        def begin(step: str) -> None:
            finish()
            running.append((step, time.perf_counter()))
            status.update(step)

        yield begin
        finish()


@contextmanager
def show_counts() -> Iterator[Callable[[str, int, int], None]]:
    """A function to call with what is being done and how far it is; shown on a terminal (stderr) only."""
    from rich.console import Console  # noqa: PLC0415 (help does without it)
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done, of: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        tasks = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(f"{what:<8}", total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield show


@contextmanager
def show_training() -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """A function to call with each record of a training run.

    On a terminal (stderr) a bar shows how far the steps have come, the time that is left, the loss and the Dice of
    the last steps; elsewhere a line tells of each epoch, and what else there is to say.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:

        def tell(record: Mapping[str, Any]) -> None:
            for line in _sentences(record):
                console.print(line, markup=False, soft_wrap=True)

        yield tell
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[figures]}"),
    )
    with Progress(*columns, console=console) as bar:
        tasks: dict[str, Any] = {}

        def show(record: Mapping[str, Any]) -> None:
            event = str(record["event"])
            total, done = record.get("of"), record.get("done", record.get("step"))
            if event in ("check", "prepare", "step", "test"):
                if event not in tasks:
                    tasks[event] = bar.add_task(_DOING[event], total=total, completed=done, figures="")
                keys = [key for key in ("lr", "loss", "dice") if key in record]
                figures = "  ".join(f"{key} {record[key]:.3g}" for key in keys)
                bar.update(tasks[event], completed=done, total=total, figures=figures)
            for line in _sentences(record):
                bar.console.print(line, markup=False)

        yield show


_DOING = {"check": "check files", "prepare": "prepare", "step": "train", "test": "test"}


def _sentences(record: Mapping[str, Any]) -> Iterator[str]:
    """What a record has to say that should stay on the screen."""
    if record["event"] == "split":
        counts = ", ".join(f"{count} {name}" for name, count in record["volumes"].items() if count)
        yield f"Volumes: {counts}."
        yield from (f"Note: {note}" for note in record["notes"])
    if record["event"] == "epoch":
        parts = [f"epoch {record['epoch']}, step {record['step']}, lr {record['lr']:.2g}"]
        for name in ("train", "validation"):
            if name in record:
                figures = ((key, record[name][key]) for key in ("loss", "dice", "iou") if key in record[name])
                parts.append(f"{name} " + " ".join(f"{key} {value:.3f}" for key, value in figures))
        yield "; ".join(parts) + f" ({record['seconds']:.0f} s)"
    if record["event"] == "table":
        yield from record["lines"]


def explain(error: Exception) -> tuple[str, int]:
    """One sentence about an error, and the exit code that goes with it.

    An error that dawson did not foresee is named with its type; DAWSON_DEBUG=1 shows its traceback too.
    """
    if isinstance(error, DawsonError):
        return str(error), REFUSED
    if hasattr(error, "format_message"):  # the option parser's, whichever library typer has it from
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "dawson"
        return f"{str(error.format_message()).rstrip('.')}; see {command} --help.", REFUSED
    if os.environ.get("DAWSON_DEBUG"):
        import traceback  # noqa: PLC0415

        traceback.print_exception(error)
    if isinstance(error, MemoryError):
        return "The memory did not suffice; close other programs or use a machine with more.", FAILED
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"dawson failed unexpectedly ({what}); set DAWSON_DEBUG=1 to see where, and report it.", FAILED
