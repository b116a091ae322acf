"""Bring the sequences of one visit together: rigid registration by mutual information, where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from dawson.core.arrays import Image, Mask
from dawson.core.grid import Grid
from dawson.core.runtime import cores
from dawson.core.study import Scan
from dawson.preparation.head import foreground_threshold, head_box
from dawson.preparation.intensity import scan_from_zero
from dawson.preparation.resample import THREADS, resample, working_grid

Matrix = NDArray[np.float64]
Motion = NDArray[np.float64]
Similarity = Callable[[Sequence[Motion]], list[float]]

COMPARED_MM = 1.5  # both scans are compared on isotropic lattices of about this spacing
SIMILARITY_MM = 3.0  # mutual information is taken at the points of such a lattice over the head, some 100,000
BINS = 32
LEAST = 0.25  # of the head that must be shown by both scans
PROBE = 1.0  # mm, or degrees: a degree moves the surface of a brain by a millimetre
CLIMB = (1.0, 0.5, 0.5, 0.25)  # steps of the last, dense search, likewise
GAIN = 0.005  # the least share of mutual information that a registration must win to be believed
SMALL = 1.0  # a motion below this (mm plus degrees) that wins less speaks for the headers, not against
MAX_MM, MAX_DEGREES = 40.0, 25.0  # no patient moves farther between two sequences of one visit,
FAR_MM, FAR_DEGREES = 10.0, 10.0  # and few as far as this: worth a check
SEED = 1
MOST_THREADS = 4  # each holds a scan as it would lie

# From coarse to fine: shrink factor, smoothing (sigma, mm), points sampled, bins, first step of the
# line searches and their tolerance (mm at the surface of a brain).
LEVELS = ((3, 3.0, 8_000, 24, 4.0, 0.2), (2, 2.0, 10_000, 32, 1.0, 0.1))
ARM_MM = 180 / np.pi


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one scan lies to the reference, and how that was found.

    ``matrix`` (4, 4) maps RAS mm of the reference to RAS mm of the moving scan, as
    :func:`dawson.preparation.resample.resample` takes it. ``method`` is ``"identity: same grid"``,
    ``"headers agree"``, ``"headers kept"`` (registration was tried and not believed: see ``warnings``) or
    ``"rigid, mutual information"``. The similarities are mutual information in nats over the part
    of the head that both scans show, by the headers alone and by ``matrix``. ``note`` says what was done.
    """

    matrix: Matrix
    method: str
    similarity_before: float
    similarity_after: float
    note: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _ComparedScan:
    """A scan as it is compared: cropped to the head, isotropic, outliers clipped; and where the head is."""

    voxels: Image
    grid: Grid
    head: Mask


def align(moving: Scan, reference: Scan) -> Alignment:
    """Find the rigid motion (six degrees of freedom) between two scans of one head, starting at the headers.

    Two scans on one lattice (in whatever array order) usually were brought together before, and then
    interpolating them again only costs detail. They are left alone if no step of 1 mm along, or of
    1 degree about, any axis raises their mutual information; near its peak that is a parabola, so the
    peak is then less than half a step away along each.

    All others are registered: in two coarse resolutions ITK climbs Mattes' mutual information (Mattes
    et al., IEEE Trans. Med. Imaging 22, 2003) of seeded points by Powell's method; then parabolas are laid
    through the mutual information of all the head, hardly smoothed, because smoothing thick slices
    moves its peak by up to a millimetre across them. The points are taken from the scan that shows
    less, so that a skull in only one of the two does little harm. The motion is believed if it raises
    mutual information by at least 0.5 % and moves the head by less than 40 mm and 25 degrees; if
    not, the headers stand, with a warning where they are in doubt.

    Reruns are bit-identical: the points are drawn with a fixed seed and ITK runs in one thread, since
    its sums depend on the order in which threads finish.
    """
    moving, reference = scan_from_zero(moving), scan_from_zero(reference)
    # Spacings are unlike, so that voxels never coincide.
    scans = _compared(moving, COMPARED_MM * 0.93), _compared(reference, COMPARED_MM)
    swapped = _head_ml(scans[0]) < _head_ml(scans[1])
    fixed, floating = scans if swapped else scans[::-1]
    if not fixed.head.any():
        return _kept(0.0, "no head was found in one of the scans")
    centre = fixed.grid.to_world(np.argwhere(fixed.head).mean(axis=0))
    similarity = _similarity_of(fixed, floating, centre)
    headers = np.zeros(6)
    if moving.grid.canonical().same_as(reference.grid.canonical()):
        value, *around = similarity([headers, *(headers + PROBE * step for step in _AXES)])
        if value > 0 and value >= max(around):
            note = f"one grid, and no step of {PROBE:g} mm or {PROBE:g} degree improves the match"
            return Alignment(np.eye(4), "identity: same grid", value, value, note)
    try:
        near = _search(fixed, floating, centre)
    except RuntimeError:  # ITK: no sample of the one lies in the other
        return _kept(0.0, "registration found no overlap between the scans")
    verdict = _verdict(similarity, _climb(similarity, near), centre)
    return replace(verdict, matrix=_inverse(verdict.matrix)) if swapped else verdict


