"""What a scan that is read holds, and every kind of file that is refused."""

from __future__ import annotations

import gzip
import hashlib
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from dawson.core.errors import InputError
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan

Write = Callable[..., Path]


def edit(file: Path, **fields: Any) -> Path:
    """Change header fields of an uncompressed NIfTI-1 file, whatever they then mean."""
    content = file.read_bytes()
    header = nib.Nifti1Header(content[:348], check=False)
    for name, value in fields.items():
        header[name] = value
    file.write_bytes(header.binaryblock + content[348:])
    return file


def refused(file: Path | str, finding: str, remedy: str) -> None:
    """Reading ``file`` must fail with one sentence that names the file, the finding and the remedy."""
    with pytest.raises(InputError) as caught:
        read_scan(file, Modality.FLAIR)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert finding in caught.value.finding
    assert remedy in caught.value.remedy
    assert message.endswith(".") and "\n" not in message


def read(file: Path) -> Scan:
    return read_scan(file, Modality.FLAIR)


# --- what a good scan holds ---


def test_scan_holds_voxels_grid_and_hash(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    file = write_head(tmp_path / "FLAIR.nii.gz")
    scan = read_scan(str(file), Modality.T1)
    assert scan.modality is Modality.T1 and scan.file == file and scan.warnings == () and scan.missing is None
    assert scan.voxels.dtype == np.float32 and scan.voxels.flags.c_contiguous
    np.testing.assert_array_equal(scan.voxels, head())
    np.testing.assert_array_equal(scan.grid.affine, nib.load(file).affine)
    assert scan.grid.orientation == "LAS"
    assert scan.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_compression_is_told_by_content_not_name(tmp_path: Path, write_head: Write) -> None:
    plain, packed = write_head(tmp_path / "a.nii"), write_head(tmp_path / "b.nii.gz")
    swapped = packed.rename(tmp_path / "c.NII"), plain.rename(tmp_path / "d.nii.GZ")
    np.testing.assert_array_equal(read(swapped[0]).voxels, read(swapped[1]).voxels)


def test_gzip_of_several_members_and_zero_padding(tmp_path: Path, write_head: Write) -> None:
    content = write_head(tmp_path / "a.nii").read_bytes()
    file = tmp_path / "b.nii.gz"
    file.write_bytes(gzip.compress(content[:5000]) + gzip.compress(content[5000:]) + bytes(3000))
    scan = read(file)
    np.testing.assert_array_equal(scan.voxels, read(tmp_path / "a.nii").voxels)
    assert scan.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_frames_of_one_are_dropped(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    file = write_head(tmp_path / "a.nii.gz", voxels=head()[..., None, None])
    scan = read(file)
    assert scan.voxels.shape == scan.grid.shape == (24, 28, 24)
    assert scan.header.get_data_shape() == (24, 28, 24)


@pytest.mark.parametrize(("slope", "intercept"), [(0.0, 7.0), (np.nan, 7.0), (np.inf, np.nan)])
def test_scaling_that_means_none(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray], slope: float, intercept: float
) -> None:
    file = edit(write_head(tmp_path / "a.nii"), scl_slope=slope, scl_inter=intercept)
    np.testing.assert_array_equal(read(file).voxels, head())


def test_scaling_is_applied_before_rounding(tmp_path: Path, write_head: Write) -> None:
    voxels = np.random.default_rng(0).integers(2**24, 2**30, (24, 28, 24))
    file = edit(write_head(tmp_path / "a.nii", voxels=voxels, dtype=np.int32), scl_slope=0.5, scl_inter=-3.0)
    np.testing.assert_array_equal(read(file).voxels, (voxels * 0.5 - 3.0).astype(np.float32))


def test_missing_voxels_become_the_smallest_value(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]
) -> None:
    voxels = head() - 300.0
    for index, value in enumerate((np.nan, np.inf, -np.inf, 1e300)):
        voxels[10, 10, 10 + index] = value
    scan = read(write_head(tmp_path / "a.nii.gz", voxels=voxels, dtype=np.float64))
    assert scan.missing is not None and np.argwhere(scan.missing).tolist() == [[10, 10, k] for k in range(10, 14)]
    assert set(scan.voxels[scan.missing]) == {-300.0}
    assert np.isfinite(scan.voxels).all()
    assert scan.warnings[0].startswith("4 voxels (0.025 %)")


