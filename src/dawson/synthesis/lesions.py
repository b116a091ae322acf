"""Lesions into a head: real shapes from masks, and small drawn ones where masks have few."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawson.recipe import Synthesis
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.scanner.fields import along_axes, blur_matrix, smooth_field
from dawson.synthesis.tissues import INDEX, TISSUES

_FIRST_SMALL = 256  # component numbers below belong to the real mask
_MOST_SMALL = 60
_NUMBERS = _FIRST_SMALL + _MOST_SMALL + 1  # of components, 0 for none included
_FIRST_JUXTACORTICAL = _FIRST_SMALL + 40  # and on: small ones that lie under cortex and reach into it
FAINTEST = 0.25  # of the full contrast
PLAIN = (0.85, 1.15)  # contrast of juxtacortical lesions: fainter ones cannot be told from the cortex beside them
UNDER_CORTEX = 3  # voxels from the middle of a juxtacortical lesion to cortex
INSIDE_MM = 2.0  # standard deviation of the blur that tells inside from border
GRAIN_MM = 8.0  # how far apart a lesion differs from itself


@dataclass(frozen=True, eq=False)
class Implant:
    """Lesions on a patch (n, n, n).

    ``fraction`` is 1 in lesions, where they can be seen, and 0 elsewhere, and defines the truth; ``contrast`` how far
    a voxel moves from its tissue towards the full T2-weighted signal of a lesion; ``hole`` the same for T1 (black
    holes); ``fluid`` how far its inside has turned to fluid, which is dark on FLAIR.
    """

    fraction: Tensor
    contrast: Tensor
    hole: Tensor
    fluid: Tensor


def _allowed(*, cortex: bool) -> Tensor:
    names = [
        "cerebral white matter",
        "cerebellar white matter",
        "brain-stem",
        "ventral diencephalon",
        "thalamus",
        "caudate",
        "putamen",
        "pallidum",
    ]
    if cortex:
        names += ["cerebral cortex", "cerebellar cortex", "hippocampus"]
    table = torch.zeros(len(TISSUES), dtype=torch.bool)
    table[[INDEX[n] for n in names]] = True
    return table


@dataclass(frozen=True, eq=False)
class Ellipsoid:
    """One small drawn lesion: ``number`` of the component, ``centre`` its voxel, half ``axes`` in voxels.

    ``rotation`` (3, 3) turns its axes, ``offset`` (3,) moves it within a voxel; ``bumps`` (3,) and ``phase`` make its
    surface rough.
    """

    number: int
    centre: NDArray[np.int64]
    axes: NDArray[np.float64]
    rotation: NDArray[np.float64]
    offset: NDArray[np.float64]
    bumps: NDArray[np.float64]
    phase: float


@dataclass(frozen=True, eq=False)
class LesionParameters:
    """Where the lesions of one patient lie.

    ``kept`` (numbers,) tells which components of the mask are kept, ``small`` are added to them; with ``in_cortex``
    all may lie in cortex, else small juxtacortical ones only.
    """

    kept: NDArray[np.bool_]
    small: tuple[Ellipsoid, ...]
    in_cortex: bool


def lesion_centre(
    head: HeadModel, lesions: LesionMap, mni: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Head voxel near the centroid of a random lesion, small ones as likely as large ones."""
    inverse = np.linalg.inv(mni)
    world = lesions.centres[int(rng.integers(len(lesions.centres)))]
    near = inverse[:3, :3] @ world + inverse[:3, 3] + rng.uniform(-25, 25, 3)
    return np.asarray(np.clip(near, 0, np.array(head.tissue.shape) - 1.0))


def no_lesions(size: int) -> Implant:
    """The implant of a patient without lesions."""
    nothing = torch.zeros(size, size, size)
    return Implant(nothing, nothing, nothing, nothing)


def draw_lesions(
    tissue: Tensor, ventricle_distance: Tensor, settings: Synthesis, rng: np.random.Generator
) -> LesionParameters:
    """Draw which lesions of a mask are kept, and small ones where ``tissue`` (n, n, n) lets them be.

    ``ventricle_distance`` (n, n, n) is in mm.
    """
    kept = np.zeros(_NUMBERS, dtype=np.bool_)
    share = 1.0 if rng.random() < settings.whole_load else rng.random()
    kept[1:_FIRST_SMALL] = rng.random(_FIRST_SMALL - 1) < share
    kept[_FIRST_SMALL:] = True
    small: tuple[Ellipsoid, ...] = ()
    if rng.random() < settings.small_lesions:
        small = tuple(_draw_small_lesions(tissue, ventricle_distance, settings, rng))
    return LesionParameters(kept, small, bool(rng.random() < settings.cortical))


