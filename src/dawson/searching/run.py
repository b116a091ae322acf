"""All training runs of a search: one after another in this process, or as jobs here or on Slurm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from dawson.searching.submit import run_jobs
from dawson.searching.task import Follow, Jobs, Task, carry_out


def run_tasks(
    tasks: Sequence[Task],
    jobs: Jobs,
    logs: Path,
    *,
    follow: Follow,
) -> dict[str, str]:
    """Bring every task to its end; a failing one does not stop the others.

    Args:
        tasks: what to run; finished ones should not be among them.
        jobs: where and how.
        logs: folder for logs, reasons and what submitit needs.
        follow: called with every change of a task.

    Returns:
        Why a task is not finished, in a sentence, by the task's name.

    Raises:
        UsageError: submitit or Slurm is not there, or Slurm refuses the options.
    """
    logs.mkdir(parents=True, exist_ok=True)
    if jobs.place.kind != "here":
        return run_jobs(tasks, jobs, logs, follow=follow)
    reasons: dict[str, str] = {}
    for task in tasks:
        follow(task.name, "running", {})
        reason = carry_out(task, logs, jobs.run, progress=partial(follow, task.name, "running"))
        if reason is None:
            follow(task.name, "finished", {})
        else:
            reasons[task.name] = reason
            follow(task.name, "failed", {"reason": reason})
    return reasons
