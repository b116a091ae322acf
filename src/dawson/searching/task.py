"""One training run of a search: what it is, where it may run, and carrying it out in this process.

Every run is resumable and says by itself whether it is finished (``result.json``). So nothing here needs to
be remembered: whatever ends a process, doing the same again takes up what is unfinished.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dawson.core.errors import DawsonError, UsageError
from dawson.training.run_folder import RECORD, RESULT, epochs
from dawson.training.settings import TrainingData, TrainingOptions

Train = Callable[..., Any]
"""Called like :func:`dawson.training.run.train`."""
Follow = Callable[[str, str, Mapping[str, Any]], None]
"""Called with a task's name, its state and what is known of it: ``{"reason": ...}`` or a record of the run.

States are ``waiting``, ``running``, ``finished`` and ``failed``.
"""
BUSY = "another process is training it"


@dataclass(frozen=True)
class Task:
    """One training run: the folder that it fills, and the arguments of the training function."""

    name: str
    recipe: str | Path
    folder: Path
    data: TrainingData
    options: TrainingOptions


@dataclass(frozen=True)
class Place:
    """Where tasks run: ``here``, ``local`` or ``slurm``, and how many at once (none: no limit)."""

    kind: str = "here"
    at_once: int | None = 1


@dataclass(frozen=True)
class Jobs:
    """How tasks are run: where, with which options of sbatch, by which function, and how often jobs are looked after.

    ``run`` is :func:`dawson.training.run.train` where left out, ``poll_s`` 10 s for Slurm.
    """

    place: Place = Place()
    slurm: Mapping[str, str] = field(default_factory=dict)
    run: Train | None = None
    poll_s: float | None = None


def parse_place(text: str | None) -> Place:
    """Read ``None``, ``"local:2"``, ``"slurm"`` or ``"slurm:8"``; raises :class:`UsageError` for others."""
    if text is None:
        return Place()
    kind, colon, count = text.partition(":")
    if kind not in ("local", "slurm") or (colon and not (count.isascii() and count.isdigit() and int(count) > 0)):
        raise UsageError(f"--on {text} is no place to run", remedy="write --on local:2, --on slurm or --on slurm:8")
    return Place(kind, int(count) if colon else (1 if kind == "local" else None))


def result_of(folder: Path) -> dict[str, Any] | None:
    """What a finished run says of itself, or nothing where it is not finished."""
    try:
        result = json.loads((folder / RESULT).read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and result.get("finished") is True else None


def epochs_of(folder: Path) -> list[dict[str, Any]]:
    """The epochs that a run has recorded so far, finished or not."""
    return epochs(folder / RECORD)


def carry_out(
    task: Task,
    logs: Path,
    run: Train | None = None,
    *,
    environment: Mapping[str, str | None] | None = None,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> str | None:
    """Train one task, from its last checkpoint where there is one, and return why it failed, if it did.

    The reason also goes to ``logs/NAME.failed`` with the traceback of an error that nobody foresaw, since
    this may run in another process or on another machine. ``environment`` holds variables to set (or to
    remove) before torch is loaded.
    """
    for name, value in (environment or {}).items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    note = failure_note(task, logs)
    with _lock(logs / f"{task.name}.lock") as free:
        if not free:
            note.write_text(BUSY + "\n", "utf-8")
            return BUSY
        note.unlink(missing_ok=True)
        trace = ""
        try:
            options = replace(task.options, resume=task.folder.exists())
            (run or _train())(task.recipe, task.folder, task.data, options, progress=progress)
        except DawsonError as error:
            reason = str(error)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            trace = traceback.format_exc()
        else:
            if result_of(task.folder) is not None:
                return None
            reason = f"{task.folder}: the run ended without a result; do the same again."
        note.write_text(f"{reason}\n{trace}", "utf-8")
        return reason


def _train() -> Train:
    from dawson.training.run import train  # noqa: PLC0415 (torch takes seconds)

    return train


def failure_note(task: Task, logs: Path) -> Path:
    """The file that says why a task failed the last time; its first line is the reason."""
    return logs / f"{task.name}.failed"


@contextmanager
def _lock(file: Path) -> Iterator[bool]:
    """Whether nobody else holds this lock, and holding it meanwhile; it goes with the process that holds it.

    A POSIX record lock, since NFS knows it and worker processes do not inherit it. File systems and
    platforms without locks are trusted to have one user.
    """
    try:
        import fcntl  # noqa: PLC0415 (not on Windows)
    except ImportError:
        yield True
        return
    with file.open("a") as handle:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            yield False
            return
        except OSError:
            pass
        yield True
