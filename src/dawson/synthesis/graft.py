"""Drawn lesions on real scans: true anatomy, noise and slices, with a truth that is known to the voxel.

What is real about a visit that nobody has marked is everything but its labels. Lesion shapes of the masks are laid
over its white matter where lesions occur, moved from the tissue's intensity towards a lesion's in each sequence, cut
into slices as thick as the scan's own, and added to what is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawson.core.arrays import UNSURE
from dawson.core.study import Modality
from dawson.preparation.crop import BRAIN_MARGIN_MM
from dawson.preparation.intensity import CEILING
from dawson.recipe import Synthesis
from dawson.synthesis.label_maps import LesionMap
from dawson.synthesis.lesions import Implant, draw_appearance, draw_lesions, place_lesions, render_lesions
from dawson.synthesis.placement import draw_mni_variation
from dawson.synthesis.samples import Sample
from dawson.synthesis.scanner.fields import along_axes, blur_matrix
from dawson.synthesis.scanner.slices import Acquisition, Slices, slice_matrices
from dawson.synthesis.scene import FLUID_ELSEWHERE, FLUID_ON_FLAIR
from dawson.synthesis.tissues import INDEX, Anatomy
from dawson.synthesis.visibility import rater_outline, seen_by_raters

# Extents of the brain in MNI152 space (RAS mm): a box around a brain is laid onto these, which brings lesions to within
# a centimetre of where they lay; what then falls outside of the visit's white matter is dropped.
MNI_LOW, MNI_HIGH = np.array([-71.0, -106.0, -60.0]), np.array([71.0, 72.0, 80.0])
FEWEST = 200  # voxels of white matter, below which a window tells no contrast

_TISSUE = torch.full((len(Anatomy),), INDEX["air"], dtype=torch.long)
for _anatomy, _name in {
    Anatomy.VENTRICLES: "lateral ventricle",
    Anatomy.OTHER_CSF: "other CSF",
    Anatomy.CORTEX: "cerebral cortex",
    Anatomy.DEEP_GREY: "thalamus",
    Anatomy.WHITE_MATTER: "cerebral white matter",
    Anatomy.CEREBELLUM: "cerebellar cortex",
    Anatomy.BRAIN_STEM: "brain-stem",
}.items():
    _TISSUE[_anatomy] = INDEX[_name]


def graft(
    sample: Sample,
    corner: Sequence[int],
    box: Sequence[int],
    slices: Mapping[Modality, Slices],
    lesion_maps: Sequence[LesionMap],
    settings: Synthesis,
    rng: np.random.Generator,
) -> Sample:
    """Lesions of one map laid over a window (n, n, n) of a real visit.

    ``corner`` is the window's first voxel in the visit's box of ``box`` voxels of 1 mm around the brain; ``slices``
    tells how each sequence was cut. Absent sequences stay zero; real lesions and what is unsure stay as they are.
    A window with hardly any white matter comes back unchanged.
    """
    white = (sample.anatomy == Anatomy.WHITE_MATTER) & (sample.lesion == 0)
    if int(white.sum()) < FEWEST:
        return sample
    size = sample.lesion.shape[0]
    line = torch.arange(size, dtype=torch.float32)
    where = torch.stack(torch.meshgrid(*(line + float(c) for c in corner), indexing="ij"))
    tissue = _TISSUE[sample.anatomy.long()]
    lesions = lesion_maps[int(rng.integers(len(lesion_maps)))]
    beside = _near(sample.anatomy == Anatomy.VENTRICLES)
    to_mni = draw_mni_variation(rng) @ _to_mni(box)
    component, _ = place_lesions(tissue, where, lesions, to_mni, draw_lesions(tissue, beside, settings, rng))
    component = component * (sample.lesion == 0)
    if not bool(component.any()):
        return sample
    implant = render_lesions(component, draw_appearance(settings, rng))
    images, truth = sample.images.clone(), None
    for channel, modality in enumerate(Modality):
        if not bool(images[channel].any()):
            continue
        acquisition = _acquisition(size, slices.get(modality, (2, 1.0)), rng)
        if truth is None:
            truth = rater_outline(implant.fraction, acquisition, settings.border)
        added = _added(implant, images[channel], sample.anatomy, white, modality, rng)
        added = along_axes(along_axes(added, acquisition.acquire), acquisition.interpolate)
        images[channel] = (images[channel] + added).clamp(0, CEILING)
    if truth is None:
        return sample
    lesion = torch.where(truth & (sample.lesion == 0), torch.ones_like(sample.lesion), sample.lesion)
    if settings.visible:  # of the visit's lesions whoever marked the visit is the judge
        others = torch.where(sample.lesion > 0, UNSURE, lesion)
        lesion = torch.where(sample.lesion > 0, sample.lesion, seen_by_raters(images, others, sample.anatomy))
    return Sample(images, lesion, sample.anatomy)


def _added(
    implant: Implant, image: Tensor, anatomy: Tensor, white: Tensor, modality: Modality, rng: np.random.Generator
) -> Tensor:
    """What lesions (n, n, n) add to an image: from the white matter's level, so that its noise stays."""
    level = float(image[white].median())
    cortex = image[anatomy == Anatomy.CORTEX]
    grey = float(cortex.median()) if cortex.numel() >= FEWEST else level
    fluid = image[anatomy == Anatomy.VENTRICLES]
    wet = float(fluid.median()) if fluid.numel() >= FEWEST else (3.0 if modality is Modality.T2 else 0.4) * level
    if modality is Modality.T1:
        full, strength = rng.uniform(0.5, 0.92) * level, implant.hole
    else:
        full, strength = max(rng.uniform(1.3, 1.9) * level, rng.uniform(1.15, 1.5) * grey), implant.contrast
    strength = strength.clamp(0, 1.3)
    replaced = implant.fluid * (FLUID_ON_FLAIR if modality is Modality.FLAIR else FLUID_ELSEWHERE)
    return strength * (full - level) * (1 - replaced) + replaced * (wet - level)


