"""The report for print and archive: one visit on two A4 pages, with the facts and pictures of the page.

Text is data: it is escaped for reportlab's small markup language, and characters that the embedded typeface lacks
or that steer the direction of text are spelled out, so that nothing is hidden. The same result gives the same
bytes; the only text in the file's metadata is dawson's own.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from PIL import Image as Pictures
from reportlab import rl_config
from reportlab.lib.colors import HexColor, white
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Image, Paragraph, SimpleDocTemplate, Spacer, Table

from dawson.core.version import dawson_version
from dawson.reporting.facts import Facts, Line, count, facts
from dawson.reporting.facts import Table as Rows
from dawson.reporting.figures import Drawn, draw
from dawson.results.read import Result

PAGES = 2  # the lesion table is cut so that all fits; long warnings never are
MOST_ROWS, FEWEST_ROWS = 60, 5
SIDE, TOP, FOOT = 14 * mm, 12 * mm, 15 * mm
WIDE = A4[0] - 2 * SIDE
INK, SOFT, LINE, BAND = HexColor("#1c1c1c"), HexColor("#555555"), HexColor("#cfcfcf"), HexColor("#f3f3ef")
COLOURS = {"pass": HexColor("#00694f"), "warn": HexColor("#8a5a00"), "fail": HexColor("#b3261e")}
SIGNS = {"pass": "✓", "warn": "⚠", "fail": "✕"}  # never colour alone
MOSAIC = (112 * mm, 118 * mm)
GLANCE = 50 * mm
SIDES = 2.0  # points of padding beside a table's cells
HEAD = 5.8  # points of a table's heads
MOST_BESIDE = 2000  # characters that the column beside it has room for
JPEG: dict[str, Any] = {"quality": 90, "subsampling": 0}  # full colour resolution: outlines are one or two pixels wide

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
    said = facts(result)
    by_volume = sorted(range(len(result.lesions)), key=lambda row: -result.lesions[row].volume_ml)
    drawn = drawn or draw(result)
    pictures = (_jpeg(drawn.mosaic), _jpeg(drawn.projection))
    close_ups = [(number, _jpeg(picture)) for number, picture in drawn.largest]

    def build(rows: int, of: int) -> _Built:
        return _build(said, _story(said, by_volume[:rows], pictures, close_ups), of)

    shown = min(FEWEST_ROWS, len(by_volume))
    built = build(shown, PAGES)
    more = by_volume[shown:MOST_ROWS]
    if more and built.pages <= PAGES:
        _, high = _lesions(said.lesions, more).wrap(WIDE, A4[1])
        room = built.room + A4[1] * (PAGES - built.pages)
        shown += min(len(more), int(room / high * len(more)))  # as high as the average row
        while (built := build(shown, PAGES)).pages > PAGES and shown > FEWEST_ROWS:
            shown = max(FEWEST_ROWS, shown - 1 - shown // 20)
    return built.content if built.pages == PAGES else build(shown, built.pages).content


def _build(said: Facts, story: list[Flowable], of: int) -> _Built:
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
        title=said.title,
        author="",
        subject="Measurements of one visit; not a diagnosis",
        creator=f"dawson {dawson_version()}",
        lang="en",
        invariant=1,  # neither time nor chance in the file
    )
    foot = _foot(said, of)
    document.build([*story, end], onFirstPage=foot, onLaterPages=foot)
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


def _foot(said: Facts, of: int) -> Draw:
    def draw(canvas: Any, document: Any) -> None:
        canvas.saveState()
        canvas.setStrokeColor(LINE)
        canvas.line(SIDE, FOOT - 2 * mm, A4[0] - SIDE, FOOT - 2 * mm)
        canvas.setFont(_fonts()[0], 7)
        canvas.setFillColor(SOFT)
        canvas.drawRightString(A4[0] - SIDE, 6 * mm, f"Page {document.page} of {of}")
        failed = f"{said.verdict}. " if said.status == "fail" else ""
        style = _style(6.6, colour=COLOURS["fail"] if failed else SOFT)
        notice = _text(f"{failed}{said.notice}", style)
        _, height = notice.wrap(WIDE - 20 * mm, FOOT)
        notice.drawOn(canvas, SIDE, FOOT - 3 * mm - height)
        canvas.restoreState()

    return draw


def _story(
    said: Facts, shown: Sequence[int], pictures: Sequence[bytes], close_ups: Sequence[tuple[int, bytes]]
) -> list[Flowable]:
    overview, glance = pictures
    story: list[Flowable] = [_text(said.title, _style(17, bold=True))]
    story += [_text(line, _style(8.5, colour=SOFT)) for line in said.subtitles]
    story += [Spacer(1, 3 * mm), *_quality(said), Spacer(1, 3 * mm), _figures(said), Spacer(1, 4 * mm)]
    picture = _picture(overview, *MOSAIC)
    beside = WIDE - picture.drawWidth - 4 * mm
    column: list[Flowable] = [_heading("Regions")]
    column += [_regions(said.regions, beside), Spacer(1, 2 * mm)] if said.regions is not None else []
    notes = [_text(note, _style(6.8, colour=SOFT, after=2)) for note in said.regions_notes]
    fit = sum(len(note) for note in said.regions_notes) <= MOST_BESIDE
    story.append(_columns([[picture], [*column, *(notes if fit else ())]], [WIDE - beside, beside]))
    story += [] if fit else notes
    story += [_heading("All lesions at a glance"), _picture(glance, WIDE, GLANCE)]
    if close_ups:
        story += [_heading("The largest lesions"), _close_ups(close_ups)]
    story.append(_heading("Lesions"))
    if said.lesions_note:
        story += [_text(said.lesions_note, _style(7, colour=SOFT)), Spacer(1, 1.5 * mm)]
    if shown:
        story.append(_lesions(said.lesions, shown))
    if len(shown) < len(said.lesions.rows):
        rest = count(len(said.lesions.rows), "lesion")
        story.append(_text(f"The {len(shown)} largest of {rest}; lesions.csv holds all.", _style(7, bold=True)))
    story += [_heading("How to read it, and where it comes from"), _terms([*said.notes, *said.provenance])]
    return story


def _quality(said: Facts) -> list[Flowable]:
    """The verdict, what failed or warned line by line, and what passed in one paragraph."""
    colour = COLOURS[said.status]
    verdict = _text(f"{SIGNS[said.status]}  {said.verdict}", _style(10, bold=True, colour=white))
    bar = Table([[verdict]], colWidths=[WIDE])
    bar.setStyle([("BACKGROUND", (0, 0), (-1, -1), colour), *_padding(6, 4)])
    told: list[Flowable] = [bar, Spacer(1, 1.2 * mm)]
    for line in said.quality:
        if line.status != "pass":
            told.append(_marked([line], _style(8, colour=COLOURS[line.status])))
    passed = [line for line in said.quality if line.status == "pass"]
    return [*told, _marked(passed, _style(7, colour=SOFT))] if passed else told


def _marked(lines: Iterable[Line], style: ParagraphStyle) -> Paragraph:
    bold = _fonts()[1]
    parts = [f'<font name="{bold}">{SIGNS[x.status]} {_safe(x.name)}.</font> {_safe(x.words)}' for x in lines]
    return Paragraph("&nbsp;&nbsp; ".join(parts), style)


def _figures(said: Facts) -> Table:
    """Key figures, four to a row: label, value, what it needs beside it."""
    cells = [
        [_text(f.label, _style(7, colour=SOFT)), _text(f.value, _style(13, bold=True)), _text(f.note, _style(6.4))]
        for f in said.figures
    ]
    rows = [cells[start : start + 4] for start in range(0, len(cells), 4)]
    rows[-1] += [[] for _ in range(4 - len(rows[-1]))]
    table = Table(rows, colWidths=[WIDE / 4] * 4)
    look = [("LINEABOVE", (0, 0), (-1, -1), 0.7, LINE), ("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(3, 3)]
    table.setStyle(look)
    return table


def _regions(regions: Rows, wide: float) -> Table:
    rows = [[_text(row[0], _style(7)), *row[1:]] for row in regions.rows]
    table = Table([_heads(regions), *rows], colWidths=_widths(regions, wide, 7))
    table.setStyle([*_ruled(7), ("LINEABOVE", (0, -1), (-1, -1), 0.7, INK)])
    return table


def _heads(rows: Rows) -> list[Paragraph]:
    return [
        _text(head, _style(HEAD, bold=True, right=place >= rows.left, whole=True))
        for place, head in enumerate(rows.heads)
    ]


def _widths(rows: Rows, wide: float, points: float) -> list[float]:
    """Figures get the room that they and the words of their heads need; columns of words share the rest by length."""
    regular, bold = _fonts()

    def longest(column: int) -> float:
        cells = (pdfmetrics.stringWidth(_visible(row[column]), regular, points) for row in rows.rows)
        words = (pdfmetrics.stringWidth(word, bold, HEAD) for word in rows.heads[column].split())
        return float(max((*cells, *words))) + 2 * SIDES + 1

    needed = [longest(column) for column in range(len(rows.heads))]
    texts, figures = needed[: rows.left], needed[rows.left :]
    share = (wide - sum(figures)) / sum(texts)
    return [*(text * share for text in texts), *figures]


def _lesions(lesions: Rows, shown: Sequence[int]) -> Table:
    """The table of lesions, its words wrapped, its figures as they are."""
    words = _style(6.6)
    rows = [
        [*(_text(cell, words) for cell in row[: lesions.left]), *row[lesions.left :]]
        for row in (lesions.rows[number] for number in shown)
    ]
    table = Table([_heads(lesions), *rows], colWidths=_widths(lesions, WIDE, 6.6), repeatRows=1)
    table.setStyle([*_ruled(6.6), ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, BAND])])
    return table


def _close_ups(close_ups: Sequence[tuple[int, bytes]]) -> Table:
    room = WIDE / 3
    captions = [_text(f"Lesion {number}", _style(7, bold=True)) for number, _ in close_ups]
    pictures = [_picture(data, room - 3 * mm, 62 * mm) for _, data in close_ups]
    table = Table([captions, pictures], colWidths=[room] * len(close_ups), hAlign="LEFT")
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(0, 1)])
    return table


def _terms(pairs: Sequence[tuple[str, str]]) -> Table:
    """Terms and their texts in two columns of about the same length; what exceeds a page goes on on the next."""
    bold, style, gap = _fonts()[1], _style(6.2, colour=SOFT, after=1.2), 5 * mm
    columns: tuple[list[Flowable], list[Flowable]] = ([], [])
    length, half = 0, sum(len(term) + len(text) for term, text in pairs) / 2
    for term, text in pairs:
        told = Paragraph(f'<font name="{bold}">{_safe(term)}.</font> {_safe(text)}', style)
        columns[length >= half].append(told)
        length += len(term) + len(text)
    return _columns(columns, [WIDE / 2, WIDE / 2], gap=gap, splitInRow=1)


def _columns(cells: Sequence[Any], widths: Sequence[float], *, gap: float = 0.0, **options: Any) -> Table:
    """Things side by side, aligned at the top, with a gap between two columns."""
    table = Table([cells], colWidths=widths, **options)
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *_padding(0, 0), ("RIGHTPADDING", (0, 0), (0, 0), gap)])
    return table


def _picture(data: bytes, wide: float, high: float) -> Image:
    """A picture as large as the room allows, in its proportions."""
    with Pictures.open(io.BytesIO(data)) as opened:
        width, height = opened.size
    scale = min(wide / width, high / height)
    return Image(io.BytesIO(data), width * scale, height * scale, hAlign="LEFT")


def _jpeg(png: bytes) -> bytes:
    """The same picture as JPEG, which a PDF holds as it is: smaller, and quicker to write than PNG's pixels."""
    packed = io.BytesIO()
    with Pictures.open(io.BytesIO(png)) as opened:
        opened.convert("RGB").save(packed, format="JPEG", **JPEG)
    return packed.getvalue()


