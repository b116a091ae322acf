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
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.synchronize import Event
from pathlib import Path
from uuid import uuid4

import numpy as np
import torch

from dawson.core.errors import UsageError
from dawson.core.files import replace_file, save
from dawson.core.runtime import cores
from dawson.core.study import Modality
from dawson.synthesis.cohort_bids import MASKS, SETTINGS, cohort_files, mask_files, participants_files, scan_files
from dawson.synthesis.label_maps import Head, LesionMap, nifti_files, read_head, read_lesion_map
from dawson.synthesis.patient_series import draw_patient, draw_scanner, scan_visit

SCANNERS = 4  # in the cohort; most patients stay with one
OTHER_SCANNER = 0.15  # chance of each further visit
LEFTOVER = 3600.0  # seconds after which what an ended process left half-done is taken away


@dataclass(frozen=True)
class Wishes:
    """What a cohort is made from; ``visits`` are the fewest and the most of a patient."""

    maps: tuple[Path, ...]
    masks: tuple[Path, ...]
    patients: int
    visits: tuple[int, int]
    volumes: int | None
    healthy: float
    own_grids: bool
    seed: int


@dataclass(frozen=True)
class Plan:
    """One patient before it is made: files by number in the wishes, scanner and sequences of each visit."""

    number: int
    head: int
    lesions: int | None
    scanners: tuple[int, ...]
    modalities: tuple[tuple[Modality, ...], ...]

    @property
    def name(self) -> str:
        """The patient's folder."""
        return f"sub-{self.number:03d}"


