"""MGH files and NIfTI pairs: the same scan as in one NIfTI file, and as many refusals."""

from __future__ import annotations

import gzip
import hashlib
import tracemalloc
from collections.abc import Callable
from itertools import permutations, product
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cases.visit import find_scans, read_study
from dawson.core.errors import AccessError, InputError
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan
from dawson.nifti.write import nifti_gz

Write = Callable[..., Path]
Head = Callable[..., np.ndarray]

WRITERS = {".mgz": nib.MGHImage, ".mgh": nib.MGHImage, ".hdr": nib.Nifti1Pair, ".img": nib.Nifti1Pair}
WRITERS |= {".img.gz": nib.Nifti1Pair}
TURNS = list(product(permutations(range(3)), [(1, 1, 1), (-1, 1, 1), (1, -1, -1)]))


def affine_of(order: tuple[int, ...], signs: tuple[int, ...], *, oblique: float = 0.0) -> np.ndarray:
    """Axes in any order and direction, of 8, 8 and 7 mm, turned about the first by ``oblique`` radians."""
    turned = np.array(
        [[1, 0, 0], [0, np.cos(oblique), -np.sin(oblique)], [0, np.sin(oblique), np.cos(oblique)]], dtype=float
    )
    affine = np.eye(4)
    affine[:3, :3] = turned @ np.eye(3)[:, list(order)] @ np.diag(np.multiply(signs, (8.0, 8.0, 7.0)))
    affine[:3, 3] = (-92.25, 108.5, -80.75)
    return affine


def save(file: Path, voxels: np.ndarray, affine: np.ndarray, dtype: type = np.int16) -> Path:
    ending = "".join(file.suffixes)
    image = WRITERS.get(ending, nib.Nifti1Image)(voxels.astype(dtype), affine)
    if ending not in (".mgz", ".mgh"):
        image.set_sform(affine, code=1)
        image.set_qform(affine, code=1)
    nib.save(image, file)
    return file


def read(file: Path) -> Scan:
    return read_scan(file, Modality.FLAIR)


