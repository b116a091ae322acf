"""Tables as text: every CSV and TSV file that dawson writes is made here.

Names of patients, files and models come from outside. A spreadsheet program runs a cell that begins like a formula,
so such text gets an apostrophe in front, which :func:`original_text` takes away again. Numbers stay numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

FORMULA = re.compile(r"'*\s*[=+\-@＝＋－＠\t\r\n]")  # some programs take full-width signs
"""How a cell begins that is run as a formula, or that would look like one marked by :func:`spreadsheet_safe`."""

NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def spreadsheet_safe(text: str) -> str:
    """The text as a cell that no spreadsheet program runs: an apostrophe in front where it could be a formula.

    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-1.5"), spreadsheet_safe("sub-01")
    ("'=1+1", '-1.5', 'sub-01')
    """
    return f"'{text}" if FORMULA.match(text) and not NUMBER.fullmatch(text) else text


def original_text(cell: str) -> str:
    """The text that :func:`spreadsheet_safe` made this cell of.

    >>> original_text("'=1+1")
    '=1+1'
    """
    return cell[1:] if cell.startswith("'") and FORMULA.match(cell) else cell


def table_text(rows: Iterable[Iterable[object]], *, delimiter: str = ",") -> str:
    r"""Rows of cells as CSV or TSV; lines end in a line feed, None is an empty cell.

    Cells that hold the delimiter, quotes or line breaks are quoted, as RFC 4180 has it. In CSV so are those that hold
    a semicolon, at which some spreadsheet programs cut lines.

    >>> table_text([("case", "volume_ml"), ("=1+1", -1.5)])
    "case,volume_ml\n'=1+1,-1.5\n"
    """
    special = {delimiter, '"', "\r", "\n"} | ({";"} if delimiter == "," else set())
    return "".join(delimiter.join(_cell(value, special) for value in row) + "\n" for row in rows)


def _cell(value: object, special: set[str]) -> str:
    text = "" if value is None else spreadsheet_safe(value) if isinstance(value, str) else str(value)
    return '"' + text.replace('"', '""') + '"' if special.intersection(text) else text
