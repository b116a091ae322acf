"""Give a trained model weights for 8-bit integers, and see how far they agree with the others.

    python -m tools.release.quantise MODEL … --cases TABLE [--cache CACHE --helper MODEL]

``--cases`` are visits such as a model is trained on (docs/how-to/train.md), for what its convolutions are fed. Their
masks say where lesions are. Nothing is learned. 24 windows of them set the ranges. On 12 others scores are compared:
the Dice of lesions at the model's threshold, the share of voxels whose anatomy differs, and the mean change of the
log-odds where a lesion is at least as probable as one in twenty. Where the Dice is below 0.97 they are deleted again.
``--helper`` is the model that a training was started from: visits prepared for it in ``--cache`` need not be prepared
anew.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.core.arrays import Image
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


def main() -> None:
    """Quantise, compare, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--helper", type=Path)
    options = parser.parse_args()
    os.environ["DAWSON_PRECISION"] = "f32"
    cases = find_cases(options.cases)
    examples = [Example(case, tuple(s for s in Modality if s in case.scans)) for case in cases]
    facts = check_cases(cases, cache=options.cache, source=options.cases)
    for folder in options.models:
        model = load_model(folder)
        visits = prepare_examples(examples, facts, model.recipe, options.cache, anatomy_model=options.helper)
        source = Windows(visits, model.recipe)
        draws = [source.draw(number)[0] for number in range(RANGES + COMPARED)]
        file = quantise(folder, draws[:RANGES])
        dice, anatomy, odds = _agreement(load_model(folder), [draw.numpy() for draw in draws[RANGES:]])
        print(
            f"{file} ({file.stat().st_size / 2**20:.1f} MiB): Dice with f32 {dice:.3f}, anatomy differs in "
            f"{100 * anatomy:.2f} % of the voxels, log-odds by {odds:.2f}"
        )
        if dice < LEAST_DICE:
            forget(folder)
            raise SystemExit(f"{folder}: they agree too little with f32 (at least {LEAST_DICE}), and are deleted again")


def _agreement(model: Model, windows: list[Image]) -> tuple[float, float, float]:
    """Dice of lesions, share of voxels of another anatomy, mean change of log-odds, between int8 and f32."""
    engines = {}
    for wanted in ("f32", "int8"):
        os.environ["DAWSON_PRECISION"] = wanted
        engines[wanted] = load_engine(model)
    both = total = 0
    anatomy, odds = [], []
    for images in windows:
        given = "+".join(s for s, image in zip(Modality, images, strict=True) if image.any())
        scores = {name: infer(images) for name, infer in engines.items()}
        lesions = {name: calibrate(one[0], *model.calibration_of(given)) for name, one in scores.items()}
        found = {name: one >= model.threshold for name, one in lesions.items()}
        both += 2 * np.count_nonzero(found["f32"] & found["int8"])
        total += np.count_nonzero(found["f32"]) + np.count_nonzero(found["int8"])
        labels = {name: argmax_anatomy(one, model.anatomy_weights) for name, one in scores.items()}
        anatomy.append(np.mean(labels["f32"] != labels["int8"]))
        likely = scores["f32"][0] >= 0.05
        logits = [np.log(p := np.clip(scores[n][0][likely], 1e-6, 1 - 1e-6)) - np.log1p(-p) for n in engines]
        odds.append(np.abs(logits[0] - logits[1]).mean() if likely.any() else 0.0)
    return both / max(total, 1), float(np.mean(anatomy)), float(np.mean(odds))


if __name__ == "__main__":
    main()
