"""Text in the PDF: typeface, colours, styles, and characters that are all visible.

Text is data: it is escaped for reportlab's small markup language, and characters that the embedded typeface lacks
or that steer the direction of text are spelled out, so that nothing is hidden.
"""

from __future__ import annotations

import unicodedata
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Paragraph

INK, SOFT, LINE, BAND = HexColor("#1c1c1c"), HexColor("#555555"), HexColor("#cfcfcf"), HexColor("#f3f3ef")
COLOURS = {"pass": HexColor("#00694f"), "warn": HexColor("#8a5a00"), "fail": HexColor("#b3261e")}
SIGNS = {"pass": "✓", "warn": "⚠", "fail": "✕"}  # never colour alone


def heading(words: str) -> Paragraph:
    """The heading of a section, which stays with what follows."""
    return text(words, style(9.5, bold=True, before=6, after=3, keep=True))


def text(words: str, paragraph_style: ParagraphStyle) -> Paragraph:
    """A paragraph of plain text."""
    return Paragraph(markup(words), paragraph_style)


@cache
def style(
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
    """A style of so many points; ``whole`` keeps long words in one piece."""
    return ParagraphStyle(
        "text",
        fontName=fonts()[bold],
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
def fonts() -> tuple[str, str]:
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


def markup(words: str) -> str:
    """Text as reportlab's markup, every character of it visible."""
    return escape(visible_text(words))


def visible_text(words: str) -> str:
    """Text in which no character is lost: what the typeface lacks or what controls the text is named by its number."""
    known = pdfmetrics.getFont(fonts()[1]).face.charToGlyph  # bold has a little less than regular
    return "".join(
        c if ord(c) in known and not unicodedata.category(c).startswith("C") else f"[U+{ord(c):04X}]"
        for c in " ".join(words.split())
    )
