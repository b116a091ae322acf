"""How sure a model was of the true lesions that it missed, by the tissue that it says they lie in.

    python benchmarks/missed.py labelled.tsv evaluation [--inputs flair,all]

EVALUATION is what benchmarks/left_out.py or ``dawson evaluate --cases`` wrote. For each subset of sequences and each
class of the model's anatomy (that of most of a true lesion's voxels): how many true lesions there are, how many no
outline touches, and of these how many have a highest probability below 0.05, up to the threshold, up to the least
peak, and above both (as cut by the brain or the least size). What lies between threshold and peak is hidden by the
rule; what lies below is not seen by the network.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path

import nibabel as nib
import numpy as np

from dawson.learn.cases import find_cases
from dawson.measure.lesions import connected
from dawson.prepare.grid import resample
from dawson.read.mask import read_mask
from dawson.study import Grid

UNSEEN = 0.05


def main() -> None:
    """Print a table for each subset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--inputs", default="", help="subsets to look at, with commas; every one where left out")
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³ of a true lesion")
    options = parser.parse_args()
    cases = {case.name: case for case in find_cases(options.cases)}
    wanted = options.inputs.split(",") if options.inputs else None
    peaks: dict[str, dict[str, list[float | None]]] = defaultdict(lambda: defaultdict(list))
    for folder in sorted((options.evaluation / "predictions").glob("*/*")):
        if wanted is not None and folder.name not in wanted:
            continue
        image = nib.load(folder / "probability.nii.gz")
        grid = Grid(image.shape, image.affine)
        probability, outlined, anatomy = (
            np.asanyarray(nib.load(folder / f"{name}.nii.gz").dataobj) for name in ("probability", "lesions", "anatomy")
        )
        summary = json.loads((folder / "summary.json").read_text("utf-8"))
        cuts = (UNSEEN, summary["rule"]["threshold"], summary["rule"]["peak"])
        names = (folder / "anatomy.tsv").read_text("utf-8").splitlines()[1:]
        names = {int(line.split("\t")[0]): line.split("\t")[1] for line in names}
        drawn = read_mask(cases[folder.parent.name].mask)
        truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest").astype(bool)
        for piece in connected(truth):
            if len(piece) * grid.voxel_volume < options.minimum * (1 - 1e-4):
                continue
            at = tuple(piece.T)
            where = names.get(int(np.bincount(anatomy[at]).argmax()), "outside")
            peaks[folder.name][where].append(None if outlined[at].any() else float(probability[at].max()))
    for inputs, regions in peaks.items():
        print(
            f"{inputs}: true lesions, missed; of these highest probability below "
            f"{', '.join(f'{cut:g}' for cut in cuts)}, above"
        )
        for where, own in sorted(regions.items(), key=lambda item: -len(item[1])):
            missed = [peak for peak in own if peak is not None]
            parts = np.bincount(np.digitize(missed, cuts), minlength=len(cuts) + 1)
            print(f"  {where:>14}  {len(own):3d} {len(missed):3d}   " + " ".join(f"{n:3d}" for n in parts))


if __name__ == "__main__":
    main()