def make_cohort(
    out: Path,
    *,
    maps: Path,
    masks: Path,
    patients: int,
    visits: tuple[int, int] = (1, 4),
    volumes: int | None = None,
    healthy: float = 0.05,
    own_grids: bool = False,
    seed: int = 0,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a synthetic cohort to ``out``, or what is missing of it; returns ``out``.

    ``maps`` is a folder of whole-head label maps (FreeSurfer values, 1 mm), ``masks`` one of binary lesion
    masks in MNI152 space (1 mm). A visit has a FLAIR, a T1 and a T2 on one grid (on grids of their own with
    ``own_grids``) and one mask on the FLAIR's; with ``volumes``, single T1 and T2 scans are left out until
    that many scans remain. ``healthy`` is the share of patients without lesions. ``workers`` processes (the
    cores where left out) take about 1.7 GB each. ``progress`` is called with the patients done and of all.

    Raises :class:`UsageError` for wishes that cannot be met, for a folder that holds anything else, and where
    the disk is full; :class:`InputError` for label maps and masks that cannot be used.
    """
    wishes = Wishes(
        tuple(nifti_files(maps)), tuple(nifti_files(masks)), patients, visits, volumes, healthy, own_grids, seed
    )
    plans = plan_cohort(wishes)
    try:
        _prepare(out, wishes)
        left = [plan for plan in plans if not (out / plan.name).exists()]
        # Another process may be at work here: to begin elsewhere costs nothing, and few patients are made twice.
        left = [left[i] for i in np.random.default_rng().permutation(len(left))]
        if progress is not None:
            progress(len(plans) - len(left), len(plans))
        done = len(plans) - len(left)
        count = min(workers or cores(), len(left))
        for _ in _all_made(out, wishes, left, count) if left else ():
            done += 1
            if progress is not None:
                progress(done, len(plans))
        for name, content in participants_files(wishes, plans).items():
            replace_file(out / name, content)
    except OSError as error:
        raise UsageError(
            f"the cohort could not be written ({error.strerror or type(error).__name__})",
            remedy="make room or give permission there and run the same command again: finished patients are kept",
            file=out,
        ) from error
    return out


def plan_cohort(wishes: Wishes) -> list[Plan]:
    """What each patient will be. Raises :class:`UsageError` where the number of volumes cannot be had."""
    fewest, most = wishes.visits
    if wishes.patients < 1 or not 1 <= fewest <= most or not 0 <= wishes.healthy <= 1:
        raise UsageError(
            f"{wishes.patients} patients with {fewest}-{most} visits, a share of {wishes.healthy:g} without lesions, "
            "cannot be made",
            remedy="give 1 or more patients, visits such as 1-4, and a share between 0 and 1",
        )
    drawn = [_draw_plan(number, wishes) for number in range(1, wishes.patients + 1)]
    if wishes.volumes is None:
        return drawn
    total, least = (sum(n * len(plan.scanners) for plan in drawn) for n in (len(Modality), 1))
    if not least <= wishes.volumes <= total:
        raise UsageError(
            f"{wishes.volumes} volumes cannot be had from {wishes.patients} patients, whose {least} visits have "
            f"{least} to {total}",
            remedy="give fewer or more patients or visits, or another number of volumes",
        )
    further = [(p, v, s) for p, plan in enumerate(drawn) for v in range(len(plan.scanners)) for s in (1, 2)]
    rng = np.random.default_rng([wishes.seed, 0, 5])  # patients are numbered from 1
    gone = {further[i] for i in rng.permutation(len(further))[: total - wishes.volumes]}
    return [
        Plan(
            plan.number,
            plan.head,
            plan.lesions,
            plan.scanners,
            tuple(
                tuple(modality for s, modality in enumerate(Modality) if (p, v, s) not in gone)
                for v in range(len(plan.scanners))
            ),
        )
        for p, plan in enumerate(drawn)
    ]


def _draw_plan(number: int, wishes: Wishes) -> Plan:
    rng = np.random.default_rng([wishes.seed, number, 0])
    head, lesions = int(rng.integers(len(wishes.maps))), int(rng.integers(len(wishes.masks)))
    healthy = rng.random() < wishes.healthy
    visits = int(rng.integers(wishes.visits[0], wishes.visits[1] + 1))
    usual = int(rng.integers(SCANNERS))
    others = [int(rng.integers(SCANNERS)) if rng.random() < OTHER_SCANNER else usual for _ in range(visits - 1)]
    return Plan(number, head, None if healthy else lesions, (usual, *others), (tuple(Modality),) * visits)


def make_patient(out: Path, plan: Plan, wishes: Wishes, pause: Callable[[], None] = lambda: None) -> None:
    """Make one patient, scans and masks, unless there by now. ``pause`` may raise to stop between scans."""
    if (out / plan.name).exists():
        return
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # sums depend on the number of threads, patients must not
    aside = out / f".{plan.name}-{uuid4().hex[:8]}"
    try:
        lesions = None if plan.lesions is None else _lesions(wishes.masks[plan.lesions])
        rng = np.random.default_rng([wishes.seed, plan.number, 1])
        patient = draw_patient(_head(wishes.maps[plan.head]), lesions, len(plan.scanners), rng)
        for number, modalities in enumerate(plan.modalities):
            scanner = draw_scanner(plan.scanners[number], wishes.seed, own_grids=wishes.own_grids)
            visit = scan_visit(patient, number, scanner, modalities, wishes.seed, plan.number, pause=pause)
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
def _head(file: Path) -> Head:
    return read_head(file)


@lru_cache(maxsize=4)
def _lesions(file: Path) -> LesionMap:
    return read_lesion_map(file)


def _all_made(out: Path, wishes: Wishes, plans: list[Plan], workers: int) -> Iterator[None]:
    """Make all patients, yielding after each."""
    if workers <= 1:
        for plan in plans:
            make_patient(out, plan, wishes)
            yield
        return
    context = multiprocessing.get_context("spawn")  # a forked process would inherit torch's threads in disorder
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_work, initargs=(stop,))
    try:
        for future in as_completed([pool.submit(_work, out, plan, wishes) for plan in plans]):
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the first decides
    if hasattr(os, "nice"):
        os.nice(5)


def _pause() -> None:
    if _stop is not None and _stop.is_set():
        raise KeyboardInterrupt


def _work(out: Path, plan: Plan, wishes: Wishes) -> None:
    _pause()
    make_patient(out, plan, wishes, _pause)


def _prepare(out: Path, wishes: Wishes) -> None:
    """Make the folder and what describes it, or check that a cohort in it was begun with the same wishes."""
    files = cohort_files(wishes)
    stored = out / SETTINGS
    if stored.exists():
        before, now = json.loads(stored.read_text("utf-8")), json.loads(files[SETTINGS])
        if wishes.volumes is None and before.get("patients", 0) <= wishes.patients:
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
