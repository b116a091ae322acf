"""Reading the display volumes of a result: several scans of one byte a voxel, and never more than is expected."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.nifti.header import MAX_EXTENSION, NIFTI1_BYTES
from dawson.nifti.stream import PADDING, ScanFile, open_source

UINT8 = 2  # NIfTI's code


def read_display(file: Path, *, shape: tuple[int, int, int], count: int, remedy: str) -> tuple[NDArray[np.uint8], Grid]:
    """The volumes (i, j, k, n) in ``file`` and their grid, read to the last byte of the checksum.

    Memory is taken only where the header declares just what is expected, so that neither a false header nor data
    that goes on behind the voxels can fill it.

    Args:
        file: a NIfTI-1 file, as a rule compressed.
        shape: voxels along i, j and k that the volumes must have.
        count: how many volumes there must be.
        remedy: what an error advises.

    Raises :class:`InputError` where the file is missing, damaged, of another shape, or holds something else.
    """
    if not file.is_file():
        raise InputError("there is no such file", remedy=remedy, file=file)
    try:
        with open_source(file) as source:
            grid, start = _read_header(source, shape, count, remedy)
            source.take(start - NIFTI1_BYTES)
            voxels, found = source.fill(math.prod(shape) * count)
            _, left = source.finish()
    except (InputError, HeaderDataError, WrapStructError, ValueError) as error:
        if isinstance(error, InputError) and error.remedy == remedy:
            raise
        raise InputError("this file is damaged", remedy=remedy, file=file) from error
    if found < voxels.size:
        raise InputError("this file is damaged: it ends before its last voxel", remedy=remedy, file=file)
    if left > PADDING:
        raise InputError("this file is damaged: it goes on after its last voxel", remedy=remedy, file=file)
    return voxels.reshape((*shape, count), order="F"), grid


def _read_header(source: ScanFile, shape: tuple[int, int, int], count: int, remedy: str) -> tuple[Grid, int]:
    """The grid, and the byte of the first voxel."""
    header = Nifti1Header(source.take(NIFTI1_BYTES))
    sides = tuple(int(n) for n in header.get_data_shape())
    volumes = math.prod(sides[3:])
    affine = np.asarray(header.get_best_affine(), np.float64)
    start = float(header["vox_offset"])
    if (
        not 3 <= len(sides) <= 4
        or int(header["datatype"]) != UINT8
        or not np.isfinite(affine).all()
        or not NIFTI1_BYTES <= start <= NIFTI1_BYTES + MAX_EXTENSION
    ):
        raise InputError("this is no display volume as dawson writes it", remedy=remedy, file=source.file)
    if sides[:3] != shape:
        found, wanted = (" × ".join(map(str, each)) for each in (sides[:3], shape))
        finding = f"it declares {found} voxels, but the lesion mask has {wanted}, so they are of two runs"
        raise InputError(finding, remedy=remedy, file=source.file)
    if volumes != count:  # NIfTI drops a last axis of length 1
        finding = f"it holds {volumes} volumes but the summary names {count} sequences"
        raise InputError(finding, remedy=remedy, file=source.file)
    return Grid(shape=shape, affine=affine), int(start)
