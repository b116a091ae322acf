"""Windows of real visits as another scanner and another patient might have given them.

Few visits are few brains, few fields and few slices. Turning and scaling, thicker slices, a bias field, motion, noise
and the skull taken away make more of them; intensities are varied by :func:`dawson.learn.synthesis.vary`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dawson.learn import scanner
from dawson.learn.loss import UNSURE
from dawson.learn.synthesis import Sample, as_seen, draw_strip, turn
from dawson.learn.visible import seen_by_raters
from dawson.prepare.intensity import CEILING
from dawson.recipe import Synthesis

MOVED, THICKER, BIASED, NOISIER = 0.4, 0.2, 0.5, 0.4  # shares of windows
NOISE = (0.005, 0.05)  # relative to the brain's median


def rescan(sample: Sample, settings: Synthesis, rng: np.random.Generator) -> Sample:
    """Another look at a window (n, n, n); absent sequences stay zero."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    if rng.random() < MOVED:
        sample = _moved(sample, settings, rng)
    size = sample.lesion.shape[0]
    images = sample.images.clone()
    strip = draw_strip(sample.anatomy, rng) if rng.random() < settings.stripped else None
    lesion = sample.lesion
    present = [channel for channel in range(len(images)) if bool(images[channel].any())]
    drowned = False
    for channel in present:
        image = images[channel]
        if rng.random() < BIASED:
            field = scanner.smooth_field(size, int(rng.integers(2, 5)), generator)
            image = image * torch.exp(abs(rng.normal(0, settings.bias)) * field)
        if rng.random() < THICKER:
            distance = float(rng.uniform(3.0, settings.thickest_mm))
            thickness = distance * rng.uniform(0.75, 1.0)
            acquire, back = scanner.slice_matrices(size, thickness, distance, rng.random())
            slices = scanner.Acquisition((None, None, acquire), (None, None, back), thickness)
            image = scanner.along_axes(scanner.along_axes(image, slices.acquire), slices.interpolate)
            if channel == present[0]:
                lesion = _redrawn(lesion, slices, settings)
        if rng.random() < settings.motion:
            shown = image > 0
            image = scanner.restless(image, 2, rng) * shown  # most visits are of axial slices
            drowned = drowned or channel == present[0]
        if rng.random() < NOISIER:
            grain = scanner.blur_matrix(size, float(rng.uniform(0.3, 1.0)))
            noise = scanner.draw_noise(image.shape, (grain, grain, None if rng.random() < 0.5 else grain), generator)
            image = image + float(rng.uniform(*NOISE)) * noise * (image > 0)  # what was not shown stays so
            drowned = drowned or channel == present[0]
        images[channel] = image.clamp(0, CEILING) if strip is None else image.clamp(0, CEILING) * strip
    if drowned and settings.visible:
        lesion = seen_by_raters(images, lesion, sample.anatomy, overlook=False)
    if strip is None:
        return Sample(images, lesion, sample.anatomy)
    inside = strip > 0.5
    return Sample(images, lesion * inside, sample.anatomy * inside)


def _redrawn(lesion: Tensor, slices: scanner.Acquisition, settings: Synthesis) -> Tensor:
    """Labels of a window whose first sequence, on which lesions are drawn, was cut anew.

    Where they would now be drawn elsewhere, or no longer, nobody is sure.
    """
    marked = lesion == 1
    moved = as_seen(marked.float(), slices, settings.border) != marked
    return lesion.masked_fill(moved, UNSURE)


def _moved(sample: Sample, settings: Synthesis, rng: np.random.Generator) -> Sample:
    """Turned and scaled about the window's middle; what was never seen is zero."""
    linear = torch.from_numpy(turn(settings, rng)[::-1, ::-1].copy()).float()  # grid_sample counts k, j, i
    theta = torch.cat([linear, torch.zeros(3, 1)], dim=1)[None]
    grid = functional.affine_grid(theta, [1, 1, *sample.lesion.shape], align_corners=False)

    def look(volumes: Tensor, mode: str) -> Tensor:
        return functional.grid_sample(volumes[None].float(), grid, mode=mode, align_corners=False)[0]

    images = sample.images.clone()
    present = [c for c in range(len(images)) if bool(images[c].any())]
    images[present] = look(images[present], "bilinear")
    labels = look(torch.stack([sample.lesion, sample.anatomy]), "nearest").to(torch.uint8)
    return Sample(images, labels[0], labels[1])
