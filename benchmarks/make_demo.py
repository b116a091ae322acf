"""Make the embedded example again, from label maps and lesion masks.

    python benchmarks/make_demo.py --maps ../shared/data/labelmaps --masks ../shared/data/lesion-masks-mni

Writes the three sequences to src/dawson/data/demo and prints their sizes and the true lesion load. The true
mask goes to tests/data/demo_lesion.nii.gz: results on the example are tested against it.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np

from dawson.recipe import load_recipe
from dawson.synthesis.label_maps import nifti_files, read_head, read_lesion_map
from dawson.synthesis.patient import write_patient


def main() -> None:
    """Write and report."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--map", type=int, default=12, help="which label map, counted from 0")
    parser.add_argument("--mask", type=int, default=12, help="which lesion mask, counted from 0")
    parser.add_argument("--seed", type=int, default=12)
    options = parser.parse_args()
    heads = [read_head(nifti_files(options.maps)[options.map])]
    masks = [read_lesion_map(nifti_files(options.masks)[options.mask])]
    folder = Path("src/dawson/data/demo")
    files = write_patient(folder, heads, masks, load_recipe("dawson").synthesis, options.seed)
    truth = Path("tests/data/demo_lesion.nii.gz")
    truth.parent.mkdir(exist_ok=True)
    shutil.move(files.pop("lesion"), truth)
    mask = nib.Nifti1Image.from_filename(truth)
    load = np.asarray(mask.dataobj).sum() * np.prod(mask.header.get_zooms()) / 1000
    for name, file in files.items():
        print(f"{name:<6}{nib.Nifti1Image.from_filename(file).shape} {file.stat().st_size / 1e6:.2f} MB")
    print(f"true lesion load {load:.2f} ml")


if __name__ == "__main__":
    main()
