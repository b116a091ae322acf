"""One scan out of one file, or one pair of files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image
from dawson.core.errors import AccessError
from dawson.core.study import Modality, Scan
from dawson.nifti.formats import ENDINGS, FOREIGN, HEADER_ENDINGS, IMAGE_ENDINGS, open_volume, pair_of
from dawson.nifti.geometry import read_geometry
from dawson.nifti.header import Layout, read_voxels
from dawson.nifti.plausible import check_content, check_view, mend
from dawson.nifti.stream import TO_NIFTI


def read_scan(file: Path | str, modality: Modality) -> Scan:
    """Read one 3D scan of a head from a NIfTI (.nii, .nii.gz, .hdr with .img) or MGH (.mgz, .mgh) file, and check it.

    Returns a :class:`Scan` whose voxels are float32, C-contiguous, in the stored order (i, j, k), with
    scl_slope and scl_inter applied, on a grid in RAS+ mm. Its affine is the sform where the file has
    one, else the qform. A fourth or further dimension of one frame is dropped. Voxels that are NaN or
    infinite are set to the scan's smallest value and marked in ``missing``, as are outliers that no scanner
    gives, where their neighbours cannot fill them. ``header`` is a NIfTI-1 header with the file's geometry
    and nothing else; ``sha256`` is that of the file as it lies on disk.

    The file is read once, and at most about two copies of the volume are in memory at any time. A
    gzip file is read to its checksum, so a damaged or truncated one never passes; an uncompressed file
    has no checksum, and only damage that shows in its size or header can be found.

    Raises :class:`AccessError` where the file is missing, cannot be reached or is of another format, else
    :class:`InputError` where it is damaged or truncated, not of the format that its name says, not one volume of real
    numbers, without a usable orientation, or cannot be a head scan: empty, constant, a mask, or of a size
    that no head has.
    """
    file = Path(file)
    check_path(file)
    with open_volume(file) as (source, original, layout):
        header, grid, warnings = read_geometry(original, layout.shape, file=file)
        warnings += check_view(grid, file=file)
        stored, sha256 = read_voxels(source, layout)
    voxels = _decode(stored, layout)
    del stored
    missing, noticed = mend(voxels, file=file)
    check_content(voxels, grid, file=file)
    return Scan(
        modality=Modality(modality),
        voxels=voxels,
        grid=grid,
        file=file,
        sha256=sha256,
        header=header,
        missing=missing,
        warnings=warnings + noticed,
    )


def check_path(file: Path) -> None:
    """Raise :class:`AccessError` where ``file`` is missing, no regular file, or of no kind that dawson reads."""
    try:
        mode = file.stat().st_mode
    except FileNotFoundError:
        raise AccessError("there is no such file", remedy="check the path", file=file) from None
    except (OSError, ValueError) as problem:  # ValueError: a null byte in the path
        reason = getattr(problem, "strerror", None) or "this cannot be a path"
        raise AccessError(f"the file cannot be reached ({reason})", remedy="check the path", file=file) from None
    if stat.S_ISDIR(mode):
        remedy = "give the .nii.gz file of one sequence, or the folder of the visit as such"
        raise AccessError("this is a folder, not a scan", remedy=remedy, file=file)
    if not stat.S_ISREG(mode):  # a pipe or device could keep us waiting for ever
        raise AccessError("this is not a regular file", remedy="give a .nii or .nii.gz file", file=file)
    name = file.name.lower()
    if name.endswith((".dcm", ".ima")):
        raise AccessError("this is a DICOM file, which dawson does not read yet", remedy=TO_NIFTI, file=file)
    if file.suffix.lower() in FOREIGN:
        finding = f"this is a {FOREIGN[file.suffix.lower()]} file, which dawson does not read"
        remedy = "convert it to NIfTI (.nii.gz) first, for example with SimpleITK, 3D Slicer or ITK-SNAP"
        raise AccessError(finding, remedy=remedy, file=file)
    if not name.endswith(ENDINGS):
        finding = "its name does not end in .nii, .nii.gz, .mgz or .hdr, the only formats that dawson reads yet"
        raise AccessError(finding, remedy=f"{TO_NIFTI} (DICOM) or nibabel (other formats)", file=file)
    if name.endswith(HEADER_ENDINGS + IMAGE_ENDINGS):
        pair_of(file)


def _decode(stored: NDArray[Any], layout: Layout) -> Image:
    """The scaled voxels; slab by slab, so that no third copy of the volume is made."""
    voxels = np.empty(layout.shape, dtype=np.float32)
    scaled = (layout.slope, layout.intercept) != (1.0, 0.0)
    with np.errstate(all="ignore"):  # NaN, and doubles beyond float32, are dealt with afterwards
        for first in range(0, layout.shape[2], 16):  # 16 float32 in C order are one cache line
            slab = stored[:, :, first : first + 16]
            if scaled:
                slab = slab.astype(np.float64) * layout.slope + layout.intercept
            voxels[:, :, first : first + 16] = slab
    return voxels
