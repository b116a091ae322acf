"""What a network makes of a visit, whichever way it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field

from dawson.core.arrays import Image, Labels
from dawson.core.study import Modality, Study
from dawson.preparation.register import Alignment
from dawson.quality.outline import Outline


@dataclass(frozen=True, eq=False)
class Inference:
    """Lesion probability and anatomy (i, j, k) on the grid of the reference scan, and how they came about.

    ``study`` is the one given, its scans set from zero; ``opinions`` name what the network was shown each time that
    it was asked; ``used`` are the sequences that had a part in it, ``partial`` the shares of the brain that some of
    them show; ``outline`` and ``locator`` are None for a model that needs no locator.
    """

    study: Study
    probability: Image
    anatomy: Labels
    opinions: tuple[str, ...]
    used: tuple[Modality, ...]
    warnings: tuple[str, ...]
    partial: dict[Modality, float] = field(default_factory=dict)
    alignment: dict[Modality, Alignment] = field(default_factory=dict)
    outline: Outline | None = None
    locator: dict[str, object] | None = None
