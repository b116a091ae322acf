"""How well a model does where nothing is foreign to it, lesion by lesion, by size and by how far lesions stand out.

    python -m tools.studies.at_home --maps LABELMAPS --masks LESIONMASKS [--heads 10] [--inputs flair,all] [--thin]
    python -m tools.studies.at_home --cases cases.tsv --evaluation EVALUATION

The first form draws whole heads with lesions by dawson's own generator, with another seed than training, and segments
them as a user would. The second reads what ``dawson evaluate --cases`` (or tools/release/left_out.py) kept: of labelled
scans, or of the very visits that a model has learned from, whose ``unsure`` voxels count neither way. Where lesions of
a size and a contrast are missed at home as often as abroad, the network, its grid or the noise are the cause; where
they are found at home only, the generator does not show what real ones look like; and where abroad a higher least
peak is needed for the same precision, it does not show what real ones are mistaken for.

Of drawn lesions those count that raters could see, as in training: others are healthy or unsure. Heads are drawn by
the recipe as it is now (``--set`` changes it), whatever the model learned from; a hash tells whether two runs drew the
same.

Contrast is that of FLAIR, in robust standard deviations of what lies around a lesion (dawson.synthesis.visibility).
A lesion is *seen* where its probability somewhere reaches the threshold, and *found* where an outline touches it.
"""

from __future__ import annotations

import argparse
import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import UNSURE, Labels, Mask
from dawson.core.study import Modality
from dawson.evaluation.metrics.lesionwise import Cut, components, detection, match, overlaps
from dawson.model.card import load_model
from dawson.nifti.mask import read_anatomy, read_mask
from dawson.preparation.resample import resample
from dawson.segmentation.pipeline import segment
from dawson.synthesis.label_maps import nifti_files, read_heads, read_lesion_map
from dawson.synthesis.samples import synthesize
from dawson.synthesis.tissues import PARENCHYMA
from dawson.synthesis.visibility import SHELL, contrast, seen_by_raters, surroundings
from tools.studies.drawn import recipe_of
from tools.studies.kept import Kept, ask_either, read_kept
from tools.studies.lesion_free import SIDE, centre_of, given, study_of

SEED = 20_261_128  # no run's
SIZES = (30.0, 100.0, 1000.0)  # mm³, between groups
CONTRASTS = (1.0, 2.0, 3.0, 4.0, 6.0)
PEAKS = (0.3, 0.4, 0.5, 0.6, 0.7)


@dataclass(frozen=True, eq=False)
class Look:
    """One head or scan as a subset of sequences shows it, all (i, j, k) on one grid; ``least`` voxels make a lesion."""

    truth: Mask
    unsure: Mask
    found: Mask
    probability: NDArray[np.float32]
    flair: NDArray[np.float32]
    anatomy: Labels
    spacing: Sequence[float]
    least: float
    threshold: float


class Lesion(NamedTuple):
    """A true lesion: mm³, contrast (nan where nothing lies around), whether the threshold is reached, whether found."""

    size: float
    contrast: float
    seen: bool
    found: bool


