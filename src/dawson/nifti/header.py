"""How a NIfTI file stores its voxels: the header, parsed by nibabel and checked by us.

nibabel accepts headers that cannot be true, such as empty dimensions or an extension of gigabytes;
each of them is an :class:`InputError` here, before memory is taken for any voxel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from nibabel.nifti1 import Nifti1Header
from nibabel.nifti2 import Nifti2Header
from numpy.typing import NDArray

from dawson.core.errors import InputError
from dawson.nifti.stream import COPY_AGAIN, PADDING, ScanFile

MAX_SIDE = 2048  # voxels along one axis: twice those of the finest whole-head scans
MAX_VOXELS = 2**28  # 640³ fits, beyond any head scan, and is 1 GiB as float32
MAX_EXTENSION = 2**24  # bytes between header and voxels: a whole DICOM header takes far less

NIFTI1_BYTES, NIFTI2_BYTES = 348, 540
MAGIC = {(NIFTI1_BYTES, b"n+1"), (NIFTI2_BYTES, b"n+2")}
PAIR_MAGIC = {(NIFTI1_BYTES, b"ni1"), (NIFTI2_BYTES, b"ni2")}
READ = {
    2: "u1", 4: "i2", 8: "i4", 16: "f4", 64: "f8", 256: "i1", 512: "u2", 768: "u4", 1024: "i8", 1280: "u8",
}  # fmt: skip
REFUSED = {
    1: "single bits", 32: "complex numbers", 128: "RGB colours", 1536: "128-bit floats",
    1792: "complex numbers", 2048: "complex numbers", 2304: "RGBA colours",
}  # fmt: skip

CONVERT_AGAIN = "convert the scan again from its DICOM files, for example with dcm2niix"
ONE_VOLUME = "give one 3D volume of one sequence"


@dataclass(frozen=True)
class Layout:
    """How voxels lie in the file.

    ``start`` is the first voxel's byte, ``dtype`` has the byte order, the first index runs fastest, and
    a voxel's value is ``slope`` · stored + ``intercept``. At most ``tail`` bytes may follow the last voxel.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    start: int
    slope: float
    intercept: float
    tail: int = PADDING

    @property
    def size(self) -> int:
        """Bytes that all voxels take."""
        return math.prod(self.shape) * self.dtype.itemsize

    def check_size(self, source: ScanFile) -> None:
        """Raise :class:`InputError` where ``source`` cannot hold the voxels."""
        if self.start + self.size > source.capacity:
            raise _too_short(self, source.file)


def read_header(source: ScanFile, *, head: ScanFile | None = None) -> tuple[Any, Layout]:
    """The nibabel header at the start of ``source`` and the checked layout of the voxels.

    Of a pair, ``head`` is the file of the header, which is read to its end, and ``source`` that of the voxels.
    The geometry in the header is not checked yet. Leaves ``source`` at the first voxel. Raises
    :class:`InputError` where this is no NIfTI-1 or -2, or one whose dimensions, data type
    or scaling dawson does not take, or that is too short for them.
    """
    header, length = _parse(head or source, MAGIC if head is None else PAIR_MAGIC)
    file = (head or source).file
    if head is not None:
        length = 0  # bytes before the voxels in their own file
        if head.finish(MAX_EXTENSION)[1] > MAX_EXTENSION:
            raise InputError("its header goes on for megabytes", remedy=COPY_AGAIN, file=file)
    first = 0 if head is not None else length + 4  # four bytes after the header tell whether extensions follow
    slope, intercept = _scaling(header, file)
    layout = Layout(_shape(header, file), _dtype(header, file), _start(header, first, file), slope, intercept)
    layout.check_size(source)
    source.take(layout.start - length)  # extensions may hold a DICOM header with a name in it: never parsed
    return header, layout


def read_voxels(source: ScanFile, layout: Layout) -> tuple[NDArray[Any], str]:
    """The stored voxels (i, j, k; a view, in Fortran order), not scaled, and the SHA-256 of the file.

    Reads ``source`` to its end. Raises :class:`InputError` where that is not where the voxels end.
    """
    content, found = source.fill(layout.size)
    sha256, left = source.finish(layout.tail)
    if found < layout.size:
        raise _too_short(layout, source.file)
    if left > layout.tail:
        finding = "the file goes on after the last voxel that its header promises"
        raise InputError(finding, remedy=COPY_AGAIN, file=source.file)
    return content.view(layout.dtype).reshape(layout.shape, order="F"), sha256


