"""One model whose weights are the mean of several that were trained on from one another.

    python -m tools.release.average RUN RUN … -o OUT

Fine-tuned weights lie near those that they came from, and the mean of both often does better than either (Wortsman et
al., ICML 2022). The rule, with its calibration and the weights of the anatomy, and the recipe are those of the first;
tools/release/rule.py and tools/studies/anatomy.py fit them to the mean. Of one model by itself the ONNX is written
anew, as this version of dawson writes it; tools/release/quantise.py then does so with its integers.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from dawson.model.card import ONNX, load_model
from dawson.model.weights import read_weights
from dawson.training.checkpoint import keep_rule
from dawson.training.export import export

OWN = ("name", "steps", "data", "rates", "from", "mean_of")  # what a card says of how its weights came about


def main() -> None:
    """Average and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    models = [load_model(folder) for folder in options.models]
    parts = [read_weights(model) for model in models]
    mean = {name: torch.from_numpy(np.stack([part[name] for part in parts]).mean(0)) for name in parts[0]}
    if len(models) == 1:
        facts = {key: models[0].card[key] for key in OWN if key in models[0].card}
    else:
        parts_of = [{"name": model.card["name"], "sha256": model.card["sha256"][ONNX]} for model in models]
        facts = {"name": models[0].card["name"], "mean_of": parts_of}
    recipe, fitted = keep_rule(options.models[0], models[0].recipe, None)
    print(export(mean, recipe, options.output, facts | fitted))


if __name__ == "__main__":
    main()
