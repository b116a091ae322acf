"""Whether what was read can be a head: sizes in millimetres, and what the voxels hold."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid

MIN_VIEW, MAX_VIEW = 90.0, 600.0  # mm a side; thick-slice clinical scans cover as little as 117 mm
FULL_VIEW = 120.0  # mm a side, below which some brain is likely to lie outside
MAX_SPACING = 10.0  # mm, above which a warning is due
MIN_EXTENT = (
    60.0,
    100.0,
    120.0,
)  # mm of what the image shows, shortest to longest; an adult brain has 130 150 170
MAX_EXTENT = 400.0  # mm; a head with neck, with room for noise and wrapped tissue
MAX_INTENSITY = 1e12  # beyond any scanner's, and far enough below float32's end to be squared and summed
OUTLIER = 20.0  # times the spread of the scan; fat beside a coil, vessels and metal stay below 5 in real scans
MAX_FILLED = 10_000  # outliers that are filled from their neighbours; of more, nothing around them can be believed
SAMPLE = 2**18  # voxels that are enough to measure that spread
MIN_LEVELS = 16  # distinct values; masks and label maps have fewer, the coarsest scan has hundreds
SIDE = 96  # voxels a side that are enough to measure what the image shows

CHECK_FILE = "check that this is a scan of a head and that its header states the right voxel size"


def check_view(grid: Grid, *, file: Path) -> tuple[str, ...]:
    """Check the field of view; return what is unusual about it.

    Raises :class:`InputError` where it is below ``MIN_VIEW`` or above ``MAX_VIEW`` mm along any axis.
    """
    view = [n * step for n, step in zip(grid.shape, grid.spacing, strict=True)]
    if min(view) < MIN_VIEW or max(view) > MAX_VIEW:
        finding = f"its field of view of {_sizes(view)} is not that of a head scan"
        raise InputError(finding, remedy=CHECK_FILE, file=file)
    warnings = []
    if min(view) < FULL_VIEW:
        warnings.append(f"its field of view is {_sizes(view)}: parts of the brain may lie outside")
    if max(grid.spacing) > MAX_SPACING:
        warnings.append(f"its slices are {max(grid.spacing):.1f} mm apart: small lesions cannot be seen")
    return tuple(warnings)


def mend(voxels: Image, *, file: Path) -> tuple[Mask | None, tuple[str, ...]]:
    """Replace voxels that hold no measurement, in place.

    These are voxels that are NaN, infinite or beyond ``MAX_INTENSITY``, and outliers: those further from the median
    than ``OUTLIER`` times the distance that 99 in 100 voxels keep. A head fills more than a hundredth of any scan, so
    that distance is one of tissue, and outliers, fewer than that, cannot move it. No scanner gives such values;
    damaged files and failed arithmetic do, and interpolation would smear them over their surroundings. An outlier
    most of whose 26 neighbours are sound becomes their median, so that it hides no lesion and makes none.

    All others become the smallest value, not zero, since it is background in skull-stripped scans whose brain was
    scaled to mean zero as well. Returns their mask (None where there were none) and warnings that count them.
    Raises :class:`InputError` where no voxel is left.
    """
    missing = _not_finite(voxels)
    warnings: tuple[str, ...] = ()
    if missing is not None:
        if missing.all():
            finding = "all of its voxels are NaN, infinite or absurdly large"
            raise InputError(finding, remedy="export the scan again", file=file)
        warnings += (f"{_counted(missing)} are NaN, infinite or absurdly large and count as missing",)
        voxels[missing] = voxels.min(where=~missing, initial=np.inf)
    outliers, factor = _outliers(voxels)
    if outliers is not None:
        rest = _fill(voxels, outliers, outliers if missing is None else outliers | missing)
        lost = int(np.count_nonzero(rest))
        what = f"{_counted(outliers)} are outliers, up to {factor:.2g} times further from the rest than tissue is"
        what += ", and were filled from their neighbours" if not lost else ", and count as missing"
        filled = int(np.count_nonzero(outliers)) - lost
        warnings += (f"{what}, but for {filled} that were filled from their neighbours" if lost and filled else what,)
        if lost:
            missing = rest if missing is None else missing | rest
            voxels[missing] = voxels.min(where=~missing, initial=np.inf)
    return missing, warnings


def _not_finite(voxels: Image) -> Mask | None:
    with np.errstate(invalid="ignore"):
        low, high = float(voxels.min()), float(voxels.max())
    if low >= -MAX_INTENSITY and high <= MAX_INTENSITY:  # False where either is NaN
        return None
    missing: Mask = ~(np.abs(voxels) <= MAX_INTENSITY)
    return missing


def _outliers(voxels: Image) -> tuple[Mask | None, float]:
    """Where values are that no scanner gives (None: nowhere), and the furthest of them in multiples of the spread."""
    flat = voxels.reshape(-1)
    sample = flat[:: max(1, flat.size // SAMPLE)]
    middle = float(np.median(sample))
    spread = float(np.percentile(np.abs(sample - np.float32(middle)), 99.0))
    reach = max(float(voxels.max()) - middle, middle - float(voxels.min()))
    if spread == 0 or reach <= OUTLIER * spread:  # without a spread it is no scan, which is found later
        return None, 0.0
    low, high = middle - OUTLIER * spread, middle + OUTLIER * spread
    outliers: Mask = (voxels < low) | (voxels > high)
    return outliers, reach / spread


def _fill(voxels: Image, outliers: Mask, bad: Mask) -> Mask:
    """Set outliers to the median of their neighbours that are not ``bad``; return those that have too few of them."""
    places = np.argwhere(outliers)
    rest = outliers.copy()
    if len(places) > MAX_FILLED:
        return rest
    steps = np.array([step for step in product((-1, 0, 1), repeat=3) if any(step)])
    near = places[:, None] + steps
    inside = ((near >= 0) & (near < voxels.shape)).all(axis=2)
    index = tuple(np.clip(near, 0, np.array(voxels.shape) - 1).transpose(2, 0, 1))
    sound = inside & ~bad[index]
    enough = 2 * sound.sum(axis=1) > len(steps)
    values = np.where(sound, voxels[index], np.nan)[enough]
    filled = tuple(places[enough].T)
    voxels[filled] = np.nanmedian(values, axis=1)
    rest[filled] = False
    return rest


def _counted(mask: Mask) -> str:
    count = int(np.count_nonzero(mask))
    return f"{count} voxel{'' if count == 1 else 's'} ({100.0 * count / mask.size:.2g} %)"


def check_content(voxels: Image, grid: Grid, *, file: Path) -> None:
    """Raise :class:`InputError` where ``voxels`` are empty, constant, a mask or label map, or no head."""
    low, high = float(voxels.min()), float(voxels.max())
    if low == high:
        finding = "all of its voxels are zero" if low == 0 else f"all of its voxels have the value {low:g}"
        raise InputError(finding, remedy="export the scan again", file=file)
    levels = _levels(voxels)
    if levels < MIN_LEVELS:
        what = "a mask" if levels == 2 else "a label map"
        finding = f"its voxels have only {levels} different values, so it looks like {what}, not a scan"
        raise InputError(finding, remedy="give the scan itself", file=file)
    extent = sorted(_extent(voxels, grid))
    if any(size < least for size, least in zip(extent, MIN_EXTENT, strict=True)) or extent[2] > MAX_EXTENT:
        finding = f"what it shows measures {_sizes(extent)}, which is not the size of a human head or brain"
        raise InputError(finding, remedy=CHECK_FILE, file=file)


def _levels(voxels: Image) -> int:
    """The number of distinct values, counted only as far as it matters."""
    flat = voxels.ravel()
    few = np.unique(flat[:: max(1, flat.size // 2**15)]).size
    return few if few >= MIN_LEVELS else int(np.unique(flat).size)


def _extent(voxels: Image, grid: Grid) -> list[float]:
    """Size in mm along i, j, k of what stands out from the background.

    That is the voxels above a tenth of the way from the 5th to the 99.5th percentile, from the first to
    the last slice in which they make up one voxel in a hundred: noise and single bright voxels do not
    count, faint deep tissue does not need to.
    """
    steps = [-(-n // SIDE) for n in voxels.shape]
    coarse = voxels[tuple(slice(step // 2, None, step) for step in steps)]
    low, high = np.percentile(coarse, (5.0, 99.5))
    shown = coarse > low + 0.1 * (high - low)
    extent = []
    for axis, (step, spacing) in enumerate(zip(steps, grid.spacing, strict=True)):
        others = tuple(other for other in range(3) if other != axis)
        slices = np.flatnonzero(shown.mean(axis=others) >= 0.01)
        length = int(slices[-1] - slices[0]) + 1 if slices.size else 0
        extent.append(min(length * step, voxels.shape[axis]) * spacing)
    return extent


def _sizes(sizes: list[float]) -> str:
    return " × ".join(f"{size:.0f}" for size in sizes) + " mm"
