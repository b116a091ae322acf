"""What an evaluation is: a result for each prediction of each case, curves and raters, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.metrics.case import CaseMetrics
from dawson.evaluation.metrics.curves import Curves
from dawson.evaluation.settings import Reading, Settings


@dataclass(frozen=True, eq=False)
class CaseResult:
    """One prediction of one case, measured.

    ``against_raters``: mean Dice and lesion F1 against each single rater, where there are several; to be held
    against what the raters reach among themselves. ``resampled``: the prediction was brought to the truth's
    grid, and ``outside_ml`` of what it marks lie outside of that grid, where no figure counts them. ``sha256``
    of the files by what they are.
    """

    pair: Pair
    metrics: CaseMetrics
    against_raters: Mapping[str, float] | None = None
    resampled: bool = False
    outside_ml: float = 0.0
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that was measured: a row a case and prediction, curves by prediction, raters by case.

    ``methods`` are the names of the predictions in the order given; ``skipped`` and ``failed`` say, a line
    each, what was not evaluated and why; ``model`` is the card's summary where a model was run.
    """

    settings: Settings
    reading: Reading
    methods: tuple[str, ...]
    rows: tuple[CaseResult, ...]
    curves: Mapping[str, Curves]
    raters: Mapping[str, Mapping[str, Any]]
    skipped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    model: Mapping[str, Any] | None = None

    def of(self, method: str) -> tuple[CaseResult, ...]:
        """The rows of one prediction."""
        return tuple(row for row in self.rows if row.pair.method == method)
