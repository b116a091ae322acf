"""The openly shared real scans: all kinds of them read, and lie where nibabel says."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cases.visit import find_scans, read_study
from dawson.core.errors import InputError
from dawson.core.study import Modality
from dawson.nifti.scan import read_scan

pytestmark = pytest.mark.realdata


@pytest.mark.parametrize(
    ("file", "orientation"),
    [
        ("labelled/ljubljana-26/FLAIR.nii.gz", "LAS"),  # skull-stripped, qform only
        ("labelled/mslesseg-P18-T1/T1.nii.gz", "LAS"),
        ("longitudinal/ljubljana-01/study1_T1W.nii.gz", "LPS"),
        ("longitudinal/ljubljana-01/study2_T2W.nii.gz", "LPS"),
        ("unlabelled/ljubljana-09/study2_FLAIR.nii.gz", "LPS"),
        ("unlabelled/ljubljana-20/study2_T1W.nii.gz", "LPS"),
    ],
)
def test_real_scan(shared_data: Path, file: str, orientation: str) -> None:
    scan = read_scan(shared_data / file, Modality.FLAIR)
    reference = nib.load(shared_data / file)
    assert scan.grid.orientation == orientation
    np.testing.assert_array_equal(scan.grid.affine, reference.affine)
    np.testing.assert_array_equal(scan.voxels, reference.get_fdata(dtype=np.float32))
    assert all("field of view" in text for text in scan.warnings)


def test_visit_whose_scans_are_stored_differently(shared_data: Path) -> None:
    study = read_study(shared_data / "labelled/tabriz-105074")
    assert [(s.value, study.scans[s].grid.orientation) for s in study.modalities] == [
        ("flair", "LAS"),
        ("t1", "LPS"),
    ]
    assert study.warnings == ()


@pytest.mark.parametrize("visit", ["ljubljana-26", "mslesseg-P14-T1", "tabriz-104252"])
def test_visit_folders(shared_data: Path, visit: str) -> None:
    folder = shared_data / "labelled" / visit
    expected = {s: folder / f"{s.upper()}.nii.gz" for s in Modality if (folder / f"{s.upper()}.nii.gz").exists()}
    assert find_scans(folder) == expected


@pytest.mark.parametrize("mask", ["labelled/mslesseg-P18-T1/lesion.nii.gz", "longitudinal/ljubljana-01/gt.nii.gz"])
def test_real_mask_is_no_scan(shared_data: Path, mask: str) -> None:
    with pytest.raises(InputError, match="looks like a mask"):
        read_scan(shared_data / mask, Modality.FLAIR)


def test_two_visits_in_a_folder(shared_data: Path) -> None:
    with pytest.raises(InputError, match=r"study1_FLAIR.nii.gz, study2_FLAIR.nii.gz"):
        find_scans(shared_data / "longitudinal/ljubljana-01")


@pytest.mark.parametrize("series", ["ge", "philips_enhanced", "generic/compressed/001"])
def test_dicom_folders(shared_data: Path, series: str) -> None:
    with pytest.raises(InputError, match="dcm2niix"):
        read_study(shared_data / "dicom" / series)
