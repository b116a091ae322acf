"""Probabilities that mean the same whatever a visit holds.

From a T1 alone a network is less sure of everything, so that the threshold which fits a FLAIR leaves most lesions
out. Rather than a rule for each subset of sequences, the model's card names how far the log-odds are to be moved for
a subset (Platt scaling with the slope held at one; Platt, Advances in Large Margin Classifiers 1999); the one threshold
and least peak then hold for all, and so do maps, tables and intervals that go by them.
"""

from __future__ import annotations

import math

import numpy as np

from dawson.study import Volume


def shift_odds(probability: Volume, shift: float) -> Volume:
    """Probabilities (i, j, k) in [0, 1], their log-odds moved by ``shift``; 0 and 1 stay, and so does the order."""
    if shift == 0.0:
        return probability
    factor = np.float32(math.exp(shift))
    moved: Volume = (probability * factor / (1 - probability + probability * factor)).astype(np.float32, copy=False)
    return moved
