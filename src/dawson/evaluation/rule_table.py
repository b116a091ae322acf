"""What an evaluation's figures would be at other thresholds and least peaks, from the probability maps that it kept.

Probabilities are as they were written: calibrated, and on lattices other than the working one with the peaks kept that
reach the model's own least peak, so that other peaks are measured rightly by scans of 1 mm alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.evaluation.kept_results import Kept
from dawson.measurement.lesions import Points, connected

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
PEAKS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.96, 0.97, 0.98)


class Rule(NamedTuple):
    """Least probability of a lesion's voxels, and of its highest voxel."""

    threshold: float
    peak: float


class Figures(NamedTuple):
    """Dice, lesion F1 (any overlap) and the found volume as a share of the true one."""

    dice: float
    f1: float
    volume: float


def measure_rules(
    probability: Image,
    truth: Mask,
    least: float,
    *,
    thresholds: Iterable[float] = THRESHOLDS,
    peaks: Iterable[float] = PEAKS,
) -> dict[Rule, Figures]:
    """Figures for every threshold and peak, of a probability map and its truth (i, j, k).

    ``least`` is the smallest lesion in voxels.
    """
    true_pieces = [piece for piece in connected(truth) if len(piece) >= least]
    found = {}
    for threshold in thresholds:
        pieces = [p for p in connected(probability >= threshold) if len(p) >= least]
        highest = [float(probability[tuple(piece.T)].max()) for piece in pieces]
        for peak in peaks:
            if peak == 0.0 or peak > threshold:
                kept = [piece for piece, top in zip(pieces, highest, strict=True) if top >= peak]
                found[Rule(threshold, peak)] = _measured(kept, true_pieces, truth)
    return found


def tabulate_rules(kept: Iterable[Kept]) -> dict[str, list[dict[Rule, Figures]]]:
    """Figures of every case by subset of sequences, one table a case."""
    tables: dict[str, list[dict[Rule, Figures]]] = {}
    for one in kept:
        tables.setdefault(one.inputs, []).append(measure_rules(one.probability, one.truth, one.least))
    return tables


def average_rules(tables: Sequence[Mapping[Rule, Figures]]) -> dict[Rule, Figures]:
    """Mean Dice, mean F1 and median share of volume over cases."""
    found = {}
    for rule in tables[0]:
        rows = np.array([table[rule] for table in tables])
        (dice, f1), volume = rows[:, :2].mean(axis=0), np.median(rows[:, 2])
        found[rule] = Figures(float(dice), float(f1), float(volume))
    return found


def best_rule(figures: Mapping[Rule, Figures]) -> Rule:
    """The rule of the highest sum of Dice and F1; of equals the first."""
    return max(figures, key=lambda rule: figures[rule].dice + figures[rule].f1)


def _measured(pieces: list[Points], true_pieces: list[Points], truth: Mask) -> Figures:
    mask = np.zeros(truth.shape, dtype=bool)
    for piece in pieces:
        mask[tuple(piece.T)] = True
    counted = np.zeros(truth.shape, dtype=bool)  # what of the truth is a lesion: specks below the minimum are none
    for piece in true_pieces:
        counted[tuple(piece.T)] = True
    recall = np.mean([mask[tuple(piece.T)].any() for piece in true_pieces]) if true_pieces else 1.0
    precision = np.mean([counted[tuple(piece.T)].any() for piece in pieces]) if pieces else 0.0
    f1 = 2 * recall * precision / max(recall + precision, 1e-9)
    found, true = int(np.count_nonzero(mask)), int(np.count_nonzero(truth))
    dice = 2 * int(np.count_nonzero(mask & truth)) / max(found + true, 1)
    return Figures(dice, float(f1), found / max(true, 1))
