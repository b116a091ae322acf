"""A whole head, window by window.

Instance normalisation acts on the whole input, so the network is always given windows of the size that it
was trained on; where they overlap, lesions are blended with a weight that falls towards a window's border.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.model.card import Model
from dawson.model.engine import Engine, Infer

Part = tuple[slice, ...]
Answer = TypeVar("Answer")


def window_starts(length: int, window: int, overlap: float) -> list[int]:
    """Where windows begin along an axis: evenly spread, the last one flush with the end."""
    if length <= window:
        return [0]
    count = int(np.ceil((length - window) / (window * (1 - overlap)))) + 1
    return [int(s) for s in np.rint(np.linspace(0, length - window, count))]


def window_weight(window: int) -> Image:
    """Blending weight (n, n, n): a product of raised cosines that is never quite zero."""
    line = 0.05 + np.sin(np.pi * (np.arange(window) + 0.5) / window) ** 2
    return (line[:, None, None] * line[None, :, None] * line[None, None, :]).astype(np.float32)


def run_windows(
    infer: Infer,
    images: Image,
    *,
    window: int,
    overlap: float,
    outputs: int = 1,
    classes: Sequence[float] | None = None,
    wanted: Mask | None = None,
    at_once: int = 1,
) -> tuple[Image, Labels]:
    """Scores (outputs, i, j, k) and labels (i, j, k) of images (3, i, j, k) of any shape.

    Scores are the first ``outputs`` of what ``infer`` gives, blended where windows overlap. Labels are the most
    probable of the anatomy's classes, whose scores are divided by ``classes`` (:func:`argmax_anatomy`), as the window
    finds it in whose middle a voxel lies most: to blend all classes would take as much memory as a network. They are 0
    where ``classes`` is left out.

    Images smaller than a window are padded with zeros. Windows that hold no voxel of ``wanted`` (i, j, k)
    are skipped and stay zero. As many threads as ``at_once`` call ``infer``; whichever of them is first, scores are
    added up in the windows' order.
    """
    shape = np.array(images.shape[1:])
    padded = np.maximum(shape, window)
    if (padded != shape).any():
        images = np.pad(images, [(0, 0), *[(0, int(p - s)) for p, s in zip(padded, shape, strict=True)]])
    starts = itertools.product(*[window_starts(int(n), window, overlap) for n in padded])
    parts: list[Part] = [np.s_[i : i + window, j : j + window, k : k + window] for i, j, k in starts]
    parts = [p for p in parts if (wanted is None or wanted[p].any()) and images[:, *p].any()]
    weight = window_weight(window)
    total = np.zeros(padded, dtype=np.float32)
    for part in parts:
        total[part] += weight

    def infer_window(part: Part) -> tuple[Image, Labels | None]:
        def reduce(outputs_of_window: Image) -> tuple[Image, Labels | None]:
            anatomy = None if classes is None else argmax_anatomy(outputs_of_window, classes)
            return np.multiply(outputs_of_window[:outputs], weight / total[part], dtype=np.float32), anatomy

        shown = np.ascontiguousarray(images[:, *part])
        return infer.reduced(shown, reduce) if isinstance(infer, Engine) else reduce(infer(shown))

    scores = np.zeros((outputs, *padded), dtype=np.float32)
    labels, nearest = np.zeros(padded, dtype=np.uint8), np.zeros(padded, dtype=np.float32)
    for part, (blended, anatomy) in zip(parts, _side_by_side(infer_window, parts, at_once), strict=True):
        scores[:, *part] += blended
        if anatomy is not None:
            np.copyto(labels[part], anatomy, where=weight > nearest[part])
            np.maximum(nearest[part], weight, out=nearest[part])
    i, j, k = (int(n) for n in shape)
    return scores[:, :i, :j, :k], labels[:i, :j, :k]


def _side_by_side(infer_window: Callable[[Part], Answer], parts: list[Part], at_once: int) -> Iterator[Answer]:
    """Answers about all parts, in order; from so many threads, or from this one where it is one."""
    if at_once == 1:
        yield from map(infer_window, parts)
        return
    pool = ThreadPoolExecutor(at_once)
    try:
        yield from pool.map(infer_window, parts)
    finally:
        pool.shutdown(cancel_futures=True)


def run_model(
    model: Model,
    infer: Infer,
    images: Image,
    *,
    overlap: float | None = None,
    classes: Sequence[float] | None = None,
    wanted: Mask | None = None,
) -> tuple[Image, Labels]:
    """Lesion probability and anatomy (i, j, k) of images (3, i, j, k), by windows as the model's recipe has them.

    ``overlap`` takes the place of the recipe's; ``classes`` and ``wanted`` are those of :func:`run_windows`.
    """
    prepare = model.recipe.prepare
    scores, labels = run_windows(
        infer,
        images,
        window=prepare.window,
        overlap=prepare.overlap if overlap is None else overlap,
        classes=classes,
        wanted=wanted,
        at_once=infer.at_once if isinstance(infer, Engine) else 1,
    )
    return scores[0], labels


def argmax_anatomy(scores: Image, weights: Sequence[float]) -> Labels:
    """The most probable anatomy (i, j, k) from scores (1 + classes, i, j, k); outside where there are no classes.

    Of equals the first is taken. Class by class, since numpy's argmax takes several times as long.

    ``weights`` are those that the loss gave the classes: a network that was taught small classes with more weight
    believes in them by as much too often, and its scores over the weights are the probabilities (Elkan, IJCAI 2001).
    """
    best = np.full(scores.shape[1:], -np.inf, np.float32)
    labels = np.zeros(scores.shape[1:], np.uint8)
    for label, raw in enumerate(scores[1:]):
        score = raw / np.float32(weights[label])
        better = score > best
        np.copyto(best, score, where=better)
        labels[better] = label
    return labels