@pytest.mark.parametrize(("value", "count"), [(1e12, 1), (1e12, 50), (1e6, 150), (-1e9, 50), (1e5, 50)])
@pytest.mark.parametrize("background", [0.0, -1024.0])
def test_outliers_are_filled_from_their_neighbours_and_counted(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray], value: float, count: int, background: float
) -> None:
    voxels = head() + background
    damaged = voxels.copy()
    inner = np.argwhere(np.pad(np.ones((22, 26, 22), bool), 1))
    places = tuple(np.random.default_rng(1).choice(inner, count, replace=False).T)
    damaged[places] = value
    scan = read(write_head(tmp_path / "a.nii.gz", voxels=damaged, dtype=np.float64))
    assert scan.missing is None
    sound = np.ones(voxels.shape, bool)
    sound[places] = False
    np.testing.assert_array_equal(scan.voxels[sound], voxels[sound])
    for i, j, k in np.transpose(places):
        around = np.s_[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2]
        assert scan.voxels[i, j, k] == np.float32(np.median(voxels[around][sound[around]]))
    assert len(scan.warnings) == 1
    assert scan.warnings[0].startswith(f"{count} voxel{'' if count == 1 else 's'} (")
    assert scan.warnings[0].endswith("were filled from their neighbours")


def test_outliers_without_sound_neighbours_are_missing(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]
) -> None:
    voxels = head() - 300.0
    voxels[10:14, 10:14, 10:14] = 1e9  # a corner of the cube has 19 sound neighbours, an edge 15, a face 9
    voxels[5, 5, 5] = np.nan
    scan = read(write_head(tmp_path / "a.nii.gz", voxels=voxels, dtype=np.float64))
    assert scan.missing is not None and np.count_nonzero(scan.missing) == 64 - 8 - 24 + 1
    assert scan.missing[11:13, 11:13, 10:14].all() and scan.missing[5, 5, 5]
    assert set(scan.voxels[scan.missing]) == {-300.0}
    assert scan.voxels.max() < 1000
    assert scan.warnings[0].startswith("1 voxel (") and scan.warnings[1].startswith("64 voxels (")
    assert scan.warnings[1].endswith("count as missing, but for 32 that were filled from their neighbours")


@pytest.mark.parametrize("standardised", [False, True])
def test_what_is_bright_in_real_scans_is_no_outlier(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray], standardised: bool
) -> None:
    """Vessels, fat beside a coil and metal: ten times as bright as the brain."""
    voxels = head()
    voxels[2:6, 10:14, 10] = 7000.0
    if standardised:
        voxels = (voxels - voxels.mean()) / voxels.std()
    scan = read(write_head(tmp_path / "a.nii.gz", voxels=voxels, dtype=np.float32))
    assert scan.missing is None and scan.warnings == ()
    np.testing.assert_array_equal(scan.voxels, voxels.astype(np.float32))


def test_header_is_geometry_alone(tmp_path: Path, write_head: Write) -> None:
    """No name out of a header may reach a result, a warning or an error."""
    image = nib.load(write_head(tmp_path / "a.nii"))
    image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", b"DOE^JANE in the extension"))
    file = tmp_path / "b.nii"
    nib.save(image, file)
    texts = {
        "descrip": b"DOE^JANE",
        "db_name": b"DOE^JANE",
        "aux_file": b"DOE^JANE",
        "intent_name": b"DOE^JANE",
    }
    edit(file, **texts, scl_slope=2.0)
    assert file.read_bytes().count(b"DOE^JANE") == 5
    scan = read(file)
    assert b"DOE" not in scan.header.binaryblock and not scan.header.extensions
    assert "DOE" not in repr(scan.warnings)
    np.testing.assert_array_equal(scan.header.get_sform(), scan.grid.affine)
    assert int(scan.header["qform_code"]) == int(scan.header["sform_code"]) == 1


