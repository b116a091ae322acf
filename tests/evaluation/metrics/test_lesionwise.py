"""Which lesions found one another: components, sizes, and the rules on cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from dawson.core.errors import UsageError
from dawson.evaluation.metrics.lesionwise import Cut, Overlaps, components, cut_for, detection, match, overlaps
from dawson.evaluation.settings import Settings, suffix_of, threshold_of

SHAPE = (30, 12, 6)


def row(low, high, j=2, k=2):
    """A row of voxels low..high-1 along i."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[low:high, j, k] = True
    return mask


def column(i, low, high, k=2):
    """Voxels low..high-1 along j."""
    mask = np.zeros(SHAPE, dtype=bool)
    mask[i, low:high, k] = True
    return mask


def found(truth, prediction, rule, *, voxel_mm3=1.0, options=None):
    """How many of how many truth lesions and predicted lesions were found."""
    how = cut_for(rule, options or Settings(), voxel_mm3)
    there, back = match(overlaps(how.cut(truth), how.cut(prediction)), rule)
    return (int(there.sum()), len(there)), (int(back.sum()), len(back))


def partition(labels):
    """Components as sets of voxels, whatever their numbers."""
    return {frozenset(np.flatnonzero(labels == number).tolist()) for number in np.unique(labels[labels > 0])}


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.05, 0.6), order=st.sampled_from([(6, 1), (18, 2), (26, 3)]))
def test_components_are_those_of_scipy(seed, share, order):
    mask = np.random.default_rng(seed).random((7, 6, 8)) < share
    connectivity, rank = order
    ours = components(mask, connectivity)
    theirs, count = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
    assert ours.max(initial=0) == count
    assert partition(ours) == partition(theirs)


def test_components_below_the_minimum_are_dropped_and_the_rest_renumbered():
    mask = row(0, 2) | row(4, 7) | row(9, 10) | row(12, 16)
    lesions = Cut(26, 3).cut(mask)
    assert lesions.voxels.tolist() == [3, 4]
    assert np.bincount(lesions.labels.ravel()).tolist()[1:] == [3, 4]
    assert lesions.labels[5, 2, 2] == 1
    assert lesions.labels[0, 2, 2] == 0


@pytest.mark.parametrize(
    ("rule", "voxel", "smallest"),
    [
        ("any", 1.0, 3),
        ("any", 0.999998, 3),  # 3 voxels of 0.999998 mm³ are 3 mm³ ...
        ("any", 1.000002, 3),
        ("any", 48.0, 1),
        ("msseg", 1.0, 4),  # ... which are not more than 3 mm³
        ("msseg", 0.999998, 4),
        ("msseg", 1.000002, 4),
        ("msseg", 0.5, 7),
        ("msseg", 48.0, 1),
    ],
)
def test_smallest_lesion_in_voxels(rule, voxel, smallest):
    assert cut_for(rule, Settings(), voxel).smallest == smallest


def test_msseg_cuts_by_faces_whatever_the_settings():
    assert cut_for("msseg", Settings(connectivity=26, minimum_mm3=50.0), 1.0) == Cut(6, 4)
    assert cut_for("iou-0.1", Settings(connectivity=18, minimum_mm3=50.0), 1.0) == Cut(18, 50)


def test_any_takes_a_single_shared_voxel():
    assert found(row(0, 10), row(9, 20), "any") == ((1, 1), (1, 1))
    assert found(row(0, 10), row(11, 20), "any") == ((0, 1), (0, 1))


def test_any_counts_lesions_of_either_side_on_their_own():
    truth = row(0, 4) | row(6, 10) | row(20, 24)
    prediction = row(2, 8) | row(12, 15) | row(17, 19)  # the last is below 3 mm³ and counts nowhere
    assert found(truth, prediction, "any") == ((2, 3), (1, 2))


def test_a_dropped_component_finds_nothing():
    assert found(row(0, 10), row(3, 5), "any") == ((0, 1), (0, 0))