def _too_short(layout: Layout, file: Path) -> InputError:
    shape = " × ".join(str(n) for n in layout.shape)
    finding = f"the file ends before the {shape} voxels ({layout.size} bytes) that its header promises"
    return InputError(finding, remedy=COPY_AGAIN, file=file)


def _parse(source: ScanFile, magic: set[tuple[int, bytes]]) -> tuple[Any, int]:
    block = source.take(NIFTI1_BYTES)
    if not block:
        raise InputError("the file is empty", remedy=COPY_AGAIN, file=source.file)
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    for order in orders:
        length = int.from_bytes(block[:4], order)
        if length not in (NIFTI1_BYTES, NIFTI2_BYTES):
            continue
        block += source.take(length - NIFTI1_BYTES)
        if len(block) < length:
            raise InputError("the file ends within its header", remedy=COPY_AGAIN, file=source.file)
        kind = Nifti1Header if length == NIFTI1_BYTES else Nifti2Header
        header = kind(  # type: ignore[no-untyped-call]
            block, endianness="<" if order == "little" else ">", check=False
        )
        found = (length, bytes(header["magic"])[:3])
        if found in magic:
            return header, length
        finding = "this is Analyze, which does not say which side is left, or a NIfTI file of another ending"
        raise InputError(finding, remedy=f"{CONVERT_AGAIN}, into one .nii.gz file", file=source.file)
    finding = "this is not a NIfTI file, for it does not begin with a NIfTI header"
    raise InputError(finding, remedy=f"give a .nii or .nii.gz file, or {COPY_AGAIN}", file=source.file)


def _shape(header: Any, file: Path) -> tuple[int, int, int]:
    count, *sides = (int(n) for n in header["dim"])
    if not 1 <= count <= 7:
        raise InputError(f"its header declares {count} dimensions", remedy=COPY_AGAIN, file=file)
    return check_shape(sides[:count], file)


def check_shape(sides: list[int], file: Path) -> tuple[int, int, int]:
    """The three sides of one volume; raises :class:`InputError` where that is not what ``sides`` declare."""
    count = len(sides)
    shape = " × ".join(str(n) for n in sides)
    if min(sides) < 1:
        finding = f"its header declares an empty or negative dimension ({shape})"
        raise InputError(finding, remedy=COPY_AGAIN, file=file)
    if max(sides) > MAX_SIDE or math.prod(sides) > MAX_VOXELS:
        finding = f"its header declares {shape} voxels, more than any head scan has"
        remedy = f"resample it to at most {MAX_SIDE} voxels a side and {MAX_VOXELS} in all, or {COPY_AGAIN}"
        raise InputError(finding, remedy=remedy, file=file)
    if count < 3 or min(sides[:3]) == 1:
        raise InputError(f"this is a 2D image or a single slice ({shape})", remedy=ONE_VOLUME, file=file)
    frames = math.prod(sides[3:])
    if frames > 1:
        finding = f"this is a {count}D image of {frames} volumes ({shape})"
        raise InputError(finding, remedy=f"{ONE_VOLUME}, split off from it", file=file)
    return sides[0], sides[1], sides[2]


def _dtype(header: Any, file: Path) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code not in READ:
        finding = f"its voxels hold {REFUSED.get(code, f'an unknown data type (code {code})')}, not intensities"
        raise InputError(finding, remedy="save it with one integer or real number a voxel", file=file)
    return np.dtype(READ[code]).newbyteorder(header.endianness)


def _start(header: Any, first: int, file: Path) -> int:
    offset = float(header["vox_offset"])
    if not (first <= offset <= first + MAX_EXTENSION and offset.is_integer()):
        finding = f"its header places the first voxel at byte {offset:g}, which cannot be"
        raise InputError(finding, remedy=COPY_AGAIN, file=file)
    return int(offset)


def _scaling(header: Any, file: Path) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):  # NIfTI: zero means unscaled; nibabel reads NaN and inf so too
        return 1.0, 0.0
    if not math.isfinite(intercept):
        finding = f"its intensity scaling has the intercept {intercept}"
        raise InputError(finding, remedy=CONVERT_AGAIN, file=file)
    return slope, intercept
