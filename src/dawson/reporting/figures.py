"""The pictures of a report, as PNG: slices through all lesions, the largest lesions, all lesions at a glance.

All are in radiological convention with the sides lettered and a scale bar, drawn by the same code as
``overview.png``. Orange and sky blue are told apart by every common kind of colour blindness, and in grey print
an outline is still an outline.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dawson.core.arrays import Float, Mask
from dawson.core.version import dawson_version
from dawson.results.pictures import GAP, LETTERS, PAPER, View, axial_mosaic, cut_view, letter, scale_bar, tile, to_png
from dawson.results.read import Result

WINDOW = (0.0, 255.0)  # display volumes are windowed already
ROOM = (300, 360)
MOST_TILES, COLUMNS = 20, 5

AROUND_MM = 90.0  # of head around a lesion, so that it is seen in its place
CLOSE_UP = 256  # pixels that a close-up is wide and high
PLANES = ((2, "RL", "axial"), (1, "RL", "coronal"), (0, "AP", "sagittal"))
"""Axis that a plane stands on, letters of its sides, its name: as seen in radiological convention."""

PROJECTION_SCALE = 3.0  # pixels a mm
DEEPEST_MM = 20.0  # lesion along the line of sight that is drawn brightest
BRAIN_GREY = 115
RAMP = np.array([(150, 70, 0), (255, 140, 0), (255, 240, 190)], np.float32)
"""Little lesion to much: lightness grows all the way, so that the order survives grey print."""
LEGEND = 46  # pixels below the projections


@dataclass(frozen=True)
class Drawn:
    """All pictures of a report, each a PNG; ``largest`` are pairs of a lesion's id and its picture."""

    mosaic: bytes
    largest: tuple[tuple[int, bytes], ...]
    projection: bytes


def draw(result: Result) -> Drawn:
    """Every picture, drawn once for page and PDF."""
    return Drawn(mosaic(result), tuple(largest(result)), projection(result))


def mosaic(result: Result) -> bytes:
    """Axial slices of the reference scan through all lesions, outlined; PNG.

    Up to twenty slices share the extent of the lesions; see :func:`dawson.results.pictures.overview`.
    """
    number = len(result.lesions)
    caption = f"{number} lesion{'' if number == 1 else 's'} on {result.modalities[0].upper()}   |   {_signature()}"
    view = _view(result, 0)
    return to_png(axial_mosaic(view, window=WINDOW, caption=caption, room=ROOM, most=MOST_TILES, columns=COLUMNS))


def largest(result: Result, count: int = 3) -> list[tuple[int, bytes]]:
    """The ids of the largest lesions, and of each a PNG: a row a sequence, its three planes side by side.

    Each plane is cut through a voxel of the lesion near to its centroid and shows some 9 cm of head, more where the
    lesion is longer. On thick slices coronal and sagittal planes are interpolated between slices.
    """
    views = [_view(result, number) for number in range(len(result.modalities))]
    chosen = sorted(result.lesions, key=lambda lesion: -lesion.volume_ml)[:count]
    pictures = []
    for lesion in chosen:
        around = max(AROUND_MM, lesion.long_axis_mm + 20.0)
        seat = result.grid.to_world(np.array(result.seat(lesion)))
        step = CLOSE_UP + GAP
        page = Image.new("RGB", (3 * step - GAP, len(views) * step - GAP), PAPER)
        for row, (view, modality) in enumerate(zip(views, result.modalities, strict=True)):
            place = np.rint(view.grid.to_index(seat)).astype(int)
            for column, (axis, sides, name) in enumerate(PLANES):
                # Words once a row and once a column: the picture is often seen at half its size.
                note = " ".join(text for text in (modality.upper() * (column == 0), name * (row == 0)) if text)
                close = _close_up(view, place, axis, around)
                letter(close, note, sides=sides if row == 0 else "  ", points=22)
                page.paste(close, (column * step, row * step))
        bar = ImageDraw.Draw(page)
        scale_bar(bar, (page.width - 12, page.height - 12), scale=CLOSE_UP / around, length_mm=20, points=22)
        pictures.append((lesion.id, to_png(page)))
    return pictures


