"""The content of the PDF, from top to bottom: the facts and pictures of the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reportlab.lib.colors import white
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.platypus import Flowable, Paragraph, Spacer, Table

from dawson.reporting.facts import Facts, Line
from dawson.reporting.facts import Table as Rows
from dawson.reporting.pdf.layout import WIDE, column_widths, columns, heads, padding, picture, ruled, terms
from dawson.reporting.pdf.typography import BAND, COLOURS, INK, LINE, SIGNS, SOFT, fonts, heading, markup, style, text
from dawson.reporting.wording import count

MOSAIC = (112 * mm, 118 * mm)
GLANCE = 50 * mm
MOST_BESIDE = 2000  # characters that the column beside it has room for


def story(
    facts: Facts, shown: Sequence[int], pictures: Sequence[bytes], close_ups: Sequence[tuple[int, bytes]]
) -> list[Flowable]:
    """Everything on the pages; ``shown`` are the rows of the table of lesions that have room."""
    overview, glance = pictures
    parts: list[Flowable] = [text(facts.title, style(17, bold=True))]
    parts += [text(line, style(8.5, colour=SOFT)) for line in facts.subtitles]
    parts += [Spacer(1, 3 * mm), *_quality(facts), Spacer(1, 3 * mm), _figures(facts), Spacer(1, 4 * mm)]
    mosaic = picture(overview, *MOSAIC)
    beside = WIDE - mosaic.drawWidth - 4 * mm
    column: list[Flowable] = [heading("Regions")]
    column += [_regions(facts.regions, beside), Spacer(1, 2 * mm)] if facts.regions is not None else []
    notes = [text(note, style(6.8, colour=SOFT, after=2)) for note in facts.regions_notes]
    fit = sum(len(note) for note in facts.regions_notes) <= MOST_BESIDE
    parts.append(columns([[mosaic], [*column, *(notes if fit else ())]], [WIDE - beside, beside]))
    parts += [] if fit else notes
    parts += [heading("All lesions at a glance"), picture(glance, WIDE, GLANCE)]
    if close_ups:
        parts += [heading("The largest lesions"), _close_ups(close_ups)]
    parts.append(heading("Lesions"))
    if facts.lesions_note:
        parts += [text(facts.lesions_note, style(7, colour=SOFT)), Spacer(1, 1.5 * mm)]
    if shown:
        parts.append(lesion_table(facts.lesions, shown))
    if len(shown) < len(facts.lesions.rows):
        rest = count(len(facts.lesions.rows), "lesion")
        parts.append(text(f"The {len(shown)} largest of {rest}; lesions.csv holds all.", style(7, bold=True)))
    parts += [heading("How to read it, and where it comes from"), terms([*facts.notes, *facts.provenance])]
    return parts


def _quality(facts: Facts) -> list[Flowable]:
    """The verdict, what failed or warned line by line, and what passed in one paragraph."""
    colour = COLOURS[facts.status]
    verdict = text(f"{SIGNS[facts.status]}  {facts.verdict}", style(10, bold=True, colour=white))
    bar = Table([[verdict]], colWidths=[WIDE])
    bar.setStyle([("BACKGROUND", (0, 0), (-1, -1), colour), *padding(6, 4)])
    lines: list[Flowable] = [bar, Spacer(1, 1.2 * mm)]
    for line in facts.quality:
        if line.status != "pass":
            lines.append(_marked([line], style(8, colour=COLOURS[line.status])))
    passed = [line for line in facts.quality if line.status == "pass"]
    return [*lines, _marked(passed, style(7, colour=SOFT))] if passed else lines


def _marked(lines: Iterable[Line], paragraph_style: ParagraphStyle) -> Paragraph:
    bold = fonts()[1]
    sentences = [f'<font name="{bold}">{SIGNS[x.status]} {markup(x.name)}.</font> {markup(x.words)}' for x in lines]
    return Paragraph("&nbsp;&nbsp; ".join(sentences), paragraph_style)


def _figures(facts: Facts) -> Table:
    """Key figures, four to a row: label, value, what it needs beside it."""
    cells = [
        [text(f.label, style(7, colour=SOFT)), text(f.value, style(13, bold=True)), text(f.note, style(6.4))]
        for f in facts.figures
    ]
    rows = [cells[start : start + 4] for start in range(0, len(cells), 4)]
    rows[-1] += [[] for _ in range(4 - len(rows[-1]))]
    table = Table(rows, colWidths=[WIDE / 4] * 4)
    rules = [("LINEABOVE", (0, 0), (-1, -1), 0.7, LINE), ("VALIGN", (0, 0), (-1, -1), "TOP"), *padding(3, 3)]
    table.setStyle(rules)
    return table


def _regions(regions: Rows, wide: float) -> Table:
    rows = [[text(row[0], style(7)), *row[1:]] for row in regions.rows]
    table = Table([heads(regions), *rows], colWidths=column_widths(regions, wide, 7))
    table.setStyle([*ruled(7), ("LINEABOVE", (0, -1), (-1, -1), 0.7, INK)])
    return table


def lesion_table(lesions: Rows, shown: Sequence[int]) -> Table:
    """The table of lesions, its words wrapped, its figures as they are."""
    words = style(6.6)
    rows = [
        [*(text(cell, words) for cell in row[: lesions.left]), *row[lesions.left :]]
        for row in (lesions.rows[number] for number in shown)
    ]
    table = Table([heads(lesions), *rows], colWidths=column_widths(lesions, WIDE, 6.6), repeatRows=1)
    table.setStyle([*ruled(6.6), ("ROWBACKGROUNDS", (0, 1), (-1, -1), [white, BAND])])
    return table


def _close_ups(close_ups: Sequence[tuple[int, bytes]]) -> Table:
    room = WIDE / 3
    captions = [text(f"Lesion {number}", style(7, bold=True)) for number, _ in close_ups]
    pictures = [picture(data, room - 3 * mm, 62 * mm) for _, data in close_ups]
    table = Table([captions, pictures], colWidths=[room] * len(close_ups), hAlign="LEFT")
    table.setStyle([("VALIGN", (0, 0), (-1, -1), "TOP"), *padding(0, 1)])
    return table
