"""Ctrl-C, or a scheduler's SIGTERM, at any moment of a run, without losing what was done."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stopped(KeyboardInterrupt):
    """Raised where a signal asked the program to stop; ``at_once`` where that may have cut something in two."""

    def __init__(self, signal_number: int, *, at_once: bool = False) -> None:
        super().__init__(signal_number)
        self.at_once = at_once
        self.exit_code = 128 + signal_number
        """What shells expect: 130 for Ctrl-C, 143 for SIGTERM."""


class Stop:
    """Which signal asked to stop, if any, and whether it has to wait."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._held = 0

    def ask(self, signal_number: int, _frame: FrameType | None = None) -> None:
        """Handle a signal: stop now, or at the end of what must not be cut in two; a second one stops at once."""
        again, self.signal = self.signal is not None, signal_number
        if again or not self._held:
            raise Stopped(signal_number, at_once=self._held > 0)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let the first signal that comes meanwhile wait until the end of this block, which must not be cut in two."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        if self.signal is not None and not self._held:
            raise Stopped(self.signal)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Raise :class:`Stopped` in this block on Ctrl-C and on SIGTERM, as :class:`Stop` says.

    Outside the main thread, where Python lets nobody handle signals, nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.signal(number, stop.ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
