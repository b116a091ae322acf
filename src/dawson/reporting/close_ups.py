"""Close-ups of the largest lesions: three planes through each, sequence by sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from dawson.reporting.display_view import PLANES, WINDOW, display_view
from dawson.results.drawing import PAPER, label_sides, scale_bar, tile, to_png
from dawson.results.overview import GAP, CanonicalView
from dawson.results.read import Result

AROUND_MM = 90.0  # of head around a lesion, so that it is seen in its place
CLOSE_UP = 256  # pixels that a close-up is wide and high


def close_ups(result: Result, count: int = 3) -> list[tuple[int, bytes]]:
    """The ids of the largest lesions, and of each a PNG: a row a sequence, its three planes side by side.

    Each plane is cut through a voxel of the lesion near to its centroid and shows some 9 cm of head, more where the
    lesion is longer. On thick slices coronal and sagittal planes are interpolated between slices.
    """
    views = [display_view(result, number) for number in range(len(result.modalities))]
    chosen = sorted(result.lesions, key=lambda lesion: -lesion.volume_ml)[:count]
    pictures = []
    for lesion in chosen:
        around = max(AROUND_MM, lesion.long_axis_mm + 20.0)
        middle = result.grid.to_world(np.array(result.nearest_voxel(lesion)))
        step = CLOSE_UP + GAP
        page = Image.new("RGB", (3 * step - GAP, len(views) * step - GAP), PAPER)
        for row, (view, modality) in enumerate(zip(views, result.modalities, strict=True)):
            place = np.rint(view.grid.to_index(middle)).astype(int)
            for column, (axis, sides, name) in enumerate(PLANES):
                # Words once a row and once a column: the picture is often seen at half its size.
                note = " ".join(text for text in (modality.upper() * (column == 0), name * (row == 0)) if text)
                close = _close_up(view, place, axis, around)
                label_sides(close, note, sides=sides if row == 0 else "  ", points=22)
                page.paste(close, (column * step, row * step))
        bar = ImageDraw.Draw(page)
        scale_bar(bar, (page.width - 12, page.height - 12), scale=CLOSE_UP / around, length_mm=20, points=22)
        pictures.append((lesion.id, to_png(page)))
    return pictures


def _close_up(view: CanonicalView, place: NDArray[np.int64], axis: int, around: float) -> Image.Image:
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
