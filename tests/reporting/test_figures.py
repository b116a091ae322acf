"""The pictures show the lesions where they are, sides as a radiologist expects them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from dawson.reporting import close_ups, figures, projection
from dawson.results.drawing import OUTLINE
from dawson.results.read import read_result


def decoded(png: bytes) -> np.ndarray:
    image = Image.open(io.BytesIO(png))
    assert image.format == "PNG"
    return np.asarray(image.convert("RGB")).astype(int)


def outlined(pixels: np.ndarray) -> np.ndarray:
    return (pixels == OUTLINE).all(axis=2)


@pytest.fixture(scope="module")
def result(result_folder):
    return read_result(result_folder)


def test_the_mosaic_outlines_lesions_and_is_the_same_each_time(result):
    first = figures.mosaic(result)
    assert outlined(decoded(first)).sum() > 200
    assert figures.mosaic(result) == first


def test_the_largest_are_shown_largest_first_one_row_a_sequence(result):
    shown = close_ups.close_ups(result)
    volumes = {lesion.id: lesion.volume_ml for lesion in result.lesions}
    assert [number for number, _ in shown] == sorted(volumes, key=lambda n: -volumes[n])[:3]
    pixels = decoded(shown[0][1])
    step = close_ups.CLOSE_UP + close_ups.GAP
    assert pixels.shape == (2 * step - close_ups.GAP, 3 * step - close_ups.GAP, 3)
    marked = outlined(pixels)
    for row in range(2):
        for column in range(3):
            part = marked[row * step :, column * step :][: close_ups.CLOSE_UP, : close_ups.CLOSE_UP]
            middle = np.argwhere(part).mean(axis=0)
            assert np.abs(middle - close_ups.CLOSE_UP / 2).max() < close_ups.CLOSE_UP / 4
    assert len(close_ups.close_ups(result, count=9)) == 4


def test_right_is_left_and_front_is_up_in_the_projection(result):
    """Lesion 1 is the largest: on the patient's right, so left of the middle of the view from above."""
    pixels = decoded(projection.projection(result))
    view = projection.display_view(result, 0)
    panel = np.asarray(projection._projected(view, 2, "RL")).astype(int)
    coloured = (panel[..., 0] - panel[..., 2] > 60) & (panel[..., 0] > 120)
    first, other = result.lesions[0], result.lesions[1]
    scale = projection.PROJECTION_SCALE
    for lesion in (first, other):
        inside = view.grid.to_index(np.array(lesion.centroid))
        column = panel.shape[1] - (inside[0] + 0.5) * view.grid.spacing[0] * scale
        row = panel.shape[0] - (inside[1] + 0.5) * view.grid.spacing[1] * scale
        assert coloured[int(row), int(column)]
    assert first.side == "right"
    columns = np.argwhere(coloured[:, : panel.shape[1] // 2])
    assert len(columns) > coloured.sum() / 2
    assert pixels.shape[0] > panel.shape[0]


def test_without_lesions_or_anatomy_there_still_are_pictures(write_result, tmp_path):
    empty = read_result(write_result(tmp_path / "out", lesions=False))
    vars(empty)["anatomy"] = np.zeros_like(empty.anatomy)  # as of a model that knows no anatomy
    assert close_ups.close_ups(empty) == []
    assert not outlined(decoded(figures.mosaic(empty))).any()
    grey = decoded(projection.projection(empty))[: -projection.LEGEND]
    assert grey.max() > 60


def test_the_lesion_stands_out_for_the_colour_blind_and_in_grey(result):
    """Seen by their lightness alone, more lesion is lighter than less, and both are unlike the brain's shadow."""
    lightness = projection.RAMP @ (0.2126, 0.7152, 0.0722)
    assert (np.diff(lightness) > 25).all()
