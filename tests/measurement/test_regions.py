"""Regions of lesions on hand-made anatomies whose answers are known."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from dawson.core.grid import Grid
from dawson.core.result import REGIONS, Lesion
from dawson.measurement.region_figures import by_region, count_long
from dawson.measurement.regions import find_regions, touching_steps

NAMES = dict(
    enumerate(("outside", "ventricles", "other-csf", "cortex", "deep-grey", "white-matter", "cerebellum", "brain-stem"))
)
OUTSIDE, VENTRICLES, FLUID, CORTEX, DEEP_GREY, WHITE, CEREBELLUM, STEM = range(8)


def grid_of(shape, spacing=(1.0, 1.0, 1.0)):
    return Grid(shape=shape, affine=np.diag([*spacing, 1.0]))


def white(shape=(20, 20, 20)):
    return np.full(shape, WHITE, np.uint8)


def region(anatomy, *voxels, grid=None):
    grid = grid or grid_of(anatomy.shape)
    (found,) = find_regions([np.array(voxels)], anatomy, NAMES, grid)
    return found


def test_a_lesion_in_white_matter_alone_is_deep():
    anatomy = white()
    anatomy[0], anatomy[-1], anatomy[:, 0] = CORTEX, VENTRICLES, DEEP_GREY
    assert region(anatomy, (10, 10, 10), (10, 10, 11)) == "deep"
    assert region(anatomy, (10, 1, 10)) == "deep"  # touching deep grey matter is no matter


@pytest.mark.parametrize(("label", "name"), [(VENTRICLES, "periventricular"), (CORTEX, "juxtacortical")])
@pytest.mark.parametrize(
    ("step", "touches"),
    [((1, 0, 0), True), ((0, -1, 0), True), ((1, 0, 1), True), ((1, 1, 1), False), ((2, 0, 0), False)],
)
def test_contact_at_one_millimetre(label, name, step, touches):
    anatomy = white()
    anatomy[tuple(np.add((10, 10, 10), step))] = label
    assert region(anatomy, (10, 10, 10)) == (name if touches else "deep")


@pytest.mark.parametrize(("label", "name"), [(VENTRICLES, "periventricular"), (CORTEX, "juxtacortical")])
def test_a_lesion_that_lies_in_it_touches_it(label, name):
    anatomy = white()
    anatomy[10, 10, 10] = label
    assert region(anatomy, (10, 10, 10), (11, 10, 10), (12, 10, 10)) == name


def test_touching_ventricle_and_cortex_is_periventricular():
    anatomy = white()
    anatomy[8, 10, 10], anatomy[12, 10, 10] = VENTRICLES, CORTEX
    assert region(anatomy, (9, 10, 10), (10, 10, 10), (11, 10, 10)) == "periventricular"


def test_infratentorial_beside_cerebellar_cortex_and_the_fourth_ventricle():
    anatomy = white()
    anatomy[:, :, :10] = CEREBELLUM
    anatomy[10, 9, 5], anatomy[10, 11, 5] = CORTEX, VENTRICLES
    assert region(anatomy, (10, 10, 5)) == "infratentorial"
    anatomy[:, :, :10] = STEM
    anatomy[9, 10, 5] = VENTRICLES
    assert region(anatomy, (10, 10, 5)) == "infratentorial"


def test_most_of_the_tissue_under_a_lesion_decides():
    anatomy = white()
    anatomy[:, :, :10] = CEREBELLUM
    across = [(10, 10, k) for k in (8, 9, 10)]
    assert region(anatomy, *across) == "infratentorial"
    assert region(anatomy, *across[1:]) == "deep"  # half is not most
    assert region(anatomy, *across[1:], (10, 10, 11)) == "deep"


@pytest.mark.parametrize("under", [OUTSIDE, VENTRICLES, FLUID])
@pytest.mark.parametrize(("around", "infratentorial"), [(STEM, True), (CEREBELLUM, True), (WHITE, False)])
def test_where_the_label_says_no_tissue_the_surroundings_decide(under, around, infratentorial):
    anatomy = np.full((20, 20, 20), around, np.uint8)
    lesion = [(10, 10, 10), (11, 10, 10)]
    for voxel in lesion:
        anatomy[voxel] = under
    assert (region(anatomy, *lesion) == "infratentorial") == infratentorial


def test_farther_surroundings_where_the_near_ones_say_nothing():
    anatomy = np.zeros((30, 30, 30), np.uint8)
    anatomy[:, :, :8] = STEM
    assert region(anatomy, (15, 15, 13)) == "infratentorial"  # 6 mm off
    assert region(anatomy, (15, 15, 25)) == "deep"  # 18 mm off: too far to say


def test_no_tissue_at_all_is_deep():
    assert region(np.zeros((10, 10, 10), np.uint8), (5, 5, 5)) == "deep"


def test_a_neighbouring_lesion_is_not_touched_through():
    anatomy = white()
    anatomy[12, 10, 10] = VENTRICLES
    first, second = np.array([[11, 10, 10]]), np.array([[8, 10, 10]])
    assert find_regions([first, second], anatomy, NAMES, grid_of(anatomy.shape)) == ["periventricular", "deep"]


@pytest.mark.parametrize(
    ("spacing", "slices", "touches"),
    [
        ((0.9, 0.9, 6.5), (0, 0, 1), False),  # the ventricle may be 6.5 mm away
        ((0.9, 0.9, 6.5), (1, 0, 0), True),
        ((0.9, 0.9, 6.5), (1, 1, 0), True),  # 1.3 mm
        ((0.9, 0.9, 6.5), (2, 0, 0), False),  # 1.8 mm
        ((0.9, 0.9, 3.3), (0, 0, 1), True),  # 3 mm slices and their gap
        ((0.9, 0.9, 3.3), (1, 0, 1), False),
        ((0.5, 0.5, 0.5), (3, 0, 0), True),
        ((0.5, 0.5, 0.5), (2, 2, 2), False),
        ((2.0, 2.0, 2.0), (0, 1, 0), True),  # the neighbour, however large voxels are
        ((2.0, 2.0, 2.0), (0, 1, 1), False),
        ((6.5, 0.9, 0.9), (1, 0, 0), False),  # sagittal slices
        ((8.0, 8.0, 9.0), (1, 0, 0), True),
    ],
)
def test_contact_at_other_voxel_sizes(spacing, slices, touches):
    anatomy = white()
    anatomy[tuple(np.add((10, 10, 10), slices))] = VENTRICLES
    grid = grid_of(anatomy.shape, spacing)
    assert region(anatomy, (10, 10, 10), grid=grid) == ("periventricular" if touches else "deep")


def test_float32_spacing_does_not_change_contact():
    for factor in (1 - 4e-7, 1 + 4e-7):
        grid = grid_of((20, 20, 20), (1.5 * factor,) * 3)
        assert len(touching_steps(grid)) == 7  # itself and six faces


def test_an_oblique_grid_measures_in_millimetres():
    c, s = np.cos(0.4), np.sin(0.4)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, c, s], [0, -s, c]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([0.9, 0.9, 3.0])
    straight = touching_steps(grid_of((9, 9, 9), (0.9, 0.9, 3.0)))
    assert np.array_equal(touching_steps(Grid(shape=(9, 9, 9), affine=affine)), straight)


def test_sheared_axes_measure_in_millimetres():
    affine = np.diag([1.0, 1.0, 1.0, 1.0])
    affine[0, 1] = 0.9  # a step along j leads 0.9 mm along x too, so that (1, -1, 0) is 1.005 mm long
    steps = set(map(tuple, touching_steps(Grid(shape=(9, 9, 9), affine=affine)).tolist()))
    assert (1, -1, 0) in steps
    assert (1, 1, 0) not in steps


@pytest.mark.parametrize("axes", list(permutations(range(3))))
@pytest.mark.parametrize("signs", [(-1, 1, 1), (-1, -1, 1), (1, -1, -1)])
def test_the_order_of_storage_changes_nothing(axes, signs):
    rng = np.random.default_rng(5)
    anatomy = rng.choice([WHITE] * 30 + [CORTEX, VENTRICLES, CEREBELLUM], (14, 12, 10)).astype(np.uint8)
    spacing = np.array([1.0, 0.8, 3.0])
    pieces = [np.array([voxel]) for voxel in np.argwhere(anatomy == WHITE)[::40]]
    expected = find_regions(pieces, anatomy, NAMES, grid_of(anatomy.shape, spacing))
    assert set(expected) == {"periventricular", "juxtacortical", "deep"}
    turned = anatomy.transpose(axes)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.zeros((4, 4))
    affine[3, 3] = 1
    for new, (old, sign) in enumerate(zip(axes, signs, strict=True)):
        affine[old, new] = sign * spacing[old]
        affine[old, 3] = (anatomy.shape[old] - 1) * spacing[old] if sign < 0 else 0
    moved = []
    for piece in pieces:
        there = piece[:, axes]
        moved.append(np.where(np.array(signs) < 0, np.array(turned.shape) - 1 - there, there))
    assert find_regions(moved, turned, NAMES, Grid(shape=turned.shape, affine=affine)) == expected


def test_a_lesion_at_the_edge_of_the_grid():
    anatomy = white((4, 4, 4))
    anatomy[0, 0, 1] = CORTEX
    assert region(anatomy, (0, 0, 0)) == "juxtacortical"
    assert region(anatomy, (3, 3, 3)) == "deep"  # not round the corner to the other side


def test_other_label_values_by_name():
    names = {10: "cortex", 20: "ventricles", 30: "white-matter", 40: "cerebellum", 50: "brain-stem"}
    anatomy = np.full((9, 9, 9), 30, np.uint8)
    anatomy[5, 4, 4] = 20
    assert find_regions([np.array([[4, 4, 4]])], anatomy, names, grid_of(anatomy.shape)) == ["periventricular"]


def test_no_lesion_has_no_region():
    assert find_regions([], white(), NAMES, grid_of((20, 20, 20))) == []


def lesion(identity, region, volume, axis):
    return Lesion(identity, volume, axis, (0.0, 0.0, 0.0), 0.5, 0.6, region=region)


def test_figures_by_region():
    table = (lesion(1, "deep", 0.5, 9.0), lesion(2, "deep", 0.25, 2.996), lesion(3, "juxtacortical", 0.1, 2.99))
    figures = by_region(table)
    assert tuple(figures) == REGIONS
    assert (figures["deep"].count, figures["deep"].count_long_axis_3mm) == (2, 2)  # 2.996 is 3.00 in the table
    assert figures["deep"].volume_ml == pytest.approx(0.75)
    assert figures["deep"].largest_long_axis_mm == 9.0
    assert figures["juxtacortical"].count_long_axis_3mm == 0
    assert (figures["infratentorial"].count, figures["infratentorial"].largest_long_axis_mm) == (0, None)
    assert count_long(table) == 2
