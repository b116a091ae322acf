"""The main job, readable as one page: a study becomes lesions on the grid of its reference scan.

    read → align → prepare → find the brain → segment → bring back → measure → write

The network runs twice. The first pass, on intensities scaled by a guess, finds the brain; the second sees
that brain scaled by its median, which neither scalp nor lesion load can move.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np

from dawson.errors import InputError
from dawson.measure.brain import find_brain
from dawson.measure.lesions import find_lesions
from dawson.network.engine import argmax_anatomy, load_engine, run_windows
from dawson.network.model import Model, load_model
from dawson.prepare.align import Alignment, align
from dawson.prepare.grid import head_box, resample, working_grid
from dawson.prepare.intensity import brain_median, first_guess, from_zero, normalise
from dawson.study import Grid, Labels, Mask, Segmentation, Sequence, Study, Volume

HEAD_MARGIN_MM = 2.0
BRAIN_MARGIN_MM = 4.0
FIRST_OVERLAP = 0.0  # of windows in the first pass, which only needs to find the brain
SMALLEST_BRAIN_ML = 500.0  # less than this is no adult brain: the network has not understood the scan
LEAST_COVERAGE, FULL_COVERAGE = 0.3, 0.95  # of the brain, by one sequence
LEAST_SIGNAL = 0.05  # of the brain's median, relative to the brightest half percent
USUAL_BRAIN_ML = (850.0, 1800.0)  # parenchyma of adults with room to spare
WEAK_DICE = 0.3  # on validation scans; below it, what was not found says nothing
CHANNELS = list(Sequence)

Progress = Callable[[str], None]


def segment(study: Study, *, model: Path | str | None = None, progress: Progress | None = None) -> Segmentation:
    """Find the lesions of one visit.

    ``study`` holds any non-empty subset of FLAIR, T1 and T2, raw or skull-stripped, in any orientation;
    ``model`` is a model or run folder (the shipped model where left out); ``progress`` is called with the
    name of each step as it begins. Results lie on the grid of ``study.reference``; the same study and
    model give bit-identical results on the same machine.

    Raises :class:`dawson.errors.InputError` where no brain can be found, and
    :class:`dawson.errors.ModelError` for a model that cannot be used.
    """
    clock = _Clock(progress)
    clock.begin("load the model")
    network = load_model(model)
    infer = load_engine(network.onnx)
    window, outputs = network.recipe.prepare.window, 1 + len(network.anatomy_names)
    reference = study.reference

    clock.begin("align")
    aligned = {s: align(study.scans[s], reference) for s in study.sequences[1:]}

    clock.begin("prepare")
    grid = working_grid(
        reference.grid,
        spacing=network.recipe.prepare.spacing_mm,
        box=head_box(reference.voxels, reference.grid),
        margin_mm=HEAD_MARGIN_MM,
    )
    warnings = list(study.warnings)
    images, covered = _on_grid(study, aligned, grid, warnings)
    warnings += [f"{s.value}: {text}" for s, a in aligned.items() for text in a.warnings]

    clock.begin("find the brain")
    guessed = np.stack([normalise(image, first_guess(image)) for image in images])
    first = run_windows(infer, guessed, window=window, overlap=FIRST_OVERLAP, outputs=outputs)
    parenchyma = _among(_one_brain(argmax_anatomy(first), network, grid), network.card["parenchyma"], network)
    _check_brain(study, parenchyma, grid)

    clock.begin("segment")
    box = _box(parenchyma, margin=round(BRAIN_MARGIN_MM / grid.spacing[0]))
    scaled, used = _scaled(study, images, covered, parenchyma, box, warnings)
    warnings += _weak_inputs(network, used)
    overlap = network.recipe.prepare.overlap
    scores = run_windows(infer, scaled, window=window, overlap=overlap, outputs=outputs, wanted=parenchyma[box])

    clock.begin("bring back")
    anatomy = _one_brain(argmax_anatomy(scores), network, grid)
    warnings += _check_brain(study, _among(anatomy, network.card["parenchyma"], network), grid)
    probability, labels = _bring_back(scores[0], anatomy, box, grid, reference.grid)
    if reference.missing is not None:
        probability[reference.missing] = 0.0

    clock.begin("measure")
    lesions, numbered, table = find_lesions(
        probability, reference.grid, threshold=network.threshold, minimum_mm3=network.minimum_mm3
    )
    return Segmentation(
        study=study,
        used=used,
        lesions=lesions,
        labels=numbered,
        probability=probability,
        anatomy=labels,
        anatomy_names=network.anatomy_names,
        table=table,
        model=network.summary,
        seconds=clock.end(),
        alignment={s: a.note for s, a in aligned.items()},
        warnings=tuple(warnings),
    )


def _on_grid(study: Study, aligned: dict[Sequence, Alignment], grid: Grid, warnings: list[str]) -> tuple[Volume, Mask]:
    """All scans on the working grid: (3, i, j, k), zero where a sequence is absent or does not reach.

    The mask, of the same shape, tells where each sequence does reach.
    """
    images = np.zeros((len(CHANNELS), *grid.shape), dtype=np.float32)
    covered = np.zeros(images.shape, dtype=bool)
    for scan in study:
        channel = CHANNELS.index(scan.sequence)
        matrix = aligned[scan.sequence].matrix if scan.sequence in aligned else None
        voxels, warning = from_zero(scan.voxels)
        if warning is not None:
            warnings.append(f"{scan.sequence.value}: {warning}")
        images[channel] = resample(voxels, scan.grid, grid, transform=matrix, interpolation="linear")
        everywhere = np.ones(scan.grid.shape, dtype=bool)
        covered[channel] = resample(everywhere, scan.grid, grid, transform=matrix, interpolation="nearest")
    return np.maximum(images, 0.0, out=images), covered


def _scaled(
    study: Study,
    images: Volume,
    covered: Mask,
    parenchyma: Mask,
    box: tuple[slice, slice, slice],
    warnings: list[str],
) -> tuple[Volume, tuple[Sequence, ...]]:
    """The scans within ``box``, scaled by the brain's median, and which of them can be used.

    A sequence that shows too little of the brain, or hardly any signal there, is left out with a warning.
    """
    scaled = np.zeros_like(images[(slice(None), *box)])
    used = []
    for sequence in study.sequences:
        channel = CHANNELS.index(sequence)
        share = float(covered[channel][parenchyma].mean())
        if share < LEAST_COVERAGE:
            warnings.append(f"{sequence.value}: shows {share:.0%} of the brain and was left out")
            continue
        if share < FULL_COVERAGE:
            warnings.append(f"{sequence.value}: shows only {share:.0%} of the brain")
        median = brain_median(images[channel], parenchyma & covered[channel])
        if median < LEAST_SIGNAL * float(np.percentile(images[channel], 99.5)):
            warnings.append(f"{sequence.value}: has hardly any signal in the brain and was left out")
            continue
        scaled[channel] = normalise(images[channel][box], median)
        used.append(sequence)
    if not used:
        raise InputError(
            "no sequence shows the brain well enough to be used",
            file=study.reference.file,
            remedy="give the scan as it came from the scanner, covering the whole brain",
        )
    return scaled, tuple(used)


def _among(anatomy: Labels, names: Collection[str], network: Model) -> Mask:
    """Where the anatomy is one of the named ones."""
    return np.isin(anatomy, [value for value, name in network.anatomy_names.items() if name in names])


def _one_brain(anatomy: Labels, network: Model, grid: Grid) -> Labels:
    """The anatomy, zero wherever it is no part of the one brain."""
    core = _among(anatomy, network.card["core"], network)
    return anatomy * find_brain(anatomy > 0, core, spacing=grid.spacing[0])


def _weak_inputs(network: Model, used: tuple[Sequence, ...]) -> list[str]:
    """A warning where the model was measured to do badly on just these sequences: no lesion then means little."""
    name = "+".join(used)
    dice = network.dice.get(name)
    if dice is None or dice >= WEAK_DICE:
        return []
    return [
        f"from {name.upper()} alone this model finds few of the lesions (mean Dice {dice:.2f} on validation scans): "
        "that none or few were found does not mean that there are none; add a FLAIR"
    ]


def _check_brain(study: Study, parenchyma: Mask, grid: Grid) -> list[str]:
    """Refuse what shows no brain; warn of an unusual one."""
    volume = float(parenchyma.sum()) * grid.voxel_volume / 1000
    if volume < SMALLEST_BRAIN_ML:
        raise InputError(
            f"shows {volume:.0f} ml of brain, where at least {SMALLEST_BRAIN_ML:.0f} ml were expected",
            file=study.reference.file,
            remedy="check that it is a brain scan of the stated sequence that covers the whole head",
        )
    if not USUAL_BRAIN_ML[0] <= volume <= USUAL_BRAIN_ML[1]:
        return [f"brain volume of {volume:.0f} ml is unusual: part of the brain may be cut off or was not found"]
    return []


def _box(mask: Mask, margin: int) -> tuple[slice, slice, slice]:
    slices = []
    for axis in range(3):
        hit = np.flatnonzero(mask.any(axis=tuple({0, 1, 2} - {axis})))
        slices.append(slice(max(int(hit[0]) - margin, 0), min(int(hit[-1]) + 1 + margin, mask.shape[axis])))
    return slices[0], slices[1], slices[2]


def _bring_back(
    lesion: Volume, anatomy: Labels, box: tuple[slice, slice, slice], grid: Grid, target: Grid
) -> tuple[Volume, Labels]:
    """Lesion probability, zero outside the brain, and anatomy labels on the target grid."""
    affine = grid.affine.copy()
    affine[:3, 3] = grid.to_world(np.array([s.start for s in box], dtype=np.float64))
    part = Grid((anatomy.shape[0], anatomy.shape[1], anatomy.shape[2]), affine)
    probability = resample(lesion * (anatomy > 0), part, target, interpolation="linear")
    labels = resample(anatomy, part, target, interpolation="nearest")
    return np.clip(probability, 0.0, 1.0), labels


class _Clock:
    """Wall-clock seconds by step, and the caller told of each as it begins."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.current: tuple[str, float] | None = None

    def begin(self, step: str) -> None:
        self.end()
        if self.progress is not None:
            self.progress(step)
        self.current = (step, time.perf_counter())

    def end(self) -> dict[str, float]:
        if self.current is not None:
            step, started = self.current
            self.seconds[step] = round(time.perf_counter() - started, 3)
        self.current = None
        return self.seconds
