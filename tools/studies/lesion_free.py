"""False lesions on synthetic heads without any, and how well the coarse anatomy is found there.

    python -m tools.studies.lesion_free --maps LABELMAPS [--heads 24] [--inputs flair,all] [--model FOLDER] [--thin]
    python -m tools.studies.lesion_free --maps LABELMAPS [--heads 24] --ceiling

Whole heads with all that resembles a lesion (periventricular caps, choroid plexus, bright cortex, flow), slices of up
to 8 mm, with and without skull, of patients who lie still, drawn by dawson's own generator with another seed than
training. The label maps are those that training used, so the anatomies are known to the network and only their looks
are new: the anatomy's Dice says how well contrasts are understood, not unknown brains. Each head has a contrast of its
own, on which the number of false lesions depends above all, so few heads tell little; and what they lie in is told: the
class that most of their voxels are of. A table then tells what each class was taken for; with ``--thin`` all slices are
of 1 mm, so that what they cost can be told. ``--ceiling`` asks no network: the truth is cut into slices as the
generator cuts them, brought back to 1 mm, and the class with the largest share compared with the truth, for one
sequence and for the best of three with slices of their own: what is lost there is lost by slices.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dawson.core.arrays import Labels
from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan, Study
from dawson.recipe import Synthesis, load_recipe
from dawson.segmentation.pipeline import segment
from dawson.synthesis.label_maps import HeadModel, LesionMap, nifti_files, read_heads
from dawson.synthesis.samples import Sample, synthesize
from dawson.synthesis.scanner.fields import along_axes
from dawson.synthesis.scanner.slices import build_acquisition, draw_acquisition, draw_slices
from dawson.synthesis.tissues import PARENCHYMA, TISSUES, Anatomy

SIDE = 224
SEED = 20_261_122  # no run's
CLASSES = {
    "white matter": [Anatomy.WHITE_MATTER],
    "cortex": [Anatomy.CORTEX],
    "ventricles": [Anatomy.VENTRICLES],
    "brain": list(PARENCHYMA),
}
UNITS = 300.0  # scanner units that the brain's median gets


def main() -> None:
    """Draw, segment, count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--heads", type=int, default=24)
    parser.add_argument("--inputs", default="flair,all")
    parser.add_argument("--thin", action="store_true", help="slices of 1 mm throughout")
    parser.add_argument("--ceiling", action="store_true", help="what slices leave of the truth; no network is asked")
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options = parser.parse_args()
    heads = read_heads(nifti_files(options.maps), options.cache)
    settings = load_recipe("dawson").synthesis  # as it is now, whatever the model learned from
    settings = replace(settings, thick=0.0 if options.thin else settings.thick)
    if options.ceiling:
        _print_ceiling([heads[number % len(heads)] for number in range(options.heads)], settings)
        return
    counts: dict[str, list[int]] = {name: [] for name in options.inputs.split(",")}
    dice: dict[str, list[float]] = {}
    tables: dict[str, NDArray[Any]] = {}
    places: dict[str, Counter[str]] = {name: Counter() for name in counts}
    drawn = hashlib.sha256()
    for number in range(options.heads):
        study, truth = draw(heads[number % len(heads)], settings, np.random.default_rng([SEED, number]))
        for scan in study:
            drawn.update(scan.voxels.tobytes())
        for name, own in counts.items():
            found = segment(given(study, name), model=options.model)
            own.append(len(found.table))
            places[name].update(lies_in(truth, found.labels))
            table = taken(truth, found.anatomy)
            tables[name] = tables.get(name, 0) + table
            for label, classes in CLASSES.items():
                dice.setdefault(f"{name}: {label}", []).append(dice_of(table, classes))
        print(f"head {number + 1}: " + ", ".join(f"{name} {own[-1]} false" for name, own in counts.items()), flush=True)
    print(f"heads {drawn.hexdigest()[:12]} (other digits, other heads: figures do not compare)")
    for name, own in counts.items():
        print(f"{name}: false lesions a brain, median {statistics.median(own):g}, worst {max(own)} ({len(own)} heads)")
        print("    they lie in " + (", ".join(f"{place} {n}" for place, n in places[name].most_common()) or "nothing"))
    for name, values in dice.items():
        print(f"{name}: Dice {np.mean(values):.3f}, worst {min(values):.3f}")
    for name, table in tables.items():
        print(f"\n{name}: what each class (row) was taken for, % of its voxels in all heads")
        print("".join(f"{text:>14}" for text in ("", *(a.name.lower() for a in Anatomy))))
        for anatomy, row in zip(Anatomy, 100 * table / table.sum(axis=1, keepdims=True), strict=True):
            print(f"{anatomy.name.lower():>14}" + "".join(f"{share:14.1f}" for share in row))


