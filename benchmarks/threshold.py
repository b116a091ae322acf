"""How an evaluation's figures would be at other thresholds, from the probability maps that it kept.

    python benchmarks/threshold.py labelled.tsv evaluation [--minimum 3]

For each subset of sequences: mean lesion Dice and lesion F1 (any overlap) over the cases at each threshold, and the volume
found as a share of the true one (median). The model's threshold is chosen from this table, and said to be.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

from dawson.learn.cases import find_cases
from dawson.measure.lesions import find_lesions
from dawson.prepare.grid import resample
from dawson.read.mask import read_mask
from dawson.study import Grid

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³")
    options = parser.parse_args()
    cases = {case.name: case for case in find_cases(options.cases)}
    found: dict[str, list[list[tuple[float, float, float]]]] = {}
    for folder in sorted((options.evaluation / "predictions").glob("*/*")):
        case = cases[folder.parent.name]
        image = nib.load(folder / "probability.nii.gz")
        grid = Grid(image.shape, image.affine)
        drawn = read_mask(case.mask)
        truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest").astype(bool)
        probability = np.asanyarray(image.dataobj)
        row = []
        for threshold in THRESHOLDS:
            mask, _, _ = find_lesions(probability, grid, threshold=threshold, minimum_mm3=options.minimum)
            dice = 2 * (mask & truth).sum() / max(mask.sum() + truth.sum(), 1)
            row.append((float(dice), _f1(truth, mask, grid, options.minimum), mask.sum() / max(truth.sum(), 1)))
        found.setdefault(folder.name, []).append(row)
    for inputs, rows in found.items():
        table = np.array(rows)
        print(f"{inputs} ({len(rows)} cases)")
        for column, threshold in enumerate(THRESHOLDS):
            dice, f1 = table[:, column, :2].mean(0)
            print(f"  {threshold:.1f}  Dice {dice:.3f}  F1 {f1:.3f}  volume ×{np.median(table[:, column, 2]):.2f}")


def _f1(truth: np.ndarray, mask: np.ndarray, grid: Grid, minimum: float) -> float:
    """Lesion F1 under any overlap, lesions under ``minimum`` mm³ left out on both sides."""
    _, true_labels, true_table = find_lesions(truth.astype(np.float32), grid, threshold=0.5, minimum_mm3=minimum)
    _, own_labels, own_table = find_lesions(mask.astype(np.float32), grid, threshold=0.5, minimum_mm3=minimum)
    recalled = len(set(np.unique(true_labels[own_labels > 0])) - {0})
    right = len(set(np.unique(own_labels[true_labels > 0])) - {0})
    recall, precision = recalled / max(len(true_table), 1), right / max(len(own_table), 1)
    return 2 * recall * precision / max(recall + precision, 1e-9)


if __name__ == "__main__":
    main()
