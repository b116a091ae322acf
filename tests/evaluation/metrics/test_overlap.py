"""Voxel-wise figures: definitions, the policy for empty masks, and what must not change them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.arrays import bounding_box
from dawson.core.grid import Grid
from dawson.evaluation.metrics.overlap import measure_overlap

SHAPE = (6, 7, 5)


def grid_of(shape=SHAPE, spacing=(1.0, 1.0, 1.0)):
    return Grid(shape=shape, affine=np.diag([*spacing, 1.0]))


def mask_of(*voxels, shape=SHAPE):
    mask = np.zeros(shape, dtype=bool)
    for voxel in voxels:
        mask[voxel] = True
    return mask


def measure(truth, prediction, grid=None, rate=0.001):
    return measure_overlap(truth, prediction, grid or grid_of(truth.shape), reference_rate=rate)


def random_pair(seed, share=0.2):
    rng = np.random.default_rng(seed)
    return rng.random(SHAPE) < share, rng.random(SHAPE) < share


def test_figures_of_a_pair_counted_by_hand():
    truth = mask_of((0, 0, 0), (0, 0, 1), (0, 0, 2), (0, 0, 3))  # TP 2, FP 1, FN 2
    prediction = mask_of((0, 0, 2), (0, 0, 3), (0, 0, 4))
    values = measure(truth, prediction, grid_of(spacing=(1.0, 2.0, 0.5)))
    assert values["dice"] == pytest.approx(4 / 7)
    assert values["iou"] == pytest.approx(2 / 5)
    assert values["precision"] == pytest.approx(2 / 3)
    assert values["sensitivity"] == pytest.approx(1 / 2)
    assert values["volume_truth_ml"] == pytest.approx(0.004)
    assert values["volume_predicted_ml"] == pytest.approx(0.003)
    assert values["volume_difference_percent"] == pytest.approx(25.0)
    assert values["volume_difference_ml"] == pytest.approx(-0.001)
    factor = 0.999 * 4 / (0.001 * (6 * 7 * 5 - 4))
    assert values["normalised_dice"] == pytest.approx(4 / (4 + factor * 1 + 2))


def test_normalised_dice_is_dice_where_the_load_is_the_reference_rate():
    truth, prediction = random_pair(3)
    values = measure(truth, prediction, rate=truth.mean())
    assert values["normalised_dice"] == pytest.approx(values["dice"])


def test_normalised_dice_does_not_depend_on_the_load_where_error_rates_are_equal():
    """Twice the lesions, the same sensitivity and false-positive rate: the normalised Dice stays, Dice does not."""
    dice, normalised = [], []
    for lesions in (1000, 2000):
        truth = np.zeros((20, 20, 100), dtype=bool)
        truth.reshape(-1)[:lesions] = True
        prediction = np.zeros_like(truth)
        prediction.reshape(-1)[: lesions * 8 // 10] = True  # 80 % sensitivity
        healthy = truth.size - lesions
        prediction.reshape(-1)[lesions : lesions + healthy // 100] = True  # 1 % false positives
        values = measure(truth, prediction)
        dice.append(values["dice"])
        normalised.append(values["normalised_dice"])
    assert normalised[0] == pytest.approx(normalised[1], rel=1e-2)
    assert dice[1] - dice[0] > 0.05


def test_two_empty_masks_agree_wholly():
    values = measure(mask_of(), mask_of())
    ones = {"dice", "iou", "precision", "sensitivity", "normalised_dice"}
    assert {name for name, value in values.items() if value == 1.0} == ones
    assert {name for name, value in values.items() if value == 0.0} == values.keys() - ones


def test_false_positives_on_a_lesion_free_truth_count():
    values = measure(mask_of(), mask_of((1, 1, 1)))
    assert values["dice"] == values["iou"] == values["precision"] == values["normalised_dice"] == 0.0
    assert values["sensitivity"] is None
    assert values["volume_difference_percent"] is None
    assert values["volume_difference_ml"] == pytest.approx(0.001)


def test_an_empty_prediction_of_a_truth_with_lesions():
    values = measure(mask_of((1, 1, 1)), mask_of())
    assert values["dice"] == values["iou"] == values["sensitivity"] == values["normalised_dice"] == 0.0
    assert values["precision"] is None
    assert values["volume_difference_percent"] == 100.0


def test_a_truth_that_fills_its_grid_has_no_false_positives_to_scale():
    values = measure(np.ones(SHAPE, dtype=bool), mask_of((0, 0, 0)))
    assert values["normalised_dice"] == values["dice"] > 0.0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.0, 1.0))
def test_symmetry_and_bounds(seed, share):
    truth, prediction = random_pair(seed, share)
    there, back = measure(truth, prediction), measure(prediction, truth)
    assert there["dice"] == back["dice"]
    assert there["iou"] == back["iou"]
    assert there["precision"] == back["sensitivity"]
    assert there["volume_difference_ml"] == pytest.approx(-back["volume_difference_ml"])
    for name in ("dice", "iou", "precision", "sensitivity", "normalised_dice"):
        assert there[name] is None or 0.0 <= there[name] <= 1.0
    if there["iou"] is not None:
        assert there["dice"] == pytest.approx(2 * there["iou"] / (1 + there["iou"]))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.01, 0.9))
def test_identical_masks_give_one_and_disjoint_ones_zero(seed, share):
    mask, _ = random_pair(seed, share)
    values = measure(mask, mask.copy())
    assert [values[name] for name in ("dice", "iou", "precision", "sensitivity", "normalised_dice")] == [1.0] * 5
    assert values["volume_difference_percent"] == 0.0
    if mask.any() and not mask.all():
        assert measure(mask, ~mask)["dice"] == measure(mask, ~mask)["normalised_dice"] == 0.0


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_the_box_of_both_masks_is_all_that_matters(seed):
    rng = np.random.default_rng(seed)
    truth, prediction = (mask_of(*map(tuple, rng.integers(0, SHAPE, (3, 3)))) for _ in range(2))
    box = bounding_box(truth, prediction)
    whole, boxed = (measure(t, p, grid_of()) for t, p in ((truth, prediction), (truth[box], prediction[box])))
    assert whole == boxed
    union = np.argwhere(truth | prediction)
    assert [s.start for s in box] == union.min(axis=0).tolist()
    assert [s.stop for s in box] == (union.max(axis=0) + 1).tolist()


def test_the_box_of_nothing_is_empty():
    assert mask_of()[bounding_box(mask_of(), mask_of())].size == 0
