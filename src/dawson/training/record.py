"""The record of a run: JSON lines and TensorBoard on disk, and whoever follows it."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from dawson.core.errors import UsageError
from dawson.training.run_folder import RECORD, truncate
from dawson.training.settings import Progress

EVERY = 10  # steps
TENSORBOARD = "tensorboard"


class Log:
    """Open while a run goes on; with ``progress`` None (a process that does not lead) nothing is written."""

    def __init__(self, out: Path, progress: Progress | None, *, begin: int) -> None:
        self.out, self.progress, self.begin = out, progress, begin
        self.file: IO[str] | None = None
        self.board: Any = None
        self.sums: dict[str, float] = {}
        self.seconds, self.count = 0.0, 0
        self.recent: tuple[float, ...] = ()  # seconds of the last steps

    def __enter__(self) -> Self:
        if self.progress is not None:
            truncate(self.out / RECORD, self.begin)
            self.file = (self.out / RECORD).open("a", encoding="utf-8")
            self.board = _board(self.out / TENSORBOARD, self.begin)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file is not None:
            self.file.close()
        if self.board is not None:
            self.board.close()

    def step(self, step: int, figures: dict[str, float], seconds: float, rate: float, steps: int) -> None:
        """Take note of one step; every ten of them become a record, means over the ten."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.seconds, self.count = self.seconds + seconds, self.count + 1
        self._follow(step, steps, seconds, rate, figures)
        if step % EVERY:
            return
        means = {name: round(total / self.count, 5) for name, total in self.sums.items()}
        each = round(self.seconds / self.count, 4)
        self.sums, self.seconds, self.count = {}, 0.0, 0
        self._write({"event": "step", "step": step, "of": steps, "lr": rate, "seconds_per_step": each, **means})
        self._draw({"train": means, "lr": rate}, step)

    def _follow(self, step: int, steps: int, seconds: float, rate: float, figures: dict[str, float]) -> None:
        """Tell whoever follows the run of every single step, and of the time that is left at this pace."""
        self.recent = (*self.recent[-EVERY + 1 :], seconds)
        each = sum(self.recent) / len(self.recent)
        if self.progress is not None:
            entry = {"event": "progress", "step": step, "of": steps, "lr": rate, "loss": figures["loss"]}
            self.progress(entry | {"dice": figures["dice"], "seconds_per_step": each, "left_s": each * (steps - step)})

    def epoch(
        self,
        epoch: int,
        step: int,
        rate: float,
        seconds: float,
        train: dict[str, float],
        validation: dict[str, Any] | None,
        *,
        best: int,
    ) -> None:
        """Take note of an epoch."""
        entry: dict[str, Any] = {
            "event": "epoch",
            "epoch": epoch,
            "step": step,
            "lr": rate,
            "seconds": round(seconds, 1),
            "train": {name: round(value, 6) for name, value in train.items()},
        }
        if validation is not None:
            entry |= {"validation": validation, "best_epoch": best}
            self._draw({"validation": {k: v for k, v in validation.items() if k != "by_sequence"}}, step)
        self._write(entry)

    def _write(self, entry: dict[str, Any]) -> None:
        if self.file is not None and self.progress is not None:
            try:
                self.file.write(json.dumps(entry) + "\n")
                self.file.flush()
            except OSError as error:
                raise UsageError(
                    f"the record cannot be written ({error.strerror})",
                    file=self.out / RECORD,
                    remedy="make room and add --resume; the last checkpoint is whole",
                ) from error
            self.progress(entry)

    def _draw(self, figures: dict[str, Any], step: int) -> None:
        if self.board is None:
            return
        for name, value in figures.items():
            for key, number in value.items() if isinstance(value, dict) else (("", value),):
                self.board.add_scalar(f"{name}/{key}" if key else name, number, step)


def _board(folder: Path, begin: int) -> Any:
    """A TensorBoard writer, where TensorBoard is installed; curves of steps to be done again are dropped."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 (takes seconds to import)
    except ImportError:
        return None
    return SummaryWriter(str(folder), purge_step=begin + 1)
