"""Weights are read back from the ONNX file, or refused."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
import torch

from dawson.core.errors import ModelError
from dawson.model.card import load_model, sha256, write_card
from dawson.model.unet import UNet
from dawson.model.weights import read_weights
from dawson.recipe import Recipe, load_recipe
from dawson.training.export import export
from fixtures.weights import weights_of

SIZE = {"network.widths": "[4, 8]", "network.convolutions": "[1, 2]", "prepare.window": "16"}


def trained(recipe: Recipe, folder: Path) -> dict[str, torch.Tensor]:
    """Random weights, exported to ``folder``."""
    torch.manual_seed(3)
    classes = 0 if recipe.volume is not None else 8
    network = UNet(recipe.network, channels=recipe.channels, anatomy_classes=classes)
    export(network.state_dict(), recipe, folder, {})
    return network.state_dict()


@pytest.mark.parametrize("recipe", ["dawson", "paper"])
def test_weights_come_back_as_they_were_exported(tmp_path: Path, recipe: str) -> None:
    """In half precision; what all classes of the anatomy have in common is taken off their head."""
    size = SIZE if recipe == "dawson" else SIZE | {"volume.shape": "[16, 16, 16]"}
    wanted, found = trained(load_recipe(recipe, size), tmp_path), weights_of(tmp_path)
    assert found.keys() == wanted.keys()
    for name, weight in wanted.items():
        half = weight.half().float()
        if name.startswith("head.") and len(half) > 1:
            half[1:] -= half[1:].mean(dim=0)
            assert torch.allclose(found[name], half, atol=1e-6)
        else:
            assert torch.equal(found[name], half)


def test_what_differs_from_its_hash_is_refused_also_after_the_card_was_read(tmp_path: Path) -> None:
    trained(load_recipe("dawson", SIZE), tmp_path)
    model = load_model(tmp_path)
    model.onnx.write_bytes(model.onnx.read_bytes()[:-1])
    with pytest.raises(ModelError, match="hash"):
        read_weights(model)


@pytest.mark.parametrize(
    ("kind", "sentence"), [("external", "other files"), ("foreign", "no weights"), ("broken", "no ONNX file")]
)
def test_a_file_that_dawson_did_not_write_is_refused(tmp_path: Path, kind: str, sentence: str) -> None:
    """Numbers in other files have no hash, and their paths could lead anywhere."""
    trained(load_recipe("dawson", SIZE), tmp_path)
    file = tmp_path / "model.onnx"
    graph = onnx.load(file)
    if kind == "external":
        one = graph.graph.initializer[0]
        one.data_location = onnx.TensorProto.EXTERNAL
        one.ClearField("raw_data")
        one.external_data.add(key="location", value="../../secret")
    elif kind == "foreign":
        del graph.graph.initializer[:]
    file.write_bytes(b"\xff" * 90 if kind == "broken" else graph.SerializeToString())
    card = json.loads((tmp_path / "card.json").read_text("utf-8"))
    write_card(tmp_path, card | {"sha256": {"model.onnx": sha256(file)}})
    with pytest.raises(ModelError, match=sentence):
        read_weights(load_model(tmp_path))
