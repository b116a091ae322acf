"""Lesion Dice of a model on the labelled real scans, by case and by what the model is given.

    python benchmarks/accuracy.py [--model FOLDER] [--data ../shared/data] [--pictures DIR] [--json FILE]

Prints one row a case and input subset: Dice, lesion loads, lesions found and missed (26-connected, at least
3 mm³; a lesion counts as found when any of its voxels is), the seconds of the whole segmentation.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import nibabel as nib
import numpy as np

import dawson
from dawson.measure.lesions import find_lesions
from dawson.network.model import load_model, sha256
from dawson.prepare.grid import reorient
from dawson.write.picture import overview

FILES = {"flair": "FLAIR.nii.gz", "t1": "T1.nii.gz", "t2": "T2.nii.gz"}
SUBSETS = {"all": ("flair", "t1", "t2"), "flair": ("flair",), "t1": ("t1",), "t2": ("t2",)}


def compare(truth: np.ndarray, result: dawson.Segmentation) -> dict[str, float]:
    """Figures of one result against one mask on the same grid."""
    found = result.lesions
    overlap = np.count_nonzero(truth & found)
    both = np.count_nonzero(truth) + np.count_nonzero(found)
    _, labels, lesions = find_lesions(truth.astype(np.float32), result.grid, threshold=0.5, minimum_mm3=3.0)
    hit = len(np.setdiff1d(np.unique(labels[found]), [0]))
    true_positive = len(np.setdiff1d(np.unique(result.labels[truth]), [0]))
    recall = hit / len(lesions) if lesions else 1.0
    precision = true_positive / len(result.table) if result.table else 1.0
    return {
        "dice": 2 * overlap / both if both else 1.0,
        "truth_ml": np.count_nonzero(truth) * result.grid.voxel_volume / 1000,
        "found_ml": result.load_ml,
        "true_lesions": len(lesions),
        "found_lesions": len(result.table),
        "recall": recall,
        "precision": precision,
        "f1": 2 * recall * precision / (recall + precision) if recall + precision else 0.0,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--subsets", default="all,flair,t1,t2")
    parser.add_argument("--cases", default="*")
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    print(f"{'case':<20}{'inputs':<14}{'Dice':>6}{'true ml':>9}{'found ml':>9}", end="")
    print(f"{'lesions':>9}{'found':>7}{'F1':>6}{'s':>6}")
    for folder in sorted((options.data / "labelled").glob(options.cases)):
        image = nib.load(folder / "lesion.nii.gz")
        mask = np.asarray(image.dataobj) > 0.5
        mask_grid = dawson.Grid(image.shape, image.affine)
        seen = set()
        for subset in options.subsets.split(","):
            given = {s: folder / FILES[s] for s in SUBSETS[subset] if (folder / FILES[s]).exists()}
            name = "+".join(given)
            if not given or name in seen:
                continue
            seen.add(name)
            started = time.perf_counter()
            result = dawson.segment(dawson.read_study(**given), model=options.model)
            seconds = time.perf_counter() - started
            # The mask may be stored in another order than the scan: compare where the affines say.
            truth = reorient(mask, mask_grid, result.grid)
            row = {
                "case": folder.name,
                "subset": subset,
                "inputs": name,
                **compare(truth, result),
                "seconds": seconds,
            }
            rows.append(row)
            print(
                f"{folder.name:<20}{name:<14}{row['dice']:>6.3f}{row['truth_ml']:>9.2f}{row['found_ml']:>9.2f}"
                f"{row['true_lesions']:>9}{row['found_lesions']:>7}{row['f1']:>6.2f}{seconds:>6.1f}",
                flush=True,
            )
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                overview(result).save(options.pictures / f"{folder.name}_{name}.png")
    for subset in options.subsets.split(","):
        chosen = [r for r in rows if r["subset"] == subset]
        if chosen:
            dice, f1 = (np.mean([r[k] for r in chosen]) for k in ("dice", "f1"))
            print(f"mean of {len(chosen)} cases, {subset}: Dice {dice:.3f}, F1 {f1:.3f}")
    if options.json:
        report = {"model_sha256": sha256(load_model(options.model).onnx), "rows": rows}
        options.json.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
