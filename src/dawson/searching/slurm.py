"""What dawson says to Slurm and hears from it: sbatch's options, and the queue."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from dawson.core.errors import UsageError

OURS = ("array", "error", "job_name", "nodes", "ntasks", "ntasks_per_node", "open_mode", "output", "signal", "wrap")
"""Options of sbatch that are not the user's: a point is one process on one node, and logs are ours."""
ENDED = (
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY"),
    *("PREEMPTED", "REVOKED", "SPECIAL_EXIT", "TIMEOUT"),
)


def parse_slurm(settings: Sequence[str]) -> dict[str, str]:
    """Read ``partition=gpu,gres=gpu:1,time=12:00:00``, or several such: sbatch's long options by name.

    Raises :class:`UsageError` for what is not NAME=VALUE, is given twice or is dawson's own to set.
    """
    options: dict[str, str] = {}
    for part in (part for setting in settings for part in setting.split(",")):
        key, equals, value = part.partition("=")
        name = key.strip().lstrip("-").replace("-", "_")
        if not (name and equals and value.strip()):
            raise UsageError(f"--slurm {part} is not NAME=VALUE", remedy="write it like --slurm partition=gpu,mem=32G")
        if name in options:
            raise UsageError(f"--slurm gives {name} twice", remedy="give it once")
        if name in OURS:
            raise UsageError(f"--slurm {name} is set by dawson itself", remedy="leave it out")
        options[name] = value.strip()
    if "time" in options:
        slurm_minutes(options["time"])
    return options


def slurm_minutes(text: str) -> int:
    """A time limit as sbatch writes it (``90``, ``12:00:00``, ``2-00``, ...), in minutes, rounded up."""
    days, dash, clock = text.rpartition("-")
    parts = clock.split(":")
    numbers = [*([days] if dash else []), *parts]
    if not all(part.isascii() and part.isdigit() for part in numbers) or len(parts) > 3:
        raise UsageError(f"--slurm time={text} is no time limit", remedy="write minutes, HH:MM:SS or D-HH")
    values = [int(part) for part in parts]
    if dash:
        hours, minutes, seconds = (*values, 0, 0)[:3]
    elif len(values) == 3:
        hours, minutes, seconds = values
    else:
        hours, minutes, seconds = 0, *(*values, 0)[:2]
    total = ((int(days or 0) * 24 + hours) * 60 + minutes) + -(-seconds // 60)
    if total < 1:
        raise UsageError(f"--slurm time={text} is no time at all", remedy="give a minute or more")
    return total


def queue() -> dict[str, tuple[str, str]] | None:
    """State and name of the user's jobs by number, ended ones for a few minutes too; None: no answer."""
    command = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", "--format=%i|%T|%j"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    except (subprocess.SubprocessError, OSError):
        return None  # the controller is busy or restarts; ask again later
    rows = (line.split("|", 2) for line in done.stdout.splitlines() if line.count("|") >= 2)
    return {number.strip(): (state.strip(), name.strip()) for number, state, name in rows}


def lives(state: str) -> bool:
    """Whether a job in this state may still do something."""
    return state not in ENDED
