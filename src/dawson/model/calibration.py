"""Probabilities that mean the same whatever a visit holds.

From a T1 alone a network is less sure of everything, so that the threshold which fits a FLAIR leaves most lesions
out. Rather than a rule for each subset of sequences, the model's card names for each a slope and an offset of the
log-odds (Platt scaling; Platt, Advances in Large Margin Classifiers 1999); the one threshold and least peak then hold
for all, and so do maps, tables and intervals that go by them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def calibrate(probability: NDArray[np.float32], slope: float, offset: float) -> NDArray[np.float32]:
    """Probabilities of any shape in [0, 1] with log-odds of ``slope`` times theirs plus ``offset``.

    ``slope`` is above 0, so the order of voxels stays; 0 and 1 stay 0 and 1.
    """
    if slope == 1.0 and offset == 0.0:
        return probability
    moved = probability.copy()
    inner = (probability > 0) & (probability < 1)
    values = probability[inner].astype(np.float64)
    moved[inner] = 1 / (1 + np.exp(-offset) * ((1 - values) / values) ** slope)
    return moved
