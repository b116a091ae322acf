"""What an evaluation counts as a lesion and as found, and how it reads files; checked once."""

from __future__ import annotations

import re
from dataclasses import dataclass

from dawson.core.errors import UsageError

MSSEG = "msseg"
ANY = "any"


@dataclass(frozen=True)
class Settings:
    """How masks are compared; printed beside every figure that depends on it.

    Lesion-wise figures cut both masks into components by ``connectivity`` (6, 18 or 26) and drop those of
    less than ``minimum_mm3`` on both sides. ``rule`` decides what counts as found in counts, in recall by
    size and lesion by lesion; recall, precision and F1 are given under each of ``rules``. A rule is
    ``"any"``, ``"iou-T"`` with 0 < T <= 1, or ``"msseg"`` (see :mod:`dawson.evaluation.metrics.lesionwise`).
    ``surfaces`` turns surface distances on; ``tolerance_mm`` is that of the normalised surface Dice and
    ``reference_rate`` the lesion share r of the normalised Dice.

    Raises:
        UsageError: a value that none of this allows.
    """

    connectivity: int = 26
    minimum_mm3: float = 3.0
    rule: str = ANY
    rules: tuple[str, ...] = (ANY, "iou-0.1", MSSEG)
    surfaces: bool = True
    tolerance_mm: float = 1.0
    reference_rate: float = 0.001

    def __post_init__(self) -> None:
        object.__setattr__(self, "rules", tuple(dict.fromkeys(self.rules)))
        if self.connectivity not in (6, 18, 26):
            raise UsageError(f"the connectivity is {self.connectivity}", remedy="give 6, 18 or 26")
        if not 0.0 <= self.minimum_mm3 < float("inf"):
            raise UsageError(f"the minimum lesion volume is {self.minimum_mm3} mm³", remedy="give 0 or more")
        if not 0.0 <= self.tolerance_mm < float("inf"):
            raise UsageError(f"the surface tolerance is {self.tolerance_mm} mm", remedy="give 0 or more")
        if not 0.0 < self.reference_rate < 1.0:
            raise UsageError(f"the reference rate is {self.reference_rate}", remedy="give one between 0 and 1")
        for rule in (self.rule, *self.rules):
            threshold_of(rule)


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


def threshold_of(rule: str) -> float | None:
    """The T of an ``iou-T`` rule, None for the other rules.

    Raises:
        UsageError: no such rule.
    """
    if rule in (ANY, MSSEG):
        return None
    found = re.fullmatch(r"iou-(\d+(?:\.\d+)?)", rule)
    if found is None or not 0.0 < float(found[1]) <= 1.0:
        raise UsageError(
            f"there is no matching rule {rule!r}", remedy="give any, msseg, or iou-T with T above 0 and at most 1"
        )
    return float(found[1])


def suffix_of(rule: str) -> str:
    """A rule's name as it ends a column's name: ``iou-0.1`` becomes ``iou_0_1``."""
    return rule.replace("-", "_").replace(".", "_")
