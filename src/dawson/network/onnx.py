"""The U-Net as ONNX, written node by node from its weights (needs the ``onnx`` package).

No tracing and no torch: the graph is what :mod:`dawson.network.unet` computes, weights are stored as fp16
and cast to fp32 where used, which inference engines fold away when they load the model.
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


class _Graph:
    """Nodes and weights as they are added; every method returns the name of its output."""

    def __init__(self, weights: Mapping[str, NDArray[np.generic]]) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def node(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def weight(self, name: str) -> str:
        half = np.asarray(self.weights[name], dtype=np.float32).astype(np.float16)
        self.initializers.append(numpy_helper.from_array(half, name + ".fp16"))
        return self.node("Cast", [name + ".fp16"], name, to=TensorProto.FLOAT)

    def unit(self, x: str, name: str, stride: int) -> str:
        x = self.node(
            "Conv",
            [x, self.weight(f"{name}.convolution.weight")],
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


def to_onnx(
    weights: Mapping[str, NDArray[np.generic]],
    network: Network,
    *,
    channels: int,
    shape: tuple[int, int, int],
    outputs: int,
) -> onnx.ModelProto:
    """Build the model: input ``images`` (1, channels, i, j, k) fp32, output ``scores`` (1, outputs, i, j, k) fp32.

    ``weights`` are named as in the torch network's state dict; ``shape`` is (i, j, k). Scores are
    probabilities: the sigmoid of the lesion's logit, then the softmax of the anatomy's, if there is any.
    """
    graph = _Graph(weights)
    x, skips = "images", []
    for level, count in enumerate(network.convolutions):
        for unit in range(count):
            x = graph.unit(x, f"down.{level}.{unit}", 2 if level and not unit else 1)
        skips.append(x)
    for step, level in enumerate(range(len(network.widths) - 2, -1, -1)):
        x = graph.node(
            "ConvTranspose",
            [x, graph.weight(f"up.{step}.weight")],
            f"up.{step}",
            kernel_shape=[2] * 3,
            strides=[2] * 3,
        )
        x = graph.node("Concat", [x, skips[level]], f"skip.{step}", axis=1)
        for unit in range(network.convolutions[level]):
            x = graph.unit(x, f"merge.{step}.{unit}", 1)
    x = graph.node("Conv", [x, graph.weight("head.weight"), graph.weight("head.bias")], "head", kernel_shape=[1] * 3)
    if outputs == 1:
        graph.node("Sigmoid", [x], "scores")
    else:
        graph.initializers.append(numpy_helper.from_array(np.array([1, outputs - 1], dtype=np.int64), "split"))
        graph.nodes.append(helper.make_node("Split", [x, "split"], ["lesion", "anatomy"], name="heads", axis=1))
        lesion = graph.node("Sigmoid", ["lesion"], "lesion.probability")
        anatomy = graph.node("Softmax", ["anatomy"], "anatomy.probability", axis=1)
        graph.node("Concat", [lesion, anatomy], "scores", axis=1)
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
