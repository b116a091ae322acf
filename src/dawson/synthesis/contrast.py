"""Intensities of tissues on FLAIR, T1 and T2: by the physics of the sequences, or greys at random.

The spin-echo and inversion-recovery equations turn proton density and relaxation times into intensities, for whatever
repetition, echo and inversion times are drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dawson.core.study import Modality
from dawson.synthesis.label_maps import HeadModel
from dawson.synthesis.tissues import INDEX, PARENCHYMA, TISSUES, Anatomy, anatomy_of_tissue

_VENTRICLES = [INDEX[f"{name} ventricle"] for name in ("lateral", "third", "fourth")]
_PARENCHYMA = np.isin(anatomy_of_tissue(), PARENCHYMA)


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


def draw_means(
    modalities: tuple[Modality, ...], rng: np.random.Generator, *, random: bool = False
) -> NDArray[np.float64]:
    """Mean intensities (sequences, tissues) that one scanner gives one patient, or greys at random."""
    if random:
        return draw_random_contrast(modalities, rng)
    return _vary_outside(draw_contrast(modalities, rng), modalities, rng)


def relative_to_brain(means: NDArray[np.float64], head: HeadModel) -> NDArray[np.float64]:
    """Scale ``means`` (sequences, tissues), in place, so that the median of the whole brain is 1."""
    for row, ranks in enumerate(np.argsort(means, axis=1)):  # whatever a patch shows of the brain
        weights = np.cumsum(np.where(_PARENCHYMA, head.volumes, 0)[ranks])
        means[row] /= means[row, ranks[np.searchsorted(weights, weights[-1] / 2)]]
    return means


def _vary_outside(
    means: NDArray[np.float64], modalities: tuple[Modality, ...], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Fat saturation, contrast agent and other reasons why the same tissue looks different in two scans."""
    saturated = rng.random() < 0.35
    enhanced = rng.random() < 0.25
    outside = [i for i, t in enumerate(TISSUES) if t.anatomy == Anatomy.OUTSIDE and i != 0]
    for row, modality in zip(means, modalities, strict=True):
        row[outside] *= np.exp(rng.normal(0, 0.25, len(outside)))
        row[[INDEX["fat"], INDEX["skin"]]] *= rng.uniform(0.8, 1.8)  # scalp lies next to the coil
        fatty = [INDEX["fat"], INDEX["marrow"], INDEX["skin"]]
        if saturated and (modality is not Modality.T1 or rng.random() < 0.3):
            row[fatty] *= rng.uniform(0.08, 0.4)
        if modality is Modality.T1 and enhanced:
            bright = row[INDEX["cerebral white matter"]] * rng.uniform(1.0, 2.0)
            row[[INDEX["dura and sinuses"], INDEX["vessel"], INDEX["mucosa"]]] = bright
            row[INDEX["choroid plexus"]] = bright * rng.uniform(0.7, 1)
        elif rng.random() < 0.3:
            row[INDEX["vessel"]] = row[INDEX["cerebral cortex"]] * rng.uniform(0.5, 2.0)
    return means
