"""Synthetic patients: real anatomies, real lesion shapes, painted as scanners would.

One call of :func:`synthesize` draws a head, places it, implants lesions where lesions occur, paints the
wanted sequences by their physics (:mod:`dawson.synthesis.tissues`), adds what looks like lesions but is not
(caps and bands beside the ventricles, choroid plexus, flow in CSF, bright cortex), acquires the result
(:mod:`dawson.synthesis.scanner`) and normalises it as inference does, with the error that inference makes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dawson.core.study import Modality
from dawson.preparation.intensity import CEILING, rough_scale
from dawson.recipe import Synthesis
from dawson.synthesis import scanner
from dawson.synthesis.field_of_view import draw_view
from dawson.synthesis.label_maps import DISTANCE_STEP_MM, Head, LesionMap
from dawson.synthesis.lesions import implant, lesion_centre
from dawson.synthesis.scene import draw_scene, paint
from dawson.synthesis.tissues import (
    INDEX,
    PARENCHYMA,
    TISSUES,
    Anatomy,
    anatomy_of_tissue,
    draw_contrast,
    draw_random_contrast,
)
from dawson.synthesis.visibility import RATED

_ANATOMY = torch.from_numpy(anatomy_of_tissue()).long()
_PARENCHYMA = np.isin(anatomy_of_tissue(), PARENCHYMA)
ALIKE = 0.6  # share of patients all of whose sequences are cut alike: 3D throughout, or slices of one direction
DISTANCES = (0.85, 1.15)  # of their slices, from one sequence to the next
WHOLE_SHIFT_MM = 20.0  # of a head from the middle of what a network that finds the brain is shown


@dataclass(frozen=True, eq=False)
class Sample:
    """One training patch. Axes (i, j, k) run to R, A, S.

    ``images`` (3, n, n, n) float32 in the order FLAIR, T1, T2, zero where a sequence is absent; ``lesion``
    (n, n, n) uint8; ``anatomy`` (n, n, n) uint8 of :class:`Anatomy`.
    """

    images: Tensor
    lesion: Tensor
    anatomy: Tensor


def synthesize(
    heads: Sequence[Head],
    lesion_maps: Sequence[LesionMap],
    settings: Synthesis,
    size: int,
    rng: np.random.Generator,
    *,
    spacing: float = 1.0,
    modalities: tuple[Modality, ...] | None = None,
    centre: NDArray[np.float64] | None = None,
) -> Sample:
    """Draw one patch of ``size`` voxels of ``spacing`` mm a side.

    ``sequences`` fixes the sequences (else drawn by the recipe's subsets), ``centre`` the head's voxel at
    the middle of the patch (else drawn near lesions, in the brain, or anywhere in the head; near the head's own middle
    where the recipe asks for whole heads).
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    head = heads[int(rng.integers(len(heads)))]
    lesions = lesion_maps[int(rng.integers(len(lesion_maps)))]
    if modalities is None:
        names = list(settings.subsets)
        shares = np.array([settings.subsets[n] for n in names])
        chosen = names[int(rng.choice(len(names), p=shares / shares.sum()))]
        modalities = tuple(s for s in Modality if s in chosen.split("+"))
    healthy = rng.random() < settings.healthy
    mni = draw_mni(head, rng)
    if centre is None:
        centre = _draw_centre(head, lesions, mni, settings, rng, healthy=healthy)
    placed = place(head, size, centre, settings, rng, generator, spacing=spacing)
    tissue = placed.tissue
    lesion = implant(tissue, placed.ventricle_distance, placed.where, lesions, mni, settings, rng, healthy=healthy)

    scene = draw_scene(tissue, placed.ventricle_distance, placed.buried, lesion, rng, generator, spacing=spacing)

    means = relative_to_brain(draw_means(modalities, rng, random=settings.random_contrast), head)
    strip = draw_strip(_ANATOMY[tissue], rng, spacing=spacing) if rng.random() < settings.stripped else None
    seen = draw_view(_ANATOMY[tissue], spacing, rng) if settings.whole_head else None

    images = torch.zeros(3, size, size, size)
    truth: Tensor | None = None
    channels = list(Modality)
    alike = rng.random() < ALIKE
    slices = scanner.draw_slices(rng, thick_probability=settings.thick, thickest_mm=settings.thickest_mm)
    offset = rng.normal(0, settings.misalignment_mm, 3) if rng.random() < 0.5 else np.zeros(3)
    for row, modality in enumerate(modalities):
        ideal = paint(scene, means[row], modality, rng)
        if row and not alike:
            slices = scanner.draw_slices(rng, thick_probability=settings.thick, thickest_mm=settings.thickest_mm)
        own = slices
        if row and alike:
            own = slices[0], min(slices[1] * rng.uniform(*DISTANCES), settings.thickest_mm)
        acquisition = scanner.draw_acquisition(size, own, rng, spacing=spacing)
        image = scanner.scan(
            ideal,
            acquisition,
            rng,
            generator,
            noise=float(np.exp(rng.uniform(np.log(settings.noise[0]), np.log(settings.noise[1])))),
            bias=abs(rng.normal(0, settings.bias)),
            motion=settings.motion,
            shift=(0.0, 0.0, 0.0) if row == 0 else tuple((offset * rng.uniform(0.3, 1) / spacing).tolist()),
            spacing=spacing,
        )
        if strip is not None:
            image = image * strip
        scale = float(np.exp(rng.normal(0, 0.08)))
        if seen is not None:
            image = image * seen
            scale /= rough_scale(image.numpy())
        images[channels.index(modality)] = (image * scale).clamp(0, CEILING)
        if truth is None:
            truth = as_seen(lesion.fraction, acquisition, settings.border)
    anatomy = _ANATOMY[tissue]
    if truth is None:
        truth = torch.zeros_like(tissue, dtype=torch.bool)
    for shown in (strip, seen):
        if shown is not None:
            anatomy = anatomy * (shown > 0.5)
            truth = truth & (shown > 0.5)
    return _flip(Sample(images, truth.to(torch.uint8), anatomy.to(torch.uint8)), rng)


def vary(sample: Sample, rng: np.random.Generator, *, drop: float = 0.35) -> Sample:
    """Another look at a patch: mirrored, with other gains and tone curves, at times (``drop``) a sequence fewer.

    Never fewer by the one that raters draw on, which says what is a lesion.
    """
    images, channels = sample.images.flip(1), list(Modality)
    present = [c for c in range(3) if images[c].any()]
    if len(present) > 1 and rng.random() < drop:
        rated = next(c for c in (channels.index(s) for s in RATED) if c in present)
        others = [c for c in present if c != rated]
        gone = others[int(rng.integers(len(others)))]
        images[gone] = 0
        present.remove(gone)
    for channel in present:
        tone = float(np.exp(rng.normal(0, 0.12)))
        images[channel] = (images[channel] ** tone * float(np.exp(rng.normal(0, 0.08)))).clamp(0, CEILING)
    return Sample(images, sample.lesion.flip(0), sample.anatomy.flip(0))


def as_seen(fraction: Tensor, acquisition: scanner.Acquisition, border: float) -> Tensor:
    """Lesion mask (n, n, n) as a rater would draw it on what the scanner shows of ``fraction``.

    Borders are drawn at a share (``border``) of the lesion's own height: of a full voxel for all but the smallest, and
    of the faded peak for those that blur and thick slices have dimmed; what is dimmed to less than a
    quarter nobody marks. Raters draw on slices: so do we, and what lies between two slices is lesion as far as the
    outlines on both, interpolated, say so.
    """
    seen = scanner.along_axes(fraction, acquisition.acquire)
    peak = seen[None]
    for axis, between in enumerate(acquisition.interpolate):
        kernel = [1, 1, 1]
        kernel[axis] = 5 if between is None else 3  # voxels near by, or the slices on either side
        peak = functional.max_pool3d(peak, kernel, 1, [side // 2 for side in kernel])
    drawn = (seen >= border * peak[0]) & (peak[0] > 0.25)
    return scanner.along_axes(drawn.float(), acquisition.interpolate) >= 0.5


def draw_mni(head: Head, rng: np.random.Generator) -> NDArray[np.float64]:
    """Head index → MNI152 mm, shaken, and mirrored half of the time so that lesions change sides."""
    return shake(rng) @ head.to_mni


def shake(rng: np.random.Generator) -> NDArray[np.float64]:
    """A small random affine (4, 4) of MNI152 mm, mirrored half of the time."""
    moved = np.eye(4)
    moved[:3, :3] = np.diag(rng.uniform(0.85, 1.15, 3)) + rng.normal(0, 0.03, (3, 3))
    moved[:3, 3] = rng.normal(0, 2.5, 3)
    if rng.random() < 0.5:
        moved[0] *= -1
    return moved


def _draw_centre(
    head: Head,
    lesions: LesionMap,
    mni: NDArray[np.float64],
    settings: Synthesis,
    rng: np.random.Generator,
    *,
    healthy: bool,
) -> NDArray[np.float64]:
    shape = np.array(head.tissue.shape)
    if settings.whole_head:
        return np.asarray((shape - 1) / 2 + rng.uniform(-WHOLE_SHIFT_MM, WHOLE_SHIFT_MM, 3))
    if not healthy and rng.random() < settings.lesion_centred:
        return lesion_centre(head, lesions, mni, rng)
    anywhere = rng.random() < settings.outside_centred
    for _ in range(1000):
        voxel = rng.integers(shape)
        tissue = head.tissue[tuple(voxel)]
        if (anywhere and tissue != 0) or TISSUES[tissue].anatomy != Anatomy.OUTSIDE:
            return voxel.astype(np.float64)
    return shape / 2.0


@dataclass(frozen=True, eq=False)
class Placed:
    """A head as a patch (n, n, n) shows it.

    ``where`` (3, n, n, n) are the head's voxel coordinates that each voxel looks at; ``tissue`` indexes the
    tissues, ``ventricle_distance`` is in mm, ``buried`` in [0, 1].
    """

    where: Tensor
    tissue: Tensor
    ventricle_distance: Tensor
    buried: Tensor


def place(
    head: Head,
    size: int,
    centre: NDArray[np.float64],
    settings: Synthesis,
    rng: np.random.Generator,
    generator: torch.Generator,
    *,
    spacing: float = 1.0,
) -> Placed:
    """Turn, scale and bend a head, and look at ``size`` voxels of ``spacing`` mm a side around its voxel ``centre``."""
    where = _look(size, centre, settings, rng, generator, spacing)
    index = _flat_index(where, head.tissue.shape)
    tissue = torch.from_numpy(head.tissue).reshape(-1)[index].long()
    if settings.whole_head:  # where windows see the head's outermost voxels carried on, a whole head ends
        last = torch.tensor(head.tissue.shape).reshape(3, 1, 1, 1) - 1
        tissue = tissue * ((where >= 0) & (where <= last)).all(0)
    return Placed(
        where,
        tissue,
        torch.from_numpy(head.ventricle_distance).reshape(-1)[index].float() * DISTANCE_STEP_MM,
        torch.from_numpy(head.buried).reshape(-1)[index].float() / 255,
    )


def draw_means(
    modalities: tuple[Modality, ...], rng: np.random.Generator, *, random: bool = False
) -> NDArray[np.float64]:
    """Mean intensities (sequences, tissues) that one scanner gives one patient, or greys at random."""
    if random:
        return draw_random_contrast(modalities, rng)
    return _vary_outside(draw_contrast(modalities, rng), modalities, rng)


def relative_to_brain(means: NDArray[np.float64], head: Head) -> NDArray[np.float64]:
    """Scale ``means`` (sequences, tissues), in place, so that the median of the whole brain is 1."""
    for row, ranks in enumerate(np.argsort(means, axis=1)):  # whatever a patch shows of the brain
        weights = np.cumsum(np.where(_PARENCHYMA, head.volumes, 0)[ranks])
        means[row] /= means[row, ranks[np.searchsorted(weights, weights[-1] / 2)]]
    return means


def _look(
    size: int,
    centre: NDArray[np.float64],
    settings: Synthesis,
    rng: np.random.Generator,
    generator: torch.Generator,
    spacing: float,
) -> Tensor:
    """Head voxel coordinates (3, n, n, n) that each voxel of the patch looks at; a head's voxels are of 1 mm."""
    m = torch.from_numpy(turn(settings, rng) * spacing).float()
    line = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    where = torch.empty(3, size, size, size)
    strength = rng.uniform(0, settings.elastic_mm)
    for axis in range(3):
        plane = (m[axis, 0] * line)[:, None, None] + (m[axis, 1] * line)[None, :, None]
        where[axis] = plane + (m[axis, 2] * line)[None, None, :] + float(centre[axis])
        where[axis] += strength / 1.5 * scanner.smooth_field(size, 6, generator)
    return where


def turn(settings: Synthesis, rng: np.random.Generator) -> NDArray[np.float64]:
    """A small random rotation with a scaling of each axis (3, 3)."""
    return np.asarray(
        draw_rotation(settings.rotation_degrees, rng) @ np.diag(rng.uniform(1 / settings.scaling, settings.scaling, 3))
    )


def draw_rotation(degrees: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """A random rotation (3, 3): about each axis by a normal angle of this standard deviation."""
    a, b, c = np.deg2rad(rng.normal(0, degrees, 3))
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return np.asarray(rx @ ry @ rz)


def _flat_index(where: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Flat C-order indices of the nearest voxels; outside, the nearest voxel of the border."""
    i, j, k = (where[axis].round().long().clamp_(0, shape[axis] - 1) for axis in range(3))
    return (i * shape[1] + j) * shape[2] + k


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


def draw_strip(anatomy: Tensor, rng: np.random.Generator, *, spacing: float = 1.0) -> Tensor:
    """Brain mask (n, n, n) of 0 and 1 as skull-stripping tools leave it: too tight, or with a rim."""
    wide = scanner.blur_matrix(anatomy.shape[0], 5.0 / spacing)
    deep = scanner.along_axes((anatomy > 0).float(), (wide, wide, wide)) > 0.8  # fluid there is kept
    brain = (anatomy > 0) & ((anatomy != Anatomy.OTHER_CSF) | deep)
    soft = scanner.blur_matrix(anatomy.shape[0], rng.uniform(1.2, 3.0) / spacing)
    smooth = scanner.along_axes(brain.float(), (soft, soft, soft))
    return (smooth > rng.uniform(0.12, 0.6)).float()


def _flip(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirror left and right half of the time: no class of the coarse anatomy has a side."""
    if rng.random() < 0.5:
        return sample
    return Sample(sample.images.flip(1), sample.lesion.flip(0), sample.anatomy.flip(0))
