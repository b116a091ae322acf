"""How long each step of a segmentation takes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)


class StepTimer:
    """Wall-clock seconds by step; ``progress`` is called with the name of each as it begins."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.current: tuple[str, float] | None = None

    def begin(self, step: str) -> None:
        """End the step before, and begin one."""
        self.end()
        if self.progress is not None:
            self.progress(step)
        self.current = (step, time.perf_counter())

    def end(self) -> dict[str, float]:
        """End the last step; the seconds of all."""
        if self.current is not None:
            step, started = self.current
            self.seconds[step] = round(time.perf_counter() - started, 3)
            logger.info("%s took %.1f s", step, self.seconds[step])
        self.current = None
        return self.seconds
