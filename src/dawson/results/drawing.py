"""Drawing planes of a scan: greys, outlines of lesions, letters of the sides, a scale bar.

All in radiological convention: the patient's right is on the viewer's left.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dawson.core.arrays import Mask

SCALE_BAR_MM = 50.0

OUTLINE = (255, 140, 0)  # orange stands out from grey for every common kind of colour blindness
OUTLINE_PIXELS = 2
LETTERS = (86, 180, 233)  # sky blue, told apart from the orange by all of them (Okabe and Ito, 2008)
PAPER = (0, 0, 0)


def tile(
    plane: NDArray[Any],
    lesions: Mask,
    size: tuple[int, int],
    *,
    window: tuple[float, float],
    thickness: int = OUTLINE_PIXELS,
) -> Image.Image:
    """A plane (two axes, each growing to R, A or S) as a picture of ``size`` with the lesions outlined in it."""
    low, high = window
    grey = np.rint(np.clip((plane - low) / (high - low), 0, 1) * 255).astype(np.uint8)
    drawn = Image.fromarray(radiological(grey)).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    inside = (
        np.array(Image.fromarray(radiological(lesions.astype(np.uint8))).resize(size, Image.Resampling.NEAREST)) > 0
    )
    grown = inside
    for _ in range(thickness):
        near = np.pad(grown, 1)
        grown = grown | near[:-2, 1:-1] | near[2:, 1:-1] | near[1:-1, :-2] | near[1:-1, 2:]
    pixels = np.array(drawn)
    pixels[grown & ~inside] = OUTLINE
    return Image.fromarray(pixels)


def radiological(plane: NDArray[Any]) -> NDArray[Any]:
    """A plane as rows and columns: its second axis grows upwards and its first to the viewer's left.

    So of (R, A) and (R, S) the patient's right is on the viewer's left, and of (A, S) the front is.
    """
    return np.ascontiguousarray(plane[::-1, ::-1].T)


def label_sides(drawn: Image.Image, note: str, *, sides: str = "RL", points: float = 17) -> None:
    """Write the letters of both sides onto a tile, and a note into its lower left corner."""
    draw, font = ImageDraw.Draw(drawn), ImageFont.load_default(size=points)
    middle = drawn.height // 2
    edge: dict[str, Any] = {"stroke_width": 2, "stroke_fill": PAPER}  # or bright scalp swallows the letters
    draw.text((6, middle), sides[0], LETTERS, font=font, anchor="lm", **edge)
    draw.text((drawn.width - 6, middle), sides[1], LETTERS, font=font, anchor="rm", **edge)
    draw.text((6, drawn.height - 6), note, LETTERS, font=font, anchor="ls", **edge)


def scale_bar(
    draw: ImageDraw.ImageDraw,
    end: tuple[float, float],
    *,
    scale: float,
    length_mm: float = SCALE_BAR_MM,
    points: float = 15,
) -> float:
    """Draw a bar of ``length_mm`` that ends on the right at ``end``, its length above it; return where it begins."""
    left = end[0] - round(length_mm * scale)
    draw.line([(left - 1, end[1]), (end[0] + 1, end[1])], PAPER, width=6)  # or bright scalp swallows the bar
    draw.line([(left, end[1]), end], LETTERS, width=3)
    edge: dict[str, Any] = {"stroke_width": 2, "stroke_fill": PAPER}
    font = ImageFont.load_default(size=points)
    draw.text(((left + end[0]) / 2, end[1] - 4), f"{length_mm / 10:g} cm", LETTERS, font=font, anchor="ms", **edge)
    return left


def to_png(picture: Image.Image) -> bytes:
    """A picture as the bytes of a PNG file."""
    packed = io.BytesIO()
    picture.save(packed, format="PNG", compress_level=3)  # as small as 6 for scans, in half the time
    return packed.getvalue()
