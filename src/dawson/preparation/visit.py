"""What the network is shown of a visit: align → prepare → find the brain → scale by its median.

Training on real visits and inference both come here. Training keeps what it gets in half precision, and does without
inference's further looks: the generator teaches networks to bear what a scale may be off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Image, Mask, bounding_box
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.runtime import cores
from dawson.core.study import Modality, Study
from dawson.measurement.volumes import USUAL_BRAIN_ML
from dawson.preparation.head import block_means, head_box, spread_blocks
from dawson.preparation.intensity import brain_median, from_zero, normalise
from dawson.preparation.locator import Locator, locate
from dawson.preparation.register import Alignment, align
from dawson.preparation.resample import resample, working_grid
from dawson.recipe import Prepare

HEAD_MARGIN_MM = 2.0
BRAIN_MARGIN_MM = 8.0  # the locator's voxels measure 4 mm
SMALLEST_BRAIN_ML = 500.0  # less than this is no adult brain: the network has not understood the scan
LEAST_COVERAGE, FULL_COVERAGE = 0.3, 0.95  # of the brain, by one sequence
LEAST_SIGNAL = 0.05  # of the brain's median, relative to the brightest half percent
CHANNELS = list(Modality)
BLOCK = 8  # voxels


@dataclass(frozen=True, eq=False)
class Inputs:
    """A visit as the network sees it.

    ``images`` (3, i, j, k) on ``grid``, a box around the brain: FLAIR, T1, T2, 1 being the median of the
    parenchyma, zero where a sequence is absent; ``parenchyma`` (i, j, k) is the brain that they were scaled and cut by;
    ``scales`` are the medians of the sequences that the images hold, ``coverage`` the shares of the brain that these
    show; ``box`` is where the grid lies in the head.
    """

    images: Image
    grid: Grid
    parenchyma: Mask
    alignment: dict[Modality, Alignment]
    warnings: tuple[str, ...]
    scales: Mapping[Modality, float]
    coverage: Mapping[Modality, float]
    box: tuple[slice, slice, slice]

    @property
    def used(self) -> tuple[Modality, ...]:
        """The sequences that the images hold."""
        return tuple(self.scales)

    @property
    def partial(self) -> dict[Modality, float]:
        """The shares of the brain that sequences show which do not show all of it."""
        return {s: share for s, share in self.coverage.items() if share < FULL_COVERAGE}

    def showing(self, modalities: Collection[Modality]) -> Mask:
        """Where (i, j, k) at least one of these sequences shows anything."""
        return shown(self.images[[CHANNELS.index(s) for s in modalities]].max(axis=0))


@dataclass(frozen=True, eq=False)
class Head:
    """All scans of a visit on one lattice, before anything is known of the brain.

    ``images`` (3, i, j, k) on ``grid``: FLAIR, T1, T2, zero where a sequence is absent or does not reach, which
    ``covered`` (3, i, j, k) tells: not where its voxels were missing in the file either.
    """

    images: Image
    covered: Mask
    grid: Grid
    alignment: dict[Modality, Alignment]
    warnings: tuple[str, ...]


def prepare_study(study: Study, prepare: Prepare, locator: Locator) -> Inputs:
    """Prepare a visit for a network that sees windows.

    Raises :class:`InputError` where no brain can be found.
    """
    head = lay_out(study, prepare, begin=lambda _: None)
    return frame(study, head, locate(locator, head.images, head.grid))


def lay_out(study: Study, prepare: Prepare, *, begin: Callable[[str], None]) -> Head:
    """Align the scans and bring them onto one lattice; ``begin`` is told of each step."""
    reference = study.reference
    begin("align")
    others = study.modalities[1:]
    with ThreadPoolExecutor(cores()) as pool:  # most of a registration keeps one core busy
        aligned = dict(zip(others, pool.map(lambda s: align(study.scans[s], reference), others), strict=True))
    begin("prepare")
    grid = working_grid(
        reference.grid,
        spacing=prepare.spacing_mm,
        box=head_box(reference.voxels, reference.grid),
        margin_mm=HEAD_MARGIN_MM,
    )
    warnings = list(study.warnings)
    images, covered = _on_grid(study, aligned, grid, warnings)
    warnings += [f"{s.value}: {text}" for s, a in aligned.items() for text in a.warnings]
    return Head(images, covered, grid, aligned, tuple(warnings))


def frame(study: Study, head: Head, parenchyma: Mask) -> Inputs:
    """Scale and cut a visit by where the brain's parenchyma (i, j, k) lies in its head.

    Raises :class:`InputError` where that is no brain, or no sequence shows it.
    """
    check_brain(study, parenchyma, head.grid)
    box = bounding_box(parenchyma, margin=round(BRAIN_MARGIN_MM / head.grid.spacing[0]))
    warnings = list(head.warnings)
    scaled, scales, coverage = _scaled(study, head.images, head.covered, parenchyma, box, warnings)
    return Inputs(
        scaled,
        head.grid.crop(box),
        parenchyma[box],
        head.alignment,
        tuple(warnings),
        scales,
        coverage,
        box,
    )


def _on_grid(study: Study, aligned: dict[Modality, Alignment], grid: Grid, warnings: list[str]) -> tuple[Image, Mask]:
    """All scans on the working grid: (3, i, j, k), zero where a sequence is absent or does not reach.

    The mask, of the same shape, tells where each sequence does reach.
    """
    images = np.zeros((len(CHANNELS), *grid.shape), dtype=np.float32)
    covered = np.zeros(images.shape, dtype=bool)
    for scan in study:
        channel = CHANNELS.index(scan.modality)
        matrix = aligned[scan.modality].matrix if scan.modality in aligned else None
        voxels, warning = from_zero(scan.voxels)
        if warning is not None:
            warnings.append(f"{scan.modality.value}: {warning}")
        images[channel] = resample(voxels, scan.grid, grid, transform=matrix, interpolation="linear")
        there = np.ones(scan.grid.shape, dtype=bool) if scan.missing is None else ~scan.missing
        covered[channel] = resample(there, scan.grid, grid, transform=matrix, interpolation="nearest")
        images[channel][~covered[channel]] = 0.0
        np.maximum(images[channel], 0.0, out=images[channel])  # an absent one is never touched and takes no memory
    return images, covered


def _scaled(
    study: Study,
    images: Image,
    covered: Mask,
    parenchyma: Mask,
    box: tuple[slice, slice, slice],
    warnings: list[str],
) -> tuple[Image, dict[Modality, float], dict[Modality, float]]:
    """The scans within ``box``, scaled by the brain's median; medians and coverage of those that can be used.

    A sequence that shows too little of the brain, or hardly any signal there, is left out with a warning.
    """
    scaled = np.zeros(images[(slice(None), *box)].shape, np.float32)
    scales, coverage = {}, {}
    seen = parenchyma & shown(images.max(axis=0))  # zero in all is what a tool has cut away
    for modality in study.modalities:
        channel = CHANNELS.index(modality)
        # A field of view that ends within its file is filled up with zeros.
        share = float((covered[channel] & shown(images[channel]))[seen].mean()) if seen.any() else 0.0
        if share < LEAST_COVERAGE:
            warnings.append(f"{modality.value}: shows {share:.0%} of the brain and was left out")
            continue
        if share < FULL_COVERAGE:
            warnings.append(f"{modality.value}: shows only {share:.0%} of the brain")
        median = brain_median(images[channel], parenchyma & covered[channel])
        if median < LEAST_SIGNAL * float(np.percentile(images[channel], 99.5)):
            warnings.append(f"{modality.value}: has hardly any signal in the brain and was left out")
            continue
        scaled[channel] = normalise(images[channel][box], median)
        scales[modality], coverage[modality] = median, share
    if not scales:
        raise InputError(
            "no sequence shows the brain well enough to be used",
            file=study.reference.file,
            remedy="give the scan as it came from the scanner, covering the whole brain",
        )
    return scaled, scales, coverage


def shown(image: Image) -> Mask:
    """Where (i, j, k) an image shows anything, told by blocks of :data:`BLOCK` voxels a side.

    A zero among others is fluid, or the edge that a tool has left; only where all are zero a field of view has ended.
    """
    return spread_blocks(block_means(image, np.full(3, BLOCK)) > 0, BLOCK, image.shape)


def in_head(inputs: Inputs, mask: Mask, head: Head) -> Mask:
    """A mask (i, j, k) of what the network saw as one of the whole head."""
    whole = np.zeros(head.grid.shape, dtype=bool)
    whole[inputs.box] = mask
    return whole


def scale_off(inputs: Inputs, brain: Mask, head: Head) -> float:
    """The largest factor by which a sequence's scale misses its median in a brain (i, j, k) of the head."""
    off = 1.0
    for modality, scale in inputs.scales.items():
        channel = CHANNELS.index(modality)
        median = brain_median(head.images[channel], brain & head.covered[channel])
        if median > 0:
            off = max(off, median / scale, scale / median)
    return off


def cut_off_cm2(inputs: Inputs, brain: Mask, head: Head) -> float:
    """How much of a brain (i, j, k) of the head lies at a side of the box where the head goes on.

    There was more to look at then.
    """
    area = head.grid.voxel_volume ** (2 / 3) / 100
    ends = [0.0]
    for axis, (side, length) in enumerate(zip(inputs.box, head.grid.shape, strict=True)):
        if side.start > 0:
            ends.append(np.count_nonzero(brain.take(side.start, axis)) * area)
        if side.stop < length:
            ends.append(np.count_nonzero(brain.take(side.stop - 1, axis)) * area)
    return max(ends)


def check_brain(study: Study, parenchyma: Mask, grid: Grid) -> list[str]:
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