def draw(head: HeadModel, settings: Synthesis, rng: np.random.Generator) -> tuple[Study, Labels]:
    """All sequences of a whole head without lesions, and its anatomy (i, j, k) on their grid, which is one of 1 mm.

    The patient lies still, whatever ``settings`` say.
    """
    nothing = LesionMap("nothing", np.zeros((2, 2, 2), np.uint8), np.eye(4), np.zeros((1, 3)), np.ones(1, int))
    healthy = replace(settings, healthy=1.0, motion=0.0)
    sample = synthesize([head], [nothing], healthy, SIDE, rng, modalities=tuple(Modality), centre=centre_of(head))
    return study_of(sample), sample.anatomy.numpy()


def study_of(sample: Sample) -> Study:
    """A drawn head as scans with all sequences, its middle in the world's origin."""
    affine = np.eye(4)
    affine[:3, 3] = -(SIDE - 1) / 2
    grid = Grid((SIDE, SIDE, SIDE), affine)
    return Study({s: Scan(s, sample.images[c].numpy() * np.float32(UNITS), grid) for c, s in enumerate(Modality)})


def given(study: Study, name: str) -> Study:
    """The study with no more than the sequences of a subset: ``flair``, ``flair+t1``, ``all``."""
    kept = tuple(Modality) if name == "all" else tuple(Modality(s) for s in name.split("+"))
    return Study({s: study.scans[s] for s in kept})


def centre_of(head: HeadModel) -> NDArray[Any]:
    """Voxel of ``head`` that the middle of a picture shows."""
    brain = np.argwhere(np.isin([t.anatomy for t in TISSUES], PARENCHYMA)[head.tissue])
    return np.asarray(brain.mean(axis=0) + [0.0, 0.0, -15.0])


def _print_ceiling(heads: list[HeadModel], settings: Synthesis) -> None:
    """Dice of the truth that was cut into slices with the truth, by class and thickness (see the file's head)."""
    classes = torch.tensor([int(t.anatomy) for t in TISSUES])
    one: dict[str, list[float]] = {label: [] for label in CLASSES}
    best: dict[str, list[float]] = {label: [] for label in CLASSES}
    for number, head in enumerate(heads):
        rng = np.random.default_rng([SEED, number, 1])
        place = np.round(centre_of(head)).astype(int) - SIDE // 2
        box = tuple(slice(max(start, 0), start + SIDE) for start in place)
        truth = classes[torch.from_numpy(head.tissue[box].astype(np.int64))]
        padded = torch.zeros(SIDE, SIDE, SIDE, dtype=torch.long)
        padded[tuple(slice(0, n) for n in truth.shape)] = truth
        looks = []
        for _ in range(3):
            slices = draw_slices(rng, thick_probability=settings.thick, thickest_mm=settings.thickest_mm)
            cut = build_acquisition(draw_acquisition(SIDE, slices, rng))
            share, found = torch.full(padded.shape, -1.0), torch.zeros_like(padded)
            for anatomy in Anatomy:
                own = along_axes(along_axes((padded == int(anatomy)).float(), cut.acquire), cut.interpolate)
                found[own > share] = int(anatomy)
                share = torch.maximum(share, own)
            table = taken(padded.numpy(), found.numpy())
            looks.append({label: dice_of(table, kinds) for label, kinds in CLASSES.items()})
            text = ", ".join(f"{label} {value:.3f}" for label, value in looks[-1].items())
            print(f"head {number + 1}, slices of {cut.thickness_mm:.1f} mm: {text}", flush=True)
        for label in CLASSES:
            one[label] += [look[label] for look in looks]
            best[label].append(max(look[label] for look in looks))
    for label in CLASSES:
        print(f"{label}: one sequence {np.mean(one[label]):.3f}, best of three {np.mean(best[label]):.3f}")


def lies_in(truth: Labels, numbered: NDArray[np.int32]) -> list[str]:
    """For each numbered lesion (i, j, k) the class that most of its voxels are of."""
    table = np.zeros((int(numbered.max()) + 1, len(Anatomy)), np.int64)
    here = numbered > 0
    np.add.at(table, (numbered[here], truth[here]), 1)
    return [Anatomy(int(row.argmax())).name.lower().replace("_", " ") for row in table[1:]]


def taken(truth: NDArray[Any], found: NDArray[Any]) -> NDArray[Any]:
    """How many voxels of each class (row) were taken for each (column)."""
    many = len(Anatomy)
    pairs = truth.ravel().astype(np.int64) * many + found.ravel()
    return np.bincount(pairs, minlength=many * many).reshape(many, many)


def dice_of(table: NDArray[Any], classes: list[Anatomy]) -> float:
    """Of several classes as one, from the table of :func:`taken`."""
    both = table[np.ix_(classes, classes)].sum()
    return float(2 * both / max(table[classes].sum() + table[:, classes].sum(), 1))


if __name__ == "__main__":
    main()
