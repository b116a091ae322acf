"""Several raters: agreement of pairs and what the majority marked."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import Settings, measure_case
from dawson.evaluation.metrics.raters import agreement, consensus

SHAPE = (12, 9, 9)
GRID = Grid(shape=SHAPE, affine=np.eye(4))


def cube(start, size=3):
    mask = np.zeros(SHAPE, dtype=bool)
    mask[start : start + size, 2:5, 2:5] = True
    return mask


def test_agreement_is_the_mean_over_pairs():
    masks = [cube(0), cube(1), cube(1) | cube(7)]
    result = agreement(masks, GRID, Settings())
    dice = [2 * 18 / 54, 2 * 18 / 81, 2 * 27 / 81]
    assert [pair["raters"] for pair in result["pairs"]] == [(0, 1), (0, 2), (1, 2)]
    assert [pair["dice"] for pair in result["pairs"]] == pytest.approx(dice)
    assert result["dice"] == pytest.approx(np.mean(dice))
    assert result["lesion_f1"] == pytest.approx(np.mean([1.0, 2 / 3, 2 / 3]))
    assert result["raters"] == 3


@pytest.mark.parametrize("rule", ["any", "iou-0.5", "msseg"])
def test_two_raters_agree_as_truth_and_prediction_would(rule):
    masks, options = [cube(0) | cube(8), cube(1) | cube(5, 1)], Settings(rule=rule, rules=(rule,))
    result = agreement(masks, GRID, options)
    values = measure_case(*masks, GRID, settings=options).values
    (f1,) = (values[name] for name in values if name.startswith("lesion_f1"))
    assert (result["dice"], result["lesion_f1"]) == (values["dice"], f1)
    turned = agreement(masks[::-1], GRID, options)
    assert (turned["dice"], turned["lesion_f1"]) == (result["dice"], result["lesion_f1"])


def test_raters_who_all_mark_nothing_agree():
    none = np.zeros(SHAPE, dtype=bool)
    result = agreement([none, none], GRID, Settings())
    assert (result["dice"], result["lesion_f1"]) == (1.0, 1.0)


def test_the_consensus_is_what_more_than_half_marked():
    one, two, three, four = (cube(start) for start in (0, 1, 2, 9))
    votes = one.astype(int) + two + three
    assert np.array_equal(consensus([one, two, three]), votes >= 2)
    assert np.array_equal(consensus([one, two]), one & two)
    assert np.array_equal(consensus([one, two, three, four]), votes + four >= 3)
    assert np.array_equal(consensus([one]), one)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UsageError, match="1 rater"):
        agreement([cube(0)], GRID, Settings())
    with pytest.raises(UsageError, match="rater 2"):
        agreement([cube(0), cube(0)[:-1]], GRID, Settings())
    with pytest.raises(UsageError, match="no rater"):
        consensus([])
    with pytest.raises(UsageError, match="rater 2"):
        consensus([cube(0), cube(0).astype(np.uint8)])
