"""Names of BIDS: one parser, and all who read such names agree on what is a label."""

from __future__ import annotations

import pytest

from dawson.cases.bids_names import parse_entity, parse_name, parse_path
from dawson.cases.find import find_cases
from dawson.cases.scan_names import NotUsed, modality_of_name
from dawson.core.errors import InputError
from dawson.core.study import Modality
from dawson.evaluation.matching.case_names import case_name, patient_of

LABELS = {
    "01": True,
    "A1b2": True,
    "multi+part": True,
    "0": True,
    "a.b": False,
    "a-b": False,
    "é1": False,
    "": False,
    "a b": False,
    "x*": False,
}


@pytest.mark.parametrize(("label", "valid"), LABELS.items())
def test_all_readers_agree_on_what_is_a_label(tmp_path, label, valid):
    """A data set of cases, the pairing of masks, and the sequence that a file's name tells."""
    subject = f"sub-{label}"
    assert (parse_entity(subject) == ("sub", label)) is valid
    assert (parse_name(f"{subject}_FLAIR.nii.gz").entities == {"sub": label}) is valid
    anat = tmp_path / subject / "anat"
    anat.mkdir(parents=True)
    for name in ("FLAIR", "label-lesion_mask"):
        (anat / f"{subject}_{name}.nii.gz").touch()
    if valid:
        (case,) = find_cases(tmp_path)
        assert case.patient == subject
    else:
        with pytest.raises(InputError, match="is no entity of BIDS"):
            find_cases(tmp_path)
    mask = anat / f"{subject}_desc-a_ses-1_label-lesion_mask.nii.gz"  # a desc names nobody in BIDS
    assert (case_name(mask, tmp_path) == f"{subject}_ses-1") is valid
    if valid:
        assert patient_of(f"{subject}_ses-1") == subject


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-t1_FLAIR.nii.gz", Modality.FLAIR),  # a label names no sequence
        ("sub-t1+t2_FLAIR.nii.gz", Modality.FLAIR),
        ("sub-x.t1_FLAIR.nii.gz", NotUsed.SEVERAL),  # no label: its words count
        ("ses-dwi_T1w.nii.gz", Modality.T1),
    ],
)
def test_words_of_a_label_name_no_sequence(name, kind):
    assert modality_of_name(name) is kind


@pytest.mark.parametrize(
    ("name", "entities", "suffix", "malformed"),
    [
        ("sub-01_ses-2_T1w.nii.gz", {"sub": "01", "ses": "2"}, "T1w", ()),
        ("ses-2_sub-01_T1w.NII", {"ses": "2", "sub": "01"}, "T1w", ()),  # any order
        ("sub-01", {"sub": "01"}, "", ()),
        ("FLAIR.nii.gz", {}, "FLAIR", ()),
        ("sub-01_ce-gado.1_T1w", {"sub": "01"}, "T1w", ("ce-gado.1",)),
        ("sub-01_sub-02_T1w", {"sub": "01"}, "T1w", ("sub-02",)),
        ("sub-01_old_FLAIR", {"sub": "01"}, "FLAIR", ()),
        ("", {}, "", ()),
    ],
)
def test_parts_of_a_name(name, entities, suffix, malformed):
    found = parse_name(name)
    assert (found.entities, found.suffix, found.malformed) == (entities, suffix, malformed)


@pytest.mark.parametrize(
    ("name", "lesions"),
    [
        ("sub-01_label-L_mask.nii.gz", True),
        ("sub-01_label-lesion_desc-final_dseg", True),
        ("sub-01_label-WMH_roi", True),
        ("sub-01_label-lesion", True),
        ("sub-01_label-l_mask", False),
        ("sub-01_label-brain_mask", False),
        ("sub-01_label-lesion_FLAIR", False),
        ("sub-01_mask", False),
    ],
)
def test_training_and_evaluation_know_the_same_lesion_masks(tmp_path, name, lesions):
    assert parse_name(name).marks_lesions is lesions


def test_what_is_further_in_counts():
    assert parse_path(["data", "sub-01", "ses-1", "sub-01_ses-2_FLAIR.nii.gz"]) == {"sub": "01", "ses": "2"}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("sub-02_FLAIR.nii.gz", "its folder says sub-01 and its name sub-02"),
        ("sub-01_ses-9_FLAIR.nii.gz", "its folder says ses-1 and its name ses-9"),
        ("sub-01_ses-1_ce-gado.1_T1w.nii.gz", "'ce-gado.1' is no entity of BIDS"),
    ],
)
def test_a_name_that_contradicts_its_folder_is_told(tmp_path, name, words):
    anat = tmp_path / "sub-01" / "ses-1" / "anat"
    anat.mkdir(parents=True)
    for file in ("sub-01_ses-1_T2w.nii.gz", "sub-01_ses-1_label-L_mask.nii.gz", name):
        (anat / file).touch()
    with pytest.raises(InputError, match="1 problem") as error:
        find_cases(tmp_path)
    assert words in str(error.value)
