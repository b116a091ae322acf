"""Cohort figures: means, intervals by patient, volumes, pooled lesions, comparison; scipy is the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dawson.core.errors import UsageError
from dawson.evaluation.metrics.case import CaseMetrics, LesionOutcome
from dawson.evaluation.metrics.cohort import compare, load_group, recall_by_region, summarise_cohort
from dawson.evaluation.metrics.statistics import bootstrap_interval, pearson, signed_rank, spearman


def rows_of(name, values):
    return [{name: value} for value in values]


def names(count):
    return [f"p{number:02d}" for number in range(count)]


def row(truth=0.0, predicted=0.0, lesions=0, found=0, guesses=0, false=0):
    return {
        "volume_truth_ml": truth,
        "volume_predicted_ml": predicted,
        "truth_lesions": float(lesions),
        "predicted_lesions": float(guesses),
        "true_positives": float(found),
        "false_positives": float(false),
    }


def test_mean_median_and_number_leave_the_undefined_out():
    summary = summarise_cohort(rows_of("dice", [0.2, None, 0.6, 0.7]), names(4), columns=["dice"])
    assert summary["dice"]["mean"] == pytest.approx(0.5)
    assert summary["dice"]["median"] == pytest.approx(0.6)
    assert summary["dice"]["n"] == 3
    assert summary["dice"]["low"] < 0.5 < summary["dice"]["high"]
    assert (summary["cases"], summary["patients"]) == (4, 4)
    assert "volume_correlation" not in summary
    empty = summarise_cohort(rows_of("dice", [None, None]), names(2), columns=["dice"])["dice"]
    assert empty == {"mean": None, "median": None, "low": None, "high": None, "n": 0}


def test_the_interval_covers_as_often_as_it_says():
    """Of 300 cohorts of 30 patients, the 95 % interval holds the true mean in 90 to 98 %."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        low, high = bootstrap_interval(rng.normal(0.7, 0.1, 30), names(30), seed=1, draws=400)
        covered += low <= 0.7 <= high
    assert 270 <= covered <= 294


def test_patients_are_drawn_not_cases():
    """Four visits each of five patients who differ: as wide as five cases, not as twenty."""
    values = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], 4)
    by_patient = bootstrap_interval(values, np.repeat(names(5), 4).tolist(), seed=0, draws=2000)
    five = bootstrap_interval(values[::4], names(5), seed=0, draws=2000)
    twenty = bootstrap_interval(values, names(20), seed=0, draws=2000)
    assert by_patient == pytest.approx(five)
    assert by_patient[1] - by_patient[0] > 1.7 * (twenty[1] - twenty[0])


def test_the_interval_is_that_of_drawing_patients_one_by_one():
    rng = np.random.default_rng(5)
    values, patients = rng.random(12), [f"p{n % 5}" for n in range(12)]
    groups = [values[[p == name for p in patients]] for name in sorted(set(patients))]
    means = [np.concatenate([groups[n] for n in rng.integers(0, 5, 5)]).mean() for _ in range(20000)]
    assert bootstrap_interval(values, patients, seed=0, draws=20000) == pytest.approx(
        np.percentile(means, (2.5, 97.5)), abs=0.01
    )


def test_intervals_repeat_and_do_not_depend_on_the_order_of_cases():
    rng = np.random.default_rng(2)
    values, patients = rng.random(19).tolist(), [f"p{n % 8}" for n in range(19)]
    order = rng.permutation(19)
    first = summarise_cohort(rows_of("dice", values), patients, columns=["dice"])["dice"]
    turned = [values[n] for n in order], [patients[n] for n in order]
    second = summarise_cohort(rows_of("dice", turned[0]), turned[1], columns=["dice"])["dice"]
    assert second == {name: pytest.approx(value) for name, value in first.items()}
    other = summarise_cohort(rows_of("dice", values), patients, columns=["dice"], seed=1)["dice"]
    assert (other["low"], other["high"]) != (first["low"], first["high"])


