"""A trained network becomes a model folder: ONNX to run, safetensors to fine-tune, a card to trust it by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from dawson.learn.tissues import PARENCHYMA, Anatomy
from dawson.measure.lesions import CONNECTIVITY
from dawson.network.model import CARD, ONNX, SAFETENSORS, sha256
from dawson.network.onnx import save_onnx, to_onnx
from dawson.recipe import Recipe, recipe_to_dict

# Below one half: raters draw lesions more generously than the half-height at which the generator draws its truth.
THRESHOLD = 0.35
MINIMUM_MM3 = 3.0
NAMES = {anatomy: anatomy.name.lower().replace("_", "-") for anatomy in Anatomy}


def export(weights: Mapping[str, Tensor], recipe: Recipe, folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write ``model.onnx``, ``model.safetensors`` (both fp16) and ``card.json`` into ``folder``.

    ``facts`` are further entries of the card, such as name, data and steps. The card is written last: a
    folder without one is no model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    half = {name: weight.detach().half().contiguous() for name, weight in weights.items()}
    save_file(half, folder / SAFETENSORS)
    (folder / SAFETENSORS).chmod(0o644)
    arrays = {name: weight.numpy() for name, weight in half.items()}
    graph = to_onnx(arrays, recipe.network, window=recipe.prepare.window, outputs=1 + len(Anatomy))
    save_onnx(graph, folder / ONNX)
    card = {
        "name": recipe.name,
        "version": "0",
        "purpose": "Research. Not a medical device, not for diagnosis.",
        **facts,
        "threshold": THRESHOLD,
        "minimum_lesion_mm3": MINIMUM_MM3,
        "connectivity": CONNECTIVITY,
        "anatomy": {str(int(value)): name for value, name in NAMES.items()},
        "parenchyma": [NAMES[value] for value in PARENCHYMA],
        "core": [NAMES[value] for value in PARENCHYMA if value != Anatomy.CORTEX],
        "parameters": int(sum(np.prod(a.shape) for a in arrays.values())),
        "recipe": recipe_to_dict(recipe),
        "sha256": {name: sha256(folder / name) for name in (ONNX, SAFETENSORS)},
    }
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return folder
