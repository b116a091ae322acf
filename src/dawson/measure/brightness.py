"""Lesions are bright on FLAIR: what a network takes for one and is no brighter than cortex often is, is cortex.

Most of what the network calls lesion by mistake, bright folds of cortex and tracts above all, has a high probability
and an intensity that much of the healthy cortex has too; of what raters call lesion next to nothing has. The cortex of
the same scan is the yardstick, so the rule does not depend on the scanner's units.
"""

from __future__ import annotations

import numpy as np

from dawson.measure.lesions import connected
from dawson.study import Mask, Volume

ENOUGH = 1000
"""Voxels of cortex; with fewer, it is no yardstick, and nothing is dropped."""


def drop_dark(probability: Volume, flair: Volume, cortex: Mask, *, threshold: float, share: float) -> Volume:
    """Lesion probabilities (i, j, k), zero in every candidate that is darker on FLAIR than lesions are.

    A candidate is a connected piece of at least ``threshold``. It is dropped where its median intensity lies below the
    quantile ``share`` of the cortex (``cortex``, less all candidates). ``flair`` lies on the same grid; a share of 0
    drops nothing.
    """
    if share <= 0.0:
        return probability
    candidate = probability >= np.float64(threshold)
    healthy = flair[cortex & ~candidate]
    if len(healthy) < ENOUGH:
        return probability
    limit = np.quantile(healthy, share)
    left = probability.copy()
    for piece in connected(candidate):
        where = tuple(piece.T)
        if np.median(flair[where]) < limit:
            left[where] = 0.0
    return left
