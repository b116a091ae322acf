"""One case: every column, the fate of each lesion, and what must not change either."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import COLUMNS, DEFINITIONS, Settings, measure_case, size_groups
from dawson.evaluation.metrics.columns import columns_of, definitions_of

SHAPE = (24, 20, 12)


def grid_of(shape=SHAPE, spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = origin
    return Grid(shape=shape, affine=affine)


def box(low, size, shape=SHAPE):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, a + n) for a, n in zip(low, size, strict=True))] = True
    return mask


def blobs(seed, level=0.56, shape=SHAPE):
    rng = np.random.default_rng(seed)
    truth, prediction = (ndimage.uniform_filter(rng.random(shape), 3) > level for _ in range(2))
    shared = ndimage.uniform_filter(rng.random(shape), 3) > level
    return truth | shared, prediction | shared


def test_columns_are_those_defined_in_that_order():
    truth, prediction = blobs(0)
    for options in (Settings(), Settings(rule="msseg", rules=("msseg", "iou-0.5"), surfaces=False, connectivity=6)):
        values = measure_case(truth, prediction, grid_of(), settings=options).values
        assert tuple(values) == columns_of(options)
    assert columns_of(Settings()) == COLUMNS == tuple(DEFINITIONS)
    assert len(set(COLUMNS)) == len(COLUMNS)
    assert COLUMNS[:3] == ("dice", "iou", "precision")


def test_every_definition_is_one_sentence_that_names_its_setting():
    texts = definitions_of(Settings(connectivity=18, minimum_mm3=5.5, tolerance_mm=2.5, reference_rate=0.01))
    for name, text in texts.items():
        assert re.fullmatch(r"[A-Z0-9][^\n]*\.", text), name
        assert re.fullmatch(r"[a-z0-9_]+", name)
    assert "18-connected lesions of at least 5.5 mm³" in texts["lesion_f1_any"]
    assert "6-connected lesions of more than 3 mm³" in texts["lesion_f1_msseg"]
    assert "2.5 mm" in texts["nsd"]
    assert "0.01" in texts["normalised_dice"]


def test_a_case_counted_by_hand():
    truth = box((2, 2, 2), (3, 3, 3)) | box((10, 2, 2), (2, 2, 2)) | box((18, 2, 2), (1, 1, 2))
    prediction = box((3, 2, 2), (3, 3, 3)) | box((2, 12, 5), (5, 5, 5))
    case = measure_case(truth, prediction, grid_of())
    values = case.values
    # The truth's third component, of 2 mm³, counts as voxels and not as a lesion.
    assert values["volume_truth_ml"] == pytest.approx(0.037)
    assert values["dice"] == pytest.approx(2 * 18 / (37 + 152))
    assert (values["truth_lesions"], values["predicted_lesions"]) == (2, 2)
    assert (values["true_positives"], values["false_negatives"], values["false_positives"]) == (1, 1, 1)
    for rule in ("any", "iou_0_1", "msseg"):
        assert values[f"lesion_recall_{rule}"] == values[f"lesion_precision_{rule}"] == 0.5
        assert values[f"lesion_f1_{rule}"] == 0.5
    assert (values["n_lt10"], values["recall_lt10"]) == (1, 0.0)
    assert (values["n_10_100"], values["recall_10_100"]) == (1, 1.0)
    assert (values["n_100_1000"], values["recall_100_1000"]) == (0, None)
    assert [lesion.volume_mm3 for lesion in case.truth_lesions] == [27.0, 8.0]
    assert [lesion.matched for lesion in case.truth_lesions] == [True, False]
    assert [lesion.overlap for lesion in case.truth_lesions] == [pytest.approx(18 / 27), 0.0]
    assert [lesion.matched for lesion in case.predicted_lesions] == [False, True]


def test_a_lesion_carries_its_place_probability_and_region():
    truth = box((2, 4, 6), (3, 3, 3))
    prediction = truth | box((12, 10, 2), (2, 2, 2))
    probability = np.where(prediction, np.float32(0.5), np.float32(0.0))
    probability[3, 5, 7], probability[12, 10, 2] = 0.875, 0.75
    anatomy = np.zeros(SHAPE, dtype=np.uint8)
    anatomy[:, :, 6:] = 2
    anatomy[2, 4, 6] = 1
    anatomy[12, 10, 2] = 9  # the rest of the second predicted lesion lies outside
    grid = grid_of(spacing=(1.0, 1.0, 2.0), origin=(-90.0, 5.0, 0.0))
    case = measure_case(truth, prediction, grid, probability=probability, anatomy=anatomy, anatomy_names={2: "cortex"})
    (lesion,) = case.truth_lesions
    assert lesion.centroid == pytest.approx((-87.0, 10.0, 14.0))
    assert (lesion.volume_mm3, lesion.region, lesion.peak_probability, lesion.overlap) == (54.0, "cortex", None, 1.0)
    first, second = case.predicted_lesions
    assert (first.region, first.peak_probability) == ("cortex", 0.875)
    assert (second.region, second.peak_probability, second.matched, second.overlap) == ("9", 0.75, False, 0.0)
    assert measure_case(truth, prediction, grid).truth_lesions[0].region is None
    nowhere = measure_case(truth, prediction, grid, anatomy=np.zeros(SHAPE, dtype=np.uint8))
    assert nowhere.truth_lesions[0].region is None


def test_both_masks_empty():
    none = np.zeros(SHAPE, dtype=bool)
    case = measure_case(none, none, grid_of(), probability=none.astype(np.float32), anatomy=none.astype(np.uint8))
    assert case.truth_lesions == case.predicted_lesions == ()
    for name, value in case.values.items():
        if name.startswith("recall_"):
            assert value is None
        elif name in ("dice", "iou", "precision", "sensitivity", "normalised_dice", "nsd") or name.startswith("lesion"):
            assert value == 1.0
        else:
            assert value == 0.0


def test_a_lesion_free_truth_is_measured_and_its_false_positives_count():
    none, some = np.zeros(SHAPE, dtype=bool), box((2, 2, 2), (3, 3, 3)) | box((9, 9, 9), (2, 2, 2))
    values = measure_case(none, some, grid_of()).values
    for name in ("dice", "iou", "precision", "normalised_dice", "nsd", "lesion_precision_any", "lesion_f1_any"):
        assert values[name] == 0.0
    for name in ("sensitivity", "lesion_recall_any", "lesion_recall_msseg", "hd95_mm", "assd_mm"):
        assert values[name] is None
    assert values["false_positives"] == 2


def test_an_empty_prediction():
    none, some = np.zeros(SHAPE, dtype=bool), box((2, 2, 2), (3, 3, 3))
    values = measure_case(some, none, grid_of()).values
    for name in ("dice", "sensitivity", "lesion_recall_any", "lesion_f1_any", "lesion_f1_msseg", "recall_10_100"):
        assert values[name] == 0.0
    for name in ("precision", "lesion_precision_any", "hd95_mm", "assd_mm"):
        assert values[name] is None
    assert values["false_negatives"] == 1


def test_surfaces_not_asked_for_are_left_undefined():
    truth, prediction = blobs(1)
    without = measure_case(truth, prediction, grid_of(), settings=Settings(surfaces=False)).values
    full = measure_case(truth, prediction, grid_of()).values
    assert {name for name in full if full[name] != without[name]} == {"hd95_mm", "assd_mm", "nsd"}
    assert without["nsd"] is None


def test_counts_follow_the_rule_of_the_settings():
    truth, prediction = box((2, 2, 2), (10, 3, 3)), box((11, 2, 2), (10, 3, 3))  # 9 voxels shared, IoU 0.05
    counts = [
        measure_case(truth, prediction, grid_of(), settings=Settings(rule=rule)).values["true_positives"]
        for rule in ("any", "iou-0.1")
    ]
    assert counts == [1.0, 0.0]


def test_size_groups_at_their_ends():
    volumes = np.array([9.99, 9.9999, 10.0, 99.9, 100.0, 999.0, 1000.0, 1000.002, 1000.2, 5e4])
    assert size_groups(volumes).tolist() == [0, 1, 1, 1, 2, 2, 2, 2, 3, 3]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_flips_shifts_and_array_order_change_nothing(seed):
    truth, prediction = blobs(seed, shape=(12, 10, 8))
    values = measure_case(truth, prediction, grid_of(truth.shape, (1.0, 1.2, 3.0))).values

    def same(other):
        assert other == {n: None if v is None else pytest.approx(v, rel=1e-6, abs=1e-7) for n, v in values.items()}

    flipped = grid_of(truth.shape, (1.0, 1.2, 3.0))
    same(measure_case(np.flip(truth, 0), np.flip(prediction, 0), flipped).values)
    turned = Grid(shape=(8, 12, 10), affine=np.diag([3.0, -1.0, 1.2, 1.0]))
    same(measure_case(truth.transpose(2, 0, 1), prediction.transpose(2, 0, 1), turned).values)
    same(measure_case(np.asfortranarray(truth), np.asfortranarray(prediction), flipped).values)
    # Shifted within a grid of the same number of voxels: the normalised Dice counts them all.
    wide, start = [], (4, 1, 3)
    for mask in (truth, prediction):
        larger = np.zeros((20, 16, 14), dtype=bool)
        larger[tuple(slice(s, s + n) for s, n in zip(start, mask.shape, strict=True))] = mask
        wide.append(larger)
    moved = [np.roll(mask, (2, 3, -2), axis=(0, 1, 2)) for mask in wide]
    large = grid_of((20, 16, 14), (1.0, 1.2, 3.0))
    assert measure_case(*wide, large).values == measure_case(*moved, large).values


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_identical_masks_are_perfect_and_disjoint_ones_are_nothing(seed):
    mask, _ = blobs(seed, shape=(12, 10, 8))
    values = measure_case(mask, mask.copy(), grid_of(mask.shape)).values
    perfect = [
        n for n in values if n in ("dice", "iou", "nsd", "normalised_dice") or n.startswith(("lesion_", "recall_"))
    ]
    assert {values[name] for name in perfect} <= {1.0, None}
    assert values["false_positives"] == values["false_negatives"] == values["volume_difference_ml"] == 0.0
    assert values["hd95_mm"] == 0.0
    if mask.any() and not mask.all():
        apart = measure_case(mask, ~mask, grid_of(mask.shape)).values
        assert apart["dice"] == apart["true_positives"] == 0.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), level=st.floats(0.5, 0.62), rule=st.sampled_from(["any", "iou-0.1", "msseg"]))
def test_the_table_of_lesions_adds_up_to_the_counts(seed, level, rule):
    truth, prediction = blobs(seed, level, shape=(12, 10, 8))
    case = measure_case(truth, prediction, grid_of(truth.shape), settings=Settings(rule=rule))
    values = case.values
    assert len(case.truth_lesions) == values["truth_lesions"] == values["true_positives"] + values["false_negatives"]
    assert len(case.predicted_lesions) == values["predicted_lesions"]
    assert sum(lesion.matched for lesion in case.truth_lesions) == values["true_positives"]
    assert sum(not lesion.matched for lesion in case.predicted_lesions) == values["false_positives"]
    assert sum(values[f"n_{size}"] for size in ("lt10", "10_100", "100_1000", "gt1000")) == values["truth_lesions"]
    volumes = [lesion.volume_mm3 for lesion in case.truth_lesions]
    assert volumes == sorted(volumes, reverse=True)
    assert all(0.0 <= lesion.overlap <= 1.0 for lesion in case.truth_lesions + case.predicted_lesions)
    if rule == "any":
        assert all(lesion.overlap > 0.0 for lesion in case.truth_lesions if lesion.matched)


def test_arrays_that_do_not_fit_are_refused():
    mask, grid = np.zeros(SHAPE, dtype=bool), grid_of()
    with pytest.raises(UsageError, match="the prediction has shape"):
        measure_case(mask, mask[:-1], grid)
    with pytest.raises(UsageError, match="the truth is an array of uint8"):
        measure_case(mask.astype(np.uint8), mask, grid)
    with pytest.raises(UsageError, match="the anatomy has shape"):
        measure_case(mask, mask, grid, anatomy=np.zeros((2, 2, 2), dtype=np.uint8))
    with pytest.raises(UsageError, match="the probability map has shape"):
        measure_case(mask, mask, grid, probability=np.zeros((2, 2, 2), dtype=np.float32))
