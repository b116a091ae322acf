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
from dawson.synthesis.placement import HeadPatch
from dawson.synthesis.scanner.fields import smooth_field
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


@dataclass(frozen=True)
class SceneParameters:
    """What was drawn for one scene; None where a patient has no such thing.

    Of caps and bands ``width`` is in mm, of dirty white matter ``reach``; ``amplitude`` is a share of a lesion's
    signal. ``above`` is the height over which a random field counts. The random fields themselves are not held here:
    they come from a generator whose seed is a parameter of the sample.
    """

    caps_width: float | None
    caps_amplitude: float
    dirty_reach: float | None
    dirty_amplitude: float
    tracts_above: float | None
    tracts_amplitude: float
    spaces_above: float | None
    spaces_amplitude: float
    spaces_open: float
    cortex: tuple[float, float, float]
    plexus: tuple[float, float]
    flow_above: float | None
    flow_amplitude: float
    flow_outside: float
    fat: float
    fine_texture: float


def draw_scene(rng: np.random.Generator) -> SceneParameters:
    """Draw everything that the sequences of one patient share but for its random fields."""
    caps_width = dirty_reach = tracts_above = spaces_above = flow_above = None
    caps = dirty = tracts = spaces = flow = flow_outside = 0.0
    if rng.random() < 0.7:
        caps_width, caps = rng.uniform(0.6, 2.5), rng.uniform(0.1, 0.55)
    if rng.random() < 0.5:
        dirty_reach, dirty = rng.uniform(4, 12), rng.uniform(0.03, 0.18)
    if rng.random() < 0.5:
        tracts, tracts_above = rng.uniform(0.05, 0.35), rng.uniform(0.6, 1.8)
    if rng.random() < 0.4:
        spaces_above, spaces = rng.uniform(1.9, 3.0), rng.uniform(0.3, 1.0)
    spaces_open = rng.uniform(0, 1)
    cortex = rng.uniform(0, 0.4), rng.uniform(0, 0.14), rng.uniform(0, 0.1)
    plexus = rng.uniform(-0.5, 1.2), rng.uniform(0.3, 1.0)
    if rng.random() < 0.6:
        flow, flow_above, flow_outside = rng.uniform(0.1, 1.0), rng.uniform(-0.2, 0.8), rng.uniform(0, 1)
    return SceneParameters(
        caps_width=caps_width,
        caps_amplitude=caps,
        dirty_reach=dirty_reach,
        dirty_amplitude=dirty,
        tracts_above=tracts_above,
        tracts_amplitude=tracts,
        spaces_above=spaces_above,
        spaces_amplitude=spaces,
        spaces_open=spaces_open,
        cortex=cortex,
        plexus=plexus,
        flow_above=flow_above,
        flow_amplitude=flow,
        flow_outside=flow_outside,
        fat=rng.uniform(-1.5, 1.5),
        fine_texture=rng.uniform(0, FINEST),
    )


