"""Linear filters along the axes of a volume, and smooth random fields."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

Matrices = tuple[Tensor | None, Tensor | None, Tensor | None]
"""One matrix (m, n) for each axis of a volume; None stands for the identity."""


def blur_matrix(size: int, sigma: float) -> Tensor:
    """Row-normalised Gaussian smoothing matrix (size, size) for ``sigma`` in voxels."""
    position = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((position[:, None] - position[None]) / max(sigma, 1e-3)) ** 2)
    return weights / weights.sum(1, keepdim=True)


def along_axes(volume: Tensor, matrices: Matrices) -> Tensor:
    """Apply one matrix along each axis of (i, j, k)."""
    a, b, c = matrices
    if c is not None:
        volume = volume @ c.T
    if b is not None:
        volume = torch.matmul(b, volume)
    if a is not None:
        shape = volume.shape
        volume = (a @ volume.reshape(shape[0], -1)).reshape(a.shape[0], shape[1], shape[2])
    return volume


def draw_knots(count: int, generator: torch.Generator) -> Tensor:
    """Standard normal values (count, count, count) for :func:`field_of_knots` to interpolate."""
    return torch.randn(1, 1, count, count, count, generator=generator)[0, 0]


def field_of_knots(knots: Tensor, size: int) -> Tensor:
    """Smooth field (size, size, size), roughly standard normal, through ``knots`` (c, c, c)."""
    field = functional.interpolate(knots[None, None], size=(size, size, size), mode="trilinear", align_corners=True)
    return field[0, 0] * 1.5  # interpolation between knots lowers the variance by about half


def smooth_field(size: int, count: int, generator: torch.Generator) -> Tensor:
    """Smooth random field (size, size, size), roughly standard normal, ``count`` knots along an axis."""
    return field_of_knots(draw_knots(count, generator), size)
