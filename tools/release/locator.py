"""How well the locator finds brains that it has not learned from, and how much the scale that follows is off.

    python -m tools.release.locator --maps HELD_OUT --masks MASKS --data ../shared/data [--model RUN] [--heads 40]
    python -m tools.release.locator … --model RUN --ship 1

Synthetic heads from label maps that training did not see (whole, cut, defaced, stripped, one to three sequences, as
the recipe draws them), and the labelled real scans, one sequence at a time: those with skull against the brain mask of
their data set, which leaves out much of the lower brain, those without against what is not zero. *Scale* is the median
of the image in the brain as found, relative to that in the true one: 1 is perfect, and it is what normalises scans.
``--ship VERSION`` puts the model into the package as the locator, the figures in its card.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.cases.visit import read_study
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.model.card import CARD, LOCATOR, ONNX, find_model, load_model, write_card
from dawson.nifti.mask import read_mask
from dawson.preparation.head import head_box
from dawson.preparation.locator import Locator, locate, start_locator
from dawson.preparation.resample import resample, working_grid
from dawson.synthesis.label_maps import nifti_files, read_heads, read_lesion_map
from dawson.synthesis.samples import synthesize
from dawson.synthesis.tissues import PARENCHYMA

SEED = 20_261_126  # no run's
DATA = [
    {
        "what": "18 whole-head label maps at 1 mm, painted by the generator",
        "source": "SynthSeg (Billot et al., Medical Image Analysis 2023)",
        "licence": "Apache-2.0",
    },
    {
        "what": "28 lesion masks in MNI152 space, implanted by the generator",
        "source": "3D MR image database of MS patients, Ljubljana (Lesjak et al., Neuroinformatics 2017)",
        "licence": "CC BY",
    },
]
Figures = tuple[float, float]


def main() -> None:
    """Measure, print, and ship where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, required=True, help="label maps that were not trained on")
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", type=Path, default=find_model(LOCATOR))
    parser.add_argument("--heads", type=int, default=40)
    parser.add_argument("--ship", metavar="VERSION")
    options = parser.parse_args()
    model = load_model(options.model)
    locator = start_locator(model)
    told = {"synthetic heads, held out": _synthetic(locator, options)} | _real(locator, options.data)
    summary = {}
    for name, figures in told.items():
        dice, scale = np.array(figures).T
        summary[name] = {
            "images": len(dice),
            "dice": round(float(dice.mean()), 3),
            "worst": round(float(dice.min()), 3),
            "scale": [round(float(scale.min()), 3), round(float(scale.max()), 3)],
        }
        print(f"{name}: {json.dumps(summary[name])}")
    if options.ship:
        _ship(model.folder, options.ship, summary)


def _synthetic(locator: Locator, options: argparse.Namespace) -> list[Figures]:
    recipe = locator.model.recipe
    heads = read_heads(nifti_files(options.maps))
    masks = [read_lesion_map(file) for file in nifti_files(options.masks)]
    size, spacing = recipe.prepare.window, recipe.prepare.spacing_mm
    grid = Grid((size, size, size), np.diag([spacing, spacing, spacing, 1.0]))
    figures = []
    for number in range(options.heads):
        rng = np.random.default_rng([SEED, number])
        sample = synthesize(heads, masks, recipe.synthesis, size, rng, spacing=spacing)
        truth = np.isin(sample.anatomy.numpy(), PARENCHYMA)
        images = sample.images.numpy()
        figures.append(_figures(locate(locator, images, grid), truth, images[images.any(axis=(1, 2, 3))][0]))
    return figures


def _real(locator: Locator, data: Path) -> dict[str, list[Figures]]:
    told: dict[str, list[Figures]] = {}
    seconds = []
    for folder in sorted((data / "labelled").iterdir()):
        for scan in read_study(folder):
            grid = working_grid(scan.grid, spacing=1.0, box=head_box(scan.voxels, scan.grid), margin_mm=2.0)
            image = np.maximum(resample(scan.voxels, scan.grid, grid, interpolation="linear"), 0)
            images = np.zeros((3, *grid.shape), np.float32)
            images[list(Modality).index(scan.modality)] = image
            if (folder / "brain.nii.gz").exists():
                drawn = read_mask(folder / "brain.nii.gz")
                truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest")
                kind = "real scans with skull"
            else:
                truth, kind = image > 0, "real scans without skull"
            begin = time.perf_counter()
            found = locate(locator, images, grid)
            seconds.append(time.perf_counter() - begin)
            told.setdefault(kind, []).append(_figures(found, truth, image))
            print(f"{folder.name} {scan.modality.value}: Dice {told[kind][-1][0]:.3f}, scale {told[kind][-1][1]:.3f}")
    print(f"{np.median(seconds):.2f} s a head (median)")
    return told


def _figures(found: NDArray[Any], truth: NDArray[Any], image: NDArray[Any]) -> Figures:
    both, sizes = int(np.count_nonzero(found & truth)), int(np.count_nonzero(found) + np.count_nonzero(truth))
    dice = 2 * both / max(sizes, 1)
    scale = float(np.median(image[found]) / np.median(image[truth])) if found.any() else 0.0
    return float(dice), scale


def _ship(folder: Path, version: str, summary: Mapping[str, object]) -> None:
    target = Path("src/dawson/model/shipped") / LOCATOR
    target.mkdir(parents=True, exist_ok=True)
    for name in (ONNX,):
        if (folder / name).resolve() != (target / name).resolve():
            shutil.copy(folder / name, target / name)
    card = json.loads((folder / CARD).read_text("utf-8"))
    card |= {"name": LOCATOR, "version": version, "data": DATA, "located": summary}
    card["purpose"] = "Finds the brain, so that scans can be scaled and framed. Research. Not a medical device."
    write_card(target, card)


if __name__ == "__main__":
    main()
