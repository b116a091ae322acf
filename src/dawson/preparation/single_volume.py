"""One scan, whole, as one input: a fixed lattice, [0, 1], noise taken away, contrast raised.

The order is the paper's: resample and crop, normalise, Gaussian blur, contrast enhancement with a 3D kernel
specific to each image. How the kernel is derived from the image, which the paper does not tell, is ours:

    kernel  = (1 + a) · δ − a · G        δ: the unit impulse, G: a Gaussian, the voxel's surround
    width   of G along each axis: the scan's own voxel size there, at least ``kernel_mm``
    a       = sharpening · max(0, 1 − (4 n / c)²)

with n the noise and c the contrast (half the distance between the 16th and 84th percentiles) of the head. The
width follows the scan's voxels, because finer detail is not in the image; the amount falls with the share of
noise, as a Wiener filter's gain does, because the kernel would raise noise by 1 + a as well: an image
whose noise is a quarter of its contrast is left as it is.

Training and inference both come here, so they prepare a scan alike to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Image
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan
from dawson.preparation.head import foreground_threshold, head_box
from dawson.preparation.intensity import scan_from_zero
from dawson.preparation.resample import reorient, resample
from dawson.recipe import SingleVolume as Settings

CROWN_MM = 90.0  # below the top of the head: what lies there is cranium, not face, and centres the crop
SPARE_MM = 4.0  # of :func:`head_box` above the head
NOISE_LIMIT = 4.0
REACH = 3.0  # standard deviations at which a Gaussian is cut off
MAD_TO_SIGMA = 1.4826


@dataclass(frozen=True, eq=False)
class Kernel:
    """The contrast kernel of one image: standard deviations of the surround in voxels, amount, what they come from."""

    widths: tuple[float, float, float]
    amount: float
    noise: float
    contrast: float

    @property
    def weights(self) -> NDArray[np.float64]:
        """The kernel itself (i, j, k), odd sides, sum 1."""
        i, j, k = (gaussian(width) for width in self.widths)
        surround = i[:, None, None] * j[None, :, None] * k[None, None, :]
        weights = -self.amount * surround
        weights[tuple(side // 2 for side in weights.shape)] += 1 + self.amount
        return np.asarray(weights, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """One scan as the network's input: ``voxels`` float32 of ``grid.shape`` in [0, 1] on an RAS-like ``grid``.

    ``warnings`` are those of preparation, without what was noticed while reading.
    """

    modality: Modality
    voxels: Image
    grid: Grid
    kernel: Kernel
    warnings: tuple[str, ...] = ()

    @property
    def images(self) -> Image:
        """The network's input (1, i, j, k)."""
        return self.voxels[None]

    @property
    def used(self) -> tuple[Modality, ...]:
        """The one sequence that the images hold."""
        return (self.modality,)


def prepare_volume(scan: Scan, settings: Settings) -> PreparedScan:
    """Prepare one scan of any orientation and spacing by the recipe's table ``[volume]``.

    Values are rounded to float16, in which prepared scans are kept for training. Raises
    :class:`InputError` for a scan without any contrast.
    """
    noticed = scan.warnings
    scan = scan_from_zero(scan)
    grid = volume_grid(scan, settings)
    placed = np.maximum(resample(scan.voxels, scan.grid, grid, interpolation="linear"), 0)
    low, high = _range(placed, settings)
    if not high > low:
        raise InputError(
            "shows nothing but one grey", file=scan.file, remedy="check that it is the scan that you meant"
        )
    voxels = np.clip((placed - np.float32(low)) / np.float32(high - low), 0, 1)
    blurred = smooth(voxels, tuple(settings.blur_mm / s for s in settings.spacing_mm))
    kernel = contrast_kernel(blurred, scan.grid.canonical().spacing, settings)
    sharpened = blurred + np.float32(kernel.amount) * (blurred - smooth(blurred, kernel.widths))
    rounded = np.clip(sharpened, 0, 1).astype(np.float16).astype(np.float32)
    warnings = tuple(warning for warning in scan.warnings if warning not in noticed)
    return PreparedScan(scan.modality, rounded, grid, kernel, warnings)