def test_a_single_patient_has_no_interval():
    summary = summarise_cohort(rows_of("dice", [0.4, 0.6]), ["p", "p"], columns=["dice"])["dice"]
    assert (summary["low"], summary["high"]) == (None, None)
    assert summary["mean"] == pytest.approx(0.5)


def test_volumes_agree_by_bland_and_altman():
    true, predicted = [1.0, 4.0, 9.0, 30.0], [1.5, 3.0, 11.0, 29.0]
    rows = [row(t, p) for t, p in zip(true, predicted, strict=True)]
    summary = summarise_cohort(rows, names(4), columns=["volume_truth_ml"])
    difference = np.array([0.5, -1.0, 2.0, -1.0])
    assert summary["bland_altman"] == {
        "bias_ml": pytest.approx(0.125),
        "low_ml": pytest.approx(0.125 - 1.96 * difference.std(ddof=1)),
        "high_ml": pytest.approx(0.125 + 1.96 * difference.std(ddof=1)),
        "n": 4,
    }
    assert summary["volume_correlation"]["pearson"] == pytest.approx(stats.pearsonr(true, predicted).statistic)
    assert summary["volume_correlation"]["spearman"] == pytest.approx(stats.spearmanr(true, predicted).statistic)
    alone = summarise_cohort(rows[:1], names(1), columns=[])
    assert alone["bland_altman"] == {"bias_ml": 0.5, "low_ml": None, "high_ml": None, "n": 1}
    assert alone["volume_correlation"] == {"pearson": None, "spearman": None, "n": 1}


def test_lesions_are_pooled_and_lesion_free_truths_kept():
    rows = [
        row(lesions=10, found=8, guesses=9, false=1),
        row(lesions=0, found=0, guesses=3, false=3),
        row(lesions=0, found=0, guesses=0, false=0),
    ]
    summary = summarise_cohort(rows, names(3), columns=[])
    pooled = summary["pooled_lesions"]
    assert (pooled["recall"], pooled["precision"]) == (0.8, 8 / 12)
    assert pooled["f1"] == pytest.approx(2 * 0.8 * (8 / 12) / (0.8 + 8 / 12))
    assert (pooled["truth_lesions"], pooled["predicted_lesions"], pooled["false_positives"]) == (10, 12, 4)
    assert summary["lesion_free"] == {"cases": 2, "mean_false_positives": 1.5}
    assert summarise_cohort(rows[:1], names(1), columns=[])["lesion_free"] == {
        "cases": 0,
        "mean_false_positives": None,
    }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=30), st.integers(0, 2**32 - 1))
def test_correlations_are_as_defined(values, seed):
    first = np.array(values, dtype=np.float64)
    second = np.random.default_rng(seed).integers(-3, 3, len(first)).astype(np.float64)

    def middle_ranks(series):
        below = (series[:, None] > series).sum(axis=1)
        return below + (1 + (series[:, None] == series).sum(axis=1)) / 2

    if np.ptp(first) == 0 or np.ptp(second) == 0:
        assert pearson(first, second) is spearman(first, second) is None
    else:
        assert pearson(first, second) == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-9)
        ranked = np.corrcoef(middle_ranks(first), middle_ranks(second))[0, 1]
        assert spearman(first, second) == pytest.approx(ranked, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 25), shift=st.floats(-1.0, 1.0))
def test_the_signed_rank_test_is_exact_for_few_pairs(seed, count, shift):
    differences = np.random.default_rng(seed).normal(shift, 1.0, count)
    expected = stats.wilcoxon(differences, method="exact").pvalue
    assert signed_rank(differences) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(60, 90), ties=st.booleans())
def test_the_signed_rank_test_of_many_pairs_ties_and_zeros(seed, count, ties):
    rng = np.random.default_rng(seed)
    differences = rng.integers(-4, 6, count).astype(np.float64) if ties else rng.normal(0.2, 1.0, count)
    expected = stats.wilcoxon(differences, method="asymptotic", correction=False).pvalue
    assert signed_rank(differences) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("count", "method"), [(25, "exact"), (26, "asymptotic")])