def _verdict(similarity: Similarity, found: Motion, centre: NDArray[np.float64]) -> Alignment:
    """Whether the motion found is to be believed."""
    before, after = similarity([np.zeros(6), found])
    matrix = _matrix(found, centre)
    shift = float(np.linalg.norm(found[3:]))
    angle = float(np.rad2deg(Rotation.from_matrix(matrix[:3, :3]).magnitude()))
    moved = f"{shift:.1f} mm and {angle:.1f} degrees"
    if after == 0:
        return _kept(before, "the scans show too little of the head in common")
    if shift > MAX_MM or angle > MAX_DEGREES:
        return _kept(before, f"registration proposed an implausible motion of {moved}")
    if after < before * (1 + GAIN):
        if shift + angle > SMALL:
            return _kept(before, f"registration proposed a motion of {moved} that does not improve the match")
        note = f"a motion of {moved} would not improve the match"
        return Alignment(np.eye(4), "headers agree", before, before, note)
    far = f"the headers were {moved} off: look whether the scans lie on each other now"
    warnings = (far,) if shift > FAR_MM or angle > FAR_DEGREES else ()
    return Alignment(matrix, "rigid, mutual information", before, after, f"moved by {moved}", warnings)


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), dtype=np.float64)


def _kept(before: float, why: str) -> Alignment:
    warning = f"{why}; the positions in the headers were kept: look whether the scans lie on each other"
    return Alignment(np.eye(4), "headers kept", before, before, why, (warning,))


def _compared(scan: Scan, spacing: float) -> _ComparedScan:
    # No margin: beyond the field of view there would be zeros, and an edge that is not the patient's.
    grid = working_grid(scan.grid, spacing=spacing, box=head_box(scan.voxels, scan.grid))
    voxels = resample(scan.voxels, scan.grid, grid, interpolation="linear")
    voxels = np.clip(voxels, *np.percentile(voxels, (0.5, 99.5)))
    # The head with its dark inner parts and a rim of air: smoothed so widely that holes close.
    coarse = working_grid(grid, spacing=4.0, margin_mm=8.0)
    lumps = resample(voxels, grid, coarse, interpolation="linear", outside=float(voxels.min()))
    solid = _smooth((lumps > foreground_threshold(lumps)).astype(np.float32), coarse, 8.0)
    head = resample(solid, coarse, grid, interpolation="linear") > 0.1
    return _ComparedScan(voxels=voxels, grid=grid, head=head)


def _head_ml(view: _ComparedScan) -> float:
    return float(np.count_nonzero(view.head)) * view.grid.voxel_volume / 1000.0


# --- a motion is six numbers: degrees about x, y, z through the centre of the head, then mm ------------

_AXES = np.concatenate([np.eye(6), -np.eye(6)])


def _euler(motion: Motion, centre: NDArray[np.float64]) -> sitk.Euler3DTransform:
    transform = sitk.Euler3DTransform()
    transform.SetCenter(centre.tolist())
    transform.SetParameters([*np.deg2rad(motion[:3]).tolist(), *motion[3:].tolist()])
    return transform


