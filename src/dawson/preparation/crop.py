"""An aligned visit scaled by the median of its brain and cropped to it: what the network is given."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawson.core.arrays import Image, Mask, bounding_box
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.preparation.head import block_means, spread_blocks
from dawson.preparation.intensity import brain_median, normalise
from dawson.preparation.register import Alignment
from dawson.preparation.visit import CHANNELS, AlignedStudy

BRAIN_MARGIN_MM = 8.0  # the locator's voxels measure 4 mm
SMALLEST_BRAIN_ML = 500.0  # less than this is no adult brain: the network has not understood the scan
LEAST_COVERAGE, FULL_COVERAGE = 0.3, 0.95  # of the brain, by one sequence
LEAST_SIGNAL = 0.05  # of the brain's median, relative to the brightest half percent
BLOCK = 8  # voxels


@dataclass(frozen=True, eq=False)
class PreparedStudy:
    """A visit as the network is given it.

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

    def field_of_view(self, modalities: Collection[Modality]) -> Mask:
        """Where (i, j, k) at least one of these sequences shows anything."""
        return field_of_view(self.images[[CHANNELS.index(s) for s in modalities]].max(axis=0))


def crop_to_brain(aligned: AlignedStudy, parenchyma: Mask) -> PreparedStudy:
    """Scale and crop a visit by where the brain's parenchyma (i, j, k) lies in its head.

    Raises :class:`InputError` where that is no brain, or no sequence shows it.
    """
    check_brain(parenchyma, aligned.grid, file=aligned.study.reference.file)
    box = bounding_box(parenchyma, margin=round(BRAIN_MARGIN_MM / aligned.grid.spacing[0]))
    warnings = list(aligned.warnings)
    images, scales, coverage = _scaled(aligned, parenchyma, box, warnings)
    grid, cropped = aligned.grid.crop(box), parenchyma[box]
    return PreparedStudy(images, grid, cropped, aligned.alignment, tuple(warnings), scales, coverage, box)


def _scaled(
    aligned: AlignedStudy, parenchyma: Mask, box: tuple[slice, slice, slice], warnings: list[str]
) -> tuple[Image, dict[Modality, float], dict[Modality, float]]:
    """The scans within ``box``, scaled by the brain's median; medians and coverage of those that can be used.

    A sequence that shows too little of the brain, or hardly any signal there, is left out with a warning.
    """
    study, images, covered = aligned.study, aligned.images, aligned.covered
    scaled = np.zeros(images[(slice(None), *box)].shape, np.float32)
    scales, coverage = {}, {}
    imaged = parenchyma & field_of_view(images.max(axis=0))  # zero in all is what a tool has cut away
    for modality in study.modalities:
        channel = CHANNELS.index(modality)
        # A field of view that ends within its file is filled up with zeros.
        share = float((covered[channel] & field_of_view(images[channel]))[imaged].mean()) if imaged.any() else 0.0
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


def field_of_view(image: Image) -> Mask:
    """Where (i, j, k) an image shows anything, told by blocks of :data:`BLOCK` voxels a side.

    A zero among others is fluid, or the edge that a tool has left; only where all are zero a field of view has ended.
    """
    return spread_blocks(block_means(image, np.full(3, BLOCK)) > 0, BLOCK, image.shape)


def uncrop(prepared: PreparedStudy, mask: Mask, aligned: AlignedStudy) -> Mask:
    """A mask (i, j, k) on the cropped grid as one of the whole head."""
    whole = np.zeros(aligned.grid.shape, dtype=bool)
    whole[prepared.box] = mask
    return whole


def scale_error(prepared: PreparedStudy, brain: Mask, aligned: AlignedStudy) -> float:
    """The largest factor by which a sequence's scale misses its median in a brain (i, j, k) of the head."""
    error = 1.0
    for modality, scale in prepared.scales.items():
        channel = CHANNELS.index(modality)
        median = brain_median(aligned.images[channel], brain & aligned.covered[channel])
        if median > 0:
            error = max(error, median / scale, scale / median)
    return error


def cut_area_cm2(prepared: PreparedStudy, brain: Mask, aligned: AlignedStudy) -> float:
    """How much of a brain (i, j, k) of the head lies at a side of the box where the head goes on.

    The crop should have been larger then.
    """
    area = aligned.grid.voxel_volume ** (2 / 3) / 100
    ends = [0.0]
    for axis, (side, length) in enumerate(zip(prepared.box, aligned.grid.shape, strict=True)):
        if side.start > 0:
            ends.append(np.count_nonzero(brain.take(side.start, axis)) * area)
        if side.stop < length:
            ends.append(np.count_nonzero(brain.take(side.stop - 1, axis)) * area)
    return max(ends)


def check_brain(parenchyma: Mask, grid: Grid, *, file: Path | None) -> None:
    """Refuse what shows no brain; of an unusual one quality control warns."""
    volume = float(parenchyma.sum()) * grid.voxel_volume / 1000
    if volume < SMALLEST_BRAIN_ML:
        raise InputError(
            f"shows {volume:.0f} ml of brain, where at least {SMALLEST_BRAIN_ML:.0f} ml were expected",
            file=file,
            remedy="check that it is a brain scan of the stated sequence that covers the whole head",
        )
