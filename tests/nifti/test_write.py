"""Written volumes lie where the reference lies, for every reader, and hold what they should."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from dawson.nifti.write import GEOMETRY_FIELDS, nifti_gz, round_probability
from dawson.results.write import write

IMAGES = ("lesions.nii.gz", "probability.nii.gz", "anatomy.nii.gz")
pytestmark = pytest.mark.usefixtures("small_pictures")
REAL = Path(__file__).parents[3] / "shared" / "data"


def turned(*, angle=0.3, spacing=(0.7, 0.7, 4.0), signs=(-1, 1, 1)):
    c, s = np.cos(angle), np.sin(angle)
    affine = np.eye(4)
    affine[:3, :3] = np.array([[1, 0, 0], [0, c, -s], [0, s, c]]) @ np.diag(np.multiply(spacing, signs))
    affine[:3, 3] = (91.3, -120.7, -44.1)
    return affine


def image_with(*, qform=None, sform=None, kind=nib.Nifti1Image, endianness="<"):
    header = nib.Nifti1Header(endianness=endianness) if kind is nib.Nifti1Image else None
    image = kind(np.zeros((10, 11, 7), np.int16), None, header)
    image.header["pixdim"][1:4] = (0.7, 0.7, 4.0)
    image.header["descrip"] = b"DOE^JANE"
    image.header.set_xyzt_units("mm", "sec")
    if qform is not None:
        image.set_qform(qform[0], code=qform[1])
    if sform is not None:
        image.set_sform(sform[0], code=sform[1])
    return image


@pytest.mark.parametrize(
    "image",
    [
        image_with(qform=(turned(), 1), sform=(turned(), 1)),
        image_with(qform=(turned(), 1)),
        image_with(sform=(turned(), 2)),
        image_with(qform=(turned(), 1), sform=(turned(angle=0.5), 4)),
        image_with(qform=(turned(signs=(1, -1, 1)), 2), sform=(turned(signs=(1, -1, 1)), 1)),
        image_with(),
        image_with(qform=(turned(), 1), sform=(turned(), 1), endianness=">"),
    ],
    ids=["both", "qform", "sform", "disagreeing", "mirrored", "neither", "big-endian"],
)
def test_nibabel_and_simpleitk_see_the_reference_geometry(image, from_file, tmp_path):
    segmentation, file = from_file(image)
    write(segmentation, tmp_path / "out")
    reference, itk = nib.load(file), sitk.ReadImage(file)
    for name in IMAGES:
        ours = nib.load(tmp_path / "out" / name)
        assert ours.shape == reference.shape
        assert np.array_equal(ours.affine, reference.affine)
        for field in set(GEOMETRY_FIELDS) - {"pixdim"}:
            assert np.array_equal(ours.header[field], reference.header[field]), field
        assert np.array_equal(ours.header["pixdim"][:4], reference.header["pixdim"][:4])
        ours = sitk.ReadImage(tmp_path / "out" / name)
        assert ours.GetSize() == itk.GetSize()
        assert ours.GetOrigin() == itk.GetOrigin()
        assert ours.GetSpacing() == itk.GetSpacing()
        assert ours.GetDirection() == itk.GetDirection()


def test_nifti_2_becomes_nifti_1_that_every_program_reads(from_file, tmp_path):
    segmentation, file = from_file(image_with(qform=(turned(), 1), sform=(turned(), 2), kind=nib.Nifti2Image))
    write(segmentation, tmp_path / "out")
    for name in IMAGES:
        header = nib.load(tmp_path / "out" / name).header
        assert type(header) is nib.Nifti1Header
        assert np.allclose(header.get_qform(), nib.load(file).header.get_qform(), atol=1e-4)
        assert np.allclose(header.get_sform(), nib.load(file).header.get_sform(), atol=1e-4)
        assert (header["qform_code"], header["sform_code"]) == (1, 2)
        assert sitk.ReadImage(tmp_path / "out" / name).GetSize() == (10, 11, 7)


def test_free_text_of_the_header_is_left_behind(from_file, tmp_path):
    segmentation, _ = from_file(image_with(qform=(turned(), 1)))
    write(segmentation, tmp_path / "out")
    for name in IMAGES:
        assert b"DOE" not in gzip.decompress((tmp_path / "out" / name).read_bytes())


def test_a_frame_axis_of_the_reference_is_not_taken_over(make):
    header = nib.Nifti1Image(np.zeros((24, 30, 12, 1), np.int16), np.eye(4)).header
    header["pixdim"][4] = 2.5
    scan = make(header=header).study.reference
    image = nib.Nifti1Image.from_bytes(gzip.decompress(nifti_gz(np.zeros(scan.grid.shape, np.uint8), scan)))
    assert image.shape == (24, 30, 12)
    assert image.header["pixdim"][4] == 1.0


def test_without_a_header_geometry_comes_from_the_affine(make, tmp_path):
    write(make(affine=turned()), tmp_path / "out")
    for name in IMAGES:
        header = nib.load(tmp_path / "out" / name).header
        assert np.allclose(header.get_sform(), turned(), atol=1e-4)
        assert np.allclose(header.get_qform(), turned(), atol=1e-4)
        assert (header["qform_code"], header["sform_code"]) == (1, 1)
        itk = sitk.ReadImage(tmp_path / "out" / name)
        last = [n - 1 for n in itk.GetSize()]
        world = turned() @ [*last, 1]
        assert itk.TransformIndexToPhysicalPoint(last) == pytest.approx(world[:3] * [-1, -1, 1], abs=1e-3)


def test_a_sheared_affine_goes_into_the_sform_alone(make, tmp_path):
    sheared = turned()
    sheared[0, 2] += 1.0
    write(make(affine=sheared), tmp_path / "out")
    image = nib.load(tmp_path / "out" / "lesions.nii.gz")
    assert np.allclose(image.affine, sheared, atol=1e-4)
    assert image.header["qform_code"] == 0


def test_types_and_values(make, tmp_path):
    segmentation = make()
    write(segmentation, tmp_path / "out")
    expected = {
        "lesions.nii.gz": (np.uint8, segmentation.lesions),
        "probability.nii.gz": (np.float32, segmentation.probability),
        "anatomy.nii.gz": (np.uint8, segmentation.anatomy),
    }
    for name, (dtype, values) in expected.items():
        image = nib.load(tmp_path / "out" / name)
        assert image.get_data_dtype() == dtype
        assert image.header.get_slope_inter() in ((None, None), (1.0, 0.0))
        assert np.allclose(np.asarray(image.dataobj), values, atol=1.3e-4)
        itk = sitk.GetArrayFromImage(sitk.ReadImage(tmp_path / "out" / name))
        assert np.allclose(itk.T, values, atol=1.3e-4)


@pytest.mark.parametrize("threshold", [0.45, 0.3, 0.5, 0.7, 1 / 3])
def test_cutting_the_written_probability_gives_the_same_lesions(threshold):
    rng = np.random.default_rng(1)
    near = threshold + rng.normal(size=(20, 20, 20)) * 1e-5  # where rounding would decide
    near[0] = threshold
    probability = np.clip(near, 0, 1).astype(np.float32)
    kept = round_probability(probability, limits=[threshold])
    assert kept.dtype == np.float32
    assert np.array_equal(kept.astype(np.float64) >= threshold, probability >= np.float64(threshold))
    assert np.abs(kept - probability).max() <= 1 / 8192


def test_probabilities_are_rounded_closely_and_stay_in_range():
    probability = np.random.default_rng(2).random((20, 20, 20)).astype(np.float32)
    probability.flat[:2] = (0.0, 1.0)
    kept = round_probability(probability, limits=[None])
    assert np.abs(kept - probability).max() <= 1 / 8192
    assert (kept.min(), kept.max()) == (0.0, 1.0)
    assert np.array_equal(kept * 4096, np.rint(kept * 4096))


def test_gzip_headers_carry_neither_time_nor_name(make, tmp_path):
    write(make(), tmp_path / "out")
    for name in IMAGES:
        head = (tmp_path / "out" / name).read_bytes()[:10]
        assert head[3] == 0  # no flags: no file name, no comment
        assert head[4:8] == bytes(4)  # no time


@pytest.mark.realdata
def test_a_real_oblique_scan_keeps_its_place(make, tmp_path):
    file = REAL / "longitudinal" / "ljubljana-01" / "study1_FLAIR.nii.gz"
    if not file.is_file():
        pytest.skip("the openly shared scans (../shared/data) are not here")
    reference, itk = nib.load(file), sitk.ReadImage(file)
    probability = np.zeros(reference.shape, np.float32)
    write(
        make(shape=reference.shape, affine=reference.affine, header=reference.header, probability=probability),
        tmp_path / "out",
    )
    ours, theirs = (
        nib.load(tmp_path / "out" / "lesions.nii.gz"),
        sitk.ReadImage(tmp_path / "out" / "lesions.nii.gz"),
    )
    assert np.array_equal(ours.affine, reference.affine)
    assert np.array_equal(ours.header.get_qform(), reference.header.get_qform())
    assert theirs.GetDirection() == itk.GetDirection()
    assert theirs.GetOrigin() == itk.GetOrigin()
    assert theirs.GetSpacing() == itk.GetSpacing()
