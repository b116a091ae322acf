"""Registration against published transforms: displacement error over the brain, and CPU seconds, pair by pair.

    python -m tools.studies.alignment [--data ../shared/data]

The yardstick is the rigid transforms that come with the longitudinal Ljubljana set. Each pair is registered from
its headers, and again with the moving scan's header turned by 8 degrees and shifted by 10 mm.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan
from dawson.preparation.register import align

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def reference_transform(file: Path) -> NDArray[Any]:
    """RAS matrix (4, 4) of an ITK transform file: from points of the scan it is named "to" to the other's."""
    transform = sitk.ReadTransform(str(file))
    origin, *ends = [np.array(transform.TransformPoint(point)) for point in np.eye(4, 3, k=-1).tolist()]
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack(ends, axis=1) - origin[:, None]
    matrix[:3, 3] = origin
    return np.asarray(LPS @ matrix @ LPS)


def pairs(folder: Path) -> Iterator[tuple[str, Scan, Scan, NDArray[Any], NDArray[Any]]]:
    """Name, moving scan, FLAIR, reference matrix (FLAIR to moving) and brain points (n, 3) in FLAIR's world."""
    mask = nib.Nifti1Image.from_filename(folder / "brainmask.nii.gz")
    voxels = np.argwhere(np.asarray(mask.dataobj) > 0)[::97]
    common = voxels @ mask.affine[:3, :3].T + mask.affine[:3, 3]
    for visit in (1, 2):
        to_flair = reference_transform(folder / f"study{visit}_FLAIR_to_common_space.txt")
        points = common @ to_flair[:3, :3].T + to_flair[:3, 3]
        flair = read_scan(folder / f"study{visit}_FLAIR.nii.gz", Modality.FLAIR)
        for modality in (Modality.T1, Modality.T2):
            name = f"study{visit}_{modality.upper()}W"
            moving = read_scan(folder / f"{name}.nii.gz", modality)
            yield name, moving, flair, reference_transform(folder / f"{name}_intrastudy_to_FLAIR.txt"), points


def moved(scan: Scan, points: NDArray[Any]) -> tuple[Scan, NDArray[Any]]:
    """The scan with its header turned by 8 degrees and shifted by 10 mm, and the matrix that did it."""
    angle = np.deg2rad(8.0) / np.sqrt(3)
    turn = sitk.Euler3DTransform(points.mean(axis=0).tolist(), angle, -angle, angle, (-6.0, 6.0, 5.3))
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(turn.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = turn.TransformPoint((0.0, 0.0, 0.0))
    return replace(scan, grid=Grid(scan.grid.shape, matrix @ scan.grid.affine)), matrix


def errors(found: NDArray[Any], wanted: NDArray[Any], points: NDArray[Any]) -> NDArray[Any]:
    """Distances (n,) in mm between where two matrices take the points."""
    difference = found - wanted
    return np.asarray(np.linalg.norm(points @ difference[:3, :3].T + difference[:3, 3], axis=1))


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    folder = parser.parse_args().data / "longitudinal" / "ljubljana-01"
    print(f"{'pair':<14}{'start':<10}{'median mm':>10}{'max mm':>8}{'cpu s':>7}  how")
    for name, scan, flair, wanted, points in pairs(folder):
        turned, turn = moved(scan, points)
        for start, moving, target in (("headers", scan, wanted), ("moved", turned, turn @ wanted)):
            began = time.process_time()
            found = align(moving, flair)
            seconds = time.process_time() - began
            off = errors(found.matrix, target, points)
            print(f"{name:<14}{start:<10}{np.median(off):>10.2f}{off.max():>8.2f}{seconds:>7.1f}  {found.note}")


if __name__ == "__main__":
    main()
