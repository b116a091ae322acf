"""A trained network in 8-bit integers, for CPUs that multiply those faster than anything else.

Nothing is learned: weights are rounded, and what each convolution is fed is rounded within the range that it had on
some windows of real visits (post-training quantisation; Jacob et al., CVPR 2018), for transposed ones from zero on.
Instance normalisation behind every convolution takes away what rounding shifts, behind transposed ones after the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dawson.model.card import INT8, Model, load_model, sha256, write_card
from dawson.model.onnx import save_onnx, to_onnx
from dawson.model.unet import UNet
from dawson.model.weights import read_weights

ENDS = ("down.0.0.convolution", "head")


def quantise(folder: Path, images: Iterable[Tensor]) -> Path:
    """Write ``model.int8.onnx`` beside a model's weights, and its hash into the card.

    ``images`` are windows (channels, i, j, k) as the network is shown them; some twenty, of every subset of sequences,
    will do. Returns the file.
    """
    model = load_model(folder)
    weights = read_weights(model)
    classes = len(model.anatomy_names)
    network = UNet(model.recipe.network, channels=model.recipe.channels, anatomy_classes=classes).eval()
    network.load_state_dict({name: torch.from_numpy(weight) for name, weight in weights.items()})
    graph = to_onnx(
        weights,
        model.recipe.network,
        channels=model.recipe.channels,
        shape=model.recipe.input_shape,
        outputs=1 + classes,
        ranges=ranges_fed(network, images),
    )
    file = model.folder / INT8
    forget(model.folder)  # first: an interruption between file and card would leave a hash that is not the file's
    save_onnx(graph, file)
    _note(model, sha256(file))
    return file


def forget(folder: Path) -> None:
    """Delete a model's weights for integers, and their hash from the card: it is computed as if there had been none."""
    model = load_model(folder)
    _note(model, None)
    (model.folder / INT8).unlink(missing_ok=True)


def _note(model: Model, found: str | None) -> None:
    hashes = {name: value for name, value in model.card["sha256"].items() if name != INT8}
    if found is not None:
        hashes[INT8] = found
    write_card(model.folder, {**model.card, "sha256": hashes})


def ranges_fed(network: UNet, images: Iterable[Tensor]) -> dict[str, tuple[float, float]]:
    """Lowest and highest value that convolutions are fed over all ``images`` (channels, i, j, k), by their names.

    Less the first and the last: they cost little, and scans and probabilities should not be rounded.
    """
    ranges: dict[str, tuple[float, float]] = {}

    def watch(name: str) -> Any:
        def hook(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            low, high = (float(value) for value in torch.aminmax(inputs[0]))
            known = ranges.get(name, (low, high))
            ranges[name] = min(low, known[0]), max(high, known[1])

        return hook

    hooks = [
        module.register_forward_pre_hook(watch(name))
        for name, module in network.named_modules()
        if isinstance(module, nn.Conv3d | nn.ConvTranspose3d) and name not in ENDS
    ]
    try:
        with torch.inference_mode():
            for image in images:
                network(image[None].float().contiguous(memory_format=torch.channels_last_3d))
    finally:
        for hook in hooks:
            hook.remove()
    return ranges
