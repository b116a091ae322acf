"""The report for print and archive: one visit on two A4 pages, with the facts and pictures of the page.

The same result gives the same bytes; the only text in the file's metadata is dawson's own.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reportlab import rl_config
from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, SimpleDocTemplate

from dawson.core.version import dawson_version
from dawson.reporting.facts import Facts, facts
from dawson.reporting.figures import Drawn, draw
from dawson.reporting.pdf.layout import FOOT, SIDE, TOP, WIDE, jpeg
from dawson.reporting.pdf.story import lesion_table, story
from dawson.reporting.pdf.typography import COLOURS, LINE, SOFT, fonts, style, text
from dawson.results.read import Result

PAGES = 2  # the lesion table is cut so that all fits; long warnings never are
MOST_ROWS, FEWEST_ROWS = 60, 5

rl_config.useA85 = 0  # binary streams: a fifth smaller, and the text encoding of them takes seconds in pure Python

Draw = Callable[[Any, Any], None]


@dataclass(frozen=True)
class _Built:
    """A file, its number of pages, and how many points are left on the last."""

    content: bytes
    pages: int
    room: float


def pdf(result: Result, *, drawn: Drawn | None = None) -> bytes:
    """The report on one result as PDF; ``drawn`` are the pictures, where the caller has them already.

    The largest lesions stand in its table, as many as two pages hold (at least five); ``lesions.csv`` has all. Raises
    :class:`InputError` where a volume of the result is missing or damaged.
    """
    content = facts(result)
    by_volume = sorted(range(len(result.lesions)), key=lambda row: -result.lesions[row].volume_ml)
    drawn = drawn or draw(result)
    pictures = (jpeg(drawn.mosaic), jpeg(drawn.projection))
    close_ups = [(number, jpeg(picture)) for number, picture in drawn.largest]

    def build(rows: int, of: int) -> _Built:
        return _build(content, story(content, by_volume[:rows], pictures, close_ups), of)

    shown = min(FEWEST_ROWS, len(by_volume))
    built = build(shown, PAGES)
    more = by_volume[shown:MOST_ROWS]
    if more and built.pages <= PAGES:
        _, high = lesion_table(content.lesions, more).wrap(WIDE, A4[1])
        room = built.room + A4[1] * (PAGES - built.pages)
        shown += min(len(more), int(room / high * len(more)))  # as high as the average row
        while (built := build(shown, PAGES)).pages > PAGES and shown > FEWEST_ROWS:
            shown = max(FEWEST_ROWS, shown - 1 - shown // 20)
    return built.content if built.pages == PAGES else build(shown, built.pages).content


def _build(content: Facts, parts: list[Flowable], of: int) -> _Built:
    """The file; ``of`` is the number of pages that the pages tell of."""
    packed = io.BytesIO()
    end = _End()
    document = SimpleDocTemplate(
        packed,
        pagesize=A4,
        leftMargin=SIDE - 6,  # the frame adds 6 points of padding of its own
        rightMargin=SIDE - 6,
        topMargin=TOP - 6,
        bottomMargin=FOOT - 6,
        title=content.title,
        author="",
        subject="Measurements of one visit; not a diagnosis",
        creator=f"dawson {dawson_version()}",
        lang="en",
        invariant=1,  # neither time nor chance in the file
    )
    foot = _foot(content, of)
    document.build([*parts, end], onFirstPage=foot, onLaterPages=foot)
    return _Built(packed.getvalue(), int(document.page), end.room)


class _End(Flowable):  # type: ignore[misc]
    """Nothing to see: it notes how much of the page is left where the text ends."""

    room = 0.0

    def wrap(self, wide: float, high: float) -> tuple[float, float]:
        """Take no room."""
        self.room = high
        return 0.0, 0.0

    def draw(self) -> None:
        """Draw nothing."""


def _foot(content: Facts, of: int) -> Draw:
    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setStrokeColor(LINE)
        canvas.line(SIDE, FOOT - 2 * mm, A4[0] - SIDE, FOOT - 2 * mm)
        canvas.setFont(fonts()[0], 7)
        canvas.setFillColor(SOFT)
        canvas.drawRightString(A4[0] - SIDE, 6 * mm, f"Page {document.page} of {of}")
        failed = f"{content.verdict}. " if content.status == "fail" else ""
        paragraph_style = style(6.6, colour=COLOURS["fail"] if failed else SOFT)
        notice = text(f"{failed}{content.notice}", paragraph_style)
        _, height = notice.wrap(WIDE - 20 * mm, FOOT)
        notice.drawOn(canvas, SIDE, FOOT - 3 * mm - height)
        canvas.restoreState()

    return draw
