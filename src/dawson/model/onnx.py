"""The U-Net as ONNX, written node by node from its weights (needs the ``onnx`` package).

No tracing and no torch: the graph is what :mod:`dawson.model.unet` computes, weights are stored as fp16 and cast to
fp32 where used, which inference engines fold away when they load the model; only the few of the head are fp32.

Of convolutions whose range of inputs is known, inputs are rounded to 8 bits and weights to 7: engines then multiply
integers (Jacob et al., CVPR 2018), and everything between convolutions stays floating-point. Seven, since pairs of
products of eight bits would overflow on CPUs that lack VNNI.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from dawson.recipe import EPSILON, SLOPE, Network

OPSET = 17
IR_VERSION = 9
WEIGHT_LEVELS, INPUT_LEVELS = 63, 255  # on either side of zero, and above the lowest
LOGIT = 80.0  # logits end there: the exponentials of all classes add up to less than float32 holds

Ranges = Mapping[str, tuple[float, float]]
"""Lowest and highest value that convolutions are fed, by their names."""


class _Graph:
    """Nodes and weights as they are added; every method returns the name of its output."""

    def __init__(self, weights: Mapping[str, NDArray[np.generic]], ranges: Ranges) -> None:
        self.weights, self.ranges = weights, ranges
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, values: NDArray[Any] | np.generic) -> str:
        self.initializers.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def fed(self, x: str, name: str, *, transposed: bool = False) -> list[str]:
        """What the convolution ``name`` is fed, and its weights, both of few levels where its range is known.

        Each output channel's weights have a step of their own. Of what a transposed one is fed, values below zero count
        as zero: OpenVINO computes those in integers only where zero is the lowest level, and what leaky ReLUs leave
        below it is a level or two.
        """
        if name not in self.ranges:
            return [x, self.weight(f"{name}.weight")]
        outputs = 1 if transposed else 0  # the weights' axis of output channels
        low, high = 0.0 if transposed else min(self.ranges[name][0], 0.0), max(self.ranges[name][1], 0.0)
        step = max(high - low, 1e-6) / INPUT_LEVELS
        how = [
            self.constant(f"{name}.step", np.float32(step)),
            self.constant(f"{name}.zero", np.uint8(-low / step + 0.5)),
        ]
        levels = self.node("QuantizeLinear", [x, *how], f"{name}.levels")
        fed = self.node("DequantizeLinear", [levels, *how], f"{name}.input")

        full = np.asarray(self.weights[f"{name}.weight"], dtype=np.float32)
        others = tuple(axis for axis in range(full.ndim) if axis != outputs)
        steps = np.maximum(np.abs(full).max(others, keepdims=True), 1e-8) / WEIGHT_LEVELS
        stored = [
            self.constant(f"{name}.weight.levels", np.rint(full / steps).astype(np.int8)),
            self.constant(f"{name}.weight.step", steps.ravel().astype(np.float32)),
            self.constant(f"{name}.weight.zero", np.zeros(steps.size, dtype=np.int8)),
        ]
        return [fed, self.node("DequantizeLinear", stored, f"{name}.weight", axis=outputs)]

    def weight(self, name: str) -> str:
        half = np.asarray(self.weights[name], dtype=np.float32).astype(np.float16)
        self.initializers.append(numpy_helper.from_array(half, name + ".fp16"))
        return self.node("Cast", [name + ".fp16"], name, to=TensorProto.FLOAT)

    def unit(self, x: str, name: str, stride: int) -> str:
        x = self.node(
            "Conv",
            self.fed(x, f"{name}.convolution"),
            f"{name}.convolution",
            kernel_shape=[3] * 3,
            strides=[stride] * 3,
            pads=[1] * 6,
        )
        x = self.node(
            "InstanceNormalization",
            [x, self.weight(f"{name}.norm.weight"), self.weight(f"{name}.norm.bias")],
            f"{name}.norm",
            epsilon=EPSILON,
        )
        return self.node("LeakyRelu", [x], f"{name}.relu", alpha=SLOPE)

    def probabilities(self, x: str, outputs: int) -> str:
        """The head, the sigmoid of its first logit and the softmax of the others, as ``scores``.

        Each exponential over itself and those that it competes with, and the lesion's over itself and one. A
        convolution adds up the others, so that no score is above 1 even where an engine rounds what it adds. An
        engine's own softmax over channels takes several times as long, and so does splitting them and putting them
        together again. The mean of the softmax's logits is taken off beforehand, which changes nothing but that the
        highest is never so low that its exponential could vanish.
        """
        head = []
        for part in ("weight", "bias"):
            values = np.array(self.weights[f"head.{part}"], dtype=np.float32)
            values[1:] -= values[1:].mean(axis=0) if outputs > 1 else 0.0
            head.append(self.constant(f"head.{part}", values))
        logits = self.node("Conv", [x, *head], "head", kernel_shape=[1] * 3)
        bounds = [
            self.constant(f"logits.{end}", np.float32(value)) for end, value in (("low", -LOGIT), ("high", LOGIT))
        ]
        odds = self.node("Exp", [self.node("Clip", [logits, *bounds], "logits")], "odds")
        among = 1.0 - np.eye(outputs, dtype=np.float32)
        among[0], among[:, 0] = 0.0, 0.0
        alone = np.eye(1, outputs, dtype=np.float32)[0]
        others = [self.constant("among", among[:, :, None, None, None]), self.constant("alone", alone)]
        rivals = self.node("Conv", [odds, *others], "rivals", kernel_shape=[1] * 3)
        return self.node("Div", [odds, self.node("Add", [odds, rivals], "all")], "scores")


def to_onnx(
    weights: Mapping[str, NDArray[np.generic]],
    network: Network,
    *,
    channels: int,
    shape: tuple[int, int, int],
    outputs: int,
    ranges: Ranges | None = None,
) -> onnx.ModelProto:
    """Build the model: input ``images`` (1, channels, i, j, k) fp32, output ``scores`` (1, outputs, i, j, k) fp32.

    ``weights`` are named as in the torch network's state dict; ``shape`` is (i, j, k). Scores are
    probabilities: the sigmoid of the lesion's logit, then the softmax of the anatomy's, if there is any.
    Convolutions that ``ranges`` has, other than the head, are computed in integers.
    """
    graph = _Graph(weights, ranges or {})
    x, skips = "images", []
    for level, count in enumerate(network.convolutions):
        for unit in range(count):
            x = graph.unit(x, f"down.{level}.{unit}", 2 if level and not unit else 1)
        skips.append(x)
    for step, level in enumerate(range(len(network.widths) - 2, -1, -1)):
        x = graph.node(
            "ConvTranspose",
            graph.fed(x, f"up.{step}", transposed=True),
            f"up.{step}",
            kernel_shape=[2] * 3,
            strides=[2] * 3,
        )
        x = graph.node("Concat", [x, skips[level]], f"skip.{step}", axis=1)
        for unit in range(network.convolutions[level]):
            x = graph.unit(x, f"merge.{step}.{unit}", 1)
    graph.probabilities(x, outputs)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "dawson",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, channels, *shape])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, outputs, *shape])],
            graph.initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        producer_name="dawson",
        ir_version=IR_VERSION,
    )
    onnx.checker.check_model(model)
    return model


def save_onnx(model: onnx.ModelProto, file: Path) -> None:
    """Write the model to ``file``."""
    file.write_bytes(model.SerializeToString())
