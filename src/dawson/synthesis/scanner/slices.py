"""How a scanner samples a patch: slices and their thickness, blur within them, and the grain of the noise.

Blur, slice thickness, gaps and the interpolation back to the patch's voxels are linear along each axis, so each axis
gets two small matrices: one that acquires, one that interpolates. Between the two lies the noise, which real
interpolation smooths as well. Within slices, where nothing is cut, noise is given a grain instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dawson.synthesis.scanner.fields import Matrices, blur_matrix

Slices = tuple[int, float]
"""Axis of the slices of a 2D acquisition and the distance of their centres in mm; -1 and 0.0 of a 3D one."""

WHITE = 0.1  # share of scans whose noise has no grain: as acquired, at the very voxels that are looked at
GRAIN = (0.3, 1.0)  # share of the blur's variance that came after the noise


@dataclass(frozen=True, eq=False)
class Acquisition:
    """How one sequence samples the patch: an acquiring (m, n) and an interpolating (n, m) matrix an axis.

    ``grain`` smooths the noise of what was acquired (m, m). None stands for the identity.
    """

    acquire: Matrices
    interpolate: Matrices
    thickness_mm: float
    grain: Matrices = (None, None, None)

    @property
    def sliced(self) -> int:
        """The axis that a 2D acquisition cuts into slices, -1 for a 3D one."""
        return next((axis for axis, back in enumerate(self.interpolate) if back is not None), -1)


@dataclass(frozen=True)
class AcquisitionParameters:
    """What :func:`draw_acquisition` drew, for ``size`` voxels of ``spacing`` mm.

    ``sliced`` is the axis that is cut into slices, or -1; ``thickness``, ``distance`` and ``phase`` are as
    :func:`slice_matrices` takes them. ``blur`` is the standard deviation along each axis in voxels (that of the sliced
    axis is not used), ``grain`` the share of its variance that came after the noise.
    """

    size: int
    spacing: float
    sliced: int
    thickness: float
    distance: float
    phase: float
    blur: tuple[float, float, float]
    grain: float


def slice_matrices(size: int, thickness: float, distance: float, phase: float) -> tuple[Tensor, Tensor]:
    """Matrices that cut ``size`` voxels into slices and interpolate linearly back.

    ``thickness`` and ``distance`` (between slice centres) are in voxels, ``phase`` in [0, 1) shifts the
    first slice. The slice profile is a box with edges softened by half a voxel.
    """
    centres = torch.arange(-distance * (1 - phase), size + distance, distance)
    position = torch.arange(size, dtype=torch.float32)
    away = (position[None] - centres[:, None]).abs()
    acquire = torch.clamp(thickness / 2 + 0.5 - away, 0.0, 1.0)
    keep = acquire.sum(1) > 0.25
    acquire, centres = acquire[keep], centres[keep]
    acquire = acquire / acquire.sum(1, keepdim=True)
    back = torch.clamp(1 - (position[:, None] - centres[None]).abs() / distance, min=0.0)
    outer = back.sum(1) < 1e-3  # beyond the first or last slice: repeat it
    nearest = (position[:, None] - centres[None]).abs().argmin(1)
    back[outer] = functional.one_hot(nearest[outer], len(centres)).float()
    return acquire, back / back.sum(1, keepdim=True)


def draw_slices(rng: np.random.Generator, *, thick_probability: float, thickest_mm: float) -> Slices:
    """Slices of a 2D acquisition, axial more often than not, or those of a 3D one."""
    if rng.random() >= thick_probability:
        return -1, 0.0
    return int(rng.choice(3, p=[0.1, 0.1, 0.8])), float(np.exp(rng.uniform(np.log(2.0), np.log(thickest_mm))))


def draw_acquisition(
    size: int, slices: Slices, rng: np.random.Generator, *, spacing: float = 1.0
) -> AcquisitionParameters:
    """How a sequence with these ``slices`` samples ``size`` voxels of ``spacing`` mm.

    Scanners, registration and resampling to 1 mm all interpolate, which smooths the noise with the image. Of the
    blur within slices a share lies before the noise, the rest after it: white noise is what few scans have
    (neighbours correlate by 0.65 in the median), and a network that knows no other
    takes its clots for lesions. Noise of voxels much larger than 1 mm has hardly any grain.
    """
    grain = 0.0 if rng.random() < WHITE else rng.uniform(*GRAIN)
    in_plane = rng.uniform(0.55, 1.05)
    sliced, thickness, distance, phase = -1, 1.0, 0.0, 0.0
    blur = [0.0, 0.0, 0.0]
    for axis in range(3):
        apart = slices[1] / spacing if axis == slices[0] else 0.0
        if apart > 1:
            sliced, distance = axis, apart
            thickness = distance * rng.uniform(0.75, 1.0)
            phase = rng.random()
        else:
            blur[axis] = in_plane * rng.uniform(0.8, 1.3)
    return AcquisitionParameters(
        size, spacing, sliced, thickness, distance, phase, (blur[0], blur[1], blur[2]), float(grain)
    )


def build_acquisition(parameters: AcquisitionParameters) -> Acquisition:
    """The matrices of drawn parameters."""
    acquire: list[Tensor | None] = []
    interpolate: list[Tensor | None] = []
    grain: list[Tensor | None] = []
    size, after = parameters.size, parameters.grain
    for axis, blur in enumerate(parameters.blur):
        if axis == parameters.sliced:
            cut, back = slice_matrices(size, parameters.thickness, parameters.distance, parameters.phase)
            acquire.append(cut)
            interpolate.append(back)
            grain.append(None)
        else:
            acquire.append(blur_matrix(size, blur))
            interpolate.append(None)
            grain.append(blur_matrix(size, blur * after**0.5 / parameters.spacing) if after else None)
    return Acquisition(
        (acquire[0], acquire[1], acquire[2]),
        (interpolate[0], interpolate[1], interpolate[2]),
        parameters.thickness * parameters.spacing,
        (grain[0], grain[1], grain[2]),
    )
