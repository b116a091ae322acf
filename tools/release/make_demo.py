"""Make the embedded example again, from label maps and lesion masks.

    python -m tools.release.make_demo --maps ../shared/data/labelmaps --masks ../shared/data/lesion-masks-mni

Writes the three sequences to src/dawson/cases/demo_scans and prints their sizes and the true lesion load. The true
mask goes to tests/data/demo_lesion.nii.gz: results on the example are tested against it.

The example is an adult of 1.3 litres of brain with a dozen lesions, scanned as a clinic does: a 3D FLAIR, T1 and T2
in thicker slices, each on a grid of its own and a little out of place because the patient moved.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.files import replace_file
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.synthesis.cohort.bids import pack_nifti
from dawson.synthesis.cohort.patient_series import PATIENT, Scanner, draw_patient, scan_visit
from dawson.synthesis.contrast import draw_means
from dawson.synthesis.label_maps import LesionMap, nifti_files, read_head, read_lesion_map

ROOT = Path(__file__).parents[2]
SCANS = ROOT / "src" / "dawson" / "cases" / "demo_scans"
TRUTH = ROOT / "tests" / "data" / "demo_lesion.nii.gz"
NAMES = {Modality.FLAIR: "FLAIR", Modality.T1: "T1", Modality.T2: "T2"}
SLICE_MM = {Modality.FLAIR: 1.5, Modality.T1: 4.0, Modality.T2: 5.0}
IN_PLANE_MM = 1.1
NECK_MM = 20.0  # of the lower end of the field of view, which shows no brain: files get smaller
LEAST_VOXELS = 30  # of a lesion taken from the mask: an example is no place for what raters argue about
SETTINGS = replace(
    PATIENT,
    whole_load=1.0,
    scaling=1.0,
    contrast=(0.95, 1.15),
    cortical=0.0,
    small_lesions=1.0,
    juxtacortical=0.12,
    small_lesion_count=16.0,
    small_lesion_radius_mm=3.8,
)


def without_small(lesions: LesionMap) -> LesionMap:
    """The lesions of a mask that have some size."""
    kept = np.concatenate([[False], lesions.sizes >= LEAST_VOXELS])
    return replace(lesions, component=np.where(kept[lesions.component], lesions.component, 0).astype(np.uint8))


def example_scanner(means: NDArray[np.float64]) -> Scanner:
    """A quiet scanner, before whose second and third sequence patients move."""
    return Scanner(
        "example", IN_PLANE_MM, SLICE_MM, means, 0.01, 0.05, blank=True, movement_degrees=1.2, movement_mm=1.2
    )


def without_neck(voxels: NDArray[Any], grid: Grid) -> tuple[NDArray[Any], Grid]:
    """The upper part of a scan, whose slices are axial and begin below."""
    first = round(NECK_MM / grid.spacing[2])
    affine = grid.affine.copy()
    affine[:3, 3] += first * affine[:3, 2]
    i, j, k = grid.shape
    return np.ascontiguousarray(voxels[:, :, first:]), Grid((i, j, k - first), affine)


def main() -> None:
    """Write and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--map", type=int, default=6, help="which label map, counted from 0")
    parser.add_argument("--mask", type=int, default=15, help="which lesion mask, counted from 0")
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--scanner-seed", type=int, default=144)
    parser.add_argument("--scans", type=Path, default=SCANS, help="folder of the sequences")
    parser.add_argument("--truth", type=Path, default=TRUTH, help="file of the true mask")
    options = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads, the example must not
    head = read_head(nifti_files(options.maps)[options.map])
    lesions = without_small(read_lesion_map(nifti_files(options.masks)[options.mask]))
    patient = draw_patient(head, lesions, 1, np.random.default_rng(options.seed), SETTINGS)
    scanner = example_scanner(draw_means(tuple(Modality), np.random.default_rng(options.scanner_seed)))
    visit = scan_visit(patient, 0, scanner, tuple(Modality), options.seed, 1)
    for modality, scan in visit.scans.items():
        voxels, grid = without_neck(*scan)
        content = pack_nifti(voxels, grid, compression=9)
        replace_file(options.scans / f"{NAMES[modality]}.nii.gz", content)
        print(f"{NAMES[modality]:<6}{grid.shape} {len(content) / 1e6:.2f} MB, {voxels.min()} to {voxels.max()}")
    truth, grid = without_neck(visit.mask.astype(np.uint8), visit.scans[Modality.FLAIR][1])
    replace_file(options.truth, pack_nifti(truth, grid, compression=9))
    sizes = np.bincount(ndimage.label(truth, np.ones((3, 3, 3)))[0].ravel())[1:] * grid.voxel_volume
    print(f"true lesions: {len(sizes)}, {sizes.sum() / 1000:.2f} ml; in mm3: {np.sort(sizes)[::-1].round().tolist()}")


if __name__ == "__main__":
    main()