def test_up_to_25_pairs_all_outcomes_are_counted(count, method):
    differences = np.random.default_rng(3).normal(0.4, 1.0, count)
    expected = stats.wilcoxon(differences, method=method, correction=False).pvalue
    assert signed_rank(differences) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-4, 5), min_size=1, max_size=11).filter(any))
def test_few_pairs_with_ties_and_zeros_are_exact(values):
    """Against every pattern of signs, one by one."""
    kept = np.array([value for value in values if value], dtype=np.float64)
    rank = stats.rankdata(np.abs(kept))
    signs = (np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1
    sums, half = signs @ rank, rank.sum() / 2
    expected = np.mean(np.abs(sums - half) >= abs(rank[kept > 0].sum() - half))
    assert signed_rank(np.array(values, dtype=np.float64)) == pytest.approx(expected, rel=1e-9)


def test_few_pairs_are_never_significant_by_approximation():
    assert signed_rank(np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.0])) == pytest.approx(0.0625)
    assert signed_rank(np.full(5, 0.1)) == pytest.approx(0.0625)
    assert signed_rank(np.zeros(5)) == signed_rank(np.array([])) == 1.0


def test_a_comparison_pairs_cases_and_tests_patients():
    first, second = [0.5, 0.7, None, 0.9, 0.8], [0.4, 0.5, 0.3, 0.6, None]
    patients = ["a", "a", "b", "c", "d"]
    result = compare(rows_of("dice", first), rows_of("dice", second), patients, column="dice")
    assert result["mean_difference"] == pytest.approx(0.2)
    assert (result["n"], result["patients"]) == (3, 2)
    assert result["p"] == pytest.approx(stats.wilcoxon([0.15, 0.3], method="exact").pvalue)
    assert (result["low"], result["high"]) == (pytest.approx(0.15), pytest.approx(0.3))
    turned = compare(rows_of("dice", second), rows_of("dice", first), patients, column="dice")
    assert (turned["mean_difference"], turned["p"]) == (pytest.approx(-0.2), result["p"])


def test_a_single_patient_is_not_tested():
    result = compare(rows_of("dice", [0.5, 0.7]), rows_of("dice", [0.4, 0.5]), ["a", "a"], column="dice")
    assert result["mean_difference"] == pytest.approx(0.15)
    assert (result["p"], result["patients"]) == (None, 1)


def test_a_comparison_of_nothing_is_undefined():
    nothing = compare(rows_of("dice", [None]), rows_of("dice", [0.3]), ["a"], column="dice")
    assert nothing == {"mean_difference": None, "low": None, "high": None, "p": None, "n": 0, "patients": 0}


def test_rows_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match="2 cases and 1 patients"):
        summarise_cohort(rows_of("dice", [0.1, 0.2]), ["p"], columns=["dice"])
    with pytest.raises(UsageError, match="no column 'iou'"):
        summarise_cohort(rows_of("dice", [0.1]), ["p"], columns=["iou"])
    with pytest.raises(UsageError, match="2 cases"):
        compare(rows_of("dice", [0.1]), rows_of("dice", [0.1, 0.2]), ["p"], column="dice")


@pytest.mark.parametrize(
    ("volume", "group"),
    [(0.0, "none"), (0.01, "<5 ml"), (4.99, "<5 ml"), (5.0, "5-15 ml"), (15.0, "5-15 ml"), (15.01, ">15 ml")],
)
def test_load_groups(volume, group):
    assert load_group(volume) == group


def test_recall_by_region():
    def lesion(region, matched):
        return LesionOutcome(10.0, matched, None, 0.5, (0.0, 0.0, 0.0), region)

    def case(*lesions):
        return CaseMetrics(values={}, truth_lesions=lesions, predicted_lesions=(lesion("cortex", False),))

    cases = [
        case(lesion("cortex", True), lesion("brain-stem", False)),
        case(lesion("cortex", False), lesion(None, True)),
    ]
    assert recall_by_region(cases) == {"brain-stem": {"recall": 0.0, "n": 1}, "cortex": {"recall": 0.5, "n": 2}}
    assert recall_by_region([]) == {}
