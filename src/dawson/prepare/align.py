"""Bring the sequences of one visit together: rigid registration by mutual information, where it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dawson.prepare.grid import (
    THREADS,
    canonical_grid,
    foreground_threshold,
    head_box,
    resample,
    working_grid,
)
from dawson.study import Grid, Mask, Scan, Volume

Matrix = NDArray[np.float64]

VIEW_MM = 1.5  # both scans are compared on isotropic lattices of about this spacing
ARM_MM = 60.0  # from the middle of a brain to its surface: what makes millimetres of a rotation
PROBE_MM, PROBE_DEGREES = 1.0, 1.0
GAIN = 0.005  # the least share of mutual information that a registration must win to be believed
SMALL_MM = 1.0  # a motion below this that wins less is no finding against the headers
MAX_MM, MAX_DEGREES = 40.0, 25.0  # no patient moves farther between two sequences of one visit
SEED = 1

# From coarse to fine: shrink factor, smoothing (sigma in mm), points sampled in the head, histogram
# bins, first step of the line searches and their tolerance (both in mm at the brain's surface).
LEVELS = (
    (4, 4.0, 6_000, 24, 4.0, 0.2),
    (2, 2.0, 10_000, 32, 1.0, 0.1),
    (1, 1.0, 20_000, 32, 0.5, 0.02),
)


@dataclass(frozen=True, eq=False)
class Alignment:
    """How one scan lies to the reference, and how that was found.

    ``matrix`` (4, 4) maps RAS mm of the reference to RAS mm of the moving scan, as
    :func:`dawson.prepare.grid.resample` takes it. ``method`` is ``"identity: same grid"``,
    ``"headers agree"``, ``"headers kept"`` (registration was tried and not believed: see ``warnings``) or
    ``"rigid, mutual information"``. The similarities are mutual information in nats over the head,
    by the headers alone and by ``matrix``. ``note`` says in words what was done.
    """

    matrix: Matrix
    method: str
    similarity_before: float
    similarity_after: float
    note: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _View:
    """A scan as it is compared: cropped to the head, isotropic, outliers clipped; and where the head is."""

    voxels: Volume
    grid: Grid
    head: Mask

    @property
    def centre(self) -> NDArray[np.float64]:
        return self.grid.to_world(np.argwhere(self.head).mean(axis=0))


def align(moving: Scan, reference: Scan) -> Alignment:
    """Find the rigid motion (six degrees of freedom) between two scans of one head, starting at the headers.

    Two scans on one lattice (in whatever array order) usually were brought together before, and then
    interpolating them again only costs detail. They are left alone if no step of 1 mm along, or of
    1 degree about, any axis raises their mutual information; near its peak that is a parabola, so the
    peak is then less than half a step away along each.

    All others are registered in three resolutions: Mattes' mutual information (Mattes et al., IEEE
    Trans. Med. Imaging 22, 2003) over points in the head, climbed by Powell's method. The points are
    taken from the scan that shows less, so that a skull in only one of the two does no harm. The motion
    found is believed if it raises mutual information by at least 0.5 % and moves the head by less
    than 40 mm and 25 degrees; if not, the headers stand, with a warning where they are in doubt.

    Reruns are bit-identical: the points are drawn with a fixed seed and ITK runs in one thread, since
    its sums depend on the order in which threads finish.
    """
    views = _view(moving, VIEW_MM * 0.93), _view(reference, VIEW_MM)  # unlike, so that voxels never coincide
    swapped = _head_ml(views[0]) < _head_ml(views[1])
    fixed, floating = views if swapped else views[::-1]
    similarity = _Similarity(fixed, floating)
    before = similarity(np.eye(4))
    if canonical_grid(moving.grid).same_as(canonical_grid(reference.grid)) and _at_peak(
        similarity, before, fixed.centre
    ):
        note = f"one grid, and no step of {PROBE_MM:g} mm or {PROBE_DEGREES:g} degree improves the match"
        return Alignment(np.eye(4), "identity: same grid", before, before, note)

    try:
        found = _register(fixed, floating)
    except RuntimeError:  # ITK: the heads do not overlap
        return _kept(before, "registration found no overlap between the scans")
    after = similarity(found)
    matrix: Matrix = np.asarray(np.linalg.inv(found), np.float64) if swapped else found
    shift, angle = _extent(found, fixed.centre)
    moved = f"{shift:.1f} mm and {angle:.1f} degrees"
    if shift > MAX_MM or angle > MAX_DEGREES:
        return _kept(before, f"registration proposed an implausible motion of {moved}")
    if after < before * (1 + GAIN):
        if shift + np.deg2rad(angle) * ARM_MM <= SMALL_MM:
            note = f"a motion of {moved} would not improve the match"
            return Alignment(np.eye(4), "headers agree", before, before, note)
        return _kept(before, f"registration proposed a motion of {moved} that does not improve the match")
    return Alignment(matrix, "rigid, mutual information", before, after, f"moved by {moved}")


def _kept(before: float, why: str) -> Alignment:
    warning = f"{why}; the positions in the headers were kept, so look whether the scans lie on each other"
    return Alignment(np.eye(4), "headers kept", before, before, why, (warning,))


def _view(scan: Scan, spacing: float) -> _View:
    box = head_box(scan.voxels, scan.grid)
    grid = working_grid(scan.grid, spacing=spacing, box=box)
    voxels = resample(scan.voxels, scan.grid, grid, interpolation="linear")
    voxels = np.clip(voxels, *np.percentile(voxels, (0.5, 99.5)))
    # The head with its dark inner parts and a rim of air: smoothed so widely that holes close.
    coarse = working_grid(grid, spacing=4.0)
    lumps = resample(voxels, grid, coarse, interpolation="linear")
    solid = (lumps > foreground_threshold(lumps)).astype(np.float32)
    blurred = _smooth(_image(solid, coarse), 8.0)
    head = resample(_array(blurred), coarse, grid, interpolation="linear") > 0.1
    return _View(voxels=voxels, grid=grid, head=head)


def _head_ml(view: _View) -> float:
    return float(np.count_nonzero(view.head)) * view.grid.voxel_volume / 1000.0


class _Similarity:
    """Mutual information of two views under a matrix from the fixed world to the floating one, in nats.

    A judge apart from the optimiser: every voxel centre of a 3 mm lattice over the head, smoothed by
    2 mm, 32 bins.
    """

    def __init__(self, fixed: _View, floating: _View) -> None:
        self._lattice = working_grid(fixed.grid, spacing=3.0)
        self._head = resample(fixed.head, fixed.grid, self._lattice, interpolation="nearest")
        self._floating = _array(_smooth(_image(floating.voxels, floating.grid), 2.0))
        self._floating_grid = floating.grid
        smooth = _array(_smooth(_image(fixed.voxels, fixed.grid), 2.0))
        self._fixed = resample(smooth, fixed.grid, self._lattice, interpolation="linear")[self._head]

    def __call__(self, matrix: Matrix) -> float:
        there = resample(
            self._floating,
            self._floating_grid,
            self._lattice,
            transform=matrix,
            interpolation="linear",
            outside=np.nan,
        )[self._head]
        common = np.isfinite(there)
        if np.count_nonzero(common) < 0.25 * common.size:
            return 0.0
        return _mutual_information(self._fixed[common], there[common])


def _mutual_information(a: NDArray[Any], b: NDArray[Any], bins: int = 32) -> float:
    def binned(values: NDArray[Any]) -> NDArray[np.int64]:
        low, high = float(values.min()), float(values.max())
        return ((values - low) * ((bins - 1e-3) / max(high - low, 1e-12))).astype(np.int64)

    joint = np.bincount(binned(a) * bins + binned(b), minlength=bins * bins).reshape(bins, bins) / a.size
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    seen = joint > 0
    return float(np.sum(joint[seen] * np.log(joint[seen] / apart[seen])))


def _at_peak(similarity: _Similarity, here: float, centre: NDArray[np.float64]) -> bool:
    steps = np.concatenate([np.eye(6), -np.eye(6)]) * ([np.deg2rad(PROBE_DEGREES)] * 3 + [PROBE_MM] * 3)
    return all(similarity(_matrix(_motion(step, centre))) <= here for step in steps)


def _register(fixed: _View, floating: _View) -> Matrix:
    """Six parameters, coarse to fine; from the fixed world to the floating world."""
    images = _image(fixed.voxels, fixed.grid), _image(floating.voxels, floating.grid)
    mask = _image(fixed.head.astype(np.uint8), fixed.grid)
    motion = _motion(np.zeros(6), fixed.centre)
    for shrink, sigma, points, bins, step, tolerance in LEVELS:
        method = sitk.ImageRegistrationMethod()
        method.SetNumberOfThreads(THREADS)
        method.SetNumberOfWorkUnits(THREADS)
        method.SetMetricAsMattesMutualInformation(bins)
        method.SetMetricFixedMask(mask)
        method.SetMetricSamplingStrategy(method.RANDOM)  # ITK also jitters each point off the lattice
        share = min(1.0, points * shrink**3 / np.count_nonzero(fixed.head))
        method.SetMetricSamplingPercentage(share, SEED)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetShrinkFactorsPerLevel([shrink])
        method.SetSmoothingSigmasPerLevel([sigma])
        method.SetSmoothingSigmasAreSpecifiedInPhysicalUnits(True)
        method.SetOptimizerAsPowell(20, 20, step, tolerance, 1e-5)
        method.SetOptimizerScales([ARM_MM] * 3 + [1.0] * 3)
        method.SetInitialTransform(motion, inPlace=True)
        method.Execute(*images)
    return _matrix(motion)


def _motion(parameters: NDArray[np.float64], centre: NDArray[np.float64]) -> sitk.Euler3DTransform:
    """Three angles in radians about ``centre``, then a shift in mm."""
    motion = sitk.Euler3DTransform()
    motion.SetCenter(centre.tolist())
    motion.SetParameters(np.asarray(parameters).tolist())
    return motion


def _matrix(motion: sitk.Euler3DTransform) -> Matrix:
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(motion.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = motion.TransformPoint((0.0, 0.0, 0.0))
    return matrix


def _extent(matrix: Matrix, centre: NDArray[np.float64]) -> tuple[float, float]:
    """How far the middle of the head moves (mm) and by how much it turns (degrees)."""
    shift = float(np.linalg.norm(matrix[:3, :3] @ centre + matrix[:3, 3] - centre))
    return shift, float(np.rad2deg(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))))


def _image(voxels: NDArray[Any], grid: Grid) -> sitk.Image:
    """An ITK image whose world is ours, RAS mm: with nothing read or written, LPS never enters."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels.transpose()))
    image.SetSpacing(grid.spacing)
    image.SetOrigin(grid.affine[:3, 3].tolist())
    image.SetDirection((grid.affine[:3, :3] / grid.spacing).ravel().tolist())
    return image


def _array(image: sitk.Image) -> NDArray[Any]:
    voxels: NDArray[Any] = sitk.GetArrayFromImage(image)
    return voxels.transpose()


def _smooth(image: sitk.Image, sigma: float) -> sitk.Image:
    smoother = sitk.SmoothingRecursiveGaussianImageFilter()
    smoother.SetSigma(sigma)
    smoother.SetNumberOfThreads(THREADS)
    smooth: sitk.Image = smoother.Execute(image)
    return smooth
