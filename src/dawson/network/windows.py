"""A whole head, window by window.

Instance normalisation sees the whole input, so the network is always shown windows of the size that it
was trained on; overlapping ones are blended with a weight that falls towards their border.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
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
    starts = itertools.product(*[window_starts(int(n), window, overlap) for n in padded])
    parts: list[Part] = [np.s_[i : i + window, j : j + window, k : k + window] for i, j, k in starts]
    parts = [p for p in parts if (wanted is None or wanted[p].any()) and images[(slice(None), *p)].any()]
    weight = window_weight(window)
    total = np.zeros(padded, dtype=np.float32)
    for part in parts:
        total[part] += weight
    scores = np.zeros((outputs, *padded), dtype=np.float32)

    def blend(part: Part, before: Future[None] | None) -> None:
        own = infer(np.ascontiguousarray(images[(slice(None), *part)]))
        if before is not None:
            before.result()
        share = weight / total[part]
        for score, new in zip(scores, own[:outputs], strict=True):  # one by one: a window of all is large
            score[part] += new * share

    _side_by_side(blend, parts, at_once)
    i, j, k = (int(n) for n in shape)
    return scores[:, :i, :j, :k]


def _side_by_side(blend: Callable[[Part, Future[None] | None], None], parts: list[Part], at_once: int) -> None:
    """Blend every part, by so many threads, or by this one where it is one; each is given the part before it."""
    if at_once == 1:
        for part in parts:
            blend(part, None)
        return
    pool, begun = ThreadPoolExecutor(at_once), list[Future[None]]()
    try:
        for part in parts:
            begun.append(pool.submit(blend, part, begun[-1] if begun else None))
        for one in begun:
            one.result()
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
