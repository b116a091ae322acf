"""One picture of a result: axial slices of the reference scan, lesions outlined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.result import Segmentation
from dawson.core.version import dawson_version
from dawson.preparation.resample import reorient
from dawson.results.drawing import LETTERS, PAPER, label_sides, scale_bar, tile

MOST_TILES = 12
COLUMNS = 4
TILE = (420, 500)  # the most that a tile may be wide and high, in pixels
LEAST_MM = 60.0  # of head from the lowest slice to the highest, so that a lone lesion is seen in its place
AROUND_MM = 6.0  # of margin around the brain
GAP = 4  # pixels between tiles
CAPTION = 44  # height of the line below the tiles, in pixels


@dataclass(frozen=True)
class CanonicalView:
    """The arrays of a result turned so that (i, j, k) run to R, A, S, and cut to what is shown."""

    image: NDArray[Any]
    lesions: Mask
    brain: Mask
    grid: Grid


def overview(segmentation: Segmentation) -> Image.Image:
    """An axial mosaic of the reference scan with the lesions outlined, as an RGB picture.

    Up to twelve slices share the extent of the lesions evenly (of the brain where none was found);
    of each share's middle the slice with most lesion is shown, as it was scanned: nothing is interpolated
    from slice to slice. In the slice, voxels have their physical proportions. Outlines run just outside the
    lesions on the enlarged slice, so that even a lesion of one voxel stays visible. Radiological convention:
    the patient's right is on the viewer's left; letters say so on each tile, beside the slice's height
    z (RAS+ mm at the middle of the tile). A bar of 5 cm and a caption stand below.
    """
    reference = segmentation.study.reference.voxels
    view = canonical_view(reference, segmentation.lesions, segmentation.anatomy > 0, segmentation.grid)
    count = len(segmentation.table)
    caption = (
        f"{count} lesion{'' if count == 1 else 's'}, {segmentation.load_ml:.1f} ml, on "
        f"{segmentation.study.reference.modality.value.upper()}   |   "
        f"dawson {dawson_version()} - not a medical device"
    )
    return axial_mosaic(view, window=_window(view), caption=caption, room=TILE)


def axial_mosaic(
    view: CanonicalView,
    *,
    window: tuple[float, float],
    caption: str,
    room: tuple[int, int],
    most: int = MOST_TILES,
    columns: int = COLUMNS,
) -> Image.Image:
    """The mosaic that :func:`overview` describes, of any view.

    ``window`` becomes black and white, ``room`` is the most that a tile may be wide and high, in pixels.
    """
    slices = _slices(view, most=most)
    width_mm, height_mm = (n * s for n, s in zip(view.grid.shape[:2], view.grid.spacing[:2], strict=True))
    scale = min(room[0] / width_mm, room[1] / height_mm)  # pixels a mm, the same both ways
    size = (max(round(width_mm * scale), 1), max(round(height_mm * scale), 1))
    columns = min(columns, len(slices))
    rows = -(-len(slices) // columns)
    step = (size[0] + GAP, size[1] + GAP)
    page = Image.new("RGB", (max(columns * step[0] - GAP, 2 * room[0]), rows * step[1] + CAPTION), PAPER)
    left = (page.width - columns * step[0] + GAP) // 2
    for place, k in enumerate(slices):
        drawn = tile(view.image[:, :, k], view.lesions[:, :, k], size, window=window)
        middle = view.grid.to_world(np.array([(n - 1) / 2 for n in view.grid.shape[:2]] + [k]))
        label_sides(drawn, f"z {middle[2]:.0f} mm")
        page.paste(drawn, (left + place % columns * step[0], place // columns * step[1]))
    _caption(page, caption, scale)
    return page


def canonical_view(image: NDArray[Any], lesions: Mask, brain: Mask, grid: Grid) -> CanonicalView:
    """Everything in canonical orientation, cut to the brain with a margin (or, without one, not at all)."""
    canonical = grid.canonical()
    image, lesions, brain = (reorient(array, grid, canonical) for array in (image, lesions, brain))
    shown = brain | lesions
    box: list[slice] = []
    for axis in range(3):
        along = np.flatnonzero(shown.any(axis=tuple({0, 1, 2} - {axis})))
        margin = 0 if axis == 2 else round(AROUND_MM / canonical.spacing[axis])
        first, last = (along[0], along[-1]) if along.size else (0, shown.shape[axis] - 1)
        box.append(slice(max(int(first) - margin, 0), min(int(last) + margin + 1, shown.shape[axis])))
    part = tuple(box)
    return CanonicalView(image[part], lesions[part], shown[part], canonical.crop(part))


def _slices(view: CanonicalView, *, most: int = MOST_TILES) -> list[int]:
    """Slices to show, from below to above."""
    count = view.grid.shape[2]
    area = view.lesions.sum(axis=(0, 1))
    holding = np.flatnonzero(area)
    first, last = (int(holding[0]), int(holding[-1])) if holding.size else (0, count - 1)
    lacking = int(np.ceil((LEAST_MM / view.grid.spacing[2] - (last - first)) / 2))
    if lacking > 0:
        first, last = max(first - lacking, 0), min(last + lacking, count - 1)
    shares = np.array_split(np.arange(first, last + 1), min(most, last - first + 1))
    # Only the middle half of a share is chosen from, or the best slices of two shares may be neighbours.
    middles = [share[len(share) // 4 : len(share) - len(share) // 4] for share in shares]
    return [
        int(middle[area[middle].argmax()] if area[middle].any() else middle[len(middle) // 2]) for middle in middles
    ]


def _window(view: CanonicalView) -> tuple[float, float]:
    """Darkest and brightest intensity to show: the brain's own, or scalp and fat would leave it dim."""
    values = view.image[view.brain] if view.brain.any() else view.image
    low, high = np.percentile(values, (1.0, 99.9))
    return float(low), float(high) if high > low else float(low) + 1.0


def _caption(page: Image.Image, text: str, scale: float) -> None:
    draw = ImageDraw.Draw(page)
    middle = page.height - CAPTION // 2
    right = page.width - 12
    left = scale_bar(draw, (right, middle + 8), scale=scale)
    room = left - 24
    points = 20.0
    while points > 9 and draw.textlength(text, ImageFont.load_default(size=points)) > room:
        points -= 1
    draw.text((12, middle), text, LETTERS, font=ImageFont.load_default(size=points), anchor="lm")
