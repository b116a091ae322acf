"""Synthetic training samples: real anatomies, real lesion shapes, painted as scanners would.

:func:`draw_sample` draws a head, its place in the patch, lesions where lesions occur, what looks like lesions but is
not (caps and bands beside the ventricles, choroid plexus, flow in CSF, bright cortex), intensities by the physics of
the wanted sequences (:mod:`dawson.synthesis.contrast`), and scans (:mod:`dawson.synthesis.scanner`).
:func:`render_sample` applies all that, and normalises the result as inference does, with the error that inference
makes. :func:`synthesize` does both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawson.core.study import Modality
from dawson.preparation.intensity import CEILING, rough_scale
from dawson.recipe import Synthesis
from dawson.synthesis.contrast import draw_means, relative_to_brain
from dawson.synthesis.field_of_view import (
    FieldOfView,
    StripParameters,
    draw_field_of_view,
    draw_strip,
    field_of_view_mask,
    strip_mask,
)
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.lesions import (
    LesionAppearance,
    LesionParameters,
    draw_appearance,
    draw_lesions,
    no_lesions,
    place_lesions,
    render_lesions,
)
from dawson.synthesis.placement import (
    HeadPatch,
    Placement,
    draw_bending,
    draw_centre,
    draw_mni,
    draw_placement,
    place_head,
)
from dawson.synthesis.scanner.scan import ScanParameters, draw_scan, simulate_scan
from dawson.synthesis.scanner.slices import Slices, build_acquisition, draw_acquisition, draw_slices
from dawson.synthesis.scene import PaintParameters, SceneParameters, build_scene, draw_paint, draw_scene, paint
from dawson.synthesis.tissues import anatomy_of_tissue
from dawson.synthesis.visibility import RATED, rater_outline

_ANATOMY = torch.from_numpy(anatomy_of_tissue()).long()
ALIKE = 0.6  # share of patients all of whose sequences are cut alike: 3D throughout, or slices of one direction
DISTANCES = (0.85, 1.15)  # of their slices, from one sequence to the next
GAIN = 0.08  # standard deviation of the logarithm of the error that normalisation makes


@dataclass(frozen=True, eq=False)
class Sample:
    """One training patch. Axes (i, j, k) run to R, A, S.

    ``images`` (3, n, n, n) float32 in the order FLAIR, T1, T2, zero where a sequence is absent; ``lesion``
    (n, n, n) uint8; ``anatomy`` (n, n, n) uint8 of :class:`dawson.synthesis.tissues.Anatomy`.
    """

    images: Tensor
    lesion: Tensor
    anatomy: Tensor


@dataclass(frozen=True, eq=False)
class ModalityParameters:
    """How one sequence of a sample is painted, scanned and scaled; ``means`` (tissues,) are its intensities."""

    modality: Modality
    means: NDArray[np.float64]
    paint: PaintParameters
    scan: ScanParameters
    gain: float


@dataclass(frozen=True, eq=False)
class SampleParameters:
    """All that was drawn for one sample of ``size`` voxels of ``spacing`` mm a side: it can be stored and replayed.

    ``head`` and ``lesion_map`` are numbers among those given, ``seed`` that of all random fields. ``to_mni`` (4, 4)
    maps head voxels to MNI152 mm, as far as lesions are concerned. ``lesions`` and ``appearance`` are None in a patient
    without lesions. ``border`` is the height at which lesions are outlined, ``mirrored`` tells whether left and right
    change places.
    """

    size: int
    spacing: float
    border: float
    seed: int
    head: int
    lesion_map: int
    to_mni: NDArray[np.float64]
    placement: Placement
    lesions: LesionParameters | None
    appearance: LesionAppearance | None
    scene: SceneParameters
    strip: StripParameters | None
    field_of_view: FieldOfView | None
    modalities: tuple[ModalityParameters, ...]
    mirrored: bool


def synthesize(
    heads: Sequence[HeadModel],
    lesion_maps: Sequence[LesionMap],
    settings: Synthesis,
    size: int,
    rng: np.random.Generator,
    *,
    spacing: float = 1.0,
    modalities: tuple[Modality, ...] | None = None,
    centre: NDArray[np.float64] | None = None,
) -> Sample:
    """Draw and render one patch of ``size`` voxels of ``spacing`` mm a side.

    ``modalities`` fixes the sequences (else drawn by the recipe's subsets), ``centre`` the head's voxel at
    the middle of the patch (else drawn near lesions, in the brain, or anywhere in the head; near the head's own middle
    where the recipe asks for whole heads).
    """
    parameters, patch = _draw(heads, lesion_maps, settings, size, rng, spacing, modalities, centre)
    return _render(parameters, lesion_maps, patch)


def draw_sample(
    heads: Sequence[HeadModel],
    lesion_maps: Sequence[LesionMap],
    settings: Synthesis,
    size: int,
    rng: np.random.Generator,
    *,
    spacing: float = 1.0,
    modalities: tuple[Modality, ...] | None = None,
    centre: NDArray[np.float64] | None = None,
) -> SampleParameters:
    """What :func:`synthesize` would draw, for :func:`render_sample`."""
    return _draw(heads, lesion_maps, settings, size, rng, spacing, modalities, centre)[0]


def render_sample(parameters: SampleParameters, heads: Sequence[HeadModel], lesion_maps: Sequence[LesionMap]) -> Sample:
    """The sample of drawn parameters, from the very heads and lesion maps that they were drawn for."""
    patch = place_head(
        heads[parameters.head], parameters.size, parameters.placement, draw_bending(_fields(parameters.seed))
    )
    return _render(parameters, lesion_maps, patch)


def vary(sample: Sample, rng: np.random.Generator, *, drop: float = 0.35) -> Sample:
    """A patch once more: mirrored, with other gains and tone curves, at times (``drop``) a sequence fewer.

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


def _fields(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _draw(
    heads: Sequence[HeadModel],
    lesion_maps: Sequence[LesionMap],
    settings: Synthesis,
    size: int,
    rng: np.random.Generator,
    spacing: float,
    modalities: tuple[Modality, ...] | None,
    centre: NDArray[np.float64] | None,
) -> tuple[SampleParameters, HeadPatch]:
    """Parameters, and the head as the patch shows it, on which some of them depend."""
    seed = int(rng.integers(2**62))
    number, lesion_map = int(rng.integers(len(heads))), int(rng.integers(len(lesion_maps)))
    head = heads[number]
    if modalities is None:
        modalities = _draw_modalities(settings, rng)
    healthy = rng.random() < settings.healthy
    mni = draw_mni(head, rng)
    if centre is None:
        centre = draw_centre(head, lesion_maps[lesion_map], mni, settings, rng, healthy=healthy)
    placement = draw_placement(centre, settings, rng, spacing=spacing)
    patch = place_head(head, size, placement, draw_bending(_fields(seed)))
    lesions = appearance = None
    if not healthy:
        lesions = draw_lesions(patch.tissue, patch.ventricle_distance, settings, rng)
        appearance = draw_appearance(settings, rng)
    scene = draw_scene(rng)
    means = relative_to_brain(draw_means(modalities, rng, random=settings.random_contrast), head)
    strip = draw_strip(rng, spacing=spacing) if rng.random() < settings.stripped else None
    view = draw_field_of_view(_ANATOMY[patch.tissue], spacing, rng) if settings.whole_head else None
    scans = _draw_modality_parameters(modalities, means, settings, size, spacing, rng)
    mirrored = bool(rng.random() >= 0.5)
    parameters = SampleParameters(
        size=size,
        spacing=spacing,
        border=settings.border,
        seed=seed,
        head=number,
        lesion_map=lesion_map,
        to_mni=mni,
        placement=placement,
        lesions=lesions,
        appearance=appearance,
        scene=scene,
        strip=strip,
        field_of_view=view,
        modalities=scans,
        mirrored=mirrored,
    )
    return parameters, patch


def _draw_modalities(settings: Synthesis, rng: np.random.Generator) -> tuple[Modality, ...]:
    names = list(settings.subsets)
    shares = np.array([settings.subsets[n] for n in names])
    chosen = names[int(rng.choice(len(names), p=shares / shares.sum()))]
    return tuple(s for s in Modality if s in chosen.split("+"))


def _draw_modality_parameters(
    modalities: tuple[Modality, ...],
    means: NDArray[np.float64],
    settings: Synthesis,
    size: int,
    spacing: float,
    rng: np.random.Generator,
) -> tuple[ModalityParameters, ...]:
    def slices_anew() -> Slices:
        return draw_slices(rng, thick_probability=settings.thick, thickest_mm=settings.thickest_mm)

    drawn = []
    alike = rng.random() < ALIKE
    slices = slices_anew()
    offset = rng.normal(0, settings.misalignment_mm, 3) if rng.random() < 0.5 else np.zeros(3)
    for row, modality in enumerate(modalities):
        painted = draw_paint(modality, rng)
        if row and not alike:
            slices = slices_anew()
        current = slices
        if row and alike:
            current = slices[0], min(slices[1] * rng.uniform(*DISTANCES), settings.thickest_mm)
        scan = draw_scan(
            draw_acquisition(size, current, rng, spacing=spacing),
            rng,
            noise=float(np.exp(rng.uniform(np.log(settings.noise[0]), np.log(settings.noise[1])))),
            bias=abs(rng.normal(0, settings.bias)),
            motion=settings.motion,
            shift=(0.0, 0.0, 0.0) if row == 0 else tuple((offset * rng.uniform(0.3, 1) / spacing).tolist()),
        )
        drawn.append(ModalityParameters(modality, means[row], painted, scan, float(np.exp(rng.normal(0, GAIN)))))
    return tuple(drawn)


def _render(parameters: SampleParameters, lesion_maps: Sequence[LesionMap], patch: HeadPatch) -> Sample:
    size, spacing, tissue = parameters.size, parameters.spacing, patch.tissue
    fields = _fields(parameters.seed)
    draw_bending(fields)  # which the patch was placed with: what follows comes after it
    lesion = no_lesions(size)
    if parameters.lesions is not None and parameters.appearance is not None:
        lesion_map = lesion_maps[parameters.lesion_map]
        component, _ = place_lesions(tissue, patch.where, lesion_map, parameters.to_mni, parameters.lesions)
        lesion = render_lesions(component, parameters.appearance)
    scene = build_scene(patch, lesion, parameters.scene, fields, spacing=spacing)
    anatomy = _ANATOMY[tissue]
    strip = None if parameters.strip is None else strip_mask(anatomy, parameters.strip, spacing=spacing)
    view = None if parameters.field_of_view is None else field_of_view_mask(anatomy, parameters.field_of_view)
    images, channels = torch.zeros(3, size, size, size), list(Modality)
    for one in parameters.modalities:
        image = simulate_scan(paint(scene, one.means, one.modality, one.paint), one.scan, fields)
        gain = one.gain
        if strip is not None:
            image = image * strip
        if view is not None:
            image = image * view
            gain /= rough_scale(image.numpy())
        images[channels.index(one.modality)] = (image * gain).clamp(0, CEILING)
    truth = torch.zeros_like(tissue, dtype=torch.bool)
    if parameters.modalities:  # outlined on the first of them
        acquisition = build_acquisition(parameters.modalities[0].scan.acquisition)
        truth = rater_outline(lesion.fraction, acquisition, parameters.border)
    for shown in (strip, view):
        if shown is not None:
            anatomy = anatomy * (shown > 0.5)
            truth = truth & (shown > 0.5)
    sample = Sample(images, truth.to(torch.uint8), anatomy.to(torch.uint8))
    return mirror(sample) if parameters.mirrored else sample


def mirror(sample: Sample) -> Sample:
    """Left and right change places: no class of the coarse anatomy has a side."""
    return Sample(sample.images.flip(1), sample.lesion.flip(0), sample.anatomy.flip(0))
