"""By how much a model gives classes of the anatomy too much or too little volume, and weights that mend it.

    python -m tools.studies.anatomy --maps LABELMAPS [--model FOLDER] [--classes ventricles] [--heads 12] [--write]

Ventricles that are a third too large are a wrong figure in every report. A network learns such a thing from windows of
real visits, whose anatomy an earlier model has found, and from a loss that gives small classes more weight. So whole
heads are drawn as tools/studies/lesion_free.py draws them (other draws, and with the defaults other label maps), the
network's scores are taken, and what the score of a class is divided by is moved until its volume is right: the
mean over heads of the log of found over true is zero. Prints volumes and Dice before and after, for a right volume is
no gain where Dice falls (as that of deep grey matter does); ``--write`` puts the weights into the model's card, where
every later result takes them from. Measure on other heads than these: here scores are blended over windows, where
`dawson segment` takes the label of one, whose Dice is some 0.002 lower (tools/studies/lesion_free.py).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.errors import InputError
from dawson.model.card import CARD, load_model, write_card
from dawson.model.engine import load_engine
from dawson.model.windows import argmax_anatomy, run_windows
from dawson.preparation.locator import load_locator, locate
from dawson.preparation.resample import resample
from dawson.preparation.visit import align_study
from dawson.segmentation.passes import run_passes
from dawson.synthesis.label_maps import nifti_files, read_heads
from dawson.synthesis.tissues import Anatomy
from tools.studies.lesion_free import draw, given, taken

SEED = 20_261_127  # neither a run's nor lesion_free.py's
ROUNDS = 12


@dataclass(frozen=True, eq=False)
class Head:
    """Scores (1 + classes, n, 1, 1) of the voxels of a head where a brain was found or is, and both (n, 1, 1)."""

    scores: Image
    brain: Mask
    truth: Labels


def main() -> None:
    """Draw, look, fit, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--first", type=int, default=8, help="number of the first label map")
    parser.add_argument("--inputs", default="flair,all")
    parser.add_argument("--classes", default="ventricles", help="whose volumes are to be right, with commas")
    parser.add_argument("--write", action="store_true", help="put the weights into the model's card")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options = parser.parse_args()
    known = {a.name.lower(): a for a in Anatomy}
    names = options.classes.lower().replace("-", "_").split(",")
    if unknown := [name for name in names if name not in known]:
        parser.error(f"--classes has {unknown[0]}, which is none of {', '.join(known)}")
    maps = read_heads(nifti_files(options.maps), options.cache)
    model = load_model(options.model)
    if not model.anatomy_names:
        raise SystemExit(f"{model.folder}: knows no anatomy")
    network = load_engine(model)
    looks: dict[str, list[Head]] = {name: [] for name in options.inputs.split(",")}
    for number in range(options.first, options.first + options.heads):
        rng = np.random.default_rng([SEED, number])
        study, truth = draw(maps[number % len(maps)], model.recipe.synthesis, rng)
        for name, own in looks.items():
            part = given(study, name)
            aligned = align_study(part, model.recipe.prepare)
            brain = locate(load_locator(), aligned.images, aligned.grid)
            seen = run_passes(aligned, brain, model, network)
            if isinstance(seen, InputError):
                raise SystemExit(f"head {number + 1}: {seen}")
            there = resample(truth, part.reference.grid, seen.prepared.grid, interpolation="nearest")
            either = (there > 0) | (seen.anatomy > 0)
            there, brain = (np.asarray(v)[..., None, None] for v in (there[either], seen.anatomy[either] > 0))
            scores, _ = run_windows(
                network,
                seen.prepared.images,
                window=model.recipe.prepare.window,
                overlap=model.recipe.prepare.overlap,
                outputs=1 + len(model.anatomy_names),
                wanted=seen.prepared.parenchyma,
                at_once=network.at_once,
            )
            own.append(Head(scores[:, either][..., None, None], brain, there))
        print(f"head {number + 1} looked at", flush=True)
    before = model.anatomy_weights
    weights = _fit([head for own in looks.values() for head in own], before, [known[name] for name in names])
    for name, own in looks.items():
        print(f"\n{name}: found over true volume (geometric mean over heads) and Dice, before and after")
        old, new = (_figures(own, w) for w in (before, weights))
        for anatomy in (a for a in Anatomy if a is not Anatomy.OUTSIDE):
            a, b = old[anatomy], new[anatomy]
            print(f"{anatomy.name.lower():>14}  {a[0]:.2f} {a[1]:.3f}   {b[0]:.2f} {b[1]:.3f}")
    print("\nweights: " + ", ".join(f"{w:g}" for w in weights))
    if options.write:
        write_card(model.folder, dict(model.card) | {"anatomy_weights": list(weights)})
        print(f"written to {model.folder / CARD}")


def _fit(heads: list[Head], start: tuple[float, ...], wanted: list[Anatomy]) -> tuple[float, ...]:
    """Weights for which found over true volume is 1 in the wanted classes, as a geometric mean over heads."""
    weights = np.array(start)
    for _ in range(ROUNDS):
        found = _figures(heads, tuple(weights))
        ratio = np.array([found[a][0] if a in wanted else 1.0 for a in Anatomy])
        weights *= ratio**4.0  # volumes move much less than weights do
        if np.abs(np.log(ratio)).max() < 0.01:
            break
    return tuple(float(f"{w:.3g}") for w in weights)


def _figures(heads: list[Head], weights: tuple[float, ...]) -> list[tuple[float, float]]:
    """Found over true volume (geometric mean over heads) and mean Dice of each class."""
    ratios, dice = [], []
    for head in heads:
        found = argmax_anatomy(head.scores, weights) * head.brain
        table = taken(head.truth, found)
        mine, true = table.sum(axis=0), table.sum(axis=1)
        ratios.append(np.log(np.maximum(mine, 1) / np.maximum(true, 1)))
        dice.append(2 * np.diag(table) / np.maximum(mine + true, 1))
    return list(zip(np.exp(np.mean(ratios, axis=0)), np.mean(dice, axis=0), strict=True))


if __name__ == "__main__":
    main()