def test_iou_reaches_its_threshold_exactly():
    truth, prediction = row(0, 6), row(5, 10)  # 1 of 10
    assert found(truth, prediction, "iou-0.1") == ((1, 1), (1, 1))
    assert found(truth, row(5, 11), "iou-0.1") == ((0, 1), (0, 1))  # 1 of 11
    assert found(row(0, 10), row(2, 9), "iou-0.7") == ((1, 1), (1, 1))


def test_iou_looks_at_single_lesions_and_may_share_one():
    truth = row(0, 4) | row(6, 10)
    prediction = row(0, 10)  # intersection 4, union 10 with either
    assert found(truth, prediction, "iou-0.4") == ((2, 2), (1, 1))
    assert found(truth, prediction, "iou-0.5") == ((0, 2), (0, 1))


def test_msseg_alpha_more_than_a_tenth_must_be_covered():
    truth = row(0, 20)
    two = column(19, 2, 4) | column(18, 2, 4)  # 2 of 20 voxels covered, half of it outside
    three = column(19, 2, 4) | column(18, 2, 4) | column(17, 2, 4)
    assert found(truth, two, "msseg")[0] == (0, 1)
    assert found(truth, three, "msseg")[0] == (1, 1)


def test_msseg_beta_at_most_seven_tenths_may_lie_outside():
    truth = row(0, 10)
    seven_of_ten = row(7, 17)
    eight_of_eleven = row(7, 18)
    assert found(truth, seven_of_ten, "msseg") == ((1, 1), (1, 1))
    # Seen from the prediction the truth lies outside for 7 of 10 only: found there, and not the other way.
    assert found(truth, eight_of_eleven, "msseg") == ((0, 1), (1, 1))
    assert found(eight_of_eleven, truth, "msseg") == ((1, 1), (0, 1))


def test_msseg_gamma_ends_the_search_for_spoilt_contributors():
    # The second contributor covers 7 voxels and lies for 20 of 27 (74 %) outside.
    second = row(14, 21) | row(14, 24, k=3) | row(14, 24, k=1)
    assert np.count_nonzero(second) == 27
    truth = row(0, 21)
    assert found(truth, row(0, 13) | second, "msseg")[0] == (1, 1)  # 13 of 20 are 65 %: it is not looked at
    assert found(truth, row(0, 12) | second, "msseg")[0] == (0, 1)  # 12 of 19 are not: it is, and fails


@pytest.mark.parametrize("sizes", [[10, 5, 20], [10, 20, 5]], ids=["clean one first", "clean one last"])
def test_msseg_of_equal_contributors_takes_the_one_less_outside_first(sizes):
    # Overlaps of 10, 5 and 5 voxels: two make up 75 %, so only one of the equal ones is looked at.
    pairs = Overlaps(*map(np.array, ([0, 0, 0], [0, 1, 2], [10, 5, 5], [20], sizes)))
    assert match(pairs, "msseg")[0].tolist() == [True]


def test_msseg_outside_means_outside_every_lesion_of_the_other_mask():
    truth = row(0, 5) | row(6, 11) | row(12, 17)
    prediction = row(0, 17)  # 12 of 17 voxels (71 %) outside the first truth lesion, 2 outside all of them
    assert found(truth, prediction, "msseg") == ((3, 3), (1, 1))


def test_msseg_counts_dropped_lesions_as_background():
    truth = row(0, 4) | row(6, 9) | row(11, 14)  # 4, 3 and 3 voxels: only the first is more than 3 mm³
    prediction = row(0, 14)  # so 10 of 14 lie outside
    assert found(truth, prediction, "msseg") == ((0, 1), (1, 1))
    assert found(truth, prediction, "msseg", voxel_mm3=2.0) == ((3, 3), (1, 1))


def test_msseg_lesions_do_not_connect_by_edges():
    truth = row(0, 5, j=2) | row(5, 10, j=3)
    assert found(truth, truth, "msseg") == ((2, 2), (2, 2))
    assert found(truth, truth, "any") == ((1, 1), (1, 1))


