"""Where the voxels of a NIfTI file lie in the patient: sform, qform and units, checked.

The order of preference is that of the NIfTI standard's method 3 before method 2, as nibabel has it: the
sform where its code is above zero, else the qform where its code is above zero. A file with neither has
no orientation; to guess one would be to guess the patient's left and right, so it is refused.
"""

from __future__ import annotations

import math
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.nifti.header import CONVERT_AGAIN

MAX_SKEW = 0.25  # degrees off a right angle between two axes: 1 mm across a head
MAX_DISAGREEMENT = 1.0  # mm between sform and qform at the worst corner
MAX_SPACING_ERROR = 0.01  # of the voxel size, between pixdim and the sform
MAX_COORDINATE = 10_000.0  # mm from the origin of the world: no scanner is larger
SINGULAR = 1e-3  # volume of a voxel over the product of its sides

KNOWN_CODES = range(1, 6)  # scanner, aligned, Talairach, MNI, other template
UNITS = {1: ("metres", 1000.0), 3: ("micrometres", 0.001)}  # everything else is read as mm


def read_geometry(
    header: Any, shape: tuple[int, int, int], *, file: Path
) -> tuple[Nifti1Header, Grid, tuple[str, ...]]:
    """A clean header, the grid, and what was noticed.

    The clean header is NIfTI-1, in mm, and holds shape, voxel size, qform and sform with their codes,
    and nothing else: free text in headers may name the patient. The grid's affine is the one that
    nibabel finds in it, so that results written with it lie exactly on the scan. Left out are a qform or
    sform of code 0, whose numbers mean nothing, and a damaged qform beside a usable sform.

    Raises :class:`InputError` where voxel sizes or the affine are not finite, the affine is singular,
    skewed by more than ``MAX_SKEW`` degrees (a gantry tilt or an affine registration, which rigid
    alignment cannot carry) or absent.
    """
    with np.errstate(all="ignore"):  # whatever overflows here is not finite, and found below
        clean, warnings = _clean_copy(header, shape, file)
    sform = clean.get_sform() if int(clean["sform_code"]) else None
    qform = _qform(clean)
    if int(clean["qform_code"]) and qform is None and sform is not None:
        warnings += ("its qform is damaged, so only the sform is used",)
        _drop_qform(clean)
    affine = sform if sform is not None else qform
    if affine is None:
        damaged = int(clean["qform_code"]) > 0
        finding = "its qform is damaged" if damaged else "it has no orientation (neither sform nor qform code)"
        remedy = f"{CONVERT_AGAIN}, or set its sform if you know which side is left"
        raise InputError(finding, remedy=remedy, file=file)
    grid = Grid(shape, affine)
    _check(grid, file)
    if sform is not None:
        warnings += _disagreements(clean, grid, qform)
    return clean, grid, warnings


def _clean_copy(header: Any, shape: tuple[int, int, int], file: Path) -> tuple[Nifti1Header, tuple[str, ...]]:
    unit, scale = UNITS.get(int(header["xyzt_units"]) & 0x07, ("mm", 1.0))
    clean = Nifti1Header()
    clean.set_data_shape(shape)
    clean.set_xyzt_units("mm")
    clean["pixdim"][1:4] = header["pixdim"][1:4].astype(np.float64) * scale
    pixdim = clean["pixdim"][1:4]
    if not (np.isfinite(pixdim).all() and (pixdim > 0).all()):
        finding = f"its header states voxels of {' × '.join(f'{size:g}' for size in pixdim)} mm"
        raise InputError(finding, remedy=CONVERT_AGAIN, file=file)
    if (code := int(header["qform_code"])) in KNOWN_CODES:
        clean["qform_code"] = code
        clean["pixdim"][0] = header["pixdim"][0] or 1.0  # the standard: a qfac of 0 means 1
        for letter in "bcd":
            clean[f"quatern_{letter}"] = header[f"quatern_{letter}"]
        for axis in "xyz":
            clean[f"qoffset_{axis}"] = float(header[f"qoffset_{axis}"]) * scale
    if (code := int(header["sform_code"])) in KNOWN_CODES:
        clean["sform_code"] = code
        for axis in "xyz":
            clean[f"srow_{axis}"] = header[f"srow_{axis}"].astype(np.float64) * scale
    return clean, () if scale == 1.0 else (f"its geometry was given in {unit} and was converted to mm",)


def _qform(clean: Nifti1Header) -> NDArray[np.float64] | None:
    if not int(clean["qform_code"]):
        return None
    quaternion = np.array([clean[f"quatern_{letter}"] for letter in "bcd"], dtype=np.float64)
    if not (np.isfinite(quaternion).all() and np.abs(quaternion).max() <= 1.01):
        return None
    try:
        affine: NDArray[np.float64] = np.asarray(clean.get_qform(), dtype=np.float64)
    except (HeaderDataError, ValueError):  # no unit quaternion, or a qfac other than 1 and -1
        return None
    return affine if np.isfinite(affine).all() else None


def _drop_qform(clean: Nifti1Header) -> None:
    clean["qform_code"] = 0
    clean["pixdim"][0] = 1.0
    for name in ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"):
        clean[name] = 0.0


def _check(grid: Grid, file: Path) -> None:
    matrix = grid.affine[:3, :3]
    if not np.isfinite(grid.affine).all():
        raise InputError("its affine holds NaN or infinity", remedy=CONVERT_AGAIN, file=file)
    spacing = np.array(grid.spacing)
    if spacing.min() == 0 or abs(np.linalg.det(matrix / spacing)) < SINGULAR:
        raise InputError("its affine is singular (voxels without volume)", remedy=CONVERT_AGAIN, file=file)
    axes = matrix / spacing
    cosine = np.abs(axes.T @ axes - np.eye(3)).max()
    skew = math.degrees(math.asin(min(1.0, float(cosine))))
    if skew > MAX_SKEW:
        finding = f"its axes are skewed by {skew:.1f}° (a gantry tilt, or an affine registration)"
        remedy = "give the scan as the scanner made it, or resample it onto a grid of right angles"
        raise InputError(finding, remedy=remedy, file=file)
    far = np.abs(grid.to_world(_corners(grid.shape))).max()
    if far > MAX_COORDINATE:
        finding = f"its affine places voxels {far / 1000:.3g} m from the scanner's origin"
        raise InputError(finding, remedy=CONVERT_AGAIN, file=file)


def _disagreements(clean: Nifti1Header, grid: Grid, qform: NDArray[np.float64] | None) -> tuple[str, ...]:
    """What contradicts the sform: the qform, or else the voxel size."""
    if qform is not None:
        corners = _corners(grid.shape)
        apart = Grid(grid.shape, qform).to_world(corners) - grid.to_world(corners)
        worst = np.linalg.norm(apart, axis=1).max()
        if worst > MAX_DISAGREEMENT:
            return (f"its qform and sform disagree by up to {worst:.1f} mm; the sform is used",)
        return ()
    stated = clean["pixdim"][1:4].astype(np.float64)
    if np.abs(stated / grid.spacing - 1.0).max() > MAX_SPACING_ERROR:
        pair = [" × ".join(f"{size:.3g}" for size in sizes) for sizes in (stated, grid.spacing)]
        return (f"its header states voxels of {pair[0]} mm but its sform {pair[1]} mm; the sform is used",)
    return ()


def _corners(shape: tuple[int, int, int]) -> NDArray[np.float64]:
    return np.array(list(product(*((0, n - 1) for n in shape))), dtype=np.float64)