def _heading(text: str) -> Paragraph:
    return _text(text, _style(9.5, bold=True, before=6, after=3, keep=True))


def _text(text: str, style: ParagraphStyle) -> Paragraph:
    return Paragraph(_safe(text), style)


def _ruled(points: float) -> list[Any]:
    return [
        ("FONT", (0, 0), (-1, -1), _fonts()[0], points),
        ("TEXTCOLOR", (0, 0), (-1, -1), INK),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"),
        ("VALIGN", (0, 0), (-1, 0), "BOTTOM"),
        ("VALIGN", (0, 1), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.7, INK),
        ("LINEBELOW", (0, 1), (-1, -1), 0.3, LINE),
        *_padding(SIDES, 1.2),
    ]


def _padding(sides: float, ends: float) -> list[Any]:
    whole = ((0, 0), (-1, -1))
    return [
        ("LEFTPADDING", *whole, sides),
        ("RIGHTPADDING", *whole, sides),
        ("TOPPADDING", *whole, ends),
        ("BOTTOMPADDING", *whole, ends),
    ]


@cache
def _style(
    points: float,
    *,
    bold: bool = False,
    right: bool = False,
    colour: Any = INK,
    before: float = 0,
    after: float = 0,
    keep: bool = False,
    whole: bool = False,
) -> ParagraphStyle:
    return ParagraphStyle(
        "text",
        fontName=_fonts()[bold],
        fontSize=points,
        leading=points * 1.25,
        textColor=colour,
        alignment=TA_RIGHT if right else 0,
        spaceBefore=before,
        spaceAfter=after,
        keepWithNext=keep,
        splitLongWords=not whole,
    )


