"""Lesion masks for visits that nobody has marked: what a model found there and the FLAIR itself bears out.

    python benchmarks/self_label.py labels NAME=RESULTS=FLAIR …

NAME is PATIENT_VISIT, RESULTS the folder that ``dawson segment`` made of it, and FLAIR the scan that they lie on.
Writes two masks a visit, for the columns ``mask`` and ``unsure`` of a table of cases:

- NAME.nii.gz, *lesion*: what the model found with a peak and a size beyond doubt, its core brighter than cortex is
  (what networks take for lesions most often is bright cortex; a whole lesion, faint rim and all, need not be);
- NAME_unsure.nii.gz, *nobody knows*: what else the model found outside of cortex, what is as bright and where it had an
  inkling of a lesion, and what lies in white matter and is brighter than nearly all of cortex. A model that marks its
  own training data leaves out what it is not sure of yet; called healthy, that would teach it never to be.

All the rest is healthy. The masks teach a network what real contrasts look like, T1 and T2 of the same visit above all;
they are no truth to measure by.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk

from dawson.measure.lesions import connected, find_lesions
from dawson.read import read_scan
from dawson.study import Sequence

PEAK = 0.6  # least peak probability
SMALLEST_MM3 = 12.0
INKLING = 0.1  # probability from which the model may have seen something
GLARING = 97  # percentile of cortex above which white matter is suspect even if the model saw nothing
CORTEX, DEEP_GREY, WHITE_MATTER, STEM = 3, 4, 5, 7  # in anatomy.nii.gz
BRIGHTER_THAN = 85  # percentile of cortex that the core of a lesion must exceed
CORE = 80  # percentile of a lesion's voxels from which on they are its core


def main() -> None:
    """Write two masks a visit and say what was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder for the masks")
    parser.add_argument("visits", nargs="+", metavar="NAME=RESULTS=FLAIR")
    parser.add_argument("--threshold", type=float, default=0.35, help="least probability of a lesion voxel")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for visit in arguments.visits:
        name, results, flair = visit.split("=")
        scan = read_scan(Path(flair), Sequence.FLAIR)
        probability = _on_grid(Path(results) / "probability.nii.gz", scan.grid.affine)
        anatomy = _on_grid(Path(results) / "anatomy.nii.gz", scan.grid.affine)
        rule = {"threshold": arguments.threshold, "minimum_mm3": SMALLEST_MM3}
        _, labels, table = find_lesions(probability, scan.grid, **rule)
        healthy = scan.voxels[(anatomy == CORTEX) & (labels == 0)]
        limit, glaring = np.percentile(healthy, (BRIGHTER_THAN, GLARING))
        kept = [
            lesion.id
            for lesion in table
            if probability[labels == lesion.id].max() >= PEAK
            and np.percentile(scan.voxels[labels == lesion.id], CORE) >= limit
        ]
        mask = np.isin(labels, kept)
        unsure = _unsure(probability, anatomy, scan.voxels, limit, mask)
        for lesion in table:  # found, not sure enough to be marked, and not in cortex: never healthy
            unsure |= (labels == lesion.id) & ~mask & bool((anatomy[labels == lesion.id] == CORTEX).mean() < 0.5)
        unsure |= (scan.voxels >= glaring) & _shrunk(np.isin(anatomy, (DEEP_GREY, WHITE_MATTER, STEM))) & ~mask
        for suffix, marked in (("", mask), ("_unsure", unsure)):
            nib.save(
                nib.Nifti1Image(marked.astype(np.uint8), scan.grid.affine), arguments.out / f"{name}{suffix}.nii.gz"
            )
        volumes = [float(marked.sum()) * scan.grid.voxel_volume / 1000 for marked in (mask, unsure)]
        print(f"{name}\t{len(kept)} of {len(table)} lesions\t{volumes[0]:.2f} ml, unsure {volumes[1]:.2f} ml")


def _unsure(
    probability: np.ndarray, anatomy: np.ndarray, flair: np.ndarray, limit: float, mask: np.ndarray
) -> np.ndarray:
    """Where (i, j, k) neither lesion nor health can be taken for granted.

    Cortex and what is darker is called healthy whatever the model says: these are the mistakes to be unlearned.
    """
    inkling = np.zeros(mask.shape, bool)
    for piece in connected((probability >= INKLING) & ~mask):
        where = tuple(piece.T)
        if (anatomy[where] == CORTEX).mean() < 0.5 and (
            probability[where].max() >= PEAK or np.percentile(flair[where], CORE) >= limit or _touches(mask, piece)
        ):
            inkling[where] = True
    return inkling


def _shrunk(mask: np.ndarray) -> np.ndarray:
    """Less its outermost two voxels within each slice, which are cortex in part."""
    image = sitk.BinaryErode(sitk.GetImageFromArray(mask.astype(np.uint8)), [0, 2, 2], sitk.sitkBox)
    return sitk.GetArrayFromImage(image).astype(bool)


def _touches(mask: np.ndarray, piece: np.ndarray) -> bool:
    """Whether a piece (n, 3) is the rim of what is marked."""
    low, high = np.maximum(piece.min(axis=0) - 1, 0), piece.max(axis=0) + 2
    return bool(mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].any())


def _on_grid(file: Path, affine: np.ndarray) -> np.ndarray:
    image = nib.load(file)
    if not np.allclose(image.affine, affine, atol=1e-3):
        raise SystemExit(f"{file} does not lie on the FLAIR's grid")
    return np.asanyarray(image.dataobj)


if __name__ == "__main__":
    main()
