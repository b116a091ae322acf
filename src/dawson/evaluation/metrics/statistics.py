"""The few statistics that an evaluation needs: intervals by patient, correlation, the signed-rank test."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Values = NDArray[np.float64]

EXACT_UP_TO = 25
"""Differences other than 0 up to which the signed-rank test counts all outcomes."""


def bootstrap_interval(
    values: Values, patients: Sequence[str], *, seed: int, draws: int
) -> tuple[float | None, float | None]:
    """95 % percentile interval of the mean, drawing patients with replacement (Efron & Tibshirani 1993).

    A patient comes with all their visits, or a cohort with many visits of few patients would look surer than
    it is; ``scipy.stats.bootstrap`` draws single values and knows no clusters. Neither the order of cases nor the
    patients' names matter to the draws beyond their sorted order.

    Args:
        values: (n,) one a case.
        patients: n names.
        seed: of the draws.
        draws: how many.

    Returns:
        The 2.5th and 97.5th percentile; None, None for fewer than two patients, of whom no spread is known.
    """
    names, who = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
    if len(names) < 2:
        return None, None
    total, count = np.bincount(who, weights=values), np.bincount(who)
    drawn = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1.0 / len(names)), size=draws)
    low, high = np.percentile((drawn @ total) / (drawn @ count), (2.5, 97.5))
    return float(low), float(high)


def pearson(first: Values, second: Values) -> float | None:
    """Correlation of two series (n,); None for fewer than two pairs or a series without spread."""
    return float(stats.pearsonr(first, second).statistic) if _have_spread(first, second) else None


def spearman(first: Values, second: Values) -> float | None:
    """Rank correlation of two series (n,), mid-ranks for ties; None as :func:`pearson`."""
    return pearson(stats.rankdata(first), stats.rankdata(second))


def signed_rank(differences: Values) -> float:
    """Two-sided p of Wilcoxon's signed-rank test for paired differences (n,) (Wilcoxon 1945).

    Differences of exactly 0 are dropped, equal ones share their mean rank. For up to 25 that are left all sign
    patterns are counted; else the normal approximation is taken, with its variance corrected for ties and
    without correction for continuity. Without any difference p is 1.
    """
    kept = differences[differences != 0.0]
    if not len(kept):
        return 1.0
    if len(kept) > EXACT_UP_TO:
        return float(stats.wilcoxon(kept, correction=False, method="approx").pvalue)
    # SciPy's exact test leaves ties aside; here equal differences, common among few patients, are counted exactly.
    rank = stats.rankdata(np.abs(kept))
    plus = float(rank[kept > 0.0].sum())
    smaller = min(plus, float(rank.sum()) - plus)
    doubled = np.rint(2.0 * rank).astype(int).tolist()  # mean ranks are halves
    return min(1.0, _patterns_up_to(round(2.0 * smaller), doubled) / 2.0 ** (len(kept) - 1))


def _have_spread(*series: Values) -> bool:
    return all(len(values) > 1 and bool(np.any(values != values[0])) for values in series)


def _patterns_up_to(most: int, ranks_of: Sequence[int]) -> int:
    """In how many of the sign patterns of these ranks the positive ones add up to ``most`` at the most."""
    ways = [1] + [0] * most
    for rank in ranks_of:
        for total in range(most, rank - 1, -1):
            ways[total] += ways[total - rank]
    return sum(ways)
