"""A whole head, window by window.

Instance normalisation sees the whole input, so the network is always shown windows of the size that it
was trained on; overlapping ones are blended with a weight that falls towards their border.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from dawson.network.engine import Engine, Infer
from dawson.network.model import Model
from dawson.study import Mask, Volume

Part = tuple[slice, ...]


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

    for part, own in zip(parts, _side_by_side(weighted, parts, at_once), strict=True):
        scores[part] += own
        total[part[1:]] += weight
    scores /= np.where(total > 0, total, 1)
    i, j, k = (int(n) for n in shape)
    return scores[:, :i, :j, :k]


def _side_by_side(function: Callable[[Part], Volume], parts: list[Part], at_once: int) -> Iterator[Volume]:
    """What a function makes of each part, in order; computed by so many threads, or by this one where it is one.

    No more than one is ever ready beside those in work, for each holds as much as several windows.
    """
    if at_once == 1:
        yield from map(function, parts)
        return
    pool, begun = ThreadPoolExecutor(at_once), deque[Future[Volume]]()
    try:
        for part in parts:
            begun.append(pool.submit(function, part))
            if len(begun) > at_once:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()
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
) -> Volume:
    """Scores (1 + classes, i, j, k) of images (3, i, j, k), by windows as the model's recipe has them.

    ``overlap`` takes the place of the recipe's; ``wanted`` is that of :func:`run_windows`. Where ``lesions_only``, the
    anatomy's scores are left out: (1, i, j, k).
    """
    prepare = model.recipe.prepare
    return run_windows(
        infer,
        images,
        window=prepare.window,
        overlap=prepare.overlap if overlap is None else overlap,
        outputs=1 if lesions_only else 1 + len(model.anatomy_names),
        wanted=wanted,
        at_once=infer.at_once if isinstance(infer, Engine) else 1,
    )


def argmax_anatomy(scores: Volume, weights: tuple[float, ...] | None = None) -> NDArray[np.uint8]:
    """The most probable anatomy (i, j, k) from scores (1 + classes, i, j, k); outside where nothing ran, or where there
    are no classes. Of equals the first is taken. Class by class, since numpy's own takes several times as long.

    ``weights`` are those that the loss gave the classes: a network that was taught small classes with more weight
    believes in them by as much too often, and its scores over the weights are the probabilities (Elkan, IJCAI 2001).
    """
    best = np.full(scores.shape[1:], -np.inf, np.float32)
    labels = np.zeros(scores.shape[1:], np.uint8)
    for label, own in enumerate(scores[1:]):
        score = own if weights is None else own / np.float32(weights[label])
        better = score > best
        np.copyto(best, score, where=better)
        labels[better] = label
    return labels
