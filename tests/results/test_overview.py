"""The picture shows lesions where they are: left is right, front is up, millimetres are millimetres."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dawson.results import drawing
from dawson.results import overview as picture
from dawson.results.overview import overview


def view_of(segmentation):
    scan, anatomy = segmentation.study.reference.voxels, segmentation.anatomy
    return picture.canonical_view(scan, segmentation.lesions, anatomy > 0, segmentation.grid)


def orange(image):
    return np.argwhere((np.asarray(image) == drawing.OUTLINE).all(axis=-1))


def stored(values, axes, signs, spacing):
    """An array on RAS axes stored in another axis order, with its affine."""
    turned = values.transpose(axes)[tuple(slice(None, None, s) for s in signs)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for new, (old, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[old, new] = sign * spacing[old]
        affine[old, 3] += (values.shape[old] - 1) * spacing[old] if sign < 0 else 0
    return turned, affine


def one_lesion(shape, where):
    probability = np.zeros(shape, np.float32)
    probability[where] = 0.9
    return probability


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_every_orientation_gives_the_same_picture(make, axes, signs):
    spacing = (1.0, 1.0, 5.0)
    shape = (30, 36, 6)
    base = make(shape=shape, affine=np.diag([*spacing, 1.0]))
    expected = np.asarray(overview(base))
    turned, affine = stored(base.probability, axes, signs, spacing)
    other = make(
        shape=turned.shape,
        affine=affine,
        probability=turned,
        anatomy=stored(base.anatomy, axes, signs, spacing)[0],
    )
    scan = other.study.reference
    object.__setattr__(scan, "voxels", stored(base.study.reference.voxels, axes, signs, spacing)[0])
    assert np.array_equal(np.asarray(overview(other)), expected)


def test_right_is_on_the_left_and_front_is_up(make):
    shape = (60, 60, 1)  # RAS: high i is the patient's right, high j the front
    image = overview(make(shape=shape, probability=one_lesion(shape, (45, 48, 0))))
    rows, columns = orange(image).mean(axis=0)
    height = image.height - picture.CAPTION
    assert columns < image.width / 2
    assert rows < height / 2


def test_a_lesion_of_one_voxel_is_outlined_and_not_covered(make):
    shape = (40, 48, 1)
    segmentation = make(shape=shape, probability=one_lesion(shape, (20, 24, 0)))
    outline = orange(overview(segmentation))
    (top, left), (bottom, right) = outline.min(axis=0), outline.max(axis=0)
    assert len(outline) >= 4 * 5
    inside = np.asarray(overview(segmentation))[top : bottom + 1, left : right + 1]
    hidden = (inside == drawing.OUTLINE).all(axis=-1)
    assert not hidden[hidden.shape[0] // 2, hidden.shape[1] // 2]


def test_proportions_are_physical(make):
    shape = (40, 80, 1)
    block = np.zeros(shape, np.float32)
    block[15:25, 30:50] = 0.9
    segmentation = make(shape=shape, affine=np.diag([2.0, 1.0, 5.0, 1.0]), probability=block)  # 20 x 20 mm
    outline = orange(overview(segmentation))
    high, wide = np.ptp(outline, axis=0)
    assert high == pytest.approx(wide, abs=3)


@pytest.mark.parametrize(("slices", "spacing", "tiles"), [(1, 5.0, 1), (7, 5.0, 7), (20, 6.5, 12), (160, 1.0, 12)])
def test_number_of_slices(make, slices, spacing, tiles):
    anatomy = np.ones((12, 12, slices), np.uint8)
    probability = np.zeros((12, 12, slices), np.float32)
    segmentation = make(
        shape=(12, 12, slices),
        affine=np.diag([1.0, 1.0, spacing, 1.0]),
        probability=probability,
        anatomy=anatomy,
    )
    chosen = picture._slices(view_of(segmentation))
    assert len(chosen) == tiles
    assert chosen == sorted(set(chosen))
    assert chosen[0] <= slices / tiles and chosen[-1] >= slices - 1 - slices / tiles


def test_slices_hold_lesions_where_they_can(make):
    shape = (12, 12, 160)
    probability = np.zeros(shape, np.float32)
    probability[6, 6, [40, 47, 110]] = 0.9
    segmentation = make(shape=shape, affine=np.eye(4), probability=probability, anatomy=np.ones(shape, np.uint8))
    view = view_of(segmentation)
    chosen = picture._slices(view)
    assert chosen[0] >= 40 and chosen[-1] <= 110
    assert {47} < set(chosen)


def test_a_lone_lesion_is_seen_in_its_place(make):
    shape = (12, 12, 160)
    probability = one_lesion(shape, (6, 6, 80))
    segmentation = make(shape=shape, affine=np.eye(4), probability=probability, anatomy=np.ones(shape, np.uint8))
    chosen = picture._slices(view_of(segmentation))
    assert len(chosen) == picture.MOST_TILES
    assert 80 in range(chosen[0], chosen[-1])


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_a_constant_scan_and_no_brain_still_give_a_picture(make, value):
    shape = (8, 9, 3)
    segmentation = make(shape=shape, anatomy=np.zeros(shape, np.uint8), probability=np.zeros(shape, np.float32))
    object.__setattr__(segmentation.study.reference, "voxels", np.full(shape, value, np.float32))
    image = overview(segmentation)
    assert image.mode == "RGB"
    assert not orange(image).size


def test_the_caption_is_written_and_fits(make):
    image = overview(make(shape=(8, 60, 1)))
    below = np.asarray(image)[-picture.CAPTION :]
    written = np.flatnonzero((below != drawing.PAPER).any(axis=(0, 2)))
    assert written.size > 200
    assert written[0] >= 10 and written[-1] <= image.width - 10


def test_the_scale_bar_is_5_cm(make):
    shape = (100, 40, 1)
    image = overview(make(shape=shape, anatomy=np.ones(shape, np.uint8)))
    below = np.asarray(image)[-picture.CAPTION :]
    drawn = (below == drawing.LETTERS).all(axis=-1)
    longest = max(len(run) for row in drawn for run in "".join("x" if on else "-" for on in row).split("-"))
    assert longest == pytest.approx(picture.TILE[0] * 50 / 100, abs=3)
