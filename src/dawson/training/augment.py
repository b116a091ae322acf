"""Varied looks at real scans: mirrored, brighter or darker, with more or less contrast, noisier."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dawson.recipe import Augment

RIGHT_LEFT, FRONT_BACK = 0, 1  # axes of (i, j, k)


def augment(images: Tensor, lesion: Tensor, settings: Augment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random look at a prepared scan: images (channels, i, j, k) in [0, 1] and its lesion mask (i, j, k).

    Flips move both; brightness and contrast change the images about their mean, Gaussian noise comes last, and
    the result is clipped to [0, 1].
    """
    axes = [
        axis
        for axis, probability in ((RIGHT_LEFT, settings.flip_horizontal), (FRONT_BACK, settings.flip_vertical))
        if rng.random() < probability
    ]
    if axes:
        images, lesion = images.flip([axis + 1 for axis in axes]), lesion.flip(axes)
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    offset = rng.uniform(-settings.brightness, settings.brightness)
    mean = float(images.mean())
    images = images * gain + (mean * (1 - gain) + offset)
    noise = rng.uniform(0, settings.noise)
    if noise > 0:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        images = images.add_(torch.randn(images.shape, generator=generator), alpha=noise)
    return images.clamp_(0, 1), lesion
