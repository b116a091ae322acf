"""Curves over cases: against counting by hand at each threshold, and what joins and bounds them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import Settings, measure_case
from dawson.evaluation.metrics.curves import Curves

SHAPE = (12, 10, 8)
GRID = Grid(shape=SHAPE, affine=np.eye(4))


def case_of(seed, lesions=True):
    rng = np.random.default_rng(seed)
    smooth = ndimage.uniform_filter(rng.random(SHAPE), 3)
    truth = (smooth > 0.56) & lesions
    noisy = 0.9 * truth * rng.random(SHAPE) + 0.4 * (ndimage.uniform_filter(rng.random(SHAPE), 2) > 0.65)
    return truth, (0.94 * np.clip(noisy, 0.0, 1.0)).astype(np.float32)


def curves_of(*cases, options=None, within=None):
    curves = Curves(options or Settings())
    for truth, probability in cases:
        curves.add(truth, probability, GRID, within)
    return curves


def results(curves):
    return curves.precision_recall(), curves.calibration(), curves.froc()


def test_precision_and_recall_at_every_threshold():
    cases = [case_of(1), case_of(2), case_of(3, lesions=False)]
    curve = curves_of(*cases).precision_recall()
    truth, probability = (np.stack(arrays) for arrays in zip(*cases, strict=True))
    assert curve["threshold"] == [pytest.approx(n / 100) for n in range(1, 100)]
    for threshold, precision, recall in zip(*curve.values(), strict=True):
        predicted = probability >= np.float64(threshold)
        hits = np.count_nonzero(predicted & truth)
        assert recall == hits / truth.sum()
        assert precision == (hits / predicted.sum() if predicted.any() else None)
    assert curve["precision"][-1] is None  # nothing is as probable as 0.99 here


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), masked=st.booleans())
def test_calibration_is_that_of_all_voxels_sorted_into_bins(seed, masked):
    rng = np.random.default_rng(seed)
    truth, probability = rng.random(SHAPE) < 0.3, rng.random(SHAPE).astype(np.float32) ** 2
    probability[:2] = (0.0, 1.0)[seed % 2]
    within = rng.random(SHAPE) < 0.5 if masked else np.ones(SHAPE, dtype=bool)
    table = curves_of((truth, probability), within=within if masked else None).calibration()
    assert sum(table["count"]) == within.sum()
    for number, (low, high) in enumerate(zip(table["low"], table["high"], strict=True)):
        wide = probability.astype(np.float64)
        inside = within & (wide >= low) & ((wide < high) | (number == 9))
        assert table["count"][number] == inside.sum()
        if inside.any():
            assert table["predicted"][number] == pytest.approx(wide[inside].mean(), abs=1e-6)
            assert table["observed"][number] == pytest.approx(truth[inside].mean(), abs=1e-12)
        else:
            assert table["predicted"][number] is table["observed"][number] is None


def test_a_probability_of_exactly_a_threshold_reaches_it():
    probability = np.zeros(SHAPE, dtype=np.float32)
    probability[2:5, 2:5, 2:5] = 0.5  # which float32 holds exactly
    curves = curves_of((probability > 0.0, probability))
    recall = curves.precision_recall()["recall"]
    assert (recall[49], recall[50]) == (1.0, 0.0)  # thresholds 0.50 and 0.51
    assert curves.froc()["sensitivity"][8:11] == [1.0, 1.0, 0.0]  # 0.45, 0.50, 0.55
    assert curves.calibration()["count"] == [probability.size - 27, 0, 0, 0, 0, 27, 0, 0, 0, 0]


@pytest.mark.parametrize("rule", ["any", "iou-0.1", "msseg"])
def test_froc_is_the_evaluation_at_every_threshold(rule):
    options = Settings(rule=rule, surfaces=False)
    cases = [case_of(4), case_of(5), case_of(6, lesions=False)]
    curve = curves_of(*cases, options=options).froc()
    assert curve["threshold"] == [pytest.approx(n / 20) for n in range(1, 20)]
    for threshold, sensitivity, false in zip(*curve.values(), strict=True):
        rows = [measure_case(t, p >= np.float64(threshold), GRID, settings=options).values for t, p in cases]
        lesions = sum(row["truth_lesions"] for row in rows)
        assert sensitivity == sum(row["true_positives"] for row in rows) / lesions
        assert false == pytest.approx(sum(row["false_positives"] for row in rows) / 3)
    assert curve["sensitivity"][0] > curve["sensitivity"][-1] == 0.0


def test_a_lesion_that_could_not_be_predicted_counts_as_missed():
    truth, probability = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=np.float32)
    truth[2:4, 2:4, 2:4] = truth[8:10, 2:4, 2:4] = True
    probability[truth] = 0.8
    within = np.zeros(SHAPE, dtype=bool)
    within[:6] = True
    curves = curves_of((truth, probability), within=within)
    assert curves.precision_recall()["recall"][49] == 0.5
    assert curves.precision_recall()["precision"][49] == 1.0
    assert curves.froc()["sensitivity"][9] == 0.5


def test_perfect_probabilities():
    truth, _ = case_of(7)
    precision_recall, calibration, froc = results(curves_of((truth, truth.astype(np.float32))))
    assert set(precision_recall["precision"]) == set(precision_recall["recall"]) == {1.0}
    assert (calibration["predicted"][9], calibration["observed"][9], calibration["observed"][0]) == (1.0, 1.0, 0.0)
    assert (set(froc["sensitivity"]), set(froc["false_positives"])) == ({1.0}, {0.0})


def test_without_any_case_or_lesion_curves_are_undefined_not_wrong():
    precision_recall, calibration, froc = results(Curves())
    assert set(precision_recall["recall"]) == set(precision_recall["precision"]) == {None}
    assert set(calibration["predicted"]) == set(froc["sensitivity"]) == set(froc["false_positives"]) == {None}
    none = np.zeros(SHAPE, dtype=bool)
    _, _, froc = results(curves_of((none, none.astype(np.float32))))
    assert (set(froc["sensitivity"]), set(froc["false_positives"])) == ({None}, {0.0})


@settings(max_examples=10, deadline=None)
@given(seeds=st.lists(st.integers(0, 1000), min_size=2, max_size=4))
def test_order_and_merging_change_nothing(seeds):
    cases = [case_of(seed) for seed in seeds]
    whole, backwards, part = curves_of(*cases), curves_of(*cases[::-1]), curves_of(*cases[:1])
    part.merge(pickle.loads(pickle.dumps(curves_of(*cases[1:]))))
    assert part.cases == len(seeds)
    for curves in (backwards, part):
        for ours, theirs in zip(results(curves), results(whole), strict=True):
            for name in ours:
                assert ours[name] == [None if v is None else pytest.approx(v) for v in theirs[name]]


def test_what_cannot_be_counted_is_refused():
    truth, probability = case_of(8)
    with pytest.raises(UsageError, match="the truth has shape"):
        Curves().add(truth[1:], probability, GRID)
    with pytest.raises(UsageError, match="allowed voxels is an array of float32"):
        Curves().add(truth, probability, GRID, within=probability)
    for wrong in (np.nan, 1.5, -0.1, np.inf):
        spoilt = probability.copy()
        spoilt[0, 0, 0] = wrong
        with pytest.raises(UsageError, match="probability map holds values from"):
            Curves().add(truth, spoilt, GRID)
    with pytest.raises(UsageError, match="different settings"):
        Curves().merge(Curves(Settings(connectivity=6)))
