"""Noise of a scan: normal or Rician, with the grain that interpolation gives it."""

from __future__ import annotations

import torch
from torch import Tensor

from dawson.synthesis.scanner.fields import Matrices, along_axes


def noise_field(shape: torch.Size, grain: Matrices, generator: torch.Generator) -> Tensor:
    """Standard normal noise (i, j, k), smoothed by ``grain`` and still of standard deviation 1."""
    noise = torch.randn(shape, generator=generator)
    for axis, matrix in enumerate(grain):
        if matrix is not None:
            length = matrix.square().sum(1).sqrt().reshape(-1, *([1] * (2 - axis)))
            noise = along_axes(noise, tuple(matrix if a == axis else None for a in range(3))) / length  # type: ignore[arg-type]
    return noise


def add_noise(image: Tensor, deviation: float, grain: Matrices, generator: torch.Generator, *, rician: bool) -> Tensor:
    """``image`` (i, j, k) with noise of a standard deviation: Rician, or normal and cut off at zero."""
    real = noise_field(image.shape, grain, generator) * deviation + image
    if not rician:
        return real.clamp(min=0)
    imaginary = noise_field(image.shape, grain, generator) * deviation
    return torch.sqrt(real * real + imaginary * imaginary)