def test_memory_stays_at_two_copies(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    voxels = head((96, 96, 96))
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    file = write_head(tmp_path / "a.nii.gz", voxels=voxels, affine=affine, dtype=np.float32)
    tracemalloc.start()
    try:
        read(file)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2.6 * 4 * voxels.size  # two copies, the buffers, and bits of a mask


# --- orientation ---


def test_sform_is_preferred_and_disagreement_is_told(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii"), qoffset_x=95.0)
    scan = read(file)
    assert scan.grid.affine[0, 3] == 92.0
    assert scan.warnings == ("its qform and sform disagree by up to 3.0 mm; the sform is used",)
    assert read(edit(file, qoffset_x=92.9)).warnings == ()  # below 1 mm


def test_qform_is_used_where_there_is_no_sform(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii"), sform_code=0, srow_x=np.nan)
    scan = read(file)
    np.testing.assert_allclose(scan.grid.affine[:3, 3], (92.0, -108.0, -80.0))
    assert scan.grid.orientation == "LAS" and scan.warnings == ()
    assert np.isfinite(scan.header["srow_x"]).all()


def test_sform_is_used_where_there_is_no_qform(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii"), qform_code=0, quatern_b=np.nan, qoffset_x=500.0)
    scan = read(file)
    assert scan.grid.affine[0, 3] == 92.0 and scan.warnings == ()


@pytest.mark.parametrize("damage", [{"quatern_b": np.nan}, {"quatern_c": 3e30}, {"quatern_b": 0.9, "quatern_c": 0.9}])
def test_damaged_qform_beside_a_sform_is_left_out(tmp_path: Path, write_head: Write, damage: dict[str, float]) -> None:
    scan = read(edit(write_head(tmp_path / "a.nii"), **damage))
    assert scan.warnings == ("its qform is damaged, so only the sform is used",)
    assert int(scan.header["qform_code"]) == 0 and np.isfinite(scan.header.get_qform()).all()


def test_voxel_size_that_contradicts_the_sform_is_told(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii", qform=0), pixdim=[1, 1, 1, 1, 0, 0, 0, 0])
    assert read(file).warnings == (
        "its header states voxels of 1 × 1 × 1 mm but its sform 8 × 8 × 7 mm; the sform is used",
    )


@pytest.mark.parametrize(("code", "scale", "unit"), [(1, 1e-3, "metres"), (3, 1e3, "micrometres")])
def test_units_are_converted(tmp_path: Path, write_head: Write, code: int, scale: float, unit: str) -> None:
    file = write_head(tmp_path / "a.nii")
    plain = read(file)
    fields = nib.load(file).header
    scaled = {
        name: fields[name] * scale for name in ("srow_x", "srow_y", "srow_z", "qoffset_x", "qoffset_y", "qoffset_z")
    }
    pixdim = fields["pixdim"].copy()
    pixdim[1:4] *= scale
    scan = read(edit(file, **scaled, pixdim=pixdim, xyzt_units=code + 8))
    assert scan.grid.same_as(plain.grid)
    assert scan.header.get_xyzt_units()[0] == "mm"
    assert scan.warnings == (f"its geometry was given in {unit} and was converted to mm",)


def test_unknown_units_are_read_as_mm(tmp_path: Path, write_head: Write) -> None:
    scan = read(edit(write_head(tmp_path / "a.nii"), xyzt_units=0))
    assert scan.grid.spacing == (8.0, 8.0, 7.0) and scan.warnings == ()


def sheared(degrees: float) -> np.ndarray:
    affine = np.diag([8.0, 8.0, 7.0, 1.0])
    affine[1, 2] = 7.0 * np.tan(np.radians(degrees))
    return affine


def test_slight_skew_passes(tmp_path: Path, write_head: Write) -> None:
    assert read(write_head(tmp_path / "a.nii", affine=sheared(0.2), qform=0)).grid.shape == (24, 28, 24)


def test_skewed_axes(tmp_path: Path, write_head: Write) -> None:
    refused(
        write_head(tmp_path / "a.nii", affine=sheared(12.0), qform=0),
        "skewed by 12.0°",
        "as the scanner made it",
    )


def test_no_orientation(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii"), sform_code=0, qform_code=0)
    refused(file, "no orientation", "which side is left")


def test_damaged_qform_alone(tmp_path: Path, write_head: Write) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), sform_code=0, quatern_b=np.nan), "qform is damaged", "dcm2niix")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38])
def test_affine_that_is_not_finite_or_absurd(tmp_path: Path, write_head: Write, value: float) -> None:
    file = edit(write_head(tmp_path / "a.nii"), srow_y=[0, 8, 0, value])
    refused(file, "affine places voxels" if value == 3e38 else "NaN or infinity", "convert the scan again")


@pytest.mark.parametrize("row", [[0, 0, 0, 0], [-8, 0, 0, 0]])
def test_singular_affine(tmp_path: Path, write_head: Write, row: list[float]) -> None:
    file = edit(write_head(tmp_path / "a.nii"), srow_x=row if any(row) else 0, srow_y=row)
    refused(file, "singular", "convert the scan again")


@pytest.mark.parametrize("size", [np.nan, np.inf, 0.0, -1.0])
def test_impossible_voxel_size(tmp_path: Path, write_head: Write, size: float) -> None:
    file = edit(write_head(tmp_path / "a.nii"), pixdim=[1, 1, size, 1, 0, 0, 0, 0])
    refused(file, f"voxels of 1 × {size:g} × 1 mm", "convert the scan again")


# --- dimensions and types ---


@pytest.mark.parametrize("dim", [[3, 24, 0, 24], [3, -24, 28, 24], [4, 24, 28, 24, 0]])
def test_empty_or_negative_dimension(tmp_path: Path, write_head: Write, dim: list[int]) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), dim=dim + [1] * (8 - len(dim))), "empty or negative", "again")


