"""What a user asks of a training run: what to learn from, and how to go about it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Progress = Callable[[dict[str, Any]], None]
"""Called with each record of a run: a mapping whose ``event`` says what it tells of."""


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """Where a run's images come from: labelled ``cases``, or ``maps`` and ``masks`` for synthetic patients, or all.

    Attributes:
        cases: BIDS data set with lesion masks, or a table of cases.
        maps: folder of whole-head label maps (FreeSurfer values, 1 mm).
        masks: folder of binary lesion masks in MNI152 space (1 mm).
        split: counts or shares of volumes (``"204/32/20"``), or a split.tsv, which may do without a validation set:
            then the last weights are the model.
        folds: number of parts of a k-fold split, in place of ``split``.
        fold: which of them tests, from 1; the next one validates.
        cache: folder that keeps prepared scans; in the run's own folder where left out.
        skip_bad: go on without visits that cannot be prepared, instead of refusing them all at once.
    """

    cases: Path | None = None
    maps: Path | None = None
    masks: Path | None = None
    split: str | Path | None = None
    folds: int | None = None
    fold: int | None = None
    cache: Path | None = None
    skip_bad: bool = False


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run goes about it, beside its recipe.

    Attributes:
        overrides: dotted fields of the recipe and TOML values for them: ``{"optimizer.lr": "1e-4"}``.
        start: model folder to go on from.
        resume: take up the run that is in the folder.
        steps: end after this many steps, on the recipe's schedule.
        test: end a finished run with the test set, once.
        workers: processes that prepare images beside the training.
        device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``.
    """

    overrides: Mapping[str, str] = field(default_factory=dict)
    start: Path | None = None
    resume: bool = False
    steps: int | None = None
    test: bool = True
    workers: int = 1
    device: str = "auto"