def refused(file: Path, finding: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(file)
    assert finding in caught.value.finding
    message = str(caught.value)
    assert message.endswith(".") and "\n" not in message
    return caught.value


def edit(file: Path, at: int, data: bytes) -> Path:
    """Overwrite bytes of a file, inside of its gzip where it has one."""
    content = file.read_bytes()
    packed = content[:2] == b"\x1f\x8b"
    whole = bytearray(gzip.decompress(content) if packed else content)
    whole[at : at + len(data)] = data
    file.write_bytes(gzip.compress(bytes(whole)) if packed else bytes(whole))
    return file


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize(("order", "signs"), TURNS)
@pytest.mark.parametrize("oblique", [0.0, 0.3])
def test_same_scan_and_grid_as_the_nifti(
    tmp_path: Path, head: Head, ending: str, order: tuple[int, ...], signs: tuple[int, ...], oblique: float
) -> None:
    affine = affine_of(order, signs, oblique=oblique)
    usual = read(save(tmp_path / "a.nii.gz", head(), affine))
    scan = read(save(tmp_path / f"b{ending}", head(), affine))
    np.testing.assert_array_equal(scan.voxels, usual.voxels)
    np.testing.assert_allclose(scan.grid.affine, usual.grid.affine, atol=1e-4)
    np.testing.assert_allclose(scan.grid.affine, affine, atol=1e-4)
    assert scan.grid.orientation == usual.grid.orientation and scan.warnings == ()
    (tmp_path / "out.nii.gz").write_bytes(nifti_gz((scan.voxels > 300).astype(np.uint8), scan))
    written = nib.load(tmp_path / "out.nii.gz")
    np.testing.assert_allclose(written.affine, affine, atol=1e-4)
    np.testing.assert_array_equal(np.asarray(written.dataobj), usual.voxels > 300)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_types_of_mgh(tmp_path: Path, head: Head, dtype: type) -> None:
    voxels = np.clip(head(), 0, 255)
    file = save(tmp_path / "a.mgz", voxels, affine_of((0, 1, 2), (1, 1, 1)), dtype)
    scan = read(file)
    np.testing.assert_array_equal(scan.voxels, voxels)
    assert scan.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()


def test_text_behind_the_voxels_of_mgh_is_never_used(tmp_path: Path, head: Head) -> None:
    file = save(tmp_path / "a.mgh", head(), affine_of((0, 1, 2), (1, 1, 1)))
    file.write_bytes(file.read_bytes() + b"DOE^JANE" * 5000)
    scan = read(file)
    assert b"DOE" not in scan.header.binaryblock and "DOE" not in repr(scan.warnings)


@pytest.mark.parametrize(
    ("at", "data", "finding"),
    [
        (0, b"\0\0\0\2", "not an MGH file"),
        (4, b"\x7f\xff\xff\xff", "more than any head scan has"),
        (4, b"\0\0\0\x1c", "ends before the 28 × 28 × 24 voxels"),
        (4, b"\xff\xff\xff\xff", "empty or negative"),
        (16, b"\0\0\0\3", "3 volumes"),
        (20, b"\0\0\0\7", "code 7"),
        (28, b"\0\0", "no orientation"),
        (30, b"\x7f\xc0\0\0", "voxels of nan"),
        (30, b"\0\0\0\0", "voxels of 0"),
        (42, b"\x7f\xc0\0\0", "NaN or infinity"),
        (42, bytes(12), "singular"),
    ],
)
@pytest.mark.parametrize("ending", [".mgz", ".mgh"])
def test_headers_of_mgh_that_cannot_be(
    tmp_path: Path, head: Head, ending: str, at: int, data: bytes, finding: str
) -> None:
    file = edit(save(tmp_path / f"a{ending}", head(), affine_of((0, 1, 2), (1, 1, 1))), at, data)
    tracemalloc.start()
    try:
        refused(file, finding)
        assert tracemalloc.get_traced_memory()[1] < 2**26
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ending", [".mgz", ".mgh", ".img", ".img.gz"])
@pytest.mark.parametrize("kept", [0.9, 0.5, 0.001])
def test_truncated(tmp_path: Path, head: Head, ending: str, kept: float) -> None:
    file = save(tmp_path / f"a{ending}", head(), affine_of((0, 1, 2), (1, 1, 1)))
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    refused(file, "end")


def test_missing_gzip_trailer_of_mgz(tmp_path: Path, head: Head) -> None:
    file = save(tmp_path / "a.mgz", head(), affine_of((0, 1, 2), (1, 1, 1)))
    file.write_bytes(file.read_bytes()[:-8])
    refused(file, "truncated")


def test_either_half_names_the_pair_and_both_are_hashed(tmp_path: Path, head: Head) -> None:
    save(tmp_path / "a.img", head(), affine_of((0, 1, 2), (1, 1, 1)))
    first, second = read(tmp_path / "a.hdr"), read(tmp_path / "a.img")
    content = (tmp_path / "a.hdr").read_bytes() + (tmp_path / "a.img").read_bytes()
    assert first.sha256 == second.sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("lost", [".hdr", ".img"])
def test_half_a_pair(tmp_path: Path, head: Head, lost: str) -> None:
    save(tmp_path / "a.img", head(), affine_of((0, 1, 2), (1, 1, 1)))
    (tmp_path / f"a{lost}").unlink()
    assert isinstance(refused(tmp_path / f"a{'.img' if lost == '.hdr' else '.hdr'}", "one half of a pair"), AccessError)


def test_analyze_does_not_say_which_side_is_left(tmp_path: Path, head: Head) -> None:
    nib.save(nib.AnalyzeImage(head().astype(np.int16), np.diag([8.0, 8.0, 7.0, 1.0])), tmp_path / "a.img")
    refused(tmp_path / "a.img", "Analyze")


def test_a_folder_of_all_formats(tmp_path: Path, head: Head) -> None:
    affine = affine_of((0, 1, 2), (1, 1, 1))
    save(tmp_path / "FLAIR.mgz", head(seed=0), affine)
    save(tmp_path / "T1.img", head(seed=1), affine)
    save(tmp_path / "T2.nii.gz", head(seed=2), affine)
    names = [file.name for file in find_scans(tmp_path).values()]
    assert names == ["FLAIR.mgz", "T1.hdr", "T2.nii.gz"]
    assert len(read_study(tmp_path).modalities) == 3


def test_a_scan_of_another_format_in_a_folder_is_told(tmp_path: Path, head: Head) -> None:
    save(tmp_path / "FLAIR.nii.gz", head(), affine_of((0, 1, 2), (1, 1, 1)))
    (tmp_path / "T1.mha").write_bytes(b"ObjectType = Image")
    expected = "flair: another scan in the folder is not used (MetaImage, which dawson does not read)"
    assert read_study(tmp_path).warnings == (expected,)


@pytest.mark.parametrize("ending", [".nrrd", ".nhdr", ".mha", ".mhd", ".mnc", ".PAR"])
def test_formats_that_are_refused_by_name(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a{ending}"
    file.write_bytes(b"NRRD0004")
    error = refused(file, "which dawson does not read")
    assert isinstance(error, AccessError) and "convert it to NIfTI" in error.remedy
