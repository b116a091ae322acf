"""Windows of real visits as another scanner and another patient might have given them.

Few visits are few brains, few fields and few slices. Turning and scaling, thicker slices, a bias field, motion, noise
and the skull taken away make more of them; intensities are varied by :func:`dawson.synthesis.samples.vary`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from dawson.core.arrays import UNSURE
from dawson.core.study import Modality
from dawson.preparation.intensity import CEILING
from dawson.recipe import Synthesis
from dawson.synthesis.field_of_view import draw_strip, strip_mask
from dawson.synthesis.placement import draw_linear
from dawson.synthesis.samples import Sample
from dawson.synthesis.scanner.fields import along_axes, blur_matrix, smooth_field
from dawson.synthesis.scanner.motion import draw_motion, simulate_motion
from dawson.synthesis.scanner.noise import noise_field
from dawson.synthesis.scanner.slices import Acquisition, Slices, slice_matrices
from dawson.synthesis.visibility import RATED, rater_outline, seen_by_raters

MOVED, THICKER, BIASED, NOISIER = 0.4, 0.2, 0.5, 0.4  # shares of windows
NOISE = (0.005, 0.05)  # relative to the brain's median


def rescan(sample: Sample, slices: Mapping[Modality, Slices], settings: Synthesis, rng: np.random.Generator) -> Sample:
    """A window (n, n, n) as it might have been scanned; absent sequences stay zero.

    ``slices`` tells along which axis, and at what distance in mm, each sequence was cut.
    """
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    present = [channel for channel in range(len(sample.images)) if bool(sample.images[channel].any())]
    rated = next((c for c in (list(Modality).index(s) for s in RATED) if c in present), None)
    sample, moved = _with_motion(sample, present, slices, settings, rng)
    judged = rated in moved
    if rng.random() < MOVED:
        sample = _turned(sample, settings, rng)
    size = sample.lesion.shape[0]
    images = sample.images.clone()
    strip = strip_mask(sample.anatomy, draw_strip(rng)) if rng.random() < settings.stripped else None
    lesion = sample.lesion
    for channel in present:
        image = images[channel]
        if rng.random() < BIASED:
            field = smooth_field(size, int(rng.integers(2, 5)), generator)
            image = image * torch.exp(abs(rng.normal(0, settings.bias)) * field)
        if rng.random() < THICKER:
            distance = float(rng.uniform(3.0, settings.thickest_mm))
            thickness = distance * rng.uniform(0.75, 1.0)
            acquire, back = slice_matrices(size, thickness, distance, rng.random())
            cut = Acquisition((None, None, acquire), (None, None, back), thickness)
            image = along_axes(along_axes(image, cut.acquire), cut.interpolate)
            if channel == rated:
                lesion = _redrawn(lesion, cut, settings)
        if rng.random() < NOISIER:
            grain = blur_matrix(size, float(rng.uniform(0.3, 1.0)))
            noise = noise_field(image.shape, (grain, grain, None if rng.random() < 0.5 else grain), generator)
            image = image + float(rng.uniform(*NOISE)) * noise * (image > 0)  # what was not shown stays so
            judged = judged or channel == rated
        images[channel] = image.clamp(0, CEILING) if strip is None else image.clamp(0, CEILING) * strip
    if judged and settings.visible:
        lesion = seen_by_raters(images, lesion, sample.anatomy, overlook=False)
    if strip is None:
        return Sample(images, lesion, sample.anatomy)
    inside = strip > 0.5
    return Sample(images, lesion * inside, sample.anatomy * inside)


def _with_motion(
    sample: Sample,
    present: list[int],
    slices: Mapping[Modality, Slices],
    settings: Synthesis,
    rng: np.random.Generator,
) -> tuple[Sample, set[int]]:
    """As if the patient had moved, and the channels that show it; what was not shown stays so."""
    if settings.motion == 0:
        return sample, set()
    images, which = sample.images.clone(), set()
    for channel in present:
        if rng.random() < settings.motion:
            axis, distance = slices.get(list(Modality)[channel], (2, 1.0))
            planes = max(round(distance), 1)
            shown = images[channel] > 0
            motion = draw_motion(images[channel].shape, axis if planes > 1 else -1, rng, planes=planes)
            moved = simulate_motion(images[channel], motion)
            images[channel] = moved.clamp(0, CEILING) * shown
            which.add(channel)
    return Sample(images, sample.lesion, sample.anatomy), which


def _redrawn(lesion: Tensor, slices: Acquisition, settings: Synthesis) -> Tensor:
    """Labels of a window whose sequence that raters draw on was cut anew.

    Where they would now be drawn elsewhere, or no longer, nobody is sure.
    """
    marked = lesion == 1
    moved = rater_outline(marked.float(), slices, settings.border) != marked
    return lesion.masked_fill(moved, UNSURE)


def _turned(sample: Sample, settings: Synthesis, rng: np.random.Generator) -> Sample:
    """Turned and scaled about the window's middle; what was never seen is zero."""
    linear = torch.from_numpy(draw_linear(settings, rng)[::-1, ::-1].copy()).float()  # grid_sample counts k, j, i
    theta = torch.cat([linear, torch.zeros(3, 1)], dim=1)[None]
    grid = functional.affine_grid(theta, [1, 1, *sample.lesion.shape], align_corners=False)

    def sampled(volumes: Tensor, mode: str) -> Tensor:
        return functional.grid_sample(volumes[None].float(), grid, mode=mode, align_corners=False)[0]

    images = sample.images.clone()
    present = [c for c in range(len(images)) if bool(images[c].any())]
    images[present] = sampled(images[present], "bilinear")
    labels = sampled(torch.stack([sample.lesion, sample.anatomy]), "nearest").to(torch.uint8)
    return Sample(images, labels[0], labels[1])
