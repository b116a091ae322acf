"""Motion during a scan: k-space lines that show the head where it has moved by then."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

MOTION_MM = (0.4, 4.0)  # the most that any line is shifted
MOVES = 4  # while a slice, or a 3D volume, is acquired
PERIODS = (2.2, 10.0)  # lines in which a periodic motion comes back
PLACING_LINES = 6.0  # standard deviation, of 100 to 200 lines: these tell where small structures lie


@dataclass(frozen=True, eq=False)
class Motion:
    """What motion does to the k-space of an image (i, j, k).

    Lines run along the axis ``along``; ``factors`` (planes, 2 * side) or (1, 2 * side) holds a complex factor for each
    of them, in the order of torch's fft, by the image's plane along the axis ``across``. There are twice as many lines
    as voxels, as :func:`simulate_motion` mirrors the image.
    """

    along: int
    across: int
    factors: Tensor


def draw_motion(
    shape: tuple[int, ...], sliced: int, rng: np.random.Generator, *, spacing: float = 1.0, planes: int = 1
) -> Motion:
    """Motion of a patient whose image is of ``shape``; ``sliced`` is the axis of a 2D acquisition's slices or -1.

    Within slices voxels are of ``spacing`` mm; so many ``planes`` of the image are of one slice.
    """
    along = int(rng.choice([axis for axis in range(3) if axis != sliced]))
    depth = 1 if sliced < 0 else shape[sliced]
    factors = draw_line_factors(2 * shape[along], -(-depth // planes) + 1, rng, spacing=spacing)
    first = int(rng.integers(planes))  # of its slice, the patch's first plane
    factors = factors.repeat_interleave(planes, dim=0)[first : first + depth]
    return Motion(along, max(sliced, 0), factors)


def draw_line_factors(lines: int, slices: int, rng: np.random.Generator, *, spacing: float = 1.0) -> Tensor:
    """What motion does to k-space (slices, lines): a complex factor for each line, in the order of torch's fft.

    Lines are acquired one after the other, the middle of k-space in the middle of the time, and show the head shifted
    along them to where it has moved by then. Pulsation and breathing are periodic, and repeat the head as ghosts; a
    patient who moves does so a few times, which blurs edges and makes them ring. Slices of a 2D acquisition have
    moments of their own, while a 3D one (``slices`` of 1) has one for all. ``spacing`` is mm a voxel.

    Shifts are measured from where the lines that tell a structure of some millimetres apart see it, so that labels
    still lie on it.
    """
    order = np.arange(lines) - lines // 2  # of lines, as acquired
    furthest = np.exp(rng.uniform(*np.log(MOTION_MM))) / spacing
    if rng.random() < 0.5:
        wave = 2 * np.pi * order / np.exp(rng.uniform(*np.log(PERIODS)))
        shift = np.sin(wave + rng.uniform(0, 2 * np.pi, (slices, 1)))
    else:
        moments, ways = rng.uniform(-lines / 2, lines / 2, (slices, MOVES)), rng.normal(size=(slices, MOVES))
        shift = (ways[:, :, None] * (order > moments[:, :, None])).sum(axis=1)
    weight = order**2 * np.exp(-0.5 * (order / PLACING_LINES) ** 2)
    shift = shift - (shift * weight).sum(axis=1, keepdims=True) / weight.sum()
    shift *= furthest / np.maximum(np.abs(shift).max(axis=1, keepdims=True), 1e-6)
    phase = np.fft.ifftshift(-2 * np.pi / lines * shift * order, axes=1)
    return torch.from_numpy(np.exp(1j * phase)).to(torch.complex64)


def apply_line_factors(image: Tensor, motion: Motion) -> Tensor:
    """An image (i, j, k) whose k-space lines along one axis met the factors; it has as many lines as they."""
    along, across, factors = motion.along, motion.across, motion.factors
    shape = [1, 1, 1]
    shape[along] = image.shape[along]
    if len(factors) > 1:
        shape[across] = image.shape[across]
    factor = (factors if across < along or len(factors) == 1 else factors.T).reshape(shape)
    moved: Tensor = torch.fft.ifft(torch.fft.fft(image, dim=along) * factor, dim=along)
    return moved.abs()


def simulate_motion(image: Tensor, motion: Motion) -> Tensor:
    """An image (i, j, k) of a patient who moved.

    Beyond the patch the head is not known: it is taken to go on mirrored, so that no edge comes about where the patch
    ends.
    """
    mirrored = torch.cat([image, image.flip(motion.along)], dim=motion.along)
    return apply_line_factors(mirrored, motion).narrow(motion.along, 0, image.shape[motion.along])
