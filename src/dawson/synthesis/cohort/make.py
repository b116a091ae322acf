"""A synthetic cohort on disk: patients with series over time, as a BIDS data set with lesion masks.

Patient *n* depends on the seed and on *n* alone (and on the label maps and masks at hand). A patient is
written aside and renamed when whole, so that a cohort can be interrupted and taken up again, and two
processes may work on one.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from dawson.core.errors import UsageError
from dawson.core.files import replace_file, save
from dawson.core.runtime import workers as affordable
from dawson.synthesis.cohort.bids import MASKS, SETTINGS, cohort_files, mask_files, participants_files, scan_files
from dawson.synthesis.cohort.patient_series import draw_patient, draw_scanner, scan_visit
from dawson.synthesis.cohort.plan import CohortSettings, PatientPlan, plan_cohort
from dawson.synthesis.label_maps import HeadModel, LesionMap, read_head, read_lesion_map

LEFTOVER = 3600.0  # seconds after which what an ended process left half-done is taken away
PATIENT_GB = 1.7  # of memory that one process takes


def make_cohort(
    out: Path,
    settings: CohortSettings,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic cohort to ``out``, or what is missing of it; returns ``out``.

    ``workers`` processes (as many as cores and memory allow where left out) take about 1.7 GB each. ``progress`` is
    called with the patients done and of all.

    Raises :class:`UsageError` for settings that cannot be met, for a folder that holds anything else, and where
    the disk is full; :class:`InputError` for label maps and masks that cannot be used.
    """
    plans = plan_cohort(settings)
    try:
        _prepare(out, settings)
        left = [plan for plan in plans if not (out / plan.name).exists()]
        # Another process may be at work here: to begin elsewhere costs nothing, and few patients are made twice.
        left = [left[i] for i in np.random.default_rng().permutation(len(left))]
        if progress is not None:
            progress(len(plans) - len(left), len(plans))
        done = len(plans) - len(left)
        count = min(workers or affordable(PATIENT_GB), len(left))
        for _ in _all_made(out, settings, left, count) if left else ():
            done += 1
            if progress is not None:
                progress(done, len(plans))
        for name, content in participants_files(settings, plans).items():
            replace_file(out / name, content)
    except OSError as error:
        raise UsageError(
            f"the cohort could not be written ({error.strerror or type(error).__name__})",
            remedy="make room or give permission there and run the same command again: finished patients are kept",
            file=out,
        ) from error
    return out


def make_patient(
    out: Path, plan: PatientPlan, settings: CohortSettings, pause: Callable[[], None] = lambda: None
) -> None:
    """Make one patient, scans and masks, unless there by now. ``pause`` may raise to stop between scans."""
    if (out / plan.name).exists():
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums depend on the number of threads, patients must not
    aside = out / f".{plan.name}-{uuid4().hex[:8]}"
    try:
        lesions = None if plan.lesions is None else _lesions(settings.masks[plan.lesions])
        rng = np.random.default_rng([settings.seed, plan.number, 1])
        patient = draw_patient(_head(settings.maps[plan.head]), lesions, len(plan.scanners), rng)
        for number, modalities in enumerate(plan.modalities):
            scanner = draw_scanner(plan.scanners[number], settings.seed, own_grids=settings.own_grids)
            visit = scan_visit(patient, number, scanner, modalities, settings.seed, plan.number, pause=pause)
            files = scan_files(plan.name, number, scanner, visit) | mask_files(plan.name, number, modalities[0], visit)
            for name, content in files.items():
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                save(aside / name, content)
        # The scans last: where they are, the masks are too.
        _publish(aside / MASKS / plan.name, out / MASKS / plan.name)
        _publish(aside / plan.name, out / plan.name)
    finally:
        torch.set_num_threads(threads)
        shutil.rmtree(aside, ignore_errors=True)


def _publish(made: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    try:
        made.rename(place)
    except OSError:
        if not place.is_dir():  # else another process was quicker, with the same content
            raise


@lru_cache(maxsize=2)
def _head(file: Path) -> HeadModel:
    return read_head(file)


@lru_cache(maxsize=4)
def _lesions(file: Path) -> LesionMap:
    return read_lesion_map(file)


def _all_made(out: Path, settings: CohortSettings, plans: list[PatientPlan], workers: int) -> Iterator[None]:
    """Make all patients, yielding after each."""
    if workers <= 1:
        for plan in plans:
            make_patient(out, plan, settings)
            yield
        return
    context = multiprocessing.get_context("spawn")  # a forked process would inherit torch's threads in disorder
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_work, initargs=(stop,))
    try:
        for future in as_completed([pool.submit(_work, out, plan, settings) for plan in plans]):
            yield future.result()
    except BaseException:  # Ctrl-C above all: workers clean up behind them at their next scan
        stop.set()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


_stop: Event | None = None  # of a worker process


def _begin_work(stop: Event) -> None:
    global _stop  # noqa: PLW0603 (set once a process, which has no other way to be handed it)
    _stop = stop
    for number in (signal.SIGINT, signal.SIGTERM):  # these may reach every process; the first decides
        signal.signal(number, signal.SIG_IGN)
    if hasattr(os, "nice"):
        os.nice(5)


def _pause() -> None:
    if _stop is not None and _stop.is_set():
        raise KeyboardInterrupt


def _work(out: Path, plan: PatientPlan, settings: CohortSettings) -> None:
    _pause()
    make_patient(out, plan, settings, _pause)


def _prepare(out: Path, settings: CohortSettings) -> None:
    """Make the folder and what describes it, or check that a cohort in it was begun with the same settings."""
    files = cohort_files(settings)
    stored = out / SETTINGS
    if stored.exists():
        before, now = json.loads(stored.read_text("utf-8")), json.loads(files[SETTINGS])
        if settings.volumes is None and before.get("patients", 0) <= settings.patients:
            before["patients"] = now["patients"]  # more of them may be added
        other = sorted(key for key in before | now if before.get(key) != now.get(key) and key != "dawson")
        if other:
            raise UsageError(
                f"holds a cohort that was begun with other {', '.join(other)}",
                remedy="give the same options to go on with it, or name another folder",
                file=out,
            )
    elif out.is_dir() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise UsageError("holds other files", remedy="name a new or an empty folder", file=out)
    for name, content in files.items():
        replace_file(out / name, content)
    for old in out.glob(".sub-*"):
        if time.time() - old.stat().st_mtime > LEFTOVER:
            shutil.rmtree(old, ignore_errors=True)
