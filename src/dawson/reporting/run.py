"""The report of one result, written beside it; and finding results in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from dawson.core.files import check_writable, publish, save, staging
from dawson.core.names import LESION_MASK, LESION_TABLE, REPORT_PAGE, REPORT_PDF, SUMMARY

ELSEWHERE = "copy the result to a folder where you may write"
DEEPEST = 4  # folders below the one given: sub-01/ses-01/dawson/... and a little more


def report(out: Path | str, *, viewer: bool = True) -> tuple[Path, Path]:
    """Write ``report.html`` and ``report.pdf`` of a result into its folder; earlier ones are replaced.

    Only files in ``out`` are read, as :func:`dawson.write` made them; the scans are not needed any more. Both files are
    made before either is renamed into place. The same result gives the same bytes.

    Args:
        out: the folder of the result.
        viewer: embed the interactive viewer with scan and lesions in the page; some megabytes.

    Returns:
        The paths of the page and of the PDF.

    Raises:
        InputError: ``out`` holds no result, one of an older dawson, or files that are damaged or do not fit together.
        UsageError: the folder cannot be written to, which is told before any work.

    >>> import dawson
    >>> page, pdf = dawson.report("results")  # a folder that dawson.write has filled
    >>> page.name, pdf.name
    ('report.html', 'report.pdf')
    """
    from dawson.reporting.figures import draw  # noqa: PLC0415
    from dawson.reporting.page import page  # noqa: PLC0415 (both bring libraries that nothing else here needs)
    from dawson.reporting.pdf.document import pdf  # noqa: PLC0415
    from dawson.results.read import read_result  # noqa: PLC0415

    result = read_result(out)
    check_writable(result.folder, elsewhere=ELSEWHERE)  # before any work is done
    drawn = draw(result)
    content = {REPORT_PAGE: page(result, viewer=viewer, drawn=drawn).encode(), REPORT_PDF: pdf(result, drawn=drawn)}
    with staging(result.folder, elsewhere=ELSEWHERE) as folder:
        for name, data in content.items():
            save(folder / name, data)
        publish(folder, result.folder, list(content))
    return result.folder / REPORT_PAGE, result.folder / REPORT_PDF


def find_results(outs: Iterable[Path]) -> list[Path]:
    """Folders of results among the folders given and, where one is none itself, in those below it; each once.

    A folder is taken for a result where it holds a lesion mask and a table of lesions or a summary. One in which
    none is found stays in the list, so that whoever reads it says what is wrong with it.
    """
    found: dict[Path, Path] = {}
    for out in outs:
        for folder in list(_below(Path(out), DEEPEST)) or [Path(out)]:
            found.setdefault(folder.resolve(), folder)
    return list(found.values())


def _below(folder: Path, deepest: int) -> Iterator[Path]:
    """Results in a folder, by name; neither hidden folders nor links are followed, nor is a result looked into."""
    if _is_result(folder):
        yield folder
    elif deepest:
        try:
            with os.scandir(folder) as entries:
                inner = sorted(e.name for e in entries if e.is_dir(follow_symlinks=False) and e.name[0] != ".")
        except OSError:
            return
        for name in inner:
            yield from _below(folder / name, deepest - 1)


def _is_result(folder: Path) -> bool:
    return (folder / LESION_MASK).is_file() and any((folder / name).is_file() for name in (SUMMARY, LESION_TABLE))