def _to_mni(box: Sequence[int]) -> NDArray[np.float64]:
    """Voxel of a box around a brain → MNI152 mm (4, 4). Where the brain-stem ends differs, so the top counts."""
    sides = np.array(box, dtype=np.float64) - 1
    scale = (MNI_HIGH - MNI_LOW) / np.maximum(sides - 2 * BRAIN_MARGIN_MM, 1)
    scale[2] = scale[:2].mean()
    affine = np.diag([*scale, 1.0])
    affine[:3, 3] = (MNI_HIGH + MNI_LOW) / 2 - scale * sides / 2
    affine[2, 3] = MNI_HIGH[2] - scale[2] * (sides[2] - BRAIN_MARGIN_MM)
    return affine


def _near(ventricles: Tensor) -> Tensor:
    """About how far (n, n, n) ventricles are, in mm: 0 within some 4 mm of them, else far."""
    wide = blur_matrix(ventricles.shape[0], 2.5)
    return torch.where(along_axes(ventricles.float(), (wide, wide, wide)) > 0.1, 0.0, 25.0)


def _acquisition(size: int, slices: Slices, rng: np.random.Generator) -> Acquisition:
    """What the scan's own slices do to what is added; a scan of 1 mm only blurs it."""
    axis, distance = slices
    sharp = rng.uniform(0.3, 0.6)
    acquire: list[Tensor | None] = [blur_matrix(size, sharp) for _ in range(3)]
    interpolate: list[Tensor | None] = [None, None, None]
    thickness = 1.0
    if distance >= 1.5:
        thickness = distance * rng.uniform(0.8, 1.0)
        acquire[axis], interpolate[axis] = slice_matrices(size, thickness, distance, rng.random())
    return Acquisition(
        (acquire[0], acquire[1], acquire[2]), (interpolate[0], interpolate[1], interpolate[2]), thickness
    )
