"""Volumes, the interval of the load, and classes of confidence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.grid import Grid
from dawson.measurement.confidence import CLASSES, HIGH_ML, HIGH_PEAK, MEDIUM_PEAK, classify
from dawson.measurement.interval import measure_interval, method
from dawson.measurement.lesions import find_lesions
from dawson.measurement.volumes import measure_volumes

NAMES = {0: "outside", 1: "ventricles", 2: "other-csf", 3: "cortex", 5: "white-matter"}
BRAIN = ("cortex", "white-matter")
RULE = {"threshold": 0.35, "minimum_mm3": 3.0, "peak": 0.0}


def grid_of(shape, spacing=(1.0, 1.0, 1.0)):
    return Grid(shape=shape, affine=np.diag([*spacing, 1.0]))


def test_each_voxel_counts_once_and_lesions_are_brain():
    anatomy = np.zeros((10, 10, 10), np.uint8)
    anatomy[1:9, 1:9, 1:9] = 2  # 512 in all
    anatomy[2:8, 2:8, 2:8] = 5
    anatomy[2:8, 2:8, 2] = 3
    anatomy[4:6, 4:6, 4:6] = 1  # 8
    lesions = np.zeros(anatomy.shape, bool)
    lesions[4, 4, 4:8] = True  # two of them in the ventricles
    lesions[0, 0, 0] = True  # outside
    volumes = measure_volumes(anatomy, NAMES, lesions, grid_of(anatomy.shape, (2.0, 1.0, 1.5)), parenchyma=BRAIN)
    assert volumes.brain_ml == pytest.approx((216 - 8 + 2 + 1) * 3 / 1000)
    assert volumes.ventricles_ml == pytest.approx(6 * 3 / 1000)
    assert volumes.intracranial_ml == pytest.approx((512 + 1) * 3 / 1000)


def test_a_model_without_ventricles_tells_no_volume_of_them():
    anatomy = np.full((4, 4, 4), 5, np.uint8)
    volumes = measure_volumes(
        anatomy, {5: "white-matter"}, anatomy > 9, grid_of(anatomy.shape), parenchyma=("white-matter",)
    )
    assert volumes.ventricles_ml is None
    assert volumes.brain_ml == volumes.intracranial_ml == pytest.approx(0.064)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**32 - 1),
    threshold=st.floats(0.01, 1.0),
    card=st.one_of(
        st.just({}),
        st.fixed_dictionaries({"low": st.floats(0.01, 1.0), "high": st.floats(0.01, 1.0)}).map(
            lambda told: {"load_interval": told}
        ),
    ),
)
def test_the_load_lies_within_its_interval(seed, threshold, card):
    rng = np.random.default_rng(seed)
    grid = grid_of((7, 8, 6))
    probability = (rng.random(grid.shape) ** 2).astype(np.float32)
    rule = {"threshold": threshold, "minimum_mm3": float(rng.integers(0, 6)), "peak": float(rng.random())}
    _, _, table = find_lesions(probability, grid, **rule)
    load = sum(lesion.volume_ml for lesion in table)
    interval = measure_interval(probability, grid, **rule, card=card)
    assert interval.low_ml <= load + 1e-12
    assert load <= interval.high_ml + 1e-12
    assert interval.lower_threshold <= threshold <= interval.higher_threshold


def test_the_thresholds_are_a_third_and_three_times_the_odds():
    probability = np.zeros((6, 6, 6), np.float32)
    interval = measure_interval(probability, grid_of(probability.shape), **RULE | {"threshold": 0.5}, card={})
    assert (interval.lower_threshold, interval.higher_threshold) == pytest.approx((0.25, 0.75))
    assert interval.coverage is None
    assert "0.75" in method(interval, 0.5)
    assert "0.25" in method(interval, 0.5)


def test_a_card_may_name_thresholds_and_their_coverage():
    probability = np.zeros((6, 6, 6), np.float32)
    probability[1, 1, :4], probability[4, 4, :5], probability[1, 4, :3] = 0.9, 0.3, 0.2
    told = {"load_interval": {"low": 0.25, "high": 0.6, "coverage": {"flair": {"inside": 5, "cases": 7}}}}
    interval = measure_interval(probability, grid_of(probability.shape), **RULE, card=told, given="flair")
    other = measure_interval(probability, grid_of(probability.shape), **RULE, card=told, given="t1")
    assert other.coverage is None  # what was measured from a FLAIR says nothing of a T1
    assert (other.low_ml, other.high_ml) == (interval.low_ml, interval.high_ml)
    assert (interval.low_ml, interval.high_ml) == pytest.approx((0.004, 0.009))
    assert interval.coverage == {"inside": 5, "cases": 7}


@pytest.mark.parametrize(
    ("peak", "volume_ml", "expected"),
    [
        (HIGH_PEAK, HIGH_ML, "high"),
        (1.0, HIGH_ML / 2, "medium"),
        (HIGH_PEAK - 0.01, 9.0, "medium"),
        (MEDIUM_PEAK, 0.003, "medium"),
        (MEDIUM_PEAK - 0.01, 9.0, "low"),
    ],
)
def test_classes(peak, volume_ml, expected):
    assert classify(peak, volume_ml) == expected
    assert expected in CLASSES
