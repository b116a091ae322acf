"""The tissues that a synthetic head is painted with, and the signal that each gives.

A label map names structures with FreeSurfer values (and 502–530 for what lies outside the brain, as
the SynthSeg label maps do). Here they become some thirty tissues, each with a proton density and
relaxation times; the spin-echo and inversion-recovery equations turn these into T1-, T2- and
FLAIR-weighted intensities for whatever repetition, echo and inversion times are drawn.

Relaxation times are rounded from the literature on 1.5 T and 3 T brains (Stanisz et al., Magn Reson
Med 2005; Wansapura et al., JMRI 1999) and from textbooks for fat, muscle and bone. They need not be
exact: every sample varies them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Anatomy(IntEnum):
    """The coarse anatomy that the network predicts beside lesions."""

    OUTSIDE = 0
    VENTRICLES = 1
    OTHER_CSF = 2
    CORTEX = 3
    DEEP_GREY = 4
    WHITE_MATTER = 5
    CEREBELLUM = 6
    BRAIN_STEM = 7


@dataclass(frozen=True)
class Tissue:
    """One tissue: where its labels come from, what it counts as, and how it relaxes.

    ``t1`` and ``t2`` are in ms at 1.5 T; ``t1_field`` is the factor by which T1 grows at 3 T.
    """

    name: str
    values: tuple[int, ...]
    anatomy: Anatomy
    density: float
    t1: float
    t2: float
    t1_field: float = 1.25


_A = Anatomy

TISSUES: tuple[Tissue, ...] = (
    Tissue("air", (0,), _A.OUTSIDE, 0.0, 1000, 50, 1.0),
    # 25, 57, 77: lesions that the map's owner had. No truth marks them, so they are painted as what is around them.
    Tissue("cerebral white matter", (2, 41, 25, 57, 77), _A.WHITE_MATTER, 0.70, 660, 76),
    Tissue("cerebral cortex", (3, 42), _A.CORTEX, 0.82, 1060, 95),
    Tissue("lateral ventricle", (4, 43, 5, 44, 72), _A.VENTRICLES, 1.0, 4200, 1600, 1.0),
    Tissue("third ventricle", (14,), _A.VENTRICLES, 1.0, 4200, 1600, 1.0),
    Tissue("fourth ventricle", (15,), _A.VENTRICLES, 1.0, 4200, 1600, 1.0),
    Tissue("other CSF", (24,), _A.OTHER_CSF, 1.0, 4200, 1600, 1.0),
    Tissue("cerebellar white matter", (7, 46), _A.CEREBELLUM, 0.72, 700, 78),
    Tissue("cerebellar cortex", (8, 47), _A.CEREBELLUM, 0.82, 1030, 92),
    Tissue("thalamus", (10, 49), _A.DEEP_GREY, 0.77, 850, 80),
    Tissue("caudate", (11, 50, 26, 58), _A.DEEP_GREY, 0.81, 1000, 86),
    Tissue("putamen", (12, 51), _A.DEEP_GREY, 0.80, 920, 79),
    # FreeSurfer calls these "vessel": spaces with fluid around the vessels below the putamen, in every brain.
    Tissue("perivascular space", (30, 62), _A.DEEP_GREY, 0.80, 920, 79),
    Tissue("pallidum", (13, 52), _A.DEEP_GREY, 0.74, 740, 64),
    Tissue("hippocampus", (17, 53), _A.DEEP_GREY, 0.84, 1080, 102),
    Tissue("amygdala", (18, 54), _A.DEEP_GREY, 0.84, 1060, 99),
    Tissue("ventral diencephalon", (28, 60), _A.DEEP_GREY, 0.74, 760, 75),
    Tissue("brain-stem", (16,), _A.BRAIN_STEM, 0.73, 740, 80),
    Tissue("choroid plexus", (31, 63, 136, 137, 163, 164), _A.VENTRICLES, 0.90, 1250, 140),
    Tissue("vessel", (502,), _A.OUTSIDE, 0.15, 1300, 60),
    Tissue("optic nerve", (85, 530), _A.OUTSIDE, 0.74, 800, 80),
    Tissue("eye", (506,), _A.OUTSIDE, 0.98, 3800, 1400, 1.0),
    Tissue("lens", (508,), _A.OUTSIDE, 0.60, 1000, 40),
    Tissue("muscle", (507,), _A.OUTSIDE, 0.75, 900, 40),
    Tissue("mucosa", (509,), _A.OUTSIDE, 0.90, 1200, 110),
    Tissue("skin", (511,), _A.OUTSIDE, 0.65, 600, 45),
    Tissue("spinal cord", (512,), _A.OUTSIDE, 0.73, 760, 80),
    Tissue("dura and sinuses", (514,), _A.OUTSIDE, 0.45, 1000, 50),
    Tissue("bone", (515,), _A.OUTSIDE, 0.06, 500, 12),
    Tissue("marrow", (516,), _A.OUTSIDE, 0.70, 330, 60),
    Tissue("fat", (), _A.OUTSIDE, 0.95, 270, 100),
    Tissue("lesion", (), _A.WHITE_MATTER, 0.88, 1250, 165),
)

INDEX: Mapping[str, int] = {tissue.name: index for index, tissue in enumerate(TISSUES)}
PARENCHYMA = (Anatomy.CORTEX, Anatomy.DEEP_GREY, Anatomy.WHITE_MATTER, Anatomy.CEREBELLUM, Anatomy.BRAIN_STEM)


def tissue_of_value() -> NDArray[np.uint8]:
    """Look-up table (1024,) from a label map's value to a tissue index; unknown values count as muscle.

    Unknown values are most often extra-cerebral structures of another labelling protocol.
    """
    table = np.full(1024, INDEX["muscle"], dtype=np.uint8)
    for index, tissue in enumerate(TISSUES):
        table[list(tissue.values)] = index
    return table


def anatomy_of_tissue() -> NDArray[np.uint8]:
    """Look-up table from a tissue index to its :class:`Anatomy`."""
    return np.array([tissue.anatomy for tissue in TISSUES], dtype=np.uint8)
