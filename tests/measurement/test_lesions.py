"""Lesions from probabilities: what is connected, what is dropped, and whether the numbers are right."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.measurement import lesions as room
from dawson.measurement.lesions import find_lesions, lesion_load, lesion_voxels, long_axis


def grid_of(shape, spacing=(1.0, 1.0, 1.0)):
    return Grid(shape=shape, affine=np.diag([*spacing, 1.0]))


def map_of(shape, *voxels, value=0.9):
    probability = np.zeros(shape, dtype=np.float32)
    for voxel in voxels:
        probability[voxel] = value
    return probability


def oblique(rng, shape=(7, 7, 7)):
    """A grid turned at random, anisotropic, sometimes mirrored, a little sheared."""
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag(rng.uniform(0.4, 7.0, 3)) @ (np.eye(3) + rng.uniform(-0.05, 0.05, (3, 3)))
    affine[:3, 3] = rng.uniform(-90, 90, 3)
    return Grid(shape=shape, affine=affine)


def flood(mask):
    """26-connected components by the book, as sets of voxels."""
    todo, found = {tuple(v) for v in np.argwhere(mask).tolist()}, []
    while todo:
        edge = [todo.pop()]
        component = set(edge)
        while edge:
            i, j, k = edge.pop()
            for a, b, c in product((-1, 0, 1), repeat=3):
                neighbour = (i + a, j + b, k + c)
                if neighbour in todo:
                    todo.remove(neighbour)
                    component.add(neighbour)
                    edge.append(neighbour)
        found.append(frozenset(component))
    return set(found)


@pytest.mark.parametrize(
    ("other", "count"),
    [((2, 1, 1), 1), ((2, 2, 1), 1), ((2, 2, 2), 1), ((0, 2, 0), 1), ((3, 1, 1), 2), ((1, 3, 3), 2)],
    ids=["face", "edge", "corner", "corner the other way", "a voxel apart", "two apart obliquely"],
)
def test_faces_edges_and_corners_connect(other, count):
    shape = (5, 5, 5)
    _, _, table = find_lesions(map_of(shape, (1, 1, 1), other), grid_of(shape), threshold=0.5, minimum_mm3=0.0)
    assert len(table) == count


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.02, 0.3))
def test_components_are_those_of_a_flood_fill(seed, share):
    mask = np.random.default_rng(seed).random((6, 7, 5)) < share
    _, labels, table = find_lesions(mask.astype(np.float32), grid_of(mask.shape), threshold=0.5, minimum_mm3=0)
    ours = {frozenset(map(tuple, np.argwhere(labels == lesion.id).tolist())) for lesion in table}
    assert ours == flood(mask)


def test_a_component_of_exactly_the_minimum_stays():
    shape = (9, 9, 9)
    two, three = [(0, 0, 0), (0, 0, 1)], [(5, 5, 5), (5, 5, 6), (5, 6, 5)]
    probability = map_of(shape, *two, *three)
    mask, labels, table = find_lesions(probability, grid_of(shape), threshold=0.5, minimum_mm3=3.0)
    assert [lesion.volume_ml for lesion in table] == pytest.approx([0.003])
    assert sorted(map(tuple, np.argwhere(mask).tolist())) == sorted(three)
    assert (labels == mask).all()


def test_float32_spacing_does_not_cost_a_lesion_its_minimum():
    spacing = (0.99999934,) * 3  # as headers of 1 mm scans have it
    shape = (5, 5, 5)
    probability = map_of(shape, (1, 1, 1), (1, 1, 2), (1, 1, 3))
    _, _, table = find_lesions(probability, grid_of(shape, spacing), threshold=0.5, minimum_mm3=3.0)
    assert len(table) == 1


def test_on_thick_slices_a_single_voxel_may_be_a_lesion():
    shape, spacing = (5, 5, 5), (0.9, 0.9, 6.5)
    _, _, (lesion,) = find_lesions(map_of(shape, (2, 2, 2)), grid_of(shape, spacing), threshold=0.5, minimum_mm3=3.0)
    assert lesion.volume_ml == pytest.approx(0.9 * 0.9 * 6.5 / 1000)
    assert lesion.long_axis_mm == pytest.approx(0.9)


def test_largest_first_and_ties_by_place():
    shape = (12, 12, 12)
    probability = map_of(shape, (9, 9, 9), (1, 9, 9), (1, 2, 9), (5, 5, 5), (5, 5, 6))
    _, labels, table = find_lesions(probability, grid_of(shape), threshold=0.5, minimum_mm3=0.0)
    assert [lesion.id for lesion in table] == [1, 2, 3, 4]
    assert [lesion.centroid for lesion in table] == [(5, 5, 5.5), (1, 2, 9), (1, 9, 9), (9, 9, 9)]
    assert [labels[5, 5, 6], labels[1, 2, 9], labels[1, 9, 9], labels[9, 9, 9]] == [1, 2, 3, 4]


def test_the_threshold_itself_counts_and_nan_does_not():
    probability = np.array([[[0.5, 0.0, np.nextafter(np.float32(0.5), np.float32(0)), 0.0, np.nan]]], np.float32)
    mask, _, _ = find_lesions(probability, grid_of((1, 1, 5)), threshold=0.5, minimum_mm3=0.0)
    assert mask.ravel().tolist() == [True, False, False, False, False]


def test_the_threshold_is_compared_as_a_reader_of_the_map_would():
    stored = np.full((1, 1, 1), 0.7, np.float32)  # a little less than 0.7
    mask, _, _ = find_lesions(stored, grid_of((1, 1, 1)), threshold=0.7, minimum_mm3=0.0)
    assert mask.any() == (stored.astype(np.float64) >= 0.7).any()


def test_probabilities_of_a_lesion():
    probability = map_of((4, 4, 4), (1, 1, 1), value=0.6)
    probability[1, 1, 2] = 0.8
    _, _, (lesion,) = find_lesions(probability, grid_of((4, 4, 4)), threshold=0.5, minimum_mm3=0.0)
    assert lesion.mean_probability == pytest.approx(0.7)
    assert lesion.peak_probability == pytest.approx(0.8)


def test_nothing_found():
    mask, labels, table = find_lesions(
        np.zeros((3, 4, 5), np.float32), grid_of((3, 4, 5)), threshold=0.5, minimum_mm3=0.0
    )
    assert mask.shape == labels.shape == (3, 4, 5)
    assert mask.dtype == bool and labels.dtype == np.int32
    assert not mask.any() and not labels.any() and table == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"threshold": 0.0}, "threshold is 0.0"),
        ({"threshold": float("nan")}, "threshold is nan"),
        ({"threshold": 50}, "threshold is 50"),
        ({"minimum_mm3": -1.0}, "minimum lesion volume is -1.0"),
        ({"probability": np.ones((2, 2, 2), np.float32)}, "probability map has shape"),
    ],
)
def test_what_makes_no_sense_is_refused(change, said):
    options = {"probability": np.zeros((3, 3, 3), np.float32), "threshold": 0.5, "minimum_mm3": 3.0} | change
    with pytest.raises(UsageError, match=said):
        find_lesions(options.pop("probability"), grid_of((3, 3, 3)), **options)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_row_is_as_long_as_its_voxels(axis):
    voxels = np.zeros((6, 3), dtype=np.int64)
    voxels[:, axis] = np.arange(6)
    assert long_axis(voxels, grid_of((9, 9, 9), (1.5, 1.5, 1.5))) == pytest.approx(9.0)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 1.0))
def test_the_long_axis_is_exact_under_any_affine(seed, share):
    rng = np.random.default_rng(seed)
    grid = oblique(rng)
    voxels = np.argwhere(rng.random(grid.shape) < share)
    if not len(voxels):
        voxels = np.array([[3, 3, 3]])
    world = grid.to_world(voxels)
    farthest = np.linalg.norm(world[:, None] - world[None], axis=-1).max()
    assert long_axis(voxels, grid) == pytest.approx(farthest + min(grid.spacing), rel=1e-9)


def test_few_voxels_of_a_large_lesion_are_looked_at():
    axis = np.arange(-20, 21)
    i, j, k = np.meshgrid(axis, axis, axis, indexing="ij")
    ball = np.argwhere(i**2 + j**2 + k**2 <= 19.3**2)  # 30 ml at 1 mm, and the worst shape there is
    assert len(ball) > 30_000
    assert len(room._outermost(ball)) < 0.1 * len(ball)
    assert long_axis(ball, grid_of((41, 41, 41))) == pytest.approx(39.0, abs=0.7)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_axis_order_and_direction_of_storage_change_nothing(seed):
    rng = np.random.default_rng(seed)
    grid = oblique(rng, shape=(8, 6, 7))
    probability = np.where(rng.random(grid.shape) < 0.12, rng.random(grid.shape), 0).astype(np.float32)
    options = {"threshold": 0.3, "minimum_mm3": 2 * grid.voxel_volume}
    _, _, expected = find_lesions(probability, grid, **options)
    axes = list(permutations(range(3)))[seed % 6]
    flips = [bool(seed & 8), bool(seed & 16), bool(seed & 32)]
    to_source = np.zeros((4, 4))
    to_source[3, 3] = 1
    for new, (old, flip) in enumerate(zip(axes, flips, strict=True)):
        to_source[old, new] = -1 if flip else 1
        to_source[old, 3] = grid.shape[old] - 1 if flip else 0
    turned = probability.transpose(axes)[tuple(slice(None, None, -1 if f else 1) for f in flips)]
    _, _, table = find_lesions(turned, Grid(shape=turned.shape, affine=grid.affine @ to_source), **options)
    assert len(table) == len(expected)
    for ours, theirs in zip(table, expected, strict=True):
        assert ours.centroid == pytest.approx(theirs.centroid, abs=1e-6)
        assert (
            ours.volume_ml,
            ours.long_axis_mm,
            ours.mean_probability,
            ours.peak_probability,
        ) == pytest.approx((theirs.volume_ml, theirs.long_axis_mm, theirs.mean_probability, theirs.peak_probability))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_volumes_add_up_to_the_mask_and_labels_agree(seed):
    rng = np.random.default_rng(seed)
    grid = oblique(rng, shape=(9, 8, 7))
    probability = rng.random(grid.shape).astype(np.float32)
    mask, labels, table = find_lesions(probability, grid, threshold=0.9, minimum_mm3=2.5 * grid.voxel_volume)
    assert sum(lesion.volume_ml for lesion in table) == pytest.approx(mask.sum() * grid.voxel_volume / 1000)
    assert (mask == (labels > 0)).all()
    assert np.unique(labels[mask]).tolist() == [lesion.id for lesion in table]
    volumes = [lesion.volume_ml for lesion in table]
    assert volumes == sorted(volumes, reverse=True)
    assert (probability[mask] >= 0.9).all()


def test_the_load_is_that_of_the_lesions_found():
    probability = np.random.default_rng(3).random((12, 11, 10)).astype(np.float32) ** 2
    grid, rule = grid_of(probability.shape, (0.9, 0.9, 3.0)), {"threshold": 0.7, "minimum_mm3": 8.0}
    _, _, table = find_lesions(probability, grid, **rule)
    assert len(table) > 1
    assert lesion_load(probability, grid, **rule) == pytest.approx(sum(lesion.volume_ml for lesion in table))


def test_voxels_of_each_lesion_in_the_order_of_ids():
    labels = np.zeros((4, 4, 4), np.int32)
    labels[3, 3, 3], labels[0, 0, :2] = 1, 2
    assert [piece.tolist() for piece in lesion_voxels(labels)] == [[[3, 3, 3]], [[0, 0, 0], [0, 0, 1]]]
    assert lesion_voxels(np.zeros((4, 4, 4), np.int32)) == []


def test_a_lesion_that_reaches_the_peak_nowhere_is_dropped_and_the_others_keep_their_borders() -> None:
    probability = np.full((12, 4, 4), 0.0, np.float32)
    probability[1:4, 1:3, 1:3], probability[6:10, 1:3, 1:3] = 0.45, 0.45
    probability[7, 1, 1] = 0.8
    grid = grid_of(probability.shape)
    rule = {"threshold": 0.4, "minimum_mm3": 3.0}
    _, _, both = find_lesions(probability, grid, **rule)
    mask, _, sure = find_lesions(probability, grid, **rule, peak=0.8)
    assert len(both) == 2
    assert len(sure) == 1
    assert sure[0].volume_ml == pytest.approx(0.016)
    assert mask[6:10, 1:3, 1:3].all()
    assert lesion_load(probability, grid, **rule, peak=0.8) == pytest.approx(0.016)
    assert find_lesions(probability, grid, **rule, peak=0.81)[2] == ()
    with pytest.raises(UsageError, match="peak"):
        find_lesions(probability, grid, **rule, peak=1.1)
