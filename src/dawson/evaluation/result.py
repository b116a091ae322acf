"""What an evaluation is: how files were read, a row for each prediction of each case, and what was left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dawson.core.errors import UsageError
from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.metrics.case import CaseMetrics
from dawson.evaluation.metrics.curves import Curves
from dawson.evaluation.settings import Settings


@dataclass(frozen=True)
class Reading:
    """How the files of an evaluation are read.

    ``label`` and ``truth_label`` pick one value out of label maps, of predictions and of truths; ``threshold``
    says that predictions are probability maps and where to cut them (at or above it is lesion).
    """

    label: int | None = None
    truth_label: int | None = None
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0.0 < self.threshold <= 1.0:
            raise UsageError(f"the threshold is {self.threshold}", remedy="give one above 0 and at most 1")
        if self.threshold is not None and self.label is not None:
            raise UsageError("--label and --threshold were both given", remedy="give the one that fits the predictions")


@dataclass(frozen=True, eq=False)
class Row:
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
    rows: tuple[Row, ...]
    curves: Mapping[str, Curves]
    raters: Mapping[str, Mapping[str, Any]]
    skipped: tuple[str, ...] = ()
    failed: tuple[str, ...] = ()
    model: Mapping[str, Any] | None = None

    def of(self, method: str) -> tuple[Row, ...]:
        """The rows of one prediction."""
        return tuple(row for row in self.rows if row.pair.method == method)
