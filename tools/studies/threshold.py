"""How an evaluation's figures would be at other thresholds and least peaks, from the probability maps that it kept.

    python -m tools.studies.threshold labelled.tsv evaluation [--inputs flair,flair+t1] [--minimum 3]

For each subset of sequences: mean lesion Dice and lesion F1 (any overlap) over the cases for each set of values,
and the volume found as a share of the true one (median). Probabilities are as they were written: calibrated, and on
lattices other than the working one with the peaks kept that reach the model's own least peak, so that other peaks are
told rightly by scans of 1 mm alone. The model's rule is chosen from this table, and said to be.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Mask
from dawson.measurement.lesions import Points, connected
from tools.studies.kept import ask, read_kept

THRESHOLDS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6)
PEAKS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.96, 0.97, 0.98)
Figures = tuple[float, float, float]
Rule = tuple[float, float]


def main() -> None:
    """Print the table."""
    found: dict[str, list[dict[Rule, Figures]]] = {}
    for kept in read_kept(ask(__doc__)):
        found.setdefault(kept.inputs, []).append(figures(kept.probability, kept.truth, kept.least))
    for inputs, rows in found.items():
        print(f"{inputs} ({len(rows)} cases)")
        for threshold, peak in rows[0]:
            table = np.array([row[threshold, peak] for row in rows])
            (dice, f1), volume = table[:, :2].mean(axis=0), np.median(table[:, 2])
            print(f"  {threshold:.2f} {peak:.2f}  Dice {dice:.3f}  F1 {f1:.3f}  volume ×{volume:.2f}")


def figures(
    probability: NDArray[np.float32],
    truth: Mask,
    least: float,
    *,
    thresholds: Iterable[float] = THRESHOLDS,
    peaks: Iterable[float] = PEAKS,
) -> dict[Rule, Figures]:
    """Dice, lesion F1 and share of the true volume for every threshold and peak; ``least`` in voxels."""
    true_pieces = [piece for piece in connected(truth) if len(piece) >= least]
    told = {}
    for threshold in thresholds:
        pieces = [p for p in connected(probability >= threshold) if len(p) >= least]
        highest = [float(probability[tuple(piece.T)].max()) for piece in pieces]
        for peak in peaks:
            if peak == 0.0 or peak > threshold:
                kept = [piece for piece, top in zip(pieces, highest, strict=True) if top >= peak]
                told[threshold, peak] = _measured(kept, true_pieces, truth)
    return told


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
    dice = 2 * np.count_nonzero(mask & truth) / max(np.count_nonzero(mask) + np.count_nonzero(truth), 1)
    return float(dice), float(f1), np.count_nonzero(mask) / max(np.count_nonzero(truth), 1)


if __name__ == "__main__":
    main()
