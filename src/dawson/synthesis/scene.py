"""What a label map does not tell but every real head has, drawn once a patient and painted by sequence.

Each item is here because a network without it took it for a lesion: caps and bands beside the
ventricles, dirty-appearing white matter, choroid plexus, flowing CSF, uneven and buried cortex, fat.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawson.core.study import Modality
from dawson.synthesis.lesions import Implant
from dawson.synthesis.scanner import smooth_field
from dawson.synthesis.tissues import INDEX

_CORTEX = [INDEX[n] for n in ("cerebral cortex", "hippocampus", "amygdala")]
_CSF = [INDEX[n] for n in ("lateral ventricle", "third ventricle", "fourth ventricle", "other CSF")]
_WHITE = [INDEX["cerebral white matter"]]
_INSIDE = [
    *_WHITE,
    *(INDEX[n] for n in ("brain-stem", "ventral diencephalon", "thalamus", "putamen", "pallidum")),
    INDEX["cerebellar white matter"],
]
# Of a lesion whose inside is all fluid; T1 and T2 show fluid as they show lesion.
FLUID_ON_FLAIR, FLUID_ELSEWHERE = 0.8, 0.4
WINDOW_MM = 96.0  # what most training patches show
FINE_MM, FINEST = 3.0, 0.6  # between knots of the finest texture that all sequences share, and its share at most
SPACES_MM = 3.0  # between perivascular spaces, where there are any


@dataclass(frozen=True, eq=False)
class Scene:
    """A patch (n, n, n) of one imaginary patient, before any sequence is painted.

    ``glow`` is the share of lesion-like FLAIR signal in white matter that is no lesion (caps, bands, dirty
    white matter, and soft bright spots, which deep grey matter and brain-stem have too); ``spaces`` the share of fluid
    in perivascular spaces; ``cortex`` a factor on T2-weighted cortex; ``plexus`` the share of choroid plexus left;
    ``flow`` the signal that moving CSF has on FLAIR, relative to white matter; ``fat`` the share of fat in
    soft tissue; ``texture`` a zero-mean field of what makes tissue uneven.
    """

    tissue: Tensor
    lesion: Implant
    glow: Tensor
    spaces: Tensor
    cortex: Tensor
    plexus: Tensor
    flow: Tensor
    fat: Tensor
    texture: Tensor


def _is(tissue: Tensor, indices: list[int]) -> Tensor:
    table = torch.zeros(256, dtype=torch.bool)
    table[indices] = True
    return table[tissue]


def draw_scene(
    tissue: Tensor,
    ventricle_distance: Tensor,
    buried: Tensor,
    lesion: Implant,
    rng: np.random.Generator,
    generator: torch.Generator,
    *,
    spacing: float = 1.0,
) -> Scene:
    """Draw everything that the sequences of one patient share.

    ``tissue`` (n, n, n) indexes the tissues, of voxels of ``spacing`` mm; ``ventricle_distance`` is in mm, ``buried``
    in [0, 1].
    """
    size = tissue.shape[0]

    def field(knots: float) -> Tensor:
        """A field of so many knots in :data:`WINDOW_MM`, however much of it is seen."""
        return smooth_field(size, max(round(knots * size * spacing / WINDOW_MM), 2), generator)

    coarse, fine = field(4), field(14)
    white = _is(tissue, _WHITE).float()
    glow = torch.zeros_like(white)
    if rng.random() < 0.7:  # caps and bands
        width = rng.uniform(0.6, 2.5)
        glow += (
            rng.uniform(0.1, 0.55)
            * torch.exp(-((ventricle_distance / width) ** 2))
            * (0.6 + 0.6 * coarse).clamp(0, 1.5)
        )
    if rng.random() < 0.5:  # dirty-appearing white matter
        reach = rng.uniform(4, 12)
        glow += rng.uniform(0.03, 0.18) * torch.exp(-ventricle_distance / reach) * (0.5 + fine).clamp(0, 2)
    glow = glow * white
    inside = _is(tissue, _INSIDE).float()
    if rng.random() < 0.5:  # tracts and the grey around the aqueduct, a little brighter than what is around them
        glow = glow + rng.uniform(0.05, 0.35) * inside * (field(10) - rng.uniform(0.6, 1.8)).clamp(0, 1)
    spaces = torch.zeros_like(white)
    if rng.random() < 0.4:
        many = rng.uniform(1.9, 3.0)
        spaces = rng.uniform(0.3, 1.0) * inside * (2 * (field(WINDOW_MM / SPACES_MM) - many)).clamp(0, 1)
    known = tissue == INDEX["perivascular space"]  # these every brain has: more or less wide, never bright on FLAIR
    spaces = torch.where(known, torch.full_like(spaces, rng.uniform(0, 1)), spaces)
    inner = ((buried - 0.62) / 0.3).clamp(0, 1)
    patchy = (0.8 + 0.5 * fine).clamp(0, 1.6)  # folds that meet, insula and cingulate shine, but not everywhere alike
    cortex = 1 + rng.uniform(0, 0.4) * inner * patchy + rng.uniform(0, 0.14) * fine + rng.uniform(0, 0.1) * coarse
    plexus = (rng.uniform(-0.5, 1.2) + rng.uniform(0.3, 1.0) * fine).clamp(0, 1)
    flow = torch.zeros_like(white)
    if rng.random() < 0.6:
        flow = rng.uniform(0.1, 1.0) * (field(9) - rng.uniform(-0.2, 0.8)).clamp(0, 1.3)
        outer = rng.uniform(0, 1)  # CSF outside the ventricles often flows less
        flow = torch.where(tissue == INDEX["other CSF"], outer * flow, flow)
    fat = torch.sigmoid(3 * (field(8) + rng.uniform(-1.5, 1.5)))
    texture = field(10) + 0.5 * fine + rng.uniform(0, FINEST) * field(WINDOW_MM / FINE_MM)
    return Scene(tissue, lesion, glow, spaces, cortex.clamp(min=0.5), plexus, flow, fat, texture)


def _glow(scene: Scene, modality: Modality, rng: np.random.Generator) -> Tensor:
    """The share of a lesion's signal that diffuse white matter has on one sequence.

    Its water is freer than a lesion's: FLAIR suppresses a part of it, so T2 shows it up to twice as bright (behind the
    ventricles above all). A network that has not seen that lets T2 overrule FLAIR.
    """
    if modality is Modality.T1:
        return scene.glow * rng.uniform(0, 0.5)
    if modality is Modality.T2:
        return (scene.glow * rng.uniform(1, 2)).clamp(max=1.0)
    return scene.glow


def paint(scene: Scene, means: NDArray[np.float64], modality: Modality, rng: np.random.Generator) -> Tensor:
    """The ideal image (n, n, n) of one sequence from the ``means`` (tissues,) of its tissues."""
    level = torch.from_numpy(means).float()
    tissue = scene.tissue
    image = level[tissue]
    white, full = float(means[INDEX["cerebral white matter"]]), float(means[INDEX["lesion"]])
    t1 = modality is Modality.T1
    image = image * (1 + rng.uniform(0, 0.08) * scene.texture)
    cortex = _is(tissue, _CORTEX)
    image = torch.where(cortex, image * (scene.cortex if not t1 else 1 + 0.4 * (scene.cortex - 1)), image)
    soft = tissue == INDEX["muscle"]
    fat = float(means[INDEX["fat"]])
    image = torch.where(soft, image + scene.fat * (fat - image), image)
    plexus = tissue == INDEX["choroid plexus"]
    fluid = float(means[INDEX["lateral ventricle"]])
    image = torch.where(plexus, fluid + scene.plexus * (image - fluid), image)
    if modality is Modality.FLAIR:
        image = image + _is(tissue, _CSF) * scene.flow * white
    image = image + _glow(scene, modality, rng) * (full - white)
    lesion = scene.lesion.hole if t1 else scene.lesion.contrast
    strength = (lesion * (1 + 0.12 * scene.texture)).clamp(0, 1.3)
    # Where lesions are dark, as on T1, they leave what is darker than they as it is: cortex mostly.
    beside = torch.clamp(image, max=full) if t1 and full < white else full
    image = image + strength * (beside - image)
    turned = FLUID_ON_FLAIR if modality is Modality.FLAIR else FLUID_ELSEWHERE
    wet = torch.maximum(scene.spaces * (lesion <= 0), turned * scene.lesion.fluid)
    return (image + wet * (fluid - image)).clamp(min=0)
