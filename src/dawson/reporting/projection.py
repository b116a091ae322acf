"""All lesions at a glance: projected along each axis over the shadow of the brain."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from dawson.core.arrays import Float, Mask
from dawson.reporting.display_view import PLANES, display_view, signature
from dawson.results.drawing import LETTERS, PAPER, label_sides, scale_bar, to_png
from dawson.results.overview import GAP, CanonicalView
from dawson.results.read import Result

PROJECTION_SCALE = 3.0  # pixels a mm
DEEPEST_MM = 20.0  # lesion along the line of sight that is drawn brightest
BRAIN_GREY = 115
RAMP = np.array([(150, 70, 0), (255, 140, 0), (255, 240, 190)], np.float32)
"""Little lesion to much: lightness grows all the way, so that the order survives grey print."""
LEGEND = 46  # pixels below the projections


def projection(result: Result) -> bytes:
    """All lesions at a glance from above, from the front and from the side; PNG.

    The lesion mask is projected along each axis over the shadow of the brain: the lighter, the more lesion lies along
    the line of sight.
    """
    view = display_view(result, 0)
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


def _projected(view: CanonicalView, axis: int, sides: str) -> Image.Image:
    depth = view.grid.spacing[axis]
    brain = _shadow(view, view.brain, axis) * depth
    lesions = _shadow(view, view.lesions, axis) * depth
    grey = brain / max(float(brain.max()), 1e-6) * BRAIN_GREY
    # Lesion is drawn at its whole colour wherever there is any: a single small one must stand out as well.
    colour = _ramp(np.clip(lesions / DEEPEST_MM, 0, 1))
    pixels = np.where((lesions > 0)[..., None], colour, grey[..., None])
    panel = Image.fromarray(np.rint(pixels).astype(np.uint8))
    label_sides(panel, {2: "from above", 1: "from the front", 0: "from the side"}[axis], sides=sides)
    return panel


def _shadow(view: CanonicalView, mask: Mask, axis: int) -> Float:
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
    text = f"lesion along the line of sight, 0 to {DEEPEST_MM:g} mm or more   |   {signature()}"
    draw.text((left + width + 10, middle), text, LETTERS, font=font, anchor="lm")
    scale_bar(draw, (page.width - 12, middle + 8), scale=PROJECTION_SCALE)
