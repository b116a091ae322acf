"""What a scanner and its users do to an ideal image: slices, blur, bias, motion, noise, misalignment, stripping.

Everything works on one cubic patch of isotropic voxels, with torch, and is split into *drawing* parameters
(numpy generator) and *applying* them. Blur, slice thickness, gaps and the interpolation back to 1 mm
are linear along each axis, so each axis gets two small matrices: one that acquires, one that
interpolates; between the two lies the noise, which real interpolation smooths as well. Within slices, where nothing is
cut, noise is given a grain instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

Matrices = tuple[Tensor | None, Tensor | None, Tensor | None]
WHITE = 0.1  # share of scans whose noise has no grain: as acquired, at the very voxels that are looked at
MOTION_MM = (0.4, 4.0)  # the most that any line is shifted
MOVES = 4  # while a slice, or a 3D volume, is acquired
PERIODS = (2.2, 10.0)  # lines in which a periodic motion comes back
PLACING_LINES = 6.0  # standard deviation, of 100 to 200 lines: by these it is told where small structures lie
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


def blur_matrix(size: int, sigma: float) -> Tensor:
    """Row-normalised Gaussian smoothing matrix (size, size) for ``sigma`` in voxels."""
    position = torch.arange(size, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((position[:, None] - position[None]) / max(sigma, 1e-3)) ** 2)
    return weights / weights.sum(1, keepdim=True)


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


def draw_slices(rng: np.random.Generator, *, thick_probability: float, thickest_mm: float) -> tuple[int, float]:
    """Axis and distance in mm of the slices of a 2D acquisition, axial more often than not; -1 and 0.0 of a 3D one."""
    if rng.random() >= thick_probability:
        return -1, 0.0
    return int(rng.choice(3, p=[0.1, 0.1, 0.8])), float(np.exp(rng.uniform(np.log(2.0), np.log(thickest_mm))))


def draw_acquisition(
    size: int, slices: tuple[int, float], rng: np.random.Generator, *, spacing: float = 1.0
) -> Acquisition:
    """How a sequence with these ``slices`` (see :func:`draw_slices`) samples ``size`` voxels of ``spacing`` mm.

    Scanners, registration and resampling to 1 mm all interpolate, which smooths the noise with the image. Of the
    blur within slices a share lies before the noise, the rest after it: white noise is what few scans have
    (``benchmarks/noise.py``: neighbours correlate by 0.65 in the median), and a network that knows no other
    takes its clots for lesions. Noise of voxels much larger than 1 mm has hardly any grain.
    """
    acquire: list[Tensor | None] = []
    interpolate: list[Tensor | None] = []
    grain: list[Tensor | None] = []
    after = 0.0 if rng.random() < WHITE else rng.uniform(*GRAIN)
    in_plane = rng.uniform(0.55, 1.05)
    thickness = 1.0
    for axis in range(3):
        distance = slices[1] / spacing if axis == slices[0] else 0.0
        if distance > 1:
            thickness = distance * rng.uniform(0.75, 1.0)
            a, b = slice_matrices(size, thickness, distance, rng.random())
            g = None
        else:
            blur = in_plane * rng.uniform(0.8, 1.3)
            a, b = blur_matrix(size, blur), None
            g = blur_matrix(size, blur * after**0.5 / spacing) if after else None
        acquire.append(a)
        interpolate.append(b)
        grain.append(g)
    return Acquisition(
        (acquire[0], acquire[1], acquire[2]),
        (interpolate[0], interpolate[1], interpolate[2]),
        thickness * spacing,
        (grain[0], grain[1], grain[2]),
    )


def draw_noise(shape: torch.Size, grain: Matrices, generator: torch.Generator) -> Tensor:
    """Standard normal noise (i, j, k), smoothed by ``grain`` and still of standard deviation 1."""
    noise = torch.randn(shape, generator=generator)
    for axis, matrix in enumerate(grain):
        if matrix is not None:
            length = matrix.square().sum(1).sqrt().reshape(-1, *([1] * (2 - axis)))
            noise = along_axes(noise, tuple(matrix if a == axis else None for a in range(3))) / length  # type: ignore[arg-type]
    return noise


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


def smooth_field(size: int, cells: int, generator: torch.Generator) -> Tensor:
    """Smooth random field (size, size, size), roughly standard normal, ``cells`` knots along an axis."""
    knots = torch.randn(1, 1, cells, cells, cells, generator=generator)
    field = functional.interpolate(knots, size=(size, size, size), mode="trilinear", align_corners=True)
    return field[0, 0] * 1.5  # interpolation between knots lowers the variance by about half


def draw_motion(lines: int, slices: int, rng: np.random.Generator, *, spacing: float = 1.0) -> Tensor:
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


def move(image: Tensor, along: int, across: int, motion: Tensor) -> Tensor:
    """An image (i, j, k) whose k-space lines along one axis met ``motion`` (slices across the other, or 1; lines)."""
    shape = [1, 1, 1]
    shape[along] = image.shape[along]
    if len(motion) > 1:
        shape[across] = image.shape[across]
    factor = (motion if across < along or len(motion) == 1 else motion.T).reshape(shape)
    seen: Tensor = torch.fft.ifft(torch.fft.fft(image, dim=along) * factor, dim=along)
    return seen.abs()


def restless(image: Tensor, sliced: int, rng: np.random.Generator, *, spacing: float = 1.0, planes: int = 1) -> Tensor:
    """An image (i, j, k) of a patient who moved; ``sliced`` is the axis of a 2D acquisition's slices or -1.

    Within slices voxels are of ``spacing`` mm; so many ``planes`` of the image are of one slice. Beyond the patch the
    head is not known: it is taken to go on mirrored, so that no edge comes about where the patch ends.
    """
    along = int(rng.choice([axis for axis in range(3) if axis != sliced]))
    side, depth = image.shape[along], 1 if sliced < 0 else image.shape[sliced]
    motion = draw_motion(2 * side, -(-depth // planes) + 1, rng, spacing=spacing)
    first = int(rng.integers(planes))  # of its slice, the patch's first plane
    motion = motion.repeat_interleave(planes, dim=0)[first : first + depth]
    mirrored = torch.cat([image, image.flip(along)], dim=along)
    return move(mirrored, along, max(sliced, 0), motion).narrow(along, 0, side)


def scan(
    ideal: Tensor,
    acquisition: Acquisition,
    rng: np.random.Generator,
    generator: torch.Generator,
    *,
    noise: float,
    bias: float,
    motion: float = 0.0,
    shift: tuple[float, float, float] = (0.0, 0.0, 0.0),
    spacing: float = 1.0,
) -> Tensor:
    """Acquire an ideal patch (i, j, k) of intensities relative to the brain's median.

    ``noise`` is the standard deviation relative to the same median, ``bias`` that of the logarithm of
    the receive field, ``motion`` the probability that the patient moved, ``shift`` a misalignment in voxels, which are
    of ``spacing`` mm. Noise is Rician where the draw says so.
    """
    size = ideal.shape[0]
    image = ideal
    for axis, amount in enumerate(shift):
        whole = int(np.floor(amount))
        rest = amount - whole
        if whole:
            image = torch.roll(image, whole, axis)
        if rest > 0.02:
            image = (1 - rest) * image + rest * torch.roll(image, 1, axis)
    if bias > 0:
        image = image * torch.exp(bias * smooth_field(size, int(rng.integers(2, 5)), generator))
    image = along_axes(image, acquisition.acquire)
    if motion > 0 and rng.random() < motion:
        image = restless(image, acquisition.sliced, rng, spacing=spacing)
    real = draw_noise(image.shape, acquisition.grain, generator) * noise + image
    if rng.random() < 0.5:
        imaginary = draw_noise(image.shape, acquisition.grain, generator) * noise
        image = torch.sqrt(real * real + imaginary * imaginary)
    else:
        image = real.clamp(min=0)
    return along_axes(image, acquisition.interpolate)
