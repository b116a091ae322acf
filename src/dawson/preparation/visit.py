"""All scans of a visit on one lattice: from zero → align → resample."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.grid import Grid
from dawson.core.runtime import cores
from dawson.core.study import Modality, Study
from dawson.preparation.head import head_box
from dawson.preparation.intensity import study_from_zero
from dawson.preparation.register import Alignment, align
from dawson.preparation.resample import resample, working_grid
from dawson.recipe import Prepare

HEAD_MARGIN_MM = 2.0
CHANNELS = list(Modality)


@dataclass(frozen=True, eq=False)
class AlignedStudy:
    """All scans of a visit on one lattice, before anything is known of the brain.

    ``study`` holds them as they were, but set from zero; ``images`` (3, i, j, k) on ``grid`` are FLAIR, T1, T2, zero
    where a sequence is absent or does not reach, which ``covered`` (3, i, j, k) tells: not where its voxels were
    missing in the file either.
    """

    study: Study
    images: Image
    covered: Mask
    grid: Grid
    alignment: dict[Modality, Alignment]
    warnings: tuple[str, ...]


def align_study(study: Study, prepare: Prepare, *, begin: Callable[[str], None] = lambda _: None) -> AlignedStudy:
    """Align the scans and bring them onto one lattice; ``begin`` is called with the name of each step."""
    begin("align")
    study = study_from_zero(study)
    reference, others = study.reference, study.modalities[1:]
    with ThreadPoolExecutor(cores()) as pool:  # most of a registration keeps one core busy
        aligned = dict(zip(others, pool.map(lambda s: align(study.scans[s], reference), others), strict=True))
    begin("prepare")
    box = head_box(reference.voxels, reference.grid)
    grid = working_grid(reference.grid, spacing=prepare.spacing_mm, box=box, margin_mm=HEAD_MARGIN_MM)
    images, covered = _on_grid(study, aligned, grid)
    warnings = [f"{s.value}: {text}" for s, a in aligned.items() for text in a.warnings]
    return AlignedStudy(study, images, covered, grid, aligned, (*study.warnings, *warnings))


def _on_grid(study: Study, aligned: dict[Modality, Alignment], grid: Grid) -> tuple[Image, Mask]:
    """All scans on the working grid: (3, i, j, k), zero where a sequence is absent or does not reach.

    The mask, of the same shape, tells where each sequence does reach.
    """
    images = np.zeros((len(CHANNELS), *grid.shape), dtype=np.float32)
    covered = np.zeros(images.shape, dtype=bool)
    for scan in study:
        channel = CHANNELS.index(scan.modality)
        matrix = aligned[scan.modality].matrix if scan.modality in aligned else None
        images[channel] = resample(scan.voxels, scan.grid, grid, transform=matrix, interpolation="linear")
        measured = np.ones(scan.grid.shape, dtype=bool) if scan.missing is None else ~scan.missing
        covered[channel] = resample(measured, scan.grid, grid, transform=matrix, interpolation="nearest")
        images[channel][~covered[channel]] = 0.0
        np.maximum(images[channel], 0.0, out=images[channel])  # an absent one is never touched and takes no memory
    return images, covered
