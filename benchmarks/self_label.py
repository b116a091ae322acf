"""Lesion masks for visits that nobody has marked: what a model found there and the FLAIR itself bears out.

    python benchmarks/self_label.py labels NAME=RESULTS=FLAIR …

NAME is PATIENT_VISIT, RESULTS the folder that ``dawson segment`` made of it, and FLAIR the scan that they lie on.
A model's lesions are kept where their peak probability and size are beyond doubt and they are brighter than cortex is:
what networks take for lesions most often is bright cortex. The masks teach a network what real contrasts look like,
T1 and T2 of the same visit above all; they are no truth to measure by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np

from dawson.measure.lesions import find_lesions
from dawson.read import read_scan
from dawson.study import Sequence

PEAK = 0.6  # least peak probability
SMALLEST_MM3 = 12.0
CORTEX = 3  # in anatomy.nii.gz
BRIGHTER_THAN = 85  # percentile of cortex that the brighter half of a lesion must exceed


def main() -> None:
    """Write one mask a visit and say what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the masks")
    parser.add_argument("visits", nargs="+", metavar="NAME=RESULTS=FLAIR")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for visit in arguments.visits:
        name, results, flair = visit.split("=")
        scan = read_scan(Path(flair), Sequence.FLAIR)
        probability = _on_grid(Path(results) / "probability.nii.gz", scan.grid.affine)
        anatomy = _on_grid(Path(results) / "anatomy.nii.gz", scan.grid.affine)
        _, labels, table = find_lesions(probability, scan.grid, threshold=0.35, minimum_mm3=SMALLEST_MM3)
        limit = np.percentile(scan.voxels[(anatomy == CORTEX) & (labels == 0)], BRIGHTER_THAN)
        kept = [
            lesion.id
            for lesion in table
            if probability[labels == lesion.id].max() >= PEAK and np.median(scan.voxels[labels == lesion.id]) >= limit
        ]
        mask = np.isin(labels, kept)
        volume = float(mask.sum()) * scan.grid.voxel_volume / 1000
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), scan.grid.affine), arguments.out / f"{name}.nii.gz")
        print(f"{name}\t{len(kept)} of {len(table)} lesions\t{volume:.2f} ml")


def _on_grid(file: Path, affine: np.ndarray) -> np.ndarray:
    image = nib.load(file)
    if not np.allclose(image.affine, affine, atol=1e-3):
        raise SystemExit(f"{file} does not lie on the FLAIR's grid")
    return np.asanyarray(image.dataobj)


if __name__ == "__main__":
    main()