def projection(result: Result) -> bytes:
    """All lesions at a glance from above, from the front and from the side; PNG.

    The lesion mask is projected along each axis over the shadow of the brain: the lighter, the more lesion lies along
    the line of sight.
    """
    view = _view(result, 0)
    panels = [_projected(view, axis, sides) for axis, sides, _ in PLANES]
    width = sum(panel.width for panel in panels) + GAP * (len(panels) - 1)
    height = max(panel.height for panel in panels)
    page = Image.new("RGB", (width, height + LEGEND), PAPER)
    left = 0
    for panel in panels:
        page.paste(panel, (left, (height - panel.height) // 2))
        left += panel.width + GAP
    _legend(page)
    return to_png(page)


def _view(result: Result, number: int) -> View:
    shown: NDArray[Any] = result.display[..., number]
    brain = result.anatomy > 0
    return cut_view(shown, result.mask, brain if brain.any() else shown > 0, result.grid)


def _close_up(view: View, place: NDArray[np.int64], axis: int, around: float) -> Image.Image:
    """The plane through ``place`` that stands on ``axis``: ``around`` mm wide and high, black outside."""
    scale = CLOSE_UP / around
    across = [other for other in range(3) if other != axis]
    cut: list[Any] = [0, 0, 0]
    cut[axis] = int(np.clip(place[axis], 0, view.grid.shape[axis] - 1))
    size, margins = [], []
    for other in across:
        edge = view.grid.spacing[other]
        reach = int(np.ceil(around / 2 / edge))
        first, last = int(place[other]) - reach, int(place[other]) + reach + 1
        stop = view.grid.shape[other]
        cut[other] = slice(max(first, 0), min(last, stop))
        margins.append((max(-first, 0), max(last - stop, 0)))
        size.append(round((last - first) * edge * scale))
    plane, lesions = (np.pad(array[tuple(cut)], margins) for array in (view.image, view.lesions))
    drawn = tile(plane, lesions, (size[0], size[1]), window=WINDOW)
    left, top = (size[0] - CLOSE_UP) // 2, (size[1] - CLOSE_UP) // 2
    return drawn.crop((left, top, left + CLOSE_UP, top + CLOSE_UP))


def _projected(view: View, axis: int, sides: str) -> Image.Image:
    depth = view.grid.spacing[axis]
    brain = _shadow(view, view.brain, axis) * depth
    lesions = _shadow(view, view.lesions, axis) * depth
    grey = brain / max(float(brain.max()), 1e-6) * BRAIN_GREY
    # Lesion is drawn at its whole colour wherever there is any: a single small one must stand out as well.
    colour = _ramp(np.clip(lesions / DEEPEST_MM, 0, 1))
    pixels = np.where((lesions > 0)[..., None], colour, grey[..., None])
    panel = Image.fromarray(np.rint(pixels).astype(np.uint8))
    letter(panel, {2: "from above", 1: "from the front", 0: "from the side"}[axis], sides=sides)
    return panel


def _shadow(view: View, mask: Mask, axis: int) -> Float:
    """How many voxels of a mask lie along each line of sight, as rows and columns at the projection's scale."""
    plane = mask.sum(axis=axis, dtype=np.float32)[::-1, ::-1].T
    spacing = [edge for other, edge in enumerate(view.grid.spacing) if other != axis]
    shape = [max(round(n * edge * PROJECTION_SCALE), 1) for n, edge in zip(plane.shape[::-1], spacing, strict=True)]
    return np.asarray(
        Image.fromarray(np.ascontiguousarray(plane)).resize((shape[0], shape[1]), Image.Resampling.NEAREST)
    )


def _ramp(share: Float) -> Float:
    place = np.linspace(0, 1, len(RAMP))
    return np.stack([np.interp(share, place, RAMP[:, channel]) for channel in range(3)], axis=-1)


def _legend(page: Image.Image) -> None:
    """What the colours mean, and a scale bar."""
    left, width, height = 12, 150, 10
    middle = page.height - LEGEND // 2
    strip = np.tile(_ramp(np.linspace(0, 1, width)), (height, 1, 1))
    page.paste(Image.fromarray(np.rint(strip).astype(np.uint8)), (left, middle - height // 2))
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=15)
    text = f"lesion along the line of sight, 0 to {DEEPEST_MM:g} mm or more   |   {_signature()}"
    draw.text((left + width + 10, middle), text, LETTERS, font=font, anchor="lm")
    scale_bar(draw, (page.width - 12, middle + 8), scale=PROJECTION_SCALE)


def _signature() -> str:
    return f"dawson {dawson_version()} - not a medical device"
