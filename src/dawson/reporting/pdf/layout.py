"""The layout of the PDF: page, tables, columns and pictures."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

from PIL import Image as Pictures
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.platypus import Flowable, Image, Paragraph, Table

from dawson.reporting.facts import Table as Rows
from dawson.reporting.pdf.typography import INK, LINE, SOFT, fonts, markup, style, text, visible_text

SIDE, TOP, FOOT = 14 * mm, 12 * mm, 15 * mm
WIDE = A4[0] - 2 * SIDE
SIDES = 2.0  # points of padding beside a table's cells
HEAD = 5.8  # points of a table's heads
JPEG: dict[str, Any] = {"quality": 90, "subsampling": 0}  # full colour resolution: outlines are one or two pixels wide


def heads(rows: Rows) -> list[Paragraph]:
    """The heads of a table, those of figures to the right."""
    return [
        text(head, style(HEAD, bold=True, right=place >= rows.left, whole=True))
        for place, head in enumerate(rows.heads)
    ]


def column_widths(rows: Rows, wide: float, points: float) -> list[float]:
    """Figures get the room that they and the words of their heads need; columns of words share the rest by length."""
    regular, bold = fonts()

    def longest(column: int) -> float:
        cells = (pdfmetrics.stringWidth(visible_text(row[column]), regular, points) for row in rows.rows)
        parts = (pdfmetrics.stringWidth(word, bold, HEAD) for word in rows.heads[column].split())
        return float(max((*cells, *parts))) + 2 * SIDES + 1

    needed = [longest(column) for column in range(len(rows.heads))]
    word_columns, figures = needed[: rows.left], needed[rows.left :]
    share = (wide - sum(figures)) / sum(word_columns)
    return [*(width * share for width in word_columns), *figures]


def terms(pairs: Iterable[tuple[str, str]]) -> Table:
    """Terms and their texts in two columns of about the same length; what exceeds a page goes on on the next."""
    pairs = list(pairs)
    bold, paragraph_style, gap = fonts()[1], style(6.2, colour=SOFT, after=1.2), 5 * mm
    sides: tuple[list[Flowable], list[Flowable]] = ([], [])
    length, half = 0, sum(len(term) + len(words) for term, words in pairs) / 2
    for term, words in pairs:
        paragraph = Paragraph(f'<font name="{bold}">{markup(term)}.</font> {markup(words)}', paragraph_style)
        sides[length >= half].append(paragraph)
        length += len(term) + len(words)
    return columns(sides, [WIDE / 2, WIDE / 2], gap=gap, splitInRow=1)


def columns(cells: Sequence[Any], widths: Sequence[float], *, gap: float = 0.0, **options: Any) -> Table:
    """Things side by side, aligned at the top, with a gap between two columns."""
    table = Table([cells], colWidths=widths, **options)
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *padding(0, 0), ("RIGHTPADDING", (0, 0), (0, 0), gap)])
    return table


def picture(data: bytes, wide: float, high: float) -> Image:
    """A picture as large as the room allows, in its proportions."""
    with Pictures.open(io.BytesIO(data)) as opened:
        width, height = opened.size
    scale = min(wide / width, high / height)
    return Image(io.BytesIO(data), width * scale, height * scale, hAlign="LEFT")


def jpeg(png: bytes) -> bytes:
    """The same picture as JPEG, which a PDF holds as it is: smaller, and quicker to write than PNG's pixels."""
    packed = io.BytesIO()
    with Pictures.open(io.BytesIO(png)) as opened:
        opened.convert("RGB").save(packed, format="JPEG", **JPEG)
    return packed.getvalue()


def ruled(points: float) -> list[Any]:
    """The look of a table with a rule below each row."""
    return [
        ("FONT", (0, 0), (-1, -1), fonts()[0], points),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, LINE),
        *padding(SIDES, 1.2),
    ]


def padding(sides: float, ends: float) -> list[Any]:
    """Points of room beside and above a table's cells."""
    whole = ((0, 0), (-1, -1))
    return [
        ("LEFTPADDING", *whole, sides),
        ("RIGHTPADDING", *whole, sides),
        ("TOPPADDING", *whole, ends),
        ("BOTTOMPADDING", *whole, ends),
    ]