def build_scene(
    patch: HeadPatch, lesion: Implant, parameters: SceneParameters, fields: torch.Generator, *, spacing: float = 1.0
) -> Scene:
    """The scene of a head's patch of voxels of ``spacing`` mm; its random fields are taken from ``fields``."""
    tissue, drawn = patch.tissue, parameters
    size = tissue.shape[0]

    def field(knots: float) -> Tensor:
        """A field of so many knots in :data:`WINDOW_MM`, however much of it is seen."""
        return smooth_field(size, max(round(knots * size * spacing / WINDOW_MM), 2), fields)

    coarse, fine = field(4), field(14)
    white, inside = _is(tissue, _WHITE).float(), _is(tissue, _INSIDE).float()
    glow = _periventricular_glow(patch.ventricle_distance, coarse, fine, drawn) * white
    if drawn.tracts_above is not None:  # and the grey around the aqueduct, a little brighter than what is around them
        glow = glow + drawn.tracts_amplitude * inside * (field(10) - drawn.tracts_above).clamp(0, 1)
    spaces = torch.zeros_like(white)
    if drawn.spaces_above is not None:
        above = 2 * (field(WINDOW_MM / SPACES_MM) - drawn.spaces_above)
        spaces = drawn.spaces_amplitude * inside * above.clamp(0, 1)
    known = tissue == INDEX["perivascular space"]  # these every brain has: more or less wide, never bright on FLAIR
    spaces = torch.where(known, torch.full_like(spaces, drawn.spaces_open), spaces)
    inner = ((patch.buried - 0.62) / 0.3).clamp(0, 1)
    patchy = (0.8 + 0.5 * fine).clamp(0, 1.6)  # folds that meet, insula and cingulate shine, but not everywhere alike
    deep, uneven, broad = drawn.cortex
    cortex = 1 + deep * inner * patchy + uneven * fine + broad * coarse
    plexus = (drawn.plexus[0] + drawn.plexus[1] * fine).clamp(0, 1)
    flow = torch.zeros_like(white)
    if drawn.flow_above is not None:
        flow = drawn.flow_amplitude * (field(9) - drawn.flow_above).clamp(0, 1.3)
        # CSF outside the ventricles often flows less.
        flow = torch.where(tissue == INDEX["other CSF"], drawn.flow_outside * flow, flow)
    fat = torch.sigmoid(3 * (field(8) + drawn.fat))
    texture = field(10) + 0.5 * fine + drawn.fine_texture * field(WINDOW_MM / FINE_MM)
    return Scene(tissue, lesion, glow, spaces, cortex.clamp(min=0.5), plexus, flow, fat, texture)


def _periventricular_glow(distance: Tensor, coarse: Tensor, fine: Tensor, drawn: SceneParameters) -> Tensor:
    """Caps and bands, and dirty-appearing white matter, by the distance (n, n, n) to the ventricles in mm."""
    glow = torch.zeros_like(distance)
    if drawn.caps_width is not None:
        glow += (
            drawn.caps_amplitude * torch.exp(-((distance / drawn.caps_width) ** 2)) * (0.6 + 0.6 * coarse).clamp(0, 1.5)
        )
    if drawn.dirty_reach is not None:
        glow += drawn.dirty_amplitude * torch.exp(-distance / drawn.dirty_reach) * (0.5 + fine).clamp(0, 2)
    return glow


@dataclass(frozen=True)
class PaintParameters:
    """What differs between the sequences of one patient: strength of the texture, and factor on the glow."""

    texture: float
    glow: float


def draw_paint(modality: Modality, rng: np.random.Generator) -> PaintParameters:
    """Draw how one sequence shows texture and diffuse white matter.

    The water of diffuse white matter is freer than a lesion's: FLAIR suppresses a part of it, so T2 shows it up to
    twice as bright (behind the ventricles above all). A network that has not seen that lets T2 overrule FLAIR.
    """
    texture = rng.uniform(0, 0.08)
    if modality is Modality.T1:
        return PaintParameters(texture, rng.uniform(0, 0.5))
    return PaintParameters(texture, rng.uniform(1, 2) if modality is Modality.T2 else 1.0)


def paint(scene: Scene, means: NDArray[np.float64], modality: Modality, parameters: PaintParameters) -> Tensor:
    """The ideal image (n, n, n) of one sequence from the ``means`` (tissues,) of its tissues."""
    level = torch.from_numpy(means).float()
    tissue = scene.tissue
    image = level[tissue]
    white, full = float(means[INDEX["cerebral white matter"]]), float(means[INDEX["lesion"]])
    t1 = modality is Modality.T1
    image = image * (1 + parameters.texture * scene.texture)
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
    glow = scene.glow * parameters.glow
    image = image + (glow.clamp(max=1.0) if modality is Modality.T2 else glow) * (full - white)
    lesion = scene.lesion.hole if t1 else scene.lesion.contrast
    strength = (lesion * (1 + 0.12 * scene.texture)).clamp(0, 1.3)
    # Where lesions are dark, as on T1, they leave what is darker than they as it is: cortex mostly.
    beside = torch.clamp(image, max=full) if t1 and full < white else full
    image = image + strength * (beside - image)
    replaced = FLUID_ON_FLAIR if modality is Modality.FLAIR else FLUID_ELSEWHERE
    wet = torch.maximum(scene.spaces * (lesion <= 0), replaced * scene.lesion.fluid)
    return (image + wet * (fluid - image)).clamp(min=0)
