"""Training runs as jobs, through submitit: several at once on this machine, or in Slurm's queue.

What a job has done is read from its run folder alone, and whether it still lives from ``squeue``: many
clusters keep no accounting, and there submitit itself would wait for ever for a job that was cancelled.
"""

from __future__ import annotations

import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.core.errors import UsageError
from dawson.core.runtime import cores
from dawson.searching.slurm import lives, queue, slurm_minutes
from dawson.searching.task import Follow, Jobs, Place, Task, Train, carry_out, epochs_of, failure_note, result_of

POLL_S = {"slurm": 10.0, "local": 0.2}
GRACE_S = {"slurm": 10.0, "local": 0.0}
"""How long a file may take to become visible on a shared file system after its job has ended."""
REQUEUES = 100  # a training that needs several time limits goes on as often
DEFAULT_MINUTES = 24 * 60
FOR_EVER_MINUTES = 60 * 24 * 365  # submitit ends a local job after two minutes unless told otherwise


class Job:
    """What submitit runs: a training that may be stopped at a time limit and taken up in a requeued job."""

    def __call__(self, task: Task, logs: Path, run: Train | None, environment: Mapping[str, str | None]) -> str | None:
        """Train; see :func:`dawson.searching.task.carry_out`."""
        return carry_out(task, logs, run, environment=environment)

    def checkpoint(self, *arguments: Any) -> Any:
        """Do the same again after a time limit: the run's own checkpoint has all that is needed."""
        from submitit.helpers import DelayedSubmission  # noqa: PLC0415

        return DelayedSubmission(self, *arguments)


@dataclass
class _Running:
    task: Task
    number: str
    submitted: Any  # submitit's job; nothing for one of an earlier process
    slot: int
    epochs: int = -1
    gone_since: float | None = None


def run_jobs(
    tasks: Sequence[Task],
    jobs: Jobs,
    logs: Path,
    *,
    follow: Follow,
) -> dict[str, str]:
    """Submit the tasks, at most ``jobs.place.at_once`` at a time, and watch them to their end.

    Arguments, result and errors are those of :func:`dawson.searching.run.run_tasks`. Ctrl-C ends local jobs
    (their checkpoints stay) and leaves those in Slurm's queue alone.
    """
    place = jobs.place
    submit = _submitter(place, logs, jobs.slurm)
    waiting, active, reasons = list(tasks), list[_Running](), dict[str, str]()
    if place.kind == "slurm":
        for job in _still_queued(tasks, logs):
            waiting.remove(job.task)
            active.append(job)
            follow(job.task.name, "running", {"job": job.number})
    limit = place.at_once or len(tasks)
    try:
        while waiting or active:
            while waiting and len(active) < limit:
                task = waiting.pop(0)
                slot = min(set(range(limit)) - {job.slot for job in active})
                failure_note(task, logs).unlink(missing_ok=True)
                job = submit(task, jobs.run, _environment(place, slot))
                if place.kind == "slurm":
                    (logs / f"{task.name}.job").write_text(f"{job.job_id}\n", "utf-8")
                active.append(_Running(task, str(job.job_id), job, slot))
                follow(task.name, "waiting" if place.kind == "slurm" else "running", {"job": job.job_id})
            time.sleep(POLL_S[place.kind] if jobs.poll_s is None else jobs.poll_s)
            states = queue() if place.kind == "slurm" else {}
            for job in list(active):
                state = _state(job, states, place)
                if state is None or lives(state):
                    job.gone_since = None
                    _follow_epoch(job, state, follow)
                elif _has_ended(job, logs, GRACE_S[place.kind]):
                    active.remove(job)
                    reason = _reason(job, state, logs)
                    if reason is None:
                        follow(job.task.name, "finished", {})
                    else:
                        reasons[job.task.name] = reason
                        follow(job.task.name, "failed", {"reason": reason})
    finally:
        if place.kind == "local":
            _end([job.submitted for job in active])
    return reasons


def _still_queued(tasks: Sequence[Task], logs: Path) -> list[_Running]:
    """Jobs that an earlier process submitted and that still wait or run."""
    states = queue()
    if states is None:  # without an answer, a point that is in the queue already would be submitted again
        raise UsageError("Slurm does not answer (squeue)", remedy="try again when it does, or use --on local:2")
    found = []
    for task in tasks:
        number = _known_job(task, logs)
        state, name = states.get(number or "", ("COMPLETED", ""))
        if number and name == _job_name(task) and lives(state):
            found.append(_Running(task, number, None, -1))
    return found


