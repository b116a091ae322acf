"""Which formats are read, and their headers: NIfTI in one file or a pair, and FreeSurfer's MGH.

Whatever the format, what follows is the same: a header with NIfTI's fields, checked, and a layout of voxels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.freesurfer.mghformat import MGHHeader
from nibabel.nifti1 import Nifti1Header

from dawson.core.errors import AccessError, InputError
from dawson.nifti.header import MAX_EXTENSION, Layout, check_shape, read_header
from dawson.nifti.stream import COPY_AGAIN, ScanFile, open_source

NIFTI_ENDINGS = (".nii", ".nii.gz")
MGH_ENDINGS = (".mgz", ".mgh")
HEADER_ENDINGS, IMAGE_ENDINGS = (".hdr", ".hdr.gz"), (".img", ".img.gz")
ENDINGS = NIFTI_ENDINGS + MGH_ENDINGS + HEADER_ENDINGS + IMAGE_ENDINGS
FOREIGN = {
    ".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage", ".mhd": "MetaImage", ".mnc": "MINC", ".par": "Philips PAR",
}  # fmt: skip

MGH_BYTES = 284
MGH_TYPES = {0: ">u1", 1: ">i4", 3: ">f4", 4: ">i2", 10: ">u2"}
MGH_AGAIN = "convert the scan again, for example with mri_convert"


@contextmanager
def open_volume(file: Path) -> Iterator[tuple[ScanFile, Any, Layout]]:
    """Open ``file`` at its first voxel: the source, a header with NIfTI's fields, and the layout of the voxels.

    Of a pair, either half may be named, and the hash is that of the header's bytes followed by the image's. Raises
    :class:`InputError` as :func:`dawson.nifti.stream.open_source` and :func:`dawson.nifti.header.read_header` do, and
    :class:`AccessError` where the other half of a pair is missing.
    """
    name = file.name.lower()
    if name.endswith(HEADER_ENDINGS + IMAGE_ENDINGS):
        first, second = pair_of(file)
        with open_source(first) as head, open_source(second, after=head) as source:
            yield source, *read_header(source, head=head)
    else:
        with open_source(file) as source:
            yield source, *(_read_mgh_header(source) if name.endswith(MGH_ENDINGS) else read_header(source))


def pair_of(file: Path) -> tuple[Path, Path]:
    """The header and the image of the pair that ``file`` is one half of; see :func:`open_volume`."""
    given_header = file.name.lower().endswith(HEADER_ENDINGS)
    other = find_half(file)
    if other is None:
        kind = "image (.img)" if given_header else "header (.hdr)"
        remedy = "put both halves into one folder, under one name"
        raise AccessError(f"this is one half of a pair, and its {kind} is not beside it", remedy=remedy, file=file)
    return (file, other) if given_header else (other, file)


def find_half(file: Path) -> Path | None:
    """The other half of a pair, None where it is not there; compressed as ``file`` is where there are both."""
    name, packed = file.name, ""
    if name.lower().endswith(".gz"):
        name, packed = name[:-3], name[-3:]
    stem, ending = name[:-4], name[-4:]
    other = {".hdr": ".img", ".img": ".hdr", ".HDR": ".IMG", ".IMG": ".HDR"}.get(ending)
    if other is None:  # of mixed case: its other half could be spelt in any way
        return None
    names = (stem + other + packed, stem + other + ("" if packed else ".gz"))
    return next((half for half in map(file.with_name, names) if half.is_file()), None)


def _read_mgh_header(source: ScanFile) -> tuple[Nifti1Header, Layout]:
    """As :func:`read_header`: the sform is the file's vox2ras, and free text behind the voxels is never parsed.

    Format: https://surfer.nmr.mgh.harvard.edu/fswiki/FsTutorial/MghFormat
    """
    file, block = source.file, source.take(MGH_BYTES)
    if not block:
        raise InputError("the file is empty", remedy=COPY_AGAIN, file=file)
    if int.from_bytes(block[:4], "big") != 1:
        finding = "this is not an MGH file, for it does not begin with an MGH header"
        raise InputError(finding, remedy=f"name the file as its format is, or {COPY_AGAIN}", file=file)
    if len(block) < MGH_BYTES:
        raise InputError("the file ends within its header", remedy=COPY_AGAIN, file=file)
    oriented = any(block[28:30])  # nibabel would put a default in its place
    if not oriented:
        remedy = f"{MGH_AGAIN}, from a file that says which side is left"
        raise InputError("it has no orientation (goodRASFlag is 0)", remedy=remedy, file=file)
    stored = MGHHeader(block, check=False)
    shape = check_shape([int(n) for n in stored["dims"]], file)
    code = int(stored["type"])
    if code not in MGH_TYPES:
        finding = f"its voxels hold an unknown data type (code {code}), not intensities"
        raise InputError(finding, remedy="save it with one integer or real number a voxel", file=file)
    layout = Layout(shape, np.dtype(MGH_TYPES[code]), MGH_BYTES, 1.0, 0.0, tail=MAX_EXTENSION)
    layout.check_size(source)
    header = Nifti1Header()
    header.set_data_shape(shape)
    header.set_xyzt_units("mm")
    header["pixdim"][1:4] = stored["delta"]
    header["sform_code"] = 1
    with np.errstate(all="ignore"):  # what is not finite is found with the rest of the geometry
        affine = stored.get_affine()
        for axis, row in zip("xyz", affine, strict=False):
            header[f"srow_{axis}"] = row
    return header, layout