@cache
def _fonts() -> tuple[str, str]:
    """The names under which the regular and the bold typeface are known to reportlab; only what is used is embedded."""
    names = ("DejaVuSans", "DejaVuSans-Bold")
    for name in names:
        pdfmetrics.registerFont(TTFont(name, str(_font_folder() / f"{name}.ttf")))
    return names


def _font_folder() -> Path:
    """Where matplotlib keeps DejaVu Sans, which has far more than Latin letters; found without the import, a second."""
    found = find_spec("matplotlib")
    folder = Path(found.origin or "").parent / "mpl-data" if found is not None else Path()
    if not (folder / "fonts" / "ttf").is_dir():  # a distribution that keeps its data elsewhere
        from matplotlib import get_data_path  # noqa: PLC0415

        folder = Path(get_data_path())
    return folder / "fonts" / "ttf"


def _safe(text: str) -> str:
    """Text as reportlab's markup, every character of it visible."""
    return escape(_visible(text))


def _visible(text: str) -> str:
    """Text in which no character is lost: what the typeface lacks or what controls the text is named by its number."""
    known = pdfmetrics.getFont(_fonts()[1]).face.charToGlyph  # bold has a little less than regular
    return "".join(
        c if ord(c) in known and not unicodedata.category(c).startswith("C") else f"[U+{ord(c):04X}]"
        for c in " ".join(text.split())
    )
