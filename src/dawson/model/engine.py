"""The network on this machine's CPU, by OpenVINO."""

from __future__ import annotations

import logging
import os
import platform
import queue
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np

from dawson.core.arrays import Image
from dawson.core.errors import ModelError, UsageError
from dawson.core.runtime import cores
from dawson.model.card import Model

# OpenVINO's Python package reports its use over the network when it is imported. A scan's computer must not
# speak to anyone unasked: where its reporting module cannot be imported, OpenVINO does without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

logger = logging.getLogger(__name__)

Infer = Callable[[Image], Image]
Answer = TypeVar("Answer")
PRECISIONS = ("bf16", "f32", "int8")
X86 = ("x86_64", "amd64")  # where int8 has been measured to be fast
AT_ONCE = 2  # windows in work


class Engine:
    """A network compiled for this machine's CPU, to be called with images (3, n, n, n) float32.

    It gives scores (1 + classes, n, n, n) float32. Threads may call it together, and ``at_once`` tells how many of them
    gain anything: while one computes, another can finish what it was given before. On just as many cores each computes
    on one of its own: two windows are sooner done side by side than one after the other on all cores, since none waits
    for another. More cores than that all work together; what is best there has not been measured.
    """

    def __init__(self, compiled: openvino.CompiledModel, *, at_once: int) -> None:
        self.at_once = at_once
        self._idle: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
        for _ in range(at_once):
            self._idle.put(compiled.create_infer_request())

    def __call__(self, images: Image) -> Image:
        """Scores of one window."""
        return self.reduced(images, np.array)

    def reduced(self, images: Image, function: Callable[[Image], Answer]) -> Answer:
        """What a function makes of the scores of one window, which are OpenVINO's own memory: it may keep none."""
        request = self._idle.get()
        try:
            return function(request.infer({0: images[None]}, share_inputs=True, share_outputs=True)[0][0])
        finally:
            self._idle.put(request)


def load_engine(model: Model, wanted: str | None = None, *, at_once: int = AT_ONCE, keep: bool = True) -> Engine:
    """Compile a model for this machine's CPU, or take what was compiled for the visit before.

    It computes in ``wanted``, which this CPU must have, or :func:`precision` where that is left out. What is run once,
    on a whole volume, takes ``at_once`` as 1: all cores then work on it. The last engine is kept for the next visit,
    unless ``keep`` is false.

    Raises :class:`ModelError` for a file that cannot be run, and :class:`UsageError` for a bad DAWSON_PRECISION.
    """
    wanted = wanted or precision(model)
    file = (model.int8 if wanted == "int8" else None) or model.onnx
    logger.info("%s is computed in %s by %d cores", model.card["name"], wanted, cores())
    compiled = _compiled if keep else _compiled.__wrapped__
    return compiled(file, model.card["sha256"][file.name], wanted, cores(), at_once)


@lru_cache(maxsize=1)
def _compiled(file: Path, _sha256: str, wanted: str, threads: int, at_once: int) -> Engine:
    """A file compiled; its hash is part of the key, so that a new file in the same place is compiled anew."""
    streams = at_once if threads == at_once else 1
    try:
        compiled = openvino.Core().compile_model(
            str(file),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if wanted == "bf16" else "f32",
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": str(threads),
                "NUM_STREAMS": str(streams),
            },
        )
    except RuntimeError as error:
        raise ModelError("cannot be run by OpenVINO", file=file, remedy="install or train the model again") from error
    return Engine(compiled, at_once=min(at_once, threads))


def cpu_features() -> tuple[str, tuple[str, ...]]:
    """This CPU's name, and what OpenVINO can do on it: ``FP32``, ``BF16``, ``INT8`` and others."""
    core = openvino.Core()
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return str(core.get_property("CPU", "FULL_DEVICE_NAME")).strip(), tuple(sorted(map(str, capabilities)))


def precision(model: Model) -> str:
    """What a model is computed in: ``int8`` on x86 if it has such weights, else ``bf16`` where the CPU is fast in it.

    Either is faster than ``f32``, mostly about twice. Lesions hardly differ (see docs/explanation/speed.md), but they
    do: that is why ``int8``, which all x86 CPUs have, comes before ``bf16``, which few have. A study that is also
    computed on CPUs that are not x86 should set DAWSON_PRECISION. A model without weights in int8 is computed in f32
    where int8 is asked for.

    Raises :class:`UsageError` where DAWSON_PRECISION is anything else, or bf16 on a CPU without it.
    """
    wanted = os.environ.get("DAWSON_PRECISION", "").lower()
    if wanted not in ("", *PRECISIONS):
        raise UsageError(
            f"DAWSON_PRECISION is {wanted!r}",
            remedy="set it to int8, f32 or bf16, or leave it out to take what suits the model and this CPU",
        )
    if wanted == "bf16" and "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise UsageError(
            "DAWSON_PRECISION is 'bf16', which this CPU does not have",
            remedy="set it to int8 or f32, or leave it out to take what suits the model and this CPU",
        )
    if wanted == "int8" and model.int8 is None:
        return "f32"  # rather than what is fastest here, which would be another elsewhere
    if wanted:
        return wanted
    if model.int8 is not None and platform.machine().lower() in X86:
        return "int8"
    hint = openvino.Core().get_property("CPU", "INFERENCE_PRECISION_HINT")
    return "bf16" if hint == openvino.Type.bf16 else "f32"  # OpenVINO takes it of itself just where it is fast
