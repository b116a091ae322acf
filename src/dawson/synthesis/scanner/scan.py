"""One scan of an ideal patch: misalignment, bias field, slices and blur, motion, noise, and interpolation back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dawson.synthesis.scanner.fields import along_axes, smooth_field
from dawson.synthesis.scanner.motion import Motion, draw_motion, simulate_motion
from dawson.synthesis.scanner.noise import add_noise
from dawson.synthesis.scanner.slices import AcquisitionParameters, build_acquisition


@dataclass(frozen=True, eq=False)
class ScanParameters:
    """What was drawn for one scan of a cubic patch.

    ``shift`` is a misalignment in voxels; ``bias`` the standard deviation of the logarithm of the receive field and
    ``bias_knots`` its knots along an axis (0 for an even field); ``noise`` the standard deviation of the noise relative
    to the brain's median, which is Rician or normal. ``motion`` is None of a patient who lay still.
    """

    acquisition: AcquisitionParameters
    shift: tuple[float, float, float]
    bias: float
    bias_knots: int
    motion: Motion | None
    noise: float
    rician: bool


def draw_scan(
    acquisition: AcquisitionParameters,
    rng: np.random.Generator,
    *,
    noise: float,
    bias: float,
    motion: float = 0.0,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> ScanParameters:
    """Draw what is left to chance about a scan; ``motion`` is the probability that the patient moved.

    ``noise``, ``bias`` and ``shift`` are as :class:`ScanParameters` holds them.
    """
    knots = int(rng.integers(2, 5)) if bias > 0 else 0
    moved = None
    if motion > 0 and rng.random() < motion:
        built = build_acquisition(acquisition)
        shape = tuple(acquisition.size if m is None else m.shape[0] for m in built.acquire)
        moved = draw_motion(shape, built.sliced, rng, spacing=acquisition.spacing)
    return ScanParameters(acquisition, shift, bias, knots, moved, noise, bool(rng.random() < 0.5))


def simulate_scan(ideal: Tensor, parameters: ScanParameters, fields: torch.Generator) -> Tensor:
    """Acquire an ideal patch (n, n, n) of intensities relative to the brain's median.

    Only the bias field and the noise are taken from ``fields``: a generator of the same seed gives the same scan.
    """
    acquisition = build_acquisition(parameters.acquisition)
    image = _shifted(ideal, parameters.shift)
    if parameters.bias_knots:
        image = image * torch.exp(parameters.bias * smooth_field(ideal.shape[0], parameters.bias_knots, fields))
    image = along_axes(image, acquisition.acquire)
    if parameters.motion is not None:
        image = simulate_motion(image, parameters.motion)
    image = add_noise(image, parameters.noise, acquisition.grain, fields, rician=parameters.rician)
    return along_axes(image, acquisition.interpolate)


def _shifted(image: Tensor, shift: tuple[float, float, float]) -> Tensor:
    for axis, amount in enumerate(shift):
        whole = int(np.floor(amount))
        rest = amount - whole
        if whole:
            image = torch.roll(image, whole, axis)
        if rest > 0.02:
            image = (1 - rest) * image + rest * torch.roll(image, 1, axis)
    return image