def place_lesions(
    tissue: Tensor, where: Tensor, lesions: LesionMap, mni: NDArray[np.float64], parameters: LesionParameters
) -> tuple[Tensor, Tensor]:
    """Numbers (n, n, n) of lesions, 0 elsewhere, and the mask (n, n, n) of tissue that they may lie in.

    ``where`` (3, n, n, n) are the head's voxel coordinates that each voxel of ``tissue`` shows, ``mni`` (4, 4) the
    affine from those to MNI152 mm.
    """
    component = _real(where, lesions, mni)
    for ellipsoid in parameters.small:
        _add_ellipsoid(component, ellipsoid)
    with_cortex = _allowed(cortex=True)[tissue]
    allowed = with_cortex if parameters.in_cortex else _allowed(cortex=False)[tissue]
    allowed = allowed | ((component >= _FIRST_JUXTACORTICAL) & with_cortex)
    component = component * allowed
    return component * torch.from_numpy(parameters.kept)[component], allowed


@dataclass(frozen=True, eq=False)
class LesionAppearance:
    """How each lesion appears, by its number (numbers,), and what all of one patient share.

    ``fade`` is the share of contrast that is lost from the inside to the border, as raters include the faint rim;
    ``fluid`` how far the inside of a large one has turned to fluid; ``softness`` the blur of borders in voxels;
    ``uneven`` the standard deviation of the contrast within lesions, by a field drawn from ``seed``.
    """

    contrast: Tensor
    hole: Tensor
    fade: Tensor
    fluid: Tensor
    softness: float
    uneven: float
    seed: int


def draw_appearance(settings: Synthesis, rng: np.random.Generator) -> LesionAppearance:
    """Draw the appearance of all lesions of one patient."""
    faint, strong = settings.contrast
    contrast = torch.from_numpy(rng.uniform(faint, strong, _NUMBERS)).float() * rng.uniform(0.8, 1.1)
    hole = torch.from_numpy(rng.beta(2.2, 1.4, _NUMBERS)).float() * rng.uniform(0.7, 1.25)
    fade = torch.from_numpy(rng.uniform(0, 1, _NUMBERS)).float() * (rng.uniform(0, 0.7) if rng.random() < 0.7 else 0.0)
    fluid = torch.from_numpy(rng.beta(1.5, 1.5, _NUMBERS) * (rng.random(_NUMBERS) < rng.uniform(0, 0.5))).float()
    contrast[_FIRST_JUXTACORTICAL:] = torch.from_numpy(rng.uniform(*PLAIN, _NUMBERS - _FIRST_JUXTACORTICAL)).float()
    contrast[0] = hole[0] = fluid[0] = 0.0
    uneven = float(rng.uniform(0, 0.3))
    return LesionAppearance(contrast, hole, fade, fluid, float(rng.uniform(0.3, 0.8)), uneven, int(rng.integers(2**62)))


def render_lesions(component: Tensor, appearance: LesionAppearance) -> Implant:
    """Render numbered lesions (n, n, n) as they appear."""
    size = component.shape[0]
    soft, wide = blur_matrix(size, appearance.softness), blur_matrix(size, INSIDE_MM)
    softly = (soft, soft, soft)
    inside = (component > 0).float()
    # One half at a flat border and one some 4 mm inside of it: 0 and 1 here. Small lesions are all border.
    depth = (2 * along_axes(inside, (wide, wide, wide)) - 1).clamp(0, 1)
    field = smooth_field(size, max(round(size / GRAIN_MM), 2), torch.Generator().manual_seed(appearance.seed))
    uneven = (1 + appearance.uneven * field).clamp(0.3, 1.4)
    # Only what has an inside fades towards its border: a small faint spot is no lesion that can be told from cortex.
    inner = torch.zeros_like(appearance.fade).scatter_reduce(0, component.flatten(), depth.flatten(), "amax")
    fading = 1 - (appearance.fade * inner)[component] * (1 - depth)
    contrast = appearance.contrast[component] * fading * uneven
    fraction = inside * (contrast >= FAINTEST)  # what is fainter nobody marks
    fluid = appearance.fluid[component] * ((depth - 0.4) / 0.6).clamp(0, 1)
    hole = torch.maximum(appearance.hole[component] * uneven * (0.5 + 0.5 * fading), fluid)
    return Implant(fraction, along_axes(contrast, softly), along_axes(hole, softly), along_axes(fluid, softly))


