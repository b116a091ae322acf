"""One model whose weights are the mean of several that were trained on from one another.

    python benchmarks/average.py RUN RUN … -o OUT

Fine-tuned weights lie near those that they came from, and the mean of both often does better than either (Wortsman et
al., ICML 2022). The rule, with its calibration and the weights of the anatomy, and the recipe are those of the first;
benchmarks/rule.py and benchmarks/anatomy.py fit them to the mean.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from dawson.learn.checkpoint import keep_rule, load_weights
from dawson.learn.export import export
from dawson.network.model import SAFETENSORS, load_model


def main() -> None:
    """Average and export."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    models = [load_model(folder) for folder in options.models]
    parts = [load_weights(model.folder / SAFETENSORS) for model in models]
    mean = {name: torch.stack([part[name].float() for part in parts]).mean(0) for name in parts[0]}
    facts = {
        "name": models[0].card["name"],
        "mean_of": [{"name": m.card["name"], "sha256": m.card["sha256"][SAFETENSORS]} for m in models],
    }
    recipe, fitted = keep_rule(options.models[0], models[0].recipe, None)
    print(export(mean, recipe, options.output, facts | fitted))


if __name__ == "__main__":
    main()