def volume_grid(scan: Scan, settings: Settings) -> Grid:
    """The lattice of ``settings.shape`` along the scan's own axes, centred on the cranium, from its top down."""
    canonical = scan.grid.canonical()
    image = reorient(scan.voxels, scan.grid, canonical)
    first, last = head_box(image, canonical)
    floor = max(int(first[2]), int(last[2] - np.ceil((CROWN_MM + SPARE_MM) / canonical.spacing[2])))
    crown = (slice(None), slice(None), slice(floor, int(last[2])))
    low, high = head_box(image[crown], canonical.crop(crown))
    middle = canonical.to_world(np.array([(low[0] + high[0] - 1) / 2, (low[1] + high[1] - 1) / 2, last[2] - 0.5]))
    axes = canonical.affine[:3, :3]
    u, _, vt = np.linalg.svd(axes / np.linalg.norm(axes, axis=0))
    directions = u @ vt
    size, spacing = np.array(settings.shape), np.array(settings.spacing_mm)
    # Half the lattice to either side of the middle; along the third axis all of it below the top.
    down = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2, size[2] - 0.5]) * spacing
    placed = np.eye(4)
    placed[:3, :3] = directions * spacing
    placed[:3, 3] = middle - directions @ down
    return Grid(settings.shape, placed)


def contrast_kernel(voxels: Image, native_mm: tuple[float, float, float], settings: Settings) -> Kernel:
    """The contrast kernel for an image (i, j, k) in [0, 1], scanned with voxels of ``native_mm`` along R, A, S."""
    head = voxels > foreground_threshold(voxels)
    values = voxels[head]
    contrast = float(np.subtract(*np.percentile(values, (84, 16)))) / 2 if values.size else 0.0
    noise = _noise(voxels, head)
    share = min(NOISE_LIMIT * noise / contrast, 1.0) if contrast > 0 else 1.0
    widths = np.maximum(np.array(native_mm), settings.kernel_mm) / np.array(settings.spacing_mm)
    i, j, k = (float(w) for w in widths)
    return Kernel((i, j, k), settings.sharpening * (1 - share**2), noise, contrast)


def smooth(voxels: Image, widths: tuple[float, ...]) -> Image:
    """Gaussian blur of (i, j, k) with standard deviations in voxels, edge values carried on; 0 leaves an axis."""
    smoothed: Image = ndimage.gaussian_filter(voxels, widths, mode="nearest", radius=[_reach(w) for w in widths])
    return smoothed


def gaussian(width: float) -> NDArray[np.float64]:
    """Weights of a Gaussian of standard deviation ``width`` voxels, sum 1, cut off at three of them."""
    impulse = np.zeros(2 * _reach(width) + 1)
    impulse[_reach(width)] = 1.0
    weights: NDArray[np.float64] = ndimage.gaussian_filter1d(impulse, width, mode="constant", radius=_reach(width))
    return weights


def _reach(width: float) -> int:
    """Voxels to either side that a Gaussian of ``width`` voxels reaches."""
    return max(int(np.ceil(REACH * width)), 1)


def _range(voxels: Image, settings: Settings) -> tuple[float, float]:
    """What becomes 0 and 1: percentiles of the head, the lower one of the whole view, which holds air too."""
    head = voxels[voxels > foreground_threshold(voxels)]
    low = float(np.percentile(voxels, settings.percentiles[0]))
    return low, float(np.percentile(head, settings.percentiles[1])) if head.size else low


def _noise(voxels: Image, head: NDArray[Any]) -> float:
    """Standard deviation of the noise within ``head``, from second differences, robust to edges."""
    differences = voxels[:-2] - 2 * voxels[1:-1] + voxels[2:]
    inside = np.abs(differences[head[1:-1]])
    return MAD_TO_SIGMA * float(np.median(inside)) / np.sqrt(6.0) if inside.size else 0.0
