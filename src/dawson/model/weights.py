"""A model's weights, read back from the ONNX file that it runs (needs the ``onnx`` package).

A model folder holds its numbers once: what is fine-tuned, averaged or quantised is what runs, and no second file can
differ from it. Weights are stored as fp16, those of the head as fp32 and less the mean of the anatomy's, which changes
no probability (:mod:`dawson.model.onnx`).
"""

from __future__ import annotations

import hashlib

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from dawson.core.errors import ModelError
from dawson.model.card import ONNX, Model

HALF = ".fp16"
HEAD = ("head.weight", "head.bias")


def read_weights(model: Model) -> dict[str, NDArray[np.float32]]:
    """Weights by their names in the state dict of :class:`dawson.model.unet.UNet`, as float32.

    Raises :class:`ModelError` where the file cannot be read, differs from the hash in its card, keeps its numbers in
    other files (of which no hash is known), or is no ONNX file that dawson wrote.
    """
    file = model.onnx
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", file=file, remedy="get the model again") from error
    if hashlib.sha256(content).hexdigest() != model.card["sha256"][ONNX]:
        raise ModelError("differs from the hash in its card", file=file, remedy="get the model again")
    try:
        stored = onnx.load_model_from_string(content).graph.initializer
    except (DecodeError, ValueError) as error:
        raise ModelError("is no ONNX file", file=file, remedy="get the model again") from error
    if any(one.data_location == TensorProto.EXTERNAL or one.external_data for one in stored):
        raise ModelError("keeps its weights in other files", file=file, remedy="name a model that dawson wrote")
    named = {one.name.removesuffix(HALF): one for one in stored if one.name.endswith(HALF) or one.name in HEAD}
    if not set(HEAD) < set(named):
        raise ModelError("holds no weights that dawson wrote", file=file, remedy="name a model that dawson wrote")
    return {name: np.array(numpy_helper.to_array(one), dtype=np.float32) for name, one in named.items()}
