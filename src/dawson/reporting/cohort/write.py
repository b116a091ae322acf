"""Writing the table and the page of a cohort."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dawson.core.errors import UsageError
from dawson.core.files import publish, save, staging
from dawson.core.names import COHORT_PAGE, COHORT_TABLE
from dawson.reporting.cohort.page import cohort_page
from dawson.reporting.cohort.table import COLUMNS, cohort_csv
from dawson.reporting.cohort.visits import gather_visits

ELSEWHERE = "choose another folder with --cohort"


def write_cohort(outs: Iterable[Path | str], target: Path | str, *, left_out: Iterable[str] = ()) -> tuple[Path, Path]:
    """Write ``cohort.csv`` and ``cohort.html`` of many results into the folder ``target``, made where missing.

    One row a visit, in the order of ``outs``; a folder given twice counts once. ``left_out`` are sentences about
    visits that could not be read, which the page tells. A table of that name that dawson did not write is
    not replaced.

    Returns both files. Raises :class:`InputError` for a folder that holds no result (see
    :func:`~dawson.results.read.read_result`), and :class:`UsageError` where there is none at all or
    ``target`` cannot be written to.
    """
    target = check_target(target)
    visits = gather_visits(outs, target)
    content = {COHORT_TABLE: cohort_csv(visits).encode(), COHORT_PAGE: cohort_page(visits, tuple(left_out)).encode()}
    with staging(target, elsewhere=ELSEWHERE) as folder:
        for name, data in content.items():
            save(folder / name, data)
        publish(folder, target, list(content))
    return target / COHORT_TABLE, target / COHORT_PAGE


def check_target(target: Path | str) -> Path:
    """Refuse a folder for the cohort that cannot be used, before any work is done. Nothing is created."""
    target = Path(target)
    if target.exists() and not target.is_dir():
        raise UsageError("the folder for the cohort is a file", remedy=ELSEWHERE, file=target)
    file = target / COHORT_TABLE
    try:
        foreign = file.exists() and not file.read_bytes().startswith(f"{COLUMNS[0]},{COLUMNS[1]},".encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"the folder for the cohort cannot be used ({reason})", remedy=ELSEWHERE, file=target
        ) from error
    if foreign:
        raise UsageError(f"there is a {COHORT_TABLE} that dawson did not write", remedy=ELSEWHERE, file=target)
    return target
