"""The output folder: what may be written there, and writing it so that nothing half-done is left."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from dawson.core.errors import UsageError
from dawson.core.names import REPORT_FILES, RESULT_FILES, SUMMARY

ELSEWHERE = "choose another output folder with -o"
"""What else to do where a folder cannot be written to; commands without that option say something else."""


def check_output(out: Path | str, *, overwrite: bool = False, inputs: Iterable[Path] = ()) -> Path:
    """Refuse an output folder that cannot be used, before any work is done. Nothing is created.

    Args:
        out: the folder that results go to; it and its parents need not exist yet.
        overwrite: allow results of an earlier run to be replaced.
        inputs: files that must not be replaced, whatever ``overwrite`` says: the scans themselves.

    Returns:
        ``out`` as a path.

    Raises:
        UsageError: ``out`` or one of its parents is a file, is not writable, holds results already
            and ``overwrite`` is off, or holds an input under the name of a result.
    """
    out = Path(out)
    try:
        nearest = next(p for p in (out, *out.absolute().parents) if p.exists() or p.is_symlink())
        if not nearest.is_dir():
            what = "the output folder" if nearest == out else "a part of the output path"
            raise UsageError(f"{what} is a file", remedy="choose a folder with -o", file=nearest)
        check_writable(nearest, elsewhere=ELSEWHERE)
        found = [name for name in RESULT_FILES if os.path.lexists(out / name)]
        taken = {(out / name).resolve(): name for name in found}
        for file in inputs:
            if file.resolve() in taken:
                raise UsageError(
                    f"the input scan {taken[file.resolve()]} would be replaced by a result of that name",
                    remedy="choose another output folder with -o",
                    file=out,
                )
    except OSError as error:
        raise _cannot_write(out, error) from error
    if found and not overwrite:
        raise UsageError(
            f"results are there already ({', '.join(found)})",
            remedy="choose another output folder, or replace them with --overwrite",
            file=out,
        )
    return out


def check_writable(folder: Path, *, elsewhere: str) -> None:
    """Refuse a folder that is there but may not be written to; ``elsewhere`` says what else to do."""
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError("this folder is not writable", remedy=f"change its permissions or {elsewhere}", file=folder)


@contextmanager
def staging(out: Path, *, elsewhere: str = ELSEWHERE) -> Iterator[Path]:
    """A hidden folder inside ``out`` to write in; it is gone afterwards, also after an error or Ctrl-C.

    It lies inside ``out`` so that files can be renamed into place, which one file system does in one step.
    Folders that were made for a run that then failed are taken away again where they are empty. ``elsewhere`` is
    what an error advises beside making room.

    Raises:
        UsageError: the operating system refused (no space, no permission, a vanished folder).
    """
    made = [p for p in (out, *out.parents) if not p.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dawson-", dir=out) as folder:
            yield Path(folder)
    except BaseException as error:
        for folder_made in made:
            try:
                folder_made.rmdir()
            except OSError:
                break  # not empty, or never made
        if isinstance(error, OSError):
            raise _cannot_write(out, error, elsewhere) from error
        raise


def publish(staged: Path, out: Path, names: Sequence[str]) -> None:
    """Rename staged files into ``out``, in the order given; an old report and the old summary go first of all.

    From the moment the first file is replaced until the last is in place there is no summary, so that
    whoever trusts it never sees the files of two runs mixed.
    """
    if SUMMARY in names:  # a report alone leaves the summary that it tells of
        for old in (*REPORT_FILES, SUMMARY):
            (out / old).unlink(missing_ok=True)
    for name in names:
        (staged / name).replace(out / name)


def save(file: Path, content: bytes) -> None:
    """Write a file and wait until it is on the disk, so that a later rename cannot outrun its content."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _cannot_write(out: Path, error: OSError, elsewhere: str = ELSEWHERE) -> UsageError:
    reason = error.strerror or type(error).__name__
    return UsageError(
        f"the results could not be written ({reason})",
        remedy=f"make room or give permission there, or {elsewhere}",
        file=out,
    )


def replace_file(file: Path, content: str | bytes) -> None:
    """Write aside, then rename, so that nobody ever sees half of it; its folder is made where there is none.

    Raises OSError where that fails, with the file as it was before.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        save(aside, content.encode() if isinstance(content, str) else content)
        aside.replace(file)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