@pytest.mark.parametrize("count", [0, -3, 8, 30000])
def test_impossible_number_of_dimensions(tmp_path: Path, write_head: Write, count: int) -> None:
    file = edit(write_head(tmp_path / "a.nii"), dim=[count, 24, 28, 24, 1, 1, 1, 1])
    refused(file, f"declares {count} dimensions", "copy")


@pytest.mark.parametrize("sides", [(32767, 32767, 32767), (2049, 28, 24), (2000, 2000, 2000)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_absurd_dimensions_take_no_memory(
    tmp_path: Path, write_head: Write, sides: tuple[int, int, int], ending: str
) -> None:
    file = edit(write_head(tmp_path / "a.nii"), dim=[3, *sides, 1, 1, 1, 1])
    if ending == ".nii.gz":
        file = tmp_path / "b.nii.gz"
        file.write_bytes(gzip.compress((tmp_path / "a.nii").read_bytes()))
    tracemalloc.start()
    try:
        refused(file, "more than any head scan has", "resample it")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_dimensions_beyond_the_file_take_no_memory(tmp_path: Path, write_head: Write, ending: str) -> None:
    content = edit(write_head(tmp_path / "a.nii"), dim=[3, 512, 512, 512, 1, 1, 1, 1]).read_bytes()
    file = tmp_path / f"b{ending}"
    file.write_bytes(gzip.compress(content) if ending == ".nii.gz" else content)
    tracemalloc.start()
    try:
        refused(file, "ends before the 512 × 512 × 512 voxels (268435456 bytes)", "copy")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shape", [(24, 28), (24, 28, 1), (1, 24, 28)])
def test_2d(tmp_path: Path, write_head: Write, shape: tuple[int, ...]) -> None:
    voxels = np.arange(np.prod(shape)).reshape(shape)
    refused(write_head(tmp_path / "a.nii.gz", voxels=voxels), "2D image or a single slice", "one 3D volume")


def test_4d(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    file = write_head(tmp_path / "a.nii.gz", voxels=np.stack([head()] * 3, axis=-1))
    refused(file, "4D image of 3 volumes (24 × 28 × 24 × 3)", "split off")


@pytest.mark.parametrize(
    ("dtype", "what"),
    [
        (np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]), "RGB colours"),
        (np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1"), ("A", "u1")]), "RGBA colours"),
        (np.complex64, "complex numbers"),
        (np.complex128, "complex numbers"),
    ],
)
def test_voxels_that_are_no_intensities(tmp_path: Path, dtype: Any, what: str) -> None:
    nib.save(nib.Nifti1Image(np.zeros((24, 28, 24), dtype), np.diag([8.0, 8.0, 7.0, 1.0])), tmp_path / "a.nii.gz")
    refused(tmp_path / "a.nii.gz", what, "real number a voxel")


def test_unknown_data_type(tmp_path: Path, write_head: Write) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), datatype=77), "code 77", "real number a voxel")


