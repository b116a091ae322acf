"""What a person at the terminal sees beside results: progress, and one sentence where something failed."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from dawson.core.errors import DawsonError

DONE, FAILED, REFUSED, UNFIT, INTERRUPTED = 0, 1, 2, 3, 130
"""Exit codes: all done; an unexpected error; bad input or usage; quality control failed, so that what was written must
not be used; stopped by Ctrl-C (128 + SIGINT). After SIGTERM, shells see 143 (128 + SIGTERM), of any command."""

MINUTE_S = 60.0  # between two lines of a log

EXIT_CODES = "Exit codes: 0 done, 1 failed unexpectedly, 2 bad input or usage, 130 interrupted, 143 ended by SIGTERM."
"""Of most commands, as their help says it."""
SEGMENT_EXIT_CODES = EXIT_CODES.replace("130 ", "3 results written that failed quality control, 130 ")
"""Of those that segment."""


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
    the last steps. Elsewhere there is a line at the start, one for the first step, and then one a minute at most,
    beside a line for each epoch.
    """
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn  # noqa: PLC0415

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        pace = Pace()

        def write(record: Mapping[str, Any]) -> None:
            lines = list(_sentences(record))
            if not lines and pace.due(str(record["event"])):
                lines = list(_how_far(record))
            for line in lines:
                console.print(line, markup=False, soft_wrap=True)

        yield write
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
            if event in _DOING:
                if event not in tasks:
                    tasks[event] = bar.add_task(_DOING[event], total=total, completed=done, figures="")
                keys = [key for key in ("lr", "loss", "dice") if key in record]
                figures = "  ".join(f"{key} {record[key]:.3g}" for key in keys)
                bar.update(tasks[event], completed=done, total=total, figures=figures)
            for line in _sentences(record):
                bar.console.print(line, markup=False)

        yield show


_DOING = {"check": "check files", "prepare": "prepare", "progress": "train", "test": "test"}


class Pace:
    """When the next line is due where nobody watches a terminal: one a minute, and the first of its kind at once."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def due(self, kind: str = "") -> bool:
        """Whether a line of this kind is due; if so, the next one is due in a minute."""
        now = time.monotonic()
        if now - self._last.get(kind, -math.inf) < MINUTE_S:
            return False
        self._last[kind] = now
        return True


def time_left(seconds: float) -> str:
    """A duration in words: ``40 s``, ``12 min``, ``5 h 20 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def _how_far(record: Mapping[str, Any]) -> Iterator[str]:
    """One line on how far the work has come, for a log."""
    if record["event"] == "progress":
        pace = f"{record['seconds_per_step']:.1f} s a step, {time_left(record['left_s'])} left"
        yield f"step {record['step']} of {record['of']}, loss {record['loss']:.4f}, {pace}"
    elif record["event"] in _DOING:
        yield f"{_DOING[record['event']]}: {record['done']} of {record['of']}"


def _start(record: Mapping[str, Any]) -> Iterator[str]:
    """What a run is computed with, and why."""
    precision, fast = record["precision"], record["fast_bf16"]
    where = "GPU" if record["device"] == "cuda" else "CPU"
    why = "" if fast or precision == "bf16" else f", since this {where} has no fast bf16"
    threads = "" if where == "GPU" else f" with {record['threads']} threads"
    yield f"Training {record['recipe']}: {record['of']} steps in {precision} on the {where}{threads}{why}."
    if precision == "bf16" and not fast:
        yield f"Note: this {where} emulates bf16, which is slow; --set 'optimizer.precision=\"auto\"' avoids that."
    if record["precision_before"] not in (None, precision):
        yield f"Note: the run began in {record['precision_before']} and goes on in {precision}."


def _sentences(record: Mapping[str, Any]) -> Iterator[str]:
    """What a record has to say that should stay on the screen."""
    if record["event"] == "start":
        yield from _start(record)
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
        return str(error), error.exit_code
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