@dataclass
class Tally:
    """What is counted of one subset: Dice and F1 of each look, true lesions, and by least peak F1, right and all."""

    dice: list[float] = field(default_factory=list)
    f1: list[float] = field(default_factory=list)
    true: list[Lesion] = field(default_factory=list)
    peaks: dict[float, list[tuple[float, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, look: Look) -> None:
        """Count one."""
        cut = Cut(26, int(np.ceil(look.least)))
        truth, known = cut.cut(look.truth), ~look.unsure
        overlap = int((look.truth & look.found & known).sum())
        total = int((look.truth & known).sum() + (look.found & known).sum())
        self.dice.append(2 * overlap / total if total else 1.0)
        own = cut.cut(look.found)
        hit, right = match(overlaps(truth, own), "any")
        self.f1.append(detection(hit, right[right | ~_beside(own.labels, look.unsure)])[2])
        # Real scans are in the scanner's units, drawn ones relative to the brain, as contrast wants it.
        flair = look.flair / np.median(look.flair[np.isin(look.anatomy, PARENCHYMA)])
        for number, box in enumerate(ndimage.find_objects(truth.labels), start=1):
            size = float(truth.voxels[number - 1] * np.prod(look.spacing))
            best = float(look.probability[truth.labels == number].max())
            self.true.append(
                Lesion(
                    size,
                    _contrast(look, flair, truth.labels, number, box),
                    best >= look.threshold,
                    bool(hit[number - 1]),
                )
            )
        candidates = components(look.probability >= look.threshold, 26)
        highest = ndimage.maximum(look.probability, candidates, np.arange(1, candidates.max() + 1))
        for peak in PEAKS:
            keep = np.concatenate([[False], np.asarray(highest) >= peak])
            own = cut.cut(keep[candidates])
            hit, right = match(overlaps(truth, own), "any")
            right = right[right | ~_beside(own.labels, look.unsure)]
            self.peaks[peak].append((detection(hit, right)[2], int(right.sum()), len(right)))


def main() -> None:
    """Draw or read, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--heads", type=int, default=10)
    parser.add_argument("--set", action="append", default=[], help="a field of the recipe, as dawson train takes it")
    parser.add_argument("--thin", action="store_true", help="slices of 1 mm throughout")
    options = ask_either(parser)
    tallies: dict[str, Tally] = defaultdict(Tally)
    for name, look in _kept(options) if options.evaluation is not None else _drawn(options):
        tallies[name].add(look)
    for name, tally in tallies.items():
        show(name, tally)


def show(name: str, tally: Tally) -> None:
    """Print one subset's figures."""
    print(f"{name}: {len(tally.dice)}, mean Dice {np.mean(tally.dice):.3f}, mean F1 {np.mean(tally.f1):.3f}")
    _table("mm³", [t.size for t in tally.true], SIZES, tally.true)
    _table("contrast", [t.contrast for t in tally.true], CONTRASTS, tally.true)
    for peak, looks in tally.peaks.items():
        right, reported = sum(r for _, r, _ in looks), sum(n for _, _, n in looks)
        print(
            f"  least peak {peak:g}: mean F1 {np.mean([f1 for f1, _, _ in looks]):.3f}, "
            f"{reported} reported, {right / max(reported, 1):.2f} of them right"
        )


def _table(unit: str, values: list[float], cuts: tuple[float, ...], true: list[Lesion]) -> None:
    group = np.where(np.isnan(values), -1, np.digitize(values, cuts))  # with no tissue around, no contrast
    edges = (-np.inf, *cuts, np.inf)
    for number, (low, high) in enumerate(pairwise(edges)):
        own = [t for t, g in zip(true, group, strict=True) if g == number]
        if own:
            print(
                f"  {low:5g} to {high:5g} {unit}: {len(own):4d} true ({100 * len(own) / len(true):2.0f} %), "
                f"{np.mean([t.seen for t in own]):.2f} seen, {np.mean([t.found for t in own]):.2f} found"
            )


def _beside(labels: NDArray[np.int32], unsure: Mask) -> Mask:
    """Which lesions (n,) touch what nobody is sure of."""
    touched = np.bincount(labels[unsure], minlength=labels.max() + 1)[1:]
    return np.asarray(touched > 0)


def _contrast(
    look: Look, flair: NDArray[np.float32], labels: NDArray[np.int32], number: int, box: tuple[slice, ...]
) -> float:
    reach = np.ceil(SHELL[1] / np.array(look.spacing)).astype(int)
    wide = tuple(slice(max(part.start - r, 0), part.stop + r) for part, r in zip(box, reach, strict=True))
    own, tissue = labels[wide] == number, np.where(look.truth[wide], 0, look.anatomy[wide])
    return contrast(flair[wide], own, surroundings(own, tissue, look.spacing))


def _drawn(options: argparse.Namespace) -> Iterator[tuple[str, Look]]:
    model, recipe = load_model(options.model), recipe_of(options)
    settings = replace(recipe.synthesis, healthy=0.0, thick=0.0 if options.thin else recipe.synthesis.thick)
    heads = read_heads(nifti_files(options.maps), options.cache)
    lesions = [read_lesion_map(file) for file in nifti_files(options.masks)]
    drawn = hashlib.sha256()
    for number in range(options.heads):
        head, rng = heads[number % len(heads)], np.random.default_rng([SEED, number])
        sample = synthesize([head], lesions, settings, SIDE, rng, modalities=tuple(Modality), centre=centre_of(head))
        drawn.update(sample.images.numpy().tobytes())
        labels = seen_by_raters(sample.images, sample.lesion, sample.anatomy).numpy()
        study = study_of(sample)
        for name in options.inputs.split(","):
            result = segment(given(study, name), model=options.model)
            look = Look(
                labels == 1,
                labels == UNSURE,
                result.lesions > 0,
                result.probability,
                study.scans[Modality.FLAIR].voxels,
                sample.anatomy.numpy(),
                (1.0, 1.0, 1.0),
                options.minimum,
                float(model.card["threshold"]),
            )
            yield name, look
        print(f"head {number + 1}: {(labels == 1).sum() / 1000:.1f} ml", flush=True)
    print(f"heads {drawn.hexdigest()[:12]} (other digits, other heads: figures do not compare)")


def _kept(options: argparse.Namespace) -> Iterator[tuple[str, Look]]:
    for kept in read_kept(options):
        anatomy, _, _ = read_anatomy(kept.folder / "anatomy.nii.gz")
        yield (
            kept.inputs,
            Look(
                kept.truth,
                _unsure(kept),
                read_mask(kept.folder / "lesions.nii.gz").mask,
                kept.probability,
                kept.image(Modality.FLAIR),
                anatomy,
                kept.grid.spacing,
                kept.least,
                kept.threshold,
            ),
        )


def _unsure(kept: Kept) -> Mask:
    """What nobody is sure of (i, j, k), if the table of cases names it."""
    if kept.case.unsure is None:
        return np.zeros_like(kept.truth)
    drawn = read_mask(kept.case.unsure)
    return np.asarray(resample(drawn.mask, drawn.grid, kept.grid, interpolation="nearest").astype(bool))


if __name__ == "__main__":
    main()
