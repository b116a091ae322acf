"""What the checks of a result look at: the visit, what a network made of it, and each scan around the brain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Image, Labels, Mask, bounding_box
from dawson.core.result import Volumes
from dawson.core.study import Modality, Scan, Study
from dawson.measurement.anatomy import CORTEX, VENTRICLES, WHITE_MATTER, label_lookup
from dawson.measurement.brain_frame import Frame
from dawson.preparation.intensity import from_zero
from dawson.preparation.register import Alignment
from dawson.preparation.resample import resample
from dawson.quality.outline import Outline

LESION = 255  # a label that no model has: white matter is measured without lesions, clipping with them


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a network made of a visit, on the grid of the reference.

    ``partial`` are the shares of the brain that sequences show which do not show all of it;
    ``anatomy`` (i, j, k) are labels that ``names`` explains, ``parenchyma`` the names that are brain, ``lesions``
    (i, j, k) the lesions; ``frame`` and ``volumes`` are None where the model knows no anatomy, ``outline`` where it
    needed no locator.
    """

    study: Study
    used: tuple[Modality, ...]
    partial: Mapping[Modality, float]
    alignment: Mapping[Modality, Alignment]
    anatomy: Labels
    names: Mapping[int, str]
    parenchyma: Collection[str]
    lesions: Mask
    frame: Frame | None
    volumes: Volumes | None
    outline: Outline | None

    def anatomy_mask(self, wanted: Collection[str]) -> Mask:
        """Where (i, j, k) the anatomy has one of these names."""
        mask: Mask = label_lookup(self.names, wanted)[self.anatomy]
        return mask

    def brain_mask(self) -> Mask:
        """Where (i, j, k) brain is, lesions included."""
        return self.anatomy_mask(self.parenchyma) | self.lesions


@dataclass(frozen=True, eq=False)
class ScanEvidence:
    """A scan around the brain and, on its own voxels (i, j, k), parenchyma, white matter, cortex and ventricles.

    ``voxels`` have a background of zero, ``spacing`` is theirs in mm; ``highest`` is the highest value of all the scan.
    """

    modality: Modality
    voxels: Image
    spacing: tuple[float, float, float]
    highest: float
    brain: Mask
    white: Mask
    cortex: Mask
    fluid: Mask

    @property
    def name(self) -> str:
        """The sequence, as people write it."""
        return self.modality.upper()


def scan_evidence(evidence: Evidence) -> tuple[ScanEvidence, ...]:
    """Each used scan as it was acquired, with the brain on its own voxels: interpolation would hide noise."""
    reference = evidence.study.reference
    labels = np.where(evidence.lesions, np.uint8(LESION), evidence.anatomy)
    brain, white, cortex, fluid = (
        label_lookup(evidence.names, wanted)
        for wanted in (evidence.parenchyma, (WHITE_MATTER,), (CORTEX,), (VENTRICLES,))
    )
    brain[LESION] = True
    scans = []
    for modality in evidence.used:
        scan = evidence.study.scans[modality]
        own_labels = (
            labels if scan is reference else _labels_on(scan, labels, reference, evidence.alignment.get(modality))
        )
        voxels, _ = from_zero(scan.voxels)
        box = bounding_box(own_labels > 0)
        near = own_labels[box]
        scans.append(
            ScanEvidence(
                modality=modality,
                voxels=voxels[box],
                spacing=scan.grid.spacing,
                highest=float(voxels.max()),
                brain=brain[near],
                white=white[near],
                cortex=cortex[near],
                fluid=fluid[near],
            )
        )
    return tuple(scans)


def _labels_on(scan: Scan, labels: Labels, reference: Scan, alignment: Alignment | None) -> Labels:
    matrix = np.eye(4) if alignment is None else alignment.matrix
    if scan.grid.same_as(reference.grid) and np.array_equal(matrix, np.eye(4)):
        return labels
    inverse = np.asarray(np.linalg.inv(matrix), np.float64)
    moved: Labels = resample(labels, reference.grid, scan.grid, transform=inverse, interpolation="nearest")
    return moved