def _matrix(motion: Motion, centre: NDArray[np.float64]) -> Matrix:
    transform = _euler(motion, centre)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(transform.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = transform.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _similarity_of(fixed: _ComparedScan, floating: _ComparedScan, centre: NDArray[np.float64]) -> Similarity:
    """Mutual information of motions in nats: of several at once, over the points that all of them hold."""
    lattice = working_grid(fixed.grid, spacing=SIMILARITY_MM)
    head = resample(fixed.head, fixed.grid, lattice, interpolation="nearest")
    known = resample(fixed.voxels, fixed.grid, lattice, interpolation="linear")[head]

    def moved(motion: Motion) -> Image:
        values: Image = resample(
            floating.voxels,
            floating.grid,
            lattice,
            transform=_matrix(motion, centre),
            interpolation="linear",
            outside=np.nan,
        )[head]
        return values

    def similarity(motions: Sequence[Motion]) -> list[float]:
        # Each motion by itself: no sum hangs on which is first.
        with ThreadPoolExecutor(min(cores(), MOST_THREADS)) as pool:
            scans = list(pool.map(moved, motions))
        common = np.isfinite(scans).all(axis=0)
        if np.count_nonzero(common) < LEAST * common.size:
            return [0.0] * len(scans)
        return [mutual_information(known[common], view[common]) for view in scans]

    return similarity


def mutual_information(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Mutual information in nats of two sets of values (n,), from a histogram of 32 × 32 bins over their ranges."""

    def binned(values: NDArray[Any]) -> NDArray[np.int64]:
        low, high = float(values.min()), float(values.max())
        return ((values - low) * ((BINS - 1e-3) / max(high - low, 1e-12))).astype(np.int64)

    joint = np.bincount(binned(a) * BINS + binned(b), minlength=BINS * BINS).reshape(BINS, BINS) / a.size
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    return float(np.sum(joint[filled] * np.log(joint[filled] / apart[filled])))


def _search(fixed: _ComparedScan, floating: _ComparedScan, centre: NDArray[np.float64]) -> Motion:
    """The motion from the fixed world to the floating one, found coarsely by ITK."""
    images = _image(fixed.voxels, fixed.grid), _image(floating.voxels, floating.grid)
    mask = _image(fixed.head.astype(np.uint8), fixed.grid)
    motion = _euler(np.zeros(6), centre)
    for shrink, sigma, points, bins, step, tolerance in LEVELS:
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(THREADS)
        method.SetNumberOfWorkUnits(THREADS)
        method.SetMetricAsMattesMutualInformation(bins)
        method.SetMetricFixedMask(mask)
        method.MetricUseFixedImageGradientFilterOff()  # Powell's method asks for no gradients
        method.MetricUseMovingImageGradientFilterOff()
        method.SetMetricSamplingStrategy(method.RANDOM)  # ITK jitters the points off the lattice, too
        share = min(1.0, points * shrink**3 / np.count_nonzero(fixed.head))
        method.SetMetricSamplingPercentage(share, SEED)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel([shrink])
        method.SetSmoothingSigmasPerLevel([sigma])
        method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
        method.SetOptimizerAsPowell(20, 20, step, tolerance, 1e-4)
        method.SetOptimizerScales([ARM_MM] * 3 + [1.0] * 3)
        method.SetInitialTransform(motion, inPlace=True)
        method.Execute(*images)
    found = np.array(motion.GetParameters())
    return np.concatenate([np.rad2deg(found[:3]), found[3:]])


def _climb(similarity: Similarity, start: Motion) -> Motion:
    """To the top of the parabolas through mutual information along the six axes, in ever smaller steps."""
    motion = start
    for step in CLIMB:
        value, *around = similarity([motion, *(motion + step * axis for axis in _AXES)])
        up, down = np.array(around[:6]), np.array(around[6:])
        curve, slope = up + down - 2 * value, (up - down) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            peak = np.where(curve < 0, np.clip(-slope / curve, -1, 1), np.sign(slope))
        proposed = motion + step * peak
        old, new = similarity([motion, proposed])
        motion = proposed if new > old else motion
    return motion


def _image(voxels: NDArray[Any], grid: Grid) -> sitk.Image:
    """An ITK image whose world is ours, RAS mm: with nothing read or written, LPS never enters."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose()))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / grid.spacing).ravel().tolist())
    return image


def _smooth(voxels: Image, grid: Grid, sigma: float) -> Image:
    smoother = sitk.SmoothingRecursiveGaussianImageFilter()
    smoother.SetSigma(sigma)
    smoother.SetNumberOfThreads(THREADS)
    smooth: Image = sitk.GetArrayFromImage(smoother.Execute(_image(voxels, grid))).transpose()
    return smooth
