"""One model whose weights are the mean of several that were trained on from one another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from dawson.core.errors import ModelError
from dawson.model.card import ONNX, load_model
from dawson.model.weights import read_weights
from dawson.training.checkpoint import keep_rule
from dawson.training.export import export

HISTORY = ("name", "steps", "data", "rates", "from", "mean_of")  # what a card says of how its weights came about


def average_models(models: Sequence[Path], output: Path) -> Path:
    """Write the mean of the models' weights to the model folder ``output``, and return it.

    Fine-tuned weights lie near those that they came from, and the mean of both often does better than either (Wortsman
    et al., ICML 2022). The rule with its calibration, the weights of the anatomy and the recipe are the first model's;
    a model that is named twice counts twice. Of one model by itself the ONNX file is written anew. Raises
    :class:`ModelError` where networks differ.
    """
    loaded = [load_model(model) for model in models]
    for other in loaded[1:]:
        if (other.recipe.network, other.recipe.channels) != (loaded[0].recipe.network, loaded[0].recipe.channels):
            remedy = "average models that were trained on from one another"
            raise ModelError("has another network than the first", file=other.folder, remedy=remedy)
    parts = [read_weights(model) for model in loaded]
    mean = {name: torch.from_numpy(np.stack([part[name] for part in parts]).mean(0)) for name in parts[0]}
    card = loaded[0].card
    if len(loaded) == 1:
        facts = {key: card[key] for key in HISTORY if key in card}
    else:
        parts_of = [{"name": model.card["name"], "sha256": model.card["sha256"][ONNX]} for model in loaded]
        facts = {"name": card["name"], "mean_of": parts_of}
    recipe, fitted = keep_rule(loaded[0].folder, loaded[0].recipe, None)
    return export(mean, recipe, output, facts | fitted)
