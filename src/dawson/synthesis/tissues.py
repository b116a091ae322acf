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

from dawson.core.study import Modality


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
_VENTRICLES = [INDEX[f"{name} ventricle"] for name in ("lateral", "third", "fourth")]
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


@dataclass(frozen=True)
class Timing:
    """How a sequence was acquired; times in ms, ``ti`` of 0 for a plain spin echo."""

    tr: float
    te: float
    ti: float = 0.0
    inversion_recovery_gradient_echo: bool = False


def draw_timing(modality: Modality, rng: np.random.Generator) -> Timing:
    """A plausible clinical timing of one sequence."""
    if modality is Modality.FLAIR:
        tr = rng.uniform(6000, 11000)
        # The inversion time that nulls CSF of T1 = 4200 ms, met more or less well by real protocols.
        null = 4200 * (np.log(2.0) - np.log1p(np.exp(-tr / 4200)))
        return Timing(tr=tr, te=rng.uniform(80, 150), ti=null * rng.uniform(0.93, 1.06))
    if modality is Modality.T2:
        return Timing(tr=rng.uniform(2500, 6500), te=rng.uniform(75, 125))
    if rng.random() < 0.5:
        return Timing(tr=rng.uniform(380, 750), te=rng.uniform(8, 20))
    return Timing(
        tr=rng.uniform(1600, 2400),
        te=rng.uniform(2, 5),
        ti=rng.uniform(750, 1100),
        inversion_recovery_gradient_echo=True,
    )


def signal(
    density: NDArray[np.float64], t1: NDArray[np.float64], t2: NDArray[np.float64], timing: Timing
) -> NDArray[np.float64]:
    """Signal magnitude of tissues under one timing (spin echo, inversion recovery, MPRAGE-like)."""
    decay = np.exp(-timing.te / t2)
    if timing.ti == 0.0:
        return np.asarray(density * (1.0 - np.exp(-timing.tr / t1)) * decay)
    full = np.exp(-timing.tr / t1)
    inverted = 2.0 * np.exp(-timing.ti / t1)
    if timing.inversion_recovery_gradient_echo:
        return np.asarray(density * np.abs(1.0 - inverted / (1.0 + full)) * decay)
    return np.asarray(density * np.abs(1.0 - inverted + full) * decay)


def draw_contrast(modalities: tuple[Modality, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean intensity of every tissue in every sequence, for one imaginary patient and scanner.

    Returns (sequences, tissues). One draw of relaxation times serves all sequences, so they agree with
    one another as those of a real visit do; a small independent factor per sequence and tissue
    stands for everything that the equations leave out.
    """
    high_field = rng.random() < 0.6
    spread = rng.uniform(0.02, 0.07)

    def vary(values: list[float], scale: float) -> NDArray[np.float64]:
        return np.asarray(np.array(values) * np.exp(rng.normal(0.0, scale, len(values))))

    density = vary([t.density for t in TISSUES], spread / 2)
    t1 = vary([t.t1 * (t.t1_field if high_field else 1.0) for t in TISSUES], spread)
    t2 = vary([t.t2 * (0.93 if high_field else 1.0) for t in TISSUES], spread)
    for values in (density, t1, t2):  # CSF is one fluid, wherever it lies
        values[_VENTRICLES] = values[INDEX["other CSF"]]
    lesion, space = INDEX["lesion"], INDEX["perivascular space"]
    t1[lesion] = rng.uniform(1.25, 2.1) * t1[INDEX["cerebral white matter"]]
    t2[lesion] = rng.uniform(1.6, 3.0) * t2[INDEX["cerebral white matter"]]
    density[lesion] = rng.uniform(0.82, 0.95)
    means = np.stack([signal(density, t1, t2, draw_timing(s, rng)) for s in modalities])
    means *= np.exp(rng.normal(0.0, spread / 2, means.shape))
    means[:, space] = means[:, INDEX["putamen"]]  # but for the fluid in it, which scenes add
    for row, modality in zip(means, modalities, strict=True):
        if modality is Modality.T1:  # from just darker than white matter to a black hole
            row[lesion] = min(row[lesion], rng.uniform(0.5, 0.92) * row[INDEX["cerebral white matter"]])
        else:  # lesions that can be told from cortex are brighter than it
            row[lesion] = max(row[lesion], rng.uniform(1.2, 1.6) * row[INDEX["cerebral cortex"]])
    return means


def draw_random_contrast(modalities: tuple[Modality, ...], rng: np.random.Generator) -> NDArray[np.float64]:
    """Mean intensity of every tissue in every sequence, drawn without regard to physics.

    Returns (sequences, tissues). All fluid has one grey; lesions are brighter or darker than white matter by a fifth at
    least, since what cannot be seen cannot be learned.
    """
    means = rng.uniform(0.05, 1.5, (len(modalities), len(TISSUES)))
    means[:, INDEX["air"]] = 0.0
    means[:, _VENTRICLES] = means[:, [INDEX["other CSF"]]]
    means[:, INDEX["perivascular space"]] = means[:, INDEX["putamen"]]
    change = rng.uniform(0.2, 0.8, len(modalities)) * rng.choice((-1.0, 1.0), len(modalities))
    means[:, INDEX["lesion"]] = means[:, INDEX["cerebral white matter"]] * (1 + change)
    return means
