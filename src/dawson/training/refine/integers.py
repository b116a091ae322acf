"""Weights for 8-bit integers from labelled cases, kept only where they agree with f32."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.core.arrays import Image
from dawson.core.errors import ModelError, UsageError
from dawson.core.study import Modality
from dawson.model.calibration import calibrate
from dawson.model.card import Model, load_model
from dawson.model.engine import load_engine
from dawson.model.quantise import forget, quantise
from dawson.model.windows import argmax_anatomy
from dawson.training.prepared_cases import Example, prepare_examples
from dawson.training.sources import Windows

RANGES, COMPARED = 24, 12  # windows
LEAST_DICE = 0.97
LIKELY = 0.05  # where a lesion is at least as probable, log-odds are compared


@dataclass(frozen=True)
class Agreement:
    """Between int8 and f32: Dice of lesions, share of voxels of another anatomy, mean change of the log-odds."""

    dice: float
    anatomy: float
    log_odds: float


def quantise_from_cases(
    model: Path,
    cases: Path,
    *,
    cache: Path,
    anatomy_model: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Agreement:
    """Write ``model.int8.onnx`` beside a model's weights, and measure how far both agree.

    24 windows of the ``cases`` set the ranges of what is fed to convolutions, 12 others compare; nothing is learned.
    ``cache`` keeps prepared visits; ``anatomy_model`` is the model that a training was started from, for which they may
    have been prepared there. Raises :class:`ModelError` where the Dice is below 0.97; the integers are
    deleted again then."""
    loaded = load_model(model)
    if loaded.recipe.volume is not None:
        raise UsageError("is of single volumes, which are not quantised", file=model, remedy="name a model of windows")
    found = find_cases(cases)
    units = [Example(case, tuple(m for m in Modality if m in case.scans)) for case in found]
    facts = check_cases(found, cache=cache, source=cases)

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress("prepare", done, total)

    visits = prepare_examples(units, facts, loaded.recipe, cache, anatomy_model=anatomy_model, progress=tell)
    source = Windows(visits, loaded.recipe)
    draws = [source.draw(number)[0] for number in range(RANGES + COMPARED)]
    quantise(loaded.folder, draws[:RANGES])
    try:
        agreement = compare_precisions(load_model(loaded.folder), [draw.numpy() for draw in draws[RANGES:]])
    except BaseException:  # Ctrl-C too: integers that were not compared would be what runs from now on
        forget(loaded.folder)
        raise
    if agreement.dice < LEAST_DICE:
        forget(loaded.folder)
        raise ModelError(
            f"agrees too little with its integers (a Dice of {agreement.dice:.3f}, below {LEAST_DICE}), which are "
            "deleted again",
            file=loaded.folder,
            remedy="use the model as it is",
        )
    return agreement


def compare_precisions(model: Model, windows: Sequence[Image]) -> Agreement:
    """How far int8 and f32 agree on windows (channels, i, j, k)."""
    engines = {wanted: load_engine(model, wanted, keep=False) for wanted in ("f32", "int8")}
    both = total = 0
    anatomy, odds = [], []
    for images in windows:
        given = "+".join(m for m, image in zip(Modality, images, strict=True) if image.any())
        scores = {name: infer(images) for name, infer in engines.items()}
        lesions = {name: calibrate(one[0], *model.calibration_of(given)) for name, one in scores.items()}
        found = {name: one >= model.threshold for name, one in lesions.items()}
        both += 2 * int(np.count_nonzero(found["f32"] & found["int8"]))
        total += int(np.count_nonzero(found["f32"]) + np.count_nonzero(found["int8"]))
        labels = {name: argmax_anatomy(one, model.anatomy_weights) for name, one in scores.items()}
        anatomy.append(np.mean(labels["f32"] != labels["int8"]))
        likely = scores["f32"][0] >= LIKELY
        logits = [np.log(p := np.clip(scores[n][0][likely], 1e-6, 1 - 1e-6)) - np.log1p(-p) for n in engines]
        odds.append(np.abs(logits[0] - logits[1]).mean() if likely.any() else 0.0)
    dice = both / total if total else 1.0
    return Agreement(dice, float(np.mean(anatomy)), float(np.mean(odds)))
