"""Reading masks, probabilities and anatomy: strictly, for a figure is only as true as its masks.

Nothing here judges whether a file shows a head, as :func:`dawson.nifti.scan.read_scan` does: a mask has no
intensities. The file itself, its header and its geometry are checked by the same code.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.tables import original_text
from dawson.nifti.formats import NIFTI_ENDINGS
from dawson.nifti.geometry import read_geometry
from dawson.nifti.header import read_header, read_voxels
from dawson.nifti.stream import open_source

PROBABILITY_SLACK = 1e-4
"""Probabilities may leave [0, 1] by this much, as interpolation and rounding make them; they are clipped."""

SHOWN = 6  # values of a label map in a message, at most


@dataclass(frozen=True, eq=False)
class MaskFile:
    """A lesion mask (i, j, k) as stored, where it lies, and the SHA-256 of its file.

    ``values`` are the lowest of those above zero that the file holds (six at most), in its own scale.
    """

    mask: Mask
    grid: Grid
    sha256: str
    values: tuple[float, ...]


def read_mask(file: Path, *, label: int | None = None, shape: tuple[int, ...] | None = None) -> MaskFile:
    """Read one lesion mask.

    Without ``label`` the file must be binary: beside 0 at most one value, whatever it is (1, 255, ...); no
    lesion at all is allowed. With ``label``, the voxels of that value are the lesions. With ``shape``, a file whose
    header declares another is refused before memory is taken for its voxels.

    Raises :class:`InputError` for what dawson's reader refuses as a file (missing, damaged, truncated, 2D,
    4D, without orientation, ...), and for values that are not finite, negative, or several without a
    ``label``, and for a mask that marks every voxel.
    """
    stored, slope, intercept, grid, sha256 = _read(file, shape)
    _check_finite(stored, file)
    # What is zero after scaling; compared as stored, which needs no copy of the volume.
    marked = stored != (-intercept / slope)
    values = np.unique(stored[marked]).astype(np.float64) * slope + intercept
    if values.size and values[0] < 0:
        raise InputError(
            f"the mask holds negative values, down to {values[0]:g}", remedy="save it with 0 and 1 only", file=file
        )
    if label is not None:
        scaled = np.flatnonzero(np.isclose(values, label))
        marked = np.zeros(grid.shape, dtype=bool, order="F")
        for number in scaled:
            marked |= np.isclose(stored * slope + intercept, values[number]) if slope != 1 else stored == values[number]
    elif values.size > 1:
        listed = ", ".join(f"{value:g}" for value in values[:SHOWN]) + (", ..." if values.size > SHOWN else "")
        raise InputError(
            f"the mask is not binary: beside 0 it holds {values.size} values ({listed})",
            remedy="save it with 0 and 1 only; dawson evaluate can pick one value (--label) or cut a map (--threshold)",
            file=file,
        )
    if marked.all():
        raise InputError("the mask marks every voxel", remedy="give the mask of the lesions, 0 elsewhere", file=file)
    return MaskFile(marked, grid, sha256, tuple(float(value) for value in values[:SHOWN]))


def read_probability(file: Path) -> tuple[Image, Grid, str]:
    """Read a map of lesion probabilities: float32 in [0, 1] (i, j, k), its grid, the file's SHA-256.

    Raises :class:`InputError` as :func:`read_mask` does, and for values outside of [0, 1].
    """
    stored, slope, intercept, grid, sha256 = _read(file)
    _check_finite(stored, file)
    probability: Image = (stored * np.float32(slope) + np.float32(intercept)).astype(np.float32, copy=False)
    low, high = float(probability.min()), float(probability.max())
    if low < -PROBABILITY_SLACK or high > 1 + PROBABILITY_SLACK:
        raise InputError(
            f"its values run from {low:g} to {high:g}, so they are no probabilities",
            remedy="give a map with values from 0 to 1",
            file=file,
        )
    return np.clip(probability, 0.0, 1.0), grid, sha256


def read_anatomy(file: Path, *, shape: tuple[int, ...] | None = None) -> tuple[Labels, Grid, dict[int, str]]:
    """Read a map of anatomy labels (uint8) and, from the ``.tsv`` beside it, the names of its labels.

    Raises :class:`InputError` as :func:`read_mask` does, for values other than 0 to 255, and for a table that
    lacks the columns index and name or holds what is no number of a label. ``shape`` is as for :func:`read_mask`.
    """
    stored, slope, intercept, grid, _ = _read(file, shape)
    _check_finite(stored, file)
    labels = np.rint(stored * slope + intercept)
    if labels.min() < 0 or labels.max() > 255:
        raise InputError("its labels lie outside of 0 to 255", remedy="give anatomy as dawson writes it", file=file)
    table = file.with_name(file.name.removesuffix(".gz").removesuffix(".nii") + ".tsv")
    names: dict[int, str] = {}
    if table.is_file():
        try:
            with table.open(encoding="utf-8-sig", newline="") as stream:  # spreadsheets put a mark in front
                rows = csv.DictReader(stream, delimiter="\t")
                names = {int(row["index"]): original_text(str(row["name"])) for row in rows}
        except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
            raise InputError(
                "this is no table of anatomy labels with the columns index and name",
                remedy="give it as dawson writes it, or take it away",
                file=table,
            ) from error
    return labels.astype(np.uint8), grid, names


def _read(file: Path, shape: tuple[int, ...] | None = None) -> tuple[NDArray[Any], float, float, Grid, str]:
    """The stored voxels (i, j, k; a view, in Fortran order), slope, intercept, grid and SHA-256 of a file."""
    if not file.is_file():
        what = "this is a folder, not a mask" if file.is_dir() else "there is no such file"
        raise InputError(what, remedy="check the path", file=file)
    if not file.name.lower().endswith(NIFTI_ENDINGS):
        raise InputError("its name does not end in .nii or .nii.gz", remedy="give masks as NIfTI files", file=file)
    with open_source(file) as source:
        header, layout = read_header(source)
        if shape is not None and layout.shape != shape:
            found, wanted = (" × ".join(map(str, each)) for each in (layout.shape, shape))
            finding = f"it declares {found} voxels, but {wanted} were expected"
            raise InputError(finding, remedy="give the file that belongs to the scan", file=file)
        _, grid, _ = read_geometry(header, layout.shape, file=file)
        stored, sha256 = read_voxels(source, layout)
    return stored, layout.slope, layout.intercept, grid, sha256


def _check_finite(stored: NDArray[Any], file: Path) -> None:
    if stored.dtype.kind != "f":
        return
    with np.errstate(invalid="ignore"):
        low, high = float(stored.min()), float(stored.max())  # NaN shows in both
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int(np.count_nonzero(~np.isfinite(stored)))
        finding = f"{count} of its voxels are NaN or infinite"
        raise InputError(finding, remedy="save it again with 0 where there is no lesion", file=file)