def test_impossible_scaling(tmp_path: Path, write_head: Write) -> None:
    file = edit(write_head(tmp_path / "a.nii"), scl_slope=2.0, scl_inter=np.nan)
    refused(file, "intercept nan", "convert the scan again")


# --- bytes ---


@pytest.mark.parametrize("offset", [np.nan, np.inf, -1.0, 0.0, 351.0, 352.5, 1e9, 3e38])
def test_impossible_place_of_the_voxels(tmp_path: Path, write_head: Write, offset: float) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), vox_offset=offset), "first voxel at byte", "again")


def test_extension_beyond_the_file(tmp_path: Path, write_head: Write) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), vox_offset=2.0**20), "the file ends before", "again")


def test_empty_file(tmp_path: Path) -> None:
    file = tmp_path / "a.nii.gz"
    file.touch()
    refused(file, "empty", "copy")


def test_short_header(tmp_path: Path, write_head: Write) -> None:
    file = write_head(tmp_path / "a.nii")
    file.write_bytes(file.read_bytes()[:100])
    refused(file, "ends within its header", "copy")


@pytest.mark.parametrize("lost", [1, 1000, 32000])
def test_too_short(tmp_path: Path, write_head: Write, lost: int) -> None:
    plain, packed = write_head(tmp_path / "a.nii"), tmp_path / "b.nii.gz"
    plain.write_bytes(plain.read_bytes()[:-lost])
    packed.write_bytes(gzip.compress(plain.read_bytes()))  # a whole gzip file around a short scan
    refused(plain, "ends before the 24 × 28 × 24 voxels", "copy")
    refused(packed, "ends before the 24 × 28 × 24 voxels", "copy")


def test_too_long(tmp_path: Path, write_head: Write) -> None:
    file = write_head(tmp_path / "a.nii")
    whole = file.read_bytes()
    file.write_bytes(whole + bytes(4096))
    assert read(file).grid.shape == (24, 28, 24)  # a padded block
    file.write_bytes(whole + bytes(4097))
    refused(file, "goes on after the last voxel", "again")


def test_decompression_bomb(tmp_path: Path, write_head: Write) -> None:
    file = tmp_path / "a.nii.gz"
    file.write_bytes(gzip.compress(write_head(tmp_path / "a.nii").read_bytes() + bytes(2**26)))
    tracemalloc.start()
    try:
        refused(file, "goes on after the last voxel", "again")
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_missing_gzip_trailer(tmp_path: Path, write_head: Write) -> None:
    file = write_head(tmp_path / "a.nii.gz")
    file.write_bytes(file.read_bytes()[:-8])
    assert nib.load(file).get_fdata().shape == (24, 28, 24)  # the reason why this is checked here
    refused(file, "truncated", "download")


@pytest.mark.parametrize("position", [-8, -4], ids=["checksum", "length"])
def test_wrong_gzip_trailer(tmp_path: Path, write_head: Write, position: int) -> None:
    file = write_head(tmp_path / "a.nii.gz")
    content = bytearray(file.read_bytes())
    content[position] ^= 1
    file.write_bytes(content)
    refused(file, "gzip data is damaged", "download")


def test_garbage_after_gzip(tmp_path: Path, write_head: Write) -> None:
    file = write_head(tmp_path / "a.nii.gz")
    file.write_bytes(file.read_bytes() + b"more")
    refused(file, "gzip data is damaged", "download")


# --- files that are no scans ---


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "a.nii.gz", "no such file", "check the path")


@pytest.mark.parametrize("name", ["x" * 5000 + ".nii", "a\0b.nii"])
def test_impossible_path(tmp_path: Path, name: str) -> None:
    refused(tmp_path / name, "cannot be reached", "check the path")


