"""Where a patch lies in a head: rotation, scaling and bending of the head, and lesions' way to MNI152 space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dawson.recipe import Synthesis
from dawson.synthesis.label_maps import DISTANCE_STEP_MM, HeadModel, LesionMap
from dawson.synthesis.lesions import lesion_centre
from dawson.synthesis.scanner.fields import draw_knots, field_of_knots
from dawson.synthesis.tissues import TISSUES, Anatomy

WHOLE_SHIFT_MM = 20.0  # of a head from the middle of what a network that finds the brain is shown
KNOTS = 6  # of the bending, along an axis


@dataclass(frozen=True, eq=False)
class Placement:
    """Where a patch lies: around the head's voxel ``centre`` (3,), by ``linear`` (3, 3) head voxels a voxel of it.

    ``elastic_mm`` is the strength of the bending; with ``bounded`` all is air beyond the label map, else the map's
    outermost voxels go on.
    """

    centre: NDArray[np.float64]
    linear: NDArray[np.float64]
    elastic_mm: float
    bounded: bool


@dataclass(frozen=True, eq=False)
class HeadPatch:
    """A head as a patch (n, n, n) shows it.

    ``where`` (3, n, n, n) are the head's voxel coordinates that each voxel shows; ``tissue`` indexes the
    tissues, ``ventricle_distance`` is in mm, ``buried`` in [0, 1].
    """

    where: Tensor
    tissue: Tensor
    ventricle_distance: Tensor
    buried: Tensor


def draw_placement(
    centre: NDArray[np.float64], settings: Synthesis, rng: np.random.Generator, *, spacing: float = 1.0
) -> Placement:
    """Draw how a head is turned, scaled and bent, to be shown around its voxel ``centre``."""
    linear = draw_linear(settings, rng) * spacing
    return Placement(centre, linear, rng.uniform(0, settings.elastic_mm), settings.whole_head)


def draw_bending(fields: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """The knots (6, 6, 6) of the bending along each axis."""
    return draw_knots(KNOTS, fields), draw_knots(KNOTS, fields), draw_knots(KNOTS, fields)


def place_head(head: HeadModel, size: int, placement: Placement, bending: tuple[Tensor, Tensor, Tensor]) -> HeadPatch:
    """Turn, scale and bend a head, and show ``size`` voxels a side of it."""
    where = _coordinates(size, placement, bending)
    index = _nearest_voxel(where, head.tissue.shape)
    tissue = torch.from_numpy(head.tissue).reshape(-1)[index].long()
    if placement.bounded:
        last = torch.tensor(head.tissue.shape).reshape(3, 1, 1, 1) - 1
        tissue = tissue * ((where >= 0) & (where <= last)).all(0)
    return HeadPatch(
        where,
        tissue,
        torch.from_numpy(head.ventricle_distance).reshape(-1)[index].float() * DISTANCE_STEP_MM,
        torch.from_numpy(head.buried).reshape(-1)[index].float() / 255,
    )


def draw_centre(
    head: HeadModel,
    lesions: LesionMap,
    mni: NDArray[np.float64],
    settings: Synthesis,
    rng: np.random.Generator,
    *,
    healthy: bool,
) -> NDArray[np.float64]:
    """The head's voxel in the middle of a patch: near lesions, in the brain, or anywhere in the head.

    Where the recipe asks for whole heads it lies near the head's own middle.
    """
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


def draw_mni(head: HeadModel, rng: np.random.Generator) -> NDArray[np.float64]:
    """Head index → MNI152 mm (4, 4), varied, and mirrored half of the time so that lesions change sides."""
    return draw_mni_variation(rng) @ head.to_mni


def draw_mni_variation(rng: np.random.Generator) -> NDArray[np.float64]:
    """A small random affine (4, 4) of MNI152 mm, mirrored half of the time."""
    moved = np.eye(4)
    moved[:3, :3] = np.diag(rng.uniform(0.85, 1.15, 3)) + rng.normal(0, 0.03, (3, 3))
    moved[:3, 3] = rng.normal(0, 2.5, 3)
    if rng.random() < 0.5:
        moved[0] *= -1
    return moved


def draw_linear(settings: Synthesis, rng: np.random.Generator) -> NDArray[np.float64]:
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


def _coordinates(size: int, placement: Placement, bending: tuple[Tensor, Tensor, Tensor]) -> Tensor:
    """Head voxel coordinates (3, n, n, n) that each voxel of the patch shows; a head's voxels are of 1 mm."""
    m = torch.from_numpy(placement.linear).float()
    line = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    where = torch.empty(3, size, size, size)
    for axis in range(3):
        plane = (m[axis, 0] * line)[:, None, None] + (m[axis, 1] * line)[None, :, None]
        where[axis] = plane + (m[axis, 2] * line)[None, None, :] + float(placement.centre[axis])
        where[axis] += placement.elastic_mm / 1.5 * field_of_knots(bending[axis], size)
    return where


def _nearest_voxel(where: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Flat C-order indices of the nearest voxels; outside, the nearest voxel of the border."""
    i, j, k = (where[axis].round().long().clamp_(0, shape[axis] - 1) for axis in range(3))
    return (i * shape[1] + j) * shape[2] + k
