"""Volumes as .nii.gz, lying exactly where the reference scan lies."""

from __future__ import annotations

import gzip
import io
from collections.abc import Sequence
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image
from dawson.core.study import Scan

GEOMETRY_FIELDS = (
    "pixdim",
    "xyzt_units",
    "qform_code",
    "sform_code",
    "quatern_b",
    "quatern_c",
    "quatern_d",
    "qoffset_x",
    "qoffset_y",
    "qoffset_z",
    "srow_x",
    "srow_y",
    "srow_z",
)
"""All that says where voxels lie. Nothing else is taken over: free-text fields may name the patient."""

PROBABILITY_STEPS = 4096
"""Probabilities are stored in steps of 1/4096 (an error of at most 1/8192): far finer than they mean
anything, and the files become a few times smaller and faster to write than with all of float32's digits."""

COMPRESSION = 5
"""Level of gzip: masks hardly shrink beyond it, and it takes half the time of 9."""


DISPLAY_COMPRESSION = 1
"""Scans hardly shrink further at any level, and this is three times as fast."""


def nifti_gz(
    voxels: NDArray[Any], reference: Scan, *, largest: float | None = None, compression: int = COMPRESSION
) -> bytes:
    """The bytes of a .nii.gz file with the geometry of the reference scan.

    qform and sform, with their codes, and the units are those of the reference's header, number for
    number, so that every program puts the result where it puts the scan, whichever of the two it
    prefers. Without a NIfTI header both are made from the grid's affine, with code 1 (scanner); of an
    affine with shear, which a qform cannot express, only the sform is written. The file is NIfTI-1 even
    where the reference is NIfTI-2, which SimpleITK and others cannot read.
    The same input gives the same bytes: the gzip header carries neither time nor file name.

    Args:
        voxels: (i, j, k) on the reference's grid, or several of them as (i, j, k, n), uint8 or float32; stored in
            that type, without scaling.
        reference: the scan whose geometry is taken over.
        largest: brightest value to display, a hint to viewers; they start at 0.
        compression: level of gzip.
    """
    header = _header(reference)
    header.set_data_shape(voxels.shape)
    header.set_data_dtype(voxels.dtype)
    if largest is not None:
        header["cal_max"] = largest
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=compression, fileobj=packed, mtime=0) as stream:
        nib.Nifti1Image(voxels, None, header).to_stream(stream)
    return packed.getvalue()


def round_probability(probability: Image, *, limits: Sequence[float | None] = ()) -> Image:
    """Probabilities in steps of 1/4096 that reach the same limits as before.

    The few voxels that rounding would carry across a limit keep the value they had. So the rule that made the
    lesions, applied to the file, makes the same ones: no voxel crosses the threshold, no lesion's peak the least peak.

    Args:
        probability: (i, j, k), in [0, 1].
        limits: what values are compared with, such as a threshold and a least peak; None where there is none.
    """
    steps: Image = np.rint(probability * np.float32(PROBABILITY_STEPS)) / np.float32(PROBABILITY_STEPS)
    for limit in limits:
        if limit is not None:
            crossed = (steps >= np.float64(limit)) != (probability >= np.float64(limit))
            steps[crossed] = probability[crossed]
    return steps


def _header(reference: Scan) -> Any:
    source = reference.header
    header = nib.Nifti1Header()
    if not isinstance(source, nib.Nifti1Header):  # NIfTI-2 and .hdr/.img headers are kinds of it
        affine = reference.grid.affine
        header.set_data_shape(reference.grid.shape)
        header.set_xyzt_units("mm")
        header.set_sform(affine, code="scanner")
        header.set_qform(affine, code="scanner", strip_shears=True)
        if not np.allclose(header.get_qform(), affine, atol=1e-3):
            header["qform_code"] = 0
        return header
    for field in GEOMETRY_FIELDS:
        header[field] = source[field]
    header["pixdim"][4:] = 1.0  # of a fourth axis, which a result does not have
    return header