def test_folder(tmp_path: Path) -> None:
    refused(tmp_path, "this is a folder", "the folder of the visit")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.nii")
    refused(tmp_path / "a.nii", "not a regular file", ".nii.gz")


def test_unreadable_file(tmp_path: Path, write_head: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    file = write_head(tmp_path / "a.nii")
    monkeypatch.setattr(Path, "open", forbidden)
    refused(file, "Permission denied", "permission")


@pytest.mark.parametrize("name", ["a.dcm", "a.IMA"])
def test_dicom_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(500))
    refused(tmp_path / name, "DICOM", "dcm2niix")


def test_dicom_by_content(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(bytes(128) + b"DICM" + bytes(500))
    refused(tmp_path / "a.nii", "DICOM", "dcm2niix")


@pytest.mark.parametrize("name", ["a.mgz.txt", "a.bin", "IM0001", "a.nii.bz2", "a.png"])
def test_other_formats(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(bytes(500))
    refused(tmp_path / name, "does not end in .nii, .nii.gz, .mgz or .hdr", "dcm2niix")


@pytest.mark.parametrize("magic", [b"ni1", b""])
def test_pairs_and_analyze(tmp_path: Path, write_head: Write, magic: bytes) -> None:
    refused(edit(write_head(tmp_path / "a.nii"), magic=magic), "Analyze", "one .nii.gz file")


def test_not_nifti_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.nii.gz").write_bytes(b"<!doctype html>" * 100)
    refused(tmp_path / "a.nii.gz", "not a NIfTI file", "give a .nii")


# --- content ---


@pytest.mark.parametrize(("value", "finding"), [(0, "voxels are zero"), (17, "have the value 17")])
def test_empty_and_constant(tmp_path: Path, write_head: Write, value: int, finding: str) -> None:
    refused(
        write_head(tmp_path / "a.nii.gz", voxels=np.full((24, 28, 24), value)),
        finding,
        "export the scan again",
    )


def test_nothing_but_nan(tmp_path: Path, write_head: Write) -> None:
    file = write_head(tmp_path / "a.nii.gz", voxels=np.full((24, 28, 24), np.nan), dtype=np.float32)
    refused(file, "all of its voxels are NaN", "export the scan again")


def test_mask(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    refused(write_head(tmp_path / "a.nii.gz", voxels=head() > 200), "looks like a mask", "the scan itself")


def test_label_map(tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]) -> None:
    refused(write_head(tmp_path / "a.nii.gz", voxels=head() // 100), "looks like a label map", "the scan itself")


@pytest.mark.parametrize(
    ("spacing", "view"),
    [((1.0, 1.0, 1.0), "24 × 28 × 24 mm"), ((8.0, 8.0, 3.0), "192 × 224 × 72 mm"), ((8.0, 30.0, 8.0), "840")],
)
def test_field_of_view_of_no_head(
    tmp_path: Path, write_head: Write, spacing: tuple[float, float, float], view: str
) -> None:
    file = write_head(tmp_path / "a.nii.gz", affine=np.diag([*spacing, 1.0]))
    refused(file, view, "voxel size")


@pytest.mark.parametrize("factor", [2, 3])
def test_small_thing_in_a_large_view(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray], factor: int
) -> None:
    voxels = np.pad(head()[::factor, ::factor, ::factor], 8)
    file = write_head(tmp_path / "a.nii.gz", voxels=voxels)
    refused(file, "not the size of a human head", "voxel size")


def test_giant_head(tmp_path: Path, write_head: Write) -> None:
    refused(
        write_head(tmp_path / "a.nii.gz", affine=np.diag([20.0, 20.0, 20.0, 1.0])),
        "what it shows",
        "scan of a head",
    )


def test_partial_coverage_and_thick_slices_are_told(
    tmp_path: Path, write_head: Write, head: Callable[..., np.ndarray]
) -> None:
    voxels = head()[:, :, 6:15]
    scan = read(write_head(tmp_path / "a.nii.gz", voxels=voxels, affine=np.diag([8.0, 8.0, 12.0, 1.0])))
    assert scan.warnings == (
        "its field of view is 192 × 224 × 108 mm: parts of the brain may lie outside",
        "its slices are 12.0 mm apart: small lesions cannot be seen",
    )
