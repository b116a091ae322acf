"""Random good scans come back exactly; random damage never passes for a good scan."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.errors import DawsonError, InputError
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def plain(folder: Path, write_head: Callable[..., Path]) -> bytes:
    return write_head(folder / "plain.nii", dtype=np.uint16).read_bytes()


@pytest.fixture(scope="module")
def good(folder: Path, plain: bytes) -> Scan:
    return read(folder, plain, "good.nii")


def read(folder: Path, content: bytes, name: str) -> Scan:
    (folder / name).write_bytes(content)
    return read_scan(folder / name, Modality.T2)


@st.composite
def affines(draw: st.DrawFn, shape: tuple[int, int, int]) -> np.ndarray:
    """Any order and direction of axes, turned by any angle, for a field of view a head fits into."""
    view = [draw(st.floats(160, 300)) for _ in range(3)]
    w, x, y, z = [draw(st.floats(-1, 1)) for _ in range(4)]
    length = np.sqrt(w * w + x * x + y * y + z * z)
    rotation = np.eye(3)
    if length > 0.1:
        rotation = nib.quaternions.quat2mat([w, x, y, z])
    axes = np.eye(3)[:, list(draw(st.permutations(range(3))))] * draw(st.tuples(*[st.sampled_from([-1.0, 1.0])] * 3))
    affine = np.eye(4)
    affine[:3, :3] = rotation @ axes * (np.array(view) / shape)
    affine[:3, 3] = [draw(st.floats(-500, 500)) for _ in range(3)]
    return affine


@settings(max_examples=60)
@given(data=st.data())
def test_any_good_scan_comes_back(folder: Path, head: Callable[..., np.ndarray], data: st.DataObject) -> None:
    shape = data.draw(st.tuples(*[st.integers(12, 24)] * 3))
    affine = data.draw(affines(shape))
    order = data.draw(st.sampled_from("<>"))
    dtype = np.dtype(data.draw(st.sampled_from(TYPES))).newbyteorder(order)
    kind = data.draw(st.sampled_from([nib.Nifti1Image, nib.Nifti2Image]))
    codes = data.draw(st.sampled_from([(1, 0), (0, 2), (3, 4), (1, 1)]))
    slope, intercept = data.draw(st.tuples(st.floats(2**-6, 64, width=32), st.floats(-1000, 1000, width=32)))
    stored = (head(shape, seed=data.draw(st.integers(0, 99))) / (8 if dtype.itemsize == 1 else 1)).astype(dtype)
    header = kind.header_class(endianness=order)
    header.set_data_dtype(dtype)
    image = kind(stored, affine, header)
    image.set_qform(affine, code=codes[0])
    image.set_sform(affine, code=codes[1])
    image.header.set_slope_inter(1, 0)
    content = bytearray(image.to_bytes())
    fields = kind.header_class(bytes(content[: image.header.sizeof_hdr]), check=False)
    fields["scl_slope"], fields["scl_inter"] = slope, intercept
    content[: image.header.sizeof_hdr] = fields.binaryblock
    packed = data.draw(st.booleans())
    name = "scan.nii.gz" if packed else "scan.nii"

    scan = read(folder, gzip.compress(content) if packed else bytes(content), name)

    expected = stored.astype(np.float64) * float(fields["scl_slope"]) + float(fields["scl_inter"])
    np.testing.assert_array_equal(scan.voxels, expected.astype(np.float32))
    reference = nib.load(folder / name)
    np.testing.assert_allclose(scan.voxels, reference.get_fdata(), rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(scan.grid.affine, reference.affine, rtol=1e-6, atol=1e-4)
    np.testing.assert_allclose(scan.grid.affine, affine, rtol=1e-5, atol=1e-3)
    np.testing.assert_array_equal(scan.header.get_best_affine(), scan.grid.affine)
    assert (int(scan.header["qform_code"]), int(scan.header["sform_code"])) == codes
    assert scan.missing is None and not any("disagree" in text for text in scan.warnings)


@settings(max_examples=150)
@given(data=st.data())
def test_truncated_gzip_is_always_refused(folder: Path, plain: bytes, data: st.DataObject) -> None:
    packed = gzip.compress(plain, data.draw(st.sampled_from([0, 6])))
    with pytest.raises(InputError):
        read(folder, packed[: data.draw(st.integers(0, len(packed) - 1))], "cut.nii.gz")


@settings(max_examples=100)
@given(data=st.data())
def test_truncated_nifti_is_always_refused(folder: Path, plain: bytes, data: st.DataObject) -> None:
    with pytest.raises(InputError):
        read(folder, plain[: data.draw(st.integers(0, len(plain) - 1))], "cut.nii")


@settings(max_examples=250)
@given(data=st.data())
def test_flipped_bits_never_give_another_volume(folder: Path, plain: bytes, good: Scan, data: st.DataObject) -> None:
    packed = bytearray(gzip.compress(plain, data.draw(st.sampled_from([0, 6]))))
    ends = st.integers(0, 25) | st.integers(len(packed) - 10, len(packed) - 1)  # headers and trailer
    for position in data.draw(st.lists(ends | st.integers(0, len(packed) - 1), min_size=1, max_size=3)):
        packed[position] ^= 1 << data.draw(st.integers(0, 7))
    try:
        scan = read(folder, bytes(packed), "flipped.nii.gz")
    except InputError:
        return
    np.testing.assert_array_equal(scan.voxels, good.voxels)
    np.testing.assert_array_equal(scan.grid.affine, good.grid.affine)


def scan_or_refusal(folder: Path, content: bytes) -> None:
    """Reading must end in a usable scan or a DawsonError, quietly and within a few megabytes."""
    tracemalloc.start()
    try:
        scan = read(folder, content, "fuzzed.nii")
    except DawsonError:
        return
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2**23
    assert scan.voxels.shape == scan.grid.shape and np.isfinite(scan.voxels).all()
    assert np.isfinite(np.linalg.inv(scan.grid.affine)).all()
    np.testing.assert_array_equal(scan.header.get_best_affine(), scan.grid.affine)
    written = nib.Nifti1Image(np.zeros(scan.grid.shape, np.uint8), None, scan.header).to_bytes()
    np.testing.assert_array_equal(nib.Nifti1Image.from_bytes(written).affine, scan.grid.affine)


@settings(max_examples=300)
@given(changes=st.dictionaries(st.integers(0, 351), st.integers(0, 255), min_size=1, max_size=8))
def test_any_header_bytes(folder: Path, plain: bytes, changes: dict[int, int]) -> None:
    content = bytearray(plain)
    for position, value in changes.items():
        content[position] = value
    scan_or_refusal(folder, bytes(content))


NUMBERS = st.floats(width=32, allow_subnormal=True) | st.sampled_from([0.0, 1.0, -1.0, 8.0])
CODES = st.integers(-(2**15), 2**15 - 1) | st.integers(-1, 6)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "dim": st.lists(CODES, min_size=8, max_size=8) | st.permutations([3, 24, 28, 24, 1, 1, 1, 1]),
    "datatype": CODES | st.sampled_from([2, 4, 8, 16, 64, 128, 256, 512, 1024, 1280]),
    "pixdim": st.lists(NUMBERS, min_size=8, max_size=8),
    "vox_offset": NUMBERS | st.sampled_from([352.0, 353.0, 1000.0]),
    "qform_code": CODES,
    "sform_code": CODES,
    "xyzt_units": st.integers(0, 255),
    **dict.fromkeys(("scl_slope", "scl_inter", "quatern_b", "quatern_c", "quatern_d", "qoffset_z"), NUMBERS),
    **{name: st.lists(NUMBERS, min_size=4, max_size=4) for name in ("srow_x", "srow_y", "srow_z")},
}


@settings(max_examples=400)
@given(data=st.data())
def test_any_header_fields(folder: Path, plain: bytes, data: st.DataObject) -> None:
    header = nib.Nifti1Header(plain[:348], check=False)
    for name in data.draw(st.lists(st.sampled_from(sorted(FIELDS)), min_size=1, max_size=4, unique=True)):
        header[name] = data.draw(FIELDS[name], label=name)
    scan_or_refusal(folder, header.binaryblock + plain[348:])