def msseg_one_by_one(truth, prediction):
    """The two steps as the paper tells them, lesion by lesion, of labelled masks."""
    sizes = np.bincount(prediction.ravel())
    outcome = []
    for number in range(1, truth.max(initial=0) + 1):
        under = prediction[truth == number]
        if (under > 0).mean() <= 0.10:
            outcome.append(False)
            continue
        contributors = []
        for other in np.unique(under[under > 0]).tolist():
            outside = np.count_nonzero((prediction == other) & (truth == 0)) / sizes[other]
            contributors.append((-np.count_nonzero(under == other), outside))
        covered, detected = 0, True
        for shared, outside in sorted(contributors):
            if covered >= 0.65 * np.count_nonzero(under):
                break
            detected &= outside <= 0.70
            covered -= shared
        outcome.append(detected)
    return outcome


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), level=st.floats(0.4, 0.7))
def test_msseg_is_the_rule_told_lesion_by_lesion(seed, level):
    rng = np.random.default_rng(seed)
    common = rng.random((14, 13, 6))
    smooth = [ndimage.uniform_filter(common * 0.5 + rng.random(common.shape) * 0.5, 2) for _ in range(2)]
    how = cut_for("msseg", Settings(), 1.0)
    truth, prediction = (how.cut(noise > level * 0.9) for noise in smooth)
    there, back = match(overlaps(truth, prediction), "msseg")
    assert there.tolist() == msseg_one_by_one(truth.labels, prediction.labels)
    assert back.tolist() == msseg_one_by_one(prediction.labels, truth.labels)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), rule=st.sampled_from(["any", "iou-0.1", "iou-0.5", "msseg"]))
def test_flips_order_and_exchange_change_no_count(seed, rule):
    rng = np.random.default_rng(seed)
    truth, prediction = (ndimage.uniform_filter(rng.random((12, 10, 8)), 2) > 0.6 for _ in range(2))
    expected = found(truth, prediction, rule)
    assert found(prediction, truth, rule) == expected[::-1]
    for axis in range(3):
        assert found(np.flip(truth, axis), np.flip(prediction, axis), rule) == expected
    assert found(truth.transpose(2, 0, 1), prediction.transpose(2, 0, 1), rule) == expected
    lesions = found(truth, truth, rule)[0]
    assert lesions[0] == lesions[1]
    assert found(truth, np.zeros_like(truth), rule) == ((0, lesions[1]), (0, 0))


def test_detection_policy():
    yes, no, none = np.array([True]), np.array([False]), np.array([], dtype=bool)
    assert detection(none, none) == (1.0, 1.0, 1.0)
    assert detection(none, no) == (None, 0.0, 0.0)
    assert detection(no, none) == (0.0, None, 0.0)
    assert detection(no, no) == (0.0, 0.0, 0.0)
    recall, precision, f1 = detection(np.array([True, False]), yes)
    assert (recall, precision, f1) == (0.5, 1.0, pytest.approx(2 / 3))


@pytest.mark.parametrize("rule", ["iou", "iou-0", "iou-1.5", "iou-.5", "iou-nan", "IOU-0.5", "any ", "", "dice-0.5"])
def test_other_rules_are_refused(rule):
    with pytest.raises(UsageError, match="matching rule"):
        threshold_of(rule)


@pytest.mark.parametrize(
    "wrong",
    [
        {"connectivity": 8},
        {"minimum_mm3": -1.0},
        {"minimum_mm3": float("nan")},
        {"rule": "most"},
        {"rules": ("any", "most")},
        {"tolerance_mm": float("inf")},
        {"reference_rate": 0.0},
    ],
)
def test_settings_that_mean_nothing_are_refused(wrong):
    with pytest.raises(UsageError):
        Settings(**wrong)


def test_rules_as_part_of_a_column_name():
    assert suffix_of("iou-0.25") == "iou_0_25"
    assert Settings(rules=("any", "any", "msseg")).rules == ("any", "msseg")