def _real(where: Tensor, lesions: LesionMap, mni: NDArray[np.float64]) -> Tensor:
    """Component numbers (n, n, n) of the real mask, nearest neighbour."""
    m = torch.from_numpy(lesions.from_mni @ mni).float()
    shape = lesions.component.shape
    flat = torch.zeros(where.shape[1:], dtype=torch.long)
    inside = torch.ones(where.shape[1:], dtype=torch.bool)
    for axis in range(3):
        index = m[axis, 0] * where[0] + m[axis, 1] * where[1] + m[axis, 2] * where[2] + m[axis, 3]
        voxel = index.round_().long()
        inside &= (voxel >= 0) & (voxel < shape[axis])
        flat = flat * shape[axis] + voxel.clamp_(0, shape[axis] - 1)
    return torch.from_numpy(lesions.component).reshape(-1)[flat].long() * inside


def _draw_small_lesions(
    tissue: Tensor, ventricle_distance: Tensor, settings: Synthesis, rng: np.random.Generator
) -> Iterator[Ellipsoid]:
    """Ellipsoids with rough surfaces.

    Most white-matter voxels are far from everything; a share of the centres is therefore asked to lie beside
    the ventricles or under cortex, where lesions crowd, the others anywhere.
    """
    home = _allowed(cortex=False)
    count = min(int(rng.geometric(1 / settings.small_lesion_count)), _MOST_SMALL)
    free = {False: iter(range(_FIRST_SMALL, _FIRST_JUXTACORTICAL)), True: iter(range(_FIRST_JUXTACORTICAL, _NUMBERS))}
    for _ in range(count):
        under_cortex = rng.random() < settings.juxtacortical
        beside_ventricle = not under_cortex and rng.random() < 0.35
        number = next(free[under_cortex], 0)
        for _ in range(60 if number else 0):
            at = rng.integers(4, tissue.shape[0] - 4, 3)
            i, j, k = (int(v) for v in at)
            if (
                home[tissue[i, j, k]]
                and (not beside_ventricle or ventricle_distance[i, j, k] < 5)
                and (not under_cortex or _touches(tissue, at, INDEX["cerebral cortex"]))
            ):
                break
        else:
            continue
        radius = float(np.clip(np.exp(rng.normal(np.log(settings.small_lesion_radius_mm), 0.45)), 0.9, 7))
        axes = radius * np.exp(rng.normal(0, 0.3, 3))
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        offset = rng.uniform(-0.5, 0.5, 3)
        bumps = rng.normal(0, 1, 3) * 2
        yield Ellipsoid(number, at, axes, rotation, offset, bumps, rng.uniform(0, 6))


def _add_ellipsoid(component: Tensor, ellipsoid: Ellipsoid) -> None:
    """Write one into ``component`` (n, n, n), in place."""
    at, axes, bumps = ellipsoid.centre, ellipsoid.axes, ellipsoid.bumps
    reach = int(np.ceil(axes.max() * 1.3)) + 1
    low, high = np.maximum(at - reach, 0), np.minimum(at + reach + 1, component.shape[0])
    grid = np.stack(np.meshgrid(*[np.arange(a, b) for a, b in zip(low, high, strict=True)], indexing="ij"), -1)
    local = (grid - at - ellipsoid.offset) @ ellipsoid.rotation / axes
    length = np.linalg.norm(local, axis=-1)
    rough = 1 + 0.22 * np.sin(local @ bumps + ellipsoid.phase) + 0.12 * np.sin(local @ bumps[::-1] * 2)
    window = component[low[0] : high[0], low[1] : high[1], low[2] : high[2]]
    window[torch.from_numpy(length < rough)] = ellipsoid.number


def _touches(tissue: Tensor, at: NDArray[np.int64], wanted: int) -> bool:
    """Whether a tissue is found some voxels away along an axis."""
    i, j, k = (int(v) for v in at)
    far = UNDER_CORTEX
    lines = (
        tissue[i - far : i + far + 1, j, k],
        tissue[i, j - far : j + far + 1, k],
        tissue[i, j, k - far : k + far + 1],
    )
    return any(bool((line == wanted).any()) for line in lines)
