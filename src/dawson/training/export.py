"""A trained network becomes a model folder: ONNX to run and to go on from, a card to trust it by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from dawson.core.study import Modality
from dawson.measurement.lesions import CONNECTIVITY
from dawson.model.card import CARD, INT8, ONNX, sha256, subset_names, write_card
from dawson.model.onnx import save_onnx, to_onnx
from dawson.recipe import Recipe, recipe_to_dict
from dawson.synthesis.tissues import PARENCHYMA, Anatomy

NAMES = {anatomy: anatomy.name.lower().replace("_", "-") for anatomy in Anatomy}


def export(weights: Mapping[str, Tensor], recipe: Recipe, folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write ``model.onnx`` (in fp16) and ``card.json`` into ``folder``; :mod:`dawson.model.weights` reads them back.

    ``facts`` are further entries of the card, such as name, data and steps. The card is written last: a
    folder without one is no model.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in (CARD, INT8):  # what was quantised before had other weights
        (folder / old).unlink(missing_ok=True)
    arrays = {name: weight.detach().half().contiguous().numpy() for name, weight in weights.items()}
    anatomy = () if recipe.volume is not None else tuple(Anatomy)
    graph = to_onnx(
        arrays, recipe.network, channels=recipe.channels, shape=recipe.input_shape, outputs=1 + len(anatomy)
    )
    save_onnx(graph, folder / ONNX)
    learned = [name for name, share in recipe.synthesis.subsets.items() if share > 0]
    card = {
        "name": recipe.name,
        "version": "0",
        "purpose": "Research. Not a medical device, not for diagnosis.",
        **facts,
        "task": "brain" if recipe.synthesis.whole_head else "lesions",
        "inputs": list(Modality) if recipe.volume is not None else subset_names(learned),
        "threshold": recipe.measure.threshold,
        "peak": recipe.measure.peak,
        "minimum_lesion_mm3": recipe.measure.minimum_mm3,
        "connectivity": CONNECTIVITY,
        "anatomy": {str(int(value)): NAMES[value] for value in anatomy},
        "parenchyma": [NAMES[value] for value in anatomy if value in PARENCHYMA],
        "core": [NAMES[v] for v in anatomy if v in PARENCHYMA and v != Anatomy.CORTEX],
        "parameters": int(sum(np.prod(a.shape) for a in arrays.values())),
        "recipe": recipe_to_dict(recipe),
        "sha256": {ONNX: sha256(folder / ONNX)},
    }
    write_card(folder, card)
    return folder
