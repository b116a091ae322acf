"""Work spread over processes, results as they come; in this process where one is enough."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from dawson.core.runtime import workers as affordable

MOST = 2
"""Processes, at most: beyond two, reading files and memory bound the speed, not the processor."""

WORKER_GB = 3.0
"""Memory of one process that segments a visit, scans of 1 mm or less included."""

Run = Callable[[Callable[[Any], Any], Sequence[Any]], Iterator[tuple[int, Any]]]
"""Called with a function and its tasks; yields (number of a task, its result) as each is done."""


@contextmanager
def workers(count: int) -> Iterator[Run]:
    """A :data:`Run` over ``count`` processes, at most :data:`MOST`, that are gone afterwards.

    Tasks, results and the function must survive pickling. After an error or Ctrl-C, tasks that were not
    begun are dropped.
    """
    if count <= 1:
        yield lambda function, tasks: ((number, function(task)) for number, task in enumerate(tasks))
        return
    # Fresh interpreters: a forked copy of ITK's or OpenVINO's threads may never wake again.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(count, MOST), mp_context=context, initializer=_begin)

    def run(function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[tuple[int, Any]]:
        futures = {pool.submit(function, task): number for number, task in enumerate(tasks)}
        for future in as_completed(list(futures)):
            yield futures.pop(future), future.result()

    try:
        yield run
    finally:
        pool.shutdown(cancel_futures=True)


def default_workers() -> int:
    """As many processes as cores and memory allow (:mod:`dawson.core.runtime`), at most :data:`MOST`."""
    return min(affordable(WORKER_GB), MOST)


def _begin() -> None:
    """In a worker: Ctrl-C is for the main process to answer, and ITK keeps to one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import SimpleITK as sitk  # noqa: PLC0415

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
