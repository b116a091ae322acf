"""Running the network on a whole head, window by window, with OpenVINO.

Instance normalisation sees the whole input, so the network is always shown windows of the size that it
was trained on; overlapping ones are blended with a weight that falls towards their border.
"""

from __future__ import annotations

import itertools
import os
import platform
import queue
import sys
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
from numpy.typing import NDArray

from dawson.cores import threads
from dawson.errors import ModelError, UsageError
from dawson.network.model import Model
from dawson.study import Mask, Volume

# OpenVINO's Python package reports its use over the network when it is imported. A scan's computer must not
# speak to anyone unasked: where its reporting module cannot be imported, OpenVINO does without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

Infer = Callable[[Volume], Volume]
Part = tuple[slice, ...]
PRECISIONS = ("bf16", "f32", "int8")
X86 = ("x86_64", "amd64")  # where int8 has been measured to be fast
AT_ONCE = 2
"""Windows computed side by side, each on its share of the cores: two cores do two windows sooner than one after the
other, for neither waits for its slower half, and what numpy does with the scores costs no time of its own."""


def load_engine(model: Model, wanted: str | None = None, *, at_once: int = 1) -> Infer:
    """Compile a model for this machine's CPU.

    Returns a function from images (3, n, n, n) float32 to scores (1 + classes, n, n, n) float32. It computes in
    ``wanted``, which this CPU must have, or :func:`precision` where that is left out. Threads may call it together:
    ``at_once`` calls are computed side by side, where as many cores can be given to each: all then give the same to
    the bit.

    Raises :class:`ModelError` for a file that cannot be run, and :class:`UsageError` for a bad DAWSON_PRECISION.
    """
    wanted = wanted or precision(model)
    at_once = at_once if threads() % at_once == 0 else 1
    file = (model.int8 if wanted == "int8" else None) or model.onnx
    try:
        core = openvino.Core()
        compiled = core.compile_model(
            str(file),
            "CPU",
            {
                "INFERENCE_PRECISION_HINT": "bf16" if wanted == "bf16" else "f32",
                "PERFORMANCE_HINT": "LATENCY",
                "INFERENCE_NUM_THREADS": str(threads()),
                "NUM_STREAMS": str(at_once),
            },
        )
    except RuntimeError as error:
        raise ModelError("cannot be run by OpenVINO", file=file, remedy="install or train the model again") from error
    idle: queue.SimpleQueue[openvino.InferRequest] = queue.SimpleQueue()
    for _ in range(at_once):
        idle.put(compiled.create_infer_request())

    def infer(images: Volume) -> Volume:
        request = idle.get()
        try:
            request.infer({0: images[None]})
            return np.array(request.get_output_tensor(0).data[0])
        finally:
            idle.put(request)

    return infer


def precision(model: Model) -> str:
    """What a model is computed in: ``int8`` on x86 if it has such weights, else ``bf16`` where the CPU is fast in it.

    Either is faster than ``f32``, mostly about twice, and lesions hardly differ (docs/model.md has the figures), but
    they do: that is why ``int8``, which all x86 CPUs have, comes before ``bf16``, which few have. A study that is also
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


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along an axis: evenly spread, the last one flush with the end."""
    if length <= window:
        return [0]
    count = int(np.ceil((length - window) / (window * (1 - overlap)))) + 1
    return [int(s) for s in np.rint(np.linspace(0, length - window, count))]


def window_weight(window: int) -> Volume:
    """Blending weight (n, n, n): a product of raised cosines that is never quite zero."""
    line = 0.05 + np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
    return (line[:, None, None] * line[None, :, None] * line[None, None, :]).astype(np.float32)


def run_windows(
    infer: Infer,
    images: Volume,
    *,
    window: int,
    overlap: float,
    outputs: int,
    wanted: Mask | None = None,
    at_once: int = 1,
) -> Volume:
    """Scores (outputs, i, j, k) of images (3, i, j, k) of any shape: the first ``outputs`` of what ``infer`` gives.

    Images smaller than a window are padded with zeros. Windows that hold no voxel of ``wanted`` (i, j, k)
    are skipped and stay zero. As many threads as ``at_once`` call ``infer``; whichever of them is first, scores are
    added up in the windows' order.
    """
    shape = np.array(images.shape[1:])
    padded = np.maximum(shape, window)
    if (padded != shape).any():
        images = np.pad(images, [(0, 0), *[(0, int(p - s)) for p, s in zip(padded, shape, strict=True)]])
    weight = window_weight(window)
    scores = np.zeros((outputs, *padded), dtype=np.float32)
    total = np.zeros(padded, dtype=np.float32)
    starts = itertools.product(*[window_starts(int(n), window, overlap) for n in padded])
    parts: list[Part] = [np.s_[:, i : i + window, j : j + window, k : k + window] for i, j, k in starts]
    parts = [part for part in parts if (wanted is None or wanted[part[1:]].any()) and images[part].any()]

    def weighted(part: Part) -> Volume:
        return infer(np.ascontiguousarray(images[part]))[:outputs] * weight

    with closing(_side_by_side(weighted, parts, at_once)) as found:
        for part, own in zip(parts, found, strict=True):
            scores[part] += own
            total[part[1:]] += weight
    scores /= np.where(total > 0, total, 1)
    i, j, k = (int(n) for n in shape)
    return scores[:, :i, :j, :k]


def _side_by_side(function: Callable[[Part], Volume], parts: list[Part], at_once: int) -> Generator[Volume, None, None]:
    """What a function makes of each part, in order; computed by so many threads, or by this one where it is one."""
    if at_once == 1:
        yield from map(function, parts)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(function, parts)
    finally:
        pool.shutdown(cancel_futures=True)


def run_model(
    model: Model,
    infer: Infer,
    images: Volume,
    *,
    overlap: float | None = None,
    wanted: Mask | None = None,
    lesions_only: bool = False,
    at_once: int = AT_ONCE,
) -> Volume:
    """Scores (1 + classes, i, j, k) of images (3, i, j, k), by windows as the model's recipe has them.

    ``overlap`` takes the place of the recipe's; ``wanted`` and ``at_once`` are those of :func:`run_windows`. Where
    ``lesions_only``, the anatomy's scores are left out: (1, i, j, k).
    """
    prepare = model.recipe.prepare
    return run_windows(
        infer,
        images,
        window=prepare.window,
        overlap=prepare.overlap if overlap is None else overlap,
        outputs=1 if lesions_only else 1 + len(model.anatomy_names),
        wanted=wanted,
        at_once=at_once,
    )


def argmax_anatomy(scores: Volume, weights: tuple[float, ...] | None = None) -> NDArray[np.uint8]:
    """The most probable anatomy (i, j, k) from scores (1 + classes, i, j, k); outside where nothing ran.

    ``weights`` are those that the loss gave the classes: a network that was taught small classes with more weight
    believes in them by as much too often, and its scores over the weights are the probabilities (Elkan, IJCAI 2001).
    """
    best = np.full(scores.shape[1:], -np.inf, np.float32)
    labels = np.zeros(scores.shape[1:], np.uint8)
    # Class by class: numpy's argmax along the first axis takes several times as long.
    for label, own in enumerate(scores[1:]):
        score = own if weights is None else own / np.float32(weights[label])
        better = score > best
        np.copyto(best, score, where=better)
        labels[better] = label
    return labels
