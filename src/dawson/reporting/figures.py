"""The pictures of a report, as PNG: slices through all lesions, the largest lesions, all lesions at a glance.

All are in radiological convention with the sides lettered and a scale bar, drawn by the same code as
``overview.png``. Orange and sky blue are told apart by every common kind of colour blindness, and in grey print
an outline is still an outline.
"""

from __future__ import annotations

from dataclasses import dataclass

from dawson.reporting.close_ups import close_ups
from dawson.reporting.display_view import WINDOW, display_view, signature
from dawson.reporting.projection import projection
from dawson.results.drawing import to_png
from dawson.results.overview import axial_mosaic
from dawson.results.read import Result

ROOM = (300, 360)
MOST_TILES, COLUMNS = 20, 5


@dataclass(frozen=True)
class Drawn:
    """All pictures of a report, each a PNG; ``largest`` are pairs of a lesion's id and its picture."""

    mosaic: bytes
    largest: tuple[tuple[int, bytes], ...]
    projection: bytes


def draw(result: Result) -> Drawn:
    """Every picture, drawn once for page and PDF."""
    return Drawn(mosaic(result), tuple(close_ups(result)), projection(result))


def mosaic(result: Result) -> bytes:
    """Axial slices of the reference scan through all lesions, outlined; PNG.

    Up to twenty slices share the extent of the lesions; see :func:`dawson.results.overview.overview`.
    """
    number = len(result.lesions)
    caption = f"{number} lesion{'' if number == 1 else 's'} on {result.modalities[0].upper()}   |   {signature()}"
    view = display_view(result, 0)
    return to_png(axial_mosaic(view, window=WINDOW, caption=caption, room=ROOM, most=MOST_TILES, columns=COLUMNS))