def _submitter(
    place: Place, logs: Path, slurm: Mapping[str, str]
) -> Callable[[Task, Train | None, Mapping[str, str | None]], Any]:
    """A function that submits a task and returns submitit's job."""
    try:
        import submitit  # noqa: PLC0415
        from submitit.core.utils import FailedJobError, FailedSubmissionError  # noqa: PLC0415
    except ImportError as error:
        raise UsageError(
            "running points as jobs needs submitit, which is not installed",
            remedy="install it in the clone of dawson: pip install '.[train]'",
        ) from error
    if place.kind == "slurm" and not all(shutil.which(tool) for tool in ("sbatch", "srun", "squeue")):
        raise UsageError(
            "Slurm's commands are not on this machine",
            remedy="go to the cluster's login node, or use --on local:2",
        )
    if "%" in str(logs):  # which Slurm and submitit read as a job's number
        raise UsageError("the name of this folder has a % in it", remedy="choose another one with -o", file=logs.parent)
    executor = submitit.AutoExecutor(
        logs, cluster=place.kind, **({"slurm_max_num_timeout": REQUEUES} if place.kind == "slurm" else {})
    )
    if place.kind == "slurm":
        more = {name: value for name, value in slurm.items() if name != "time"}
        executor.update_parameters(
            timeout_min=slurm_minutes(slurm["time"]) if "time" in slurm else DEFAULT_MINUTES,
            slurm_additional_parameters=more,
        )
        if wanted := more.get("cpus_per_task"):  # srun does not inherit it since Slurm 22.05
            executor.update_parameters(slurm_srun_args=[f"--cpus-per-task={wanted}"])
    else:
        executor.update_parameters(timeout_min=FOR_EVER_MINUTES)

    def submit(task: Task, run: Train | None, environment: Mapping[str, str | None]) -> Any:
        executor.update_parameters(name=_job_name(task))
        try:
            with _outside_of_jobs(), _interruptible():
                return executor.submit(Job(), task, logs, run, environment)
        except (FailedJobError, FailedSubmissionError) as error:
            what = " ".join(str(error).split())
            raise UsageError(f"Slurm refused a job ({what})", remedy="correct --slurm and do the same again") from error

    return submit


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let what is started meanwhile heed SIGINT, by which submitit ends local jobs.

    A command that a script puts into the background (``dawson search … &``) is told to ignore it, and so would be all
    that it starts: its jobs would train on when it has long ended.
    """
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGINT) != signal.SIG_IGN:
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a handler of our own: what is started begins without
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Hide what an enclosing Slurm job has set: a job within would inherit its sizes and its identity.

    What tells Slurm's commands where the cluster is, and a user's defaults (SBATCH_ACCOUNT), stay as they
    are; submitit's own ``clean_env`` would take them away.
    """
    ours = ("SLURM_", "SLURMD_", "SRUN_", "SUBMITIT_")
    names = [name for name in os.environ if name.startswith(ours) and name != "SLURM_CONF"]
    hidden = {name: os.environ.pop(name) for name in names} if "SLURM_JOB_ID" in os.environ else {}
    try:
        yield
    finally:
        os.environ.update(hidden)


def _environment(place: Place, slot: int) -> dict[str, str | None]:
    """Variables for a job in one of the slots of this machine: its share of GPUs and of cores."""
    if place.kind == "slurm":
        return {}
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = given.split(",") if given else [str(n) for n in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]
    # submitit hides all GPUs from a local job; where none is counted, what this process sees is left as it is.
    environment = {"CUDA_VISIBLE_DEVICES": devices[slot % len(devices)] if devices else given}
    if "OMP_NUM_THREADS" not in os.environ:
        environment["OMP_NUM_THREADS"] = str(max(1, cores() // (place.at_once or 1)))
    return environment


def _state(job: _Running, states: Mapping[str, tuple[str, str]] | None, place: Place) -> str | None:
    """Slurm's word for a job's state, or one like it; None where nobody knows."""
    if place.kind == "local":
        return "COMPLETED" if job.submitted.done() else "RUNNING"
    if states is None:
        return None
    return states.get(job.number, ("COMPLETED", ""))[0]


def _follow_epoch(job: _Running, state: str | None, follow: Follow) -> None:
    """Report a job that has begun, or has got an epoch further."""
    if state == "PENDING":
        return
    epochs = epochs_of(job.task.folder)
    if len(epochs) > job.epochs:
        job.epochs = len(epochs)
        follow(job.task.name, "running", epochs[-1] if epochs else {"job": job.number})


def _has_ended(job: _Running, logs: Path, grace_s: float) -> bool:
    """Whether a job that is gone has left its result or a reason, or has had the time to."""
    if result_of(job.task.folder) is not None or failure_note(job.task, logs).exists():
        return True
    job.gone_since = time.monotonic() if job.gone_since is None else job.gone_since
    return time.monotonic() - job.gone_since >= grace_s


def _reason(job: _Running, state: str, logs: Path) -> str | None:
    """Why a job that is gone has not finished its task, or None where it has."""
    if result_of(job.task.folder) is not None:
        return None
    note = failure_note(job.task, logs)
    if note.exists():
        return (note.read_text("utf-8").splitlines() or ["no reason was given"])[0]
    ended = "" if state == "COMPLETED" else f" ({state})"
    return f"job {job.number} ended without a result{ended}; see {logs / f'{job.number}_0_log.err'}"


def _known_job(task: Task, logs: Path) -> str | None:
    """The number of the Slurm job that last had this task."""
    try:
        return (logs / f"{task.name}.job").read_text("utf-8").strip() or None
    except OSError:
        return None


def _job_name(task: Task) -> str:
    return f"dawson-{task.name}"


def _end(jobs: Sequence[Any], patience_s: float = 15.0) -> None:
    """End local jobs that still run, and wait until they have ended."""
    for job in jobs:
        if not job.done():
            job.cancel()
    until = time.monotonic() + patience_s
    while time.monotonic() < until and not all(job.done() for job in jobs):
        time.sleep(0.05)
