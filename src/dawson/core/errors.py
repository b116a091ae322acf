"""One family of errors: each says what was found, in which file, and what to do about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any


class DawsonError(Exception):
    """Base of every error that dawson raises on purpose.

    The message is one sentence made of three parts: the file (where there is one), what was found,
    and the remedy. The command line prints it as it is; it never shows a traceback for one.
    """

    exit_code = 2

    def __init__(self, finding: str, *, remedy: str, file: Path | str | None = None) -> None:
        self.finding = finding.rstrip(".")
        self.remedy = remedy.rstrip(".")
        self.file = None if file is None else Path(file)
        where = "" if self.file is None else f"{self.file}: "
        super().__init__(f"{where}{self.finding}; {self.remedy}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Survive the way back from a worker process."""
        return _rebuild, (type(self), self.finding, self.remedy, self.file)


def _rebuild(kind: type[DawsonError], finding: str, remedy: str, file: Path | None) -> DawsonError:
    return kind(finding, remedy=remedy, file=file)


class InputError(DawsonError):
    """A scan, mask or folder cannot be used as it is (exit code 2)."""


class AccessError(InputError):
    """A file that is not there, cannot be reached, or is of no kind that dawson reads (exit code 2).

    Nothing is known of what it holds, so it is never left out in favour of others: the path may be a slip.
    """


class UsageError(DawsonError):
    """The request itself cannot be carried out: options, output folder, missing extra (exit code 2)."""


class EvaluationError(DawsonError):
    """Everything is done and kept but for the last part, an evaluation, which failed (exit code 1)."""

    exit_code = 1


class ModelError(DawsonError):
    """A model folder is incomplete, damaged or of another kind (exit code 2)."""
