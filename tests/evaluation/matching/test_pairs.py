"""Which prediction belongs to which truth, and whose they are."""

from __future__ import annotations

import pytest

from dawson.core.errors import InputError, UsageError
from dawson.evaluation.matching.case_names import case_name, method_names, other_patient, patient_of
from dawson.evaluation.matching.pairs import find_pairs
from fixtures.masks import LARGE, blob

NAMES = {
    "P14_T1_mask.nii.gz": "P14_T1",
    "P14/T1/lesions.nii.gz": "P14_T1",
    "P14_T1/lesions.nii.gz": "P14_T1",
    "P14/P14_T1.nii.gz": "P14_T1",
    "P14_T1_FLAIR_lesion_seg.nii": "P14_T1",
    "ljubljana-26/lesion.nii.gz": "ljubljana-26",
    "sub-01/ses-2/anat/sub-01_ses-2_space-FLAIR_label-lesion_mask.nii.gz": "sub-01_ses-2",
    "sub-01_ses-2/lesions.nii.gz": "sub-01_ses-2",
    "derivatives/seg/sub-7/anat/sub-7_label-L_dseg.nii.gz": "sub-7",
    "case07_rater1.nii.gz": "case07",
    "P1_label-lesion.nii.gz": "P1",
    "P1_label-L.nii.gz": "P1",
    "P3_brain_lesions.nii.gz": "P3",
}


@pytest.mark.parametrize(("path", "case"), NAMES.items())
def test_case_names(tmp_path, path, case):
    assert case_name(tmp_path / path, tmp_path) == case


PATIENTS = {
    "sub-01_ses-2": "sub-01",
    "P14_T2": "P14",
    "mslesseg-P14-T1": "mslesseg-P14",
    "anna_baseline": "anna",
    "anna_visit03": "anna",
    "anna_m12": "anna",
    "ljubljana-26": "ljubljana-26",
    "case07": "case07",
    "tim": "tim",
    "T1": "T1",
    "patient1": "patient1",
    "subject12": "subject12",
    "pat3": "pat3",
    "client7": "client7",
    "cohort5": "cohort5",
    "adam1": "adam1",
}


@pytest.mark.parametrize(("case", "patient"), PATIENTS.items())
def test_patients(case, patient):
    assert patient_of(case) == patient


@pytest.mark.parametrize(
    ("first", "second", "other"),
    [
        ("sub-01", "sub-02_ses-1", True),
        ("P14_T1", "P15_T1", True),
        ("P14_T1", "P14_T2", False),
        ("truth", "output2", False),
        ("ljubljana-26", "ljubljana-03", True),
        ("case07", "result", False),
    ],
)
def test_other_patients_are_told_only_where_names_leave_no_doubt(first, second, other):
    assert other_patient(first, second) is other


def test_two_files_are_a_pair_whatever_their_names(tmp_path, save_mask):
    truth = save_mask(tmp_path / "manual.nii.gz", blob(LARGE))
    other = save_mask(tmp_path / "out" / "lstai_v2.nii.gz", blob(LARGE))
    (pair,) = find_pairs([truth], [other])
    assert (pair.truths, pair.prediction, pair.method) == ((truth,), other, "lstai_v2")


def test_two_files_of_different_patients_are_refused(tmp_path, save_mask):
    truth = save_mask(tmp_path / "P14_mask.nii.gz", blob(LARGE))
    other = save_mask(tmp_path / "P15_seg.nii.gz", blob(LARGE))
    with pytest.raises(InputError, match="by its name this is P15, but"):
        find_pairs([truth], [other])


def test_folders_are_paired_by_name(mask_cohort):
    pairs = find_pairs([mask_cohort / "truth"], [mask_cohort / "good", mask_cohort / "bad"])
    assert [(p.case, p.patient, p.method) for p in pairs] == [
        (case, patient, method)
        for method in ("good", "bad")
        for case, patient in (("P01_T1", "P01"), ("P01_T2", "P01"), ("P02", "P02"))
    ]
    assert all(p.prediction.name.startswith(p.case) and p.truths[0].name.startswith(p.case) for p in pairs)


def test_bids_derivatives_and_dawsons_own_results(tmp_path, save_mask):
    for visit in ("ses-1", "ses-2"):
        folder = tmp_path / "bids" / "derivatives" / "manual" / "sub-01" / visit / "anat"
        save_mask(folder / f"sub-01_{visit}_space-FLAIR_label-lesion_mask.nii.gz", blob(LARGE))
        save_mask(folder / f"sub-01_{visit}_label-brain_mask.nii.gz", blob(LARGE))
        save_mask(tmp_path / "bids" / "sub-01" / visit / "anat" / f"sub-01_{visit}_FLAIR.nii.gz", blob(LARGE))
        own = tmp_path / "out" / f"sub-01_{visit}"
        for name in ("lesions", "probability", "anatomy"):
            save_mask(own / f"{name}.nii.gz", blob(LARGE))
        (own / "summary.json").write_text("{}")
    pairs = find_pairs([tmp_path / "bids"], [tmp_path / "out"])
    assert [(p.case, p.patient) for p in pairs] == [("sub-01_ses-1", "sub-01"), ("sub-01_ses-2", "sub-01")]
    assert [p.prediction.name for p in pairs] == ["lesions.nii.gz"] * 2
    assert pairs[0].probability == tmp_path / "out" / "sub-01_ses-1" / "probability.nii.gz"
    assert pairs[0].anatomy == tmp_path / "out" / "sub-01_ses-1" / "anatomy.nii.gz"


def test_the_result_folder_of_one_visit_is_a_prediction(tmp_path, save_mask):
    truth = save_mask(tmp_path / "masks" / "anything.nii.gz", blob(LARGE))
    for name in ("lesions", "probability"):
        save_mask(tmp_path / "out" / f"{name}.nii.gz", blob(LARGE))
    (tmp_path / "out" / "summary.json").write_text("{}")
    (pair,) = find_pairs([truth], [tmp_path / "out"])
    assert pair.prediction == tmp_path / "out" / "lesions.nii.gz"
    assert pair.probability == tmp_path / "out" / "probability.nii.gz"


def test_scans_beside_masks_are_not_taken_for_masks(tmp_path, save_mask):
    for name in ("FLAIR", "T1", "brain", "lesion"):
        save_mask(tmp_path / "a" / "case1" / f"{name}.nii.gz", blob(LARGE))
    save_mask(tmp_path / "b" / "case1.nii.gz", blob(LARGE))
    (pair,) = find_pairs([tmp_path / "a"], [tmp_path / "b"])
    assert pair.truths[0].name == "lesion.nii.gz"


def test_every_case_of_a_folder_counts_however_its_mask_is_called(tmp_path, save_mask):
    for name in ("P1_lesion", "P2_mask", "P3_brain_lesions", "P4_label-WMH", "P5", "P1_PD", "P2_brain", "P1_FLAIR"):
        save_mask(tmp_path / "a" / f"{name}.nii.gz", blob(LARGE))
    for case in ("P1", "P2", "P3", "P4", "P5"):
        save_mask(tmp_path / "b" / f"{case}_seg.nii.gz", blob(LARGE))
    skipped = []
    pairs = find_pairs([tmp_path / "a"], [tmp_path / "b"], skipped=skipped)
    assert [pair.case for pair in pairs] == ["P1", "P2", "P3", "P4", "P5"]
    (line,) = skipped
    assert "3 NIfTI files were not taken" in line
    assert "P1_FLAIR.nii.gz, P1_PD.nii.gz, P2_brain.nii.gz" in line


def test_scans_of_any_name_beside_the_mask_of_a_case_are_told_not_taken(tmp_path, save_mask):
    for name in ("PD", "gado", "lesion"):
        save_mask(tmp_path / "a" / "case1" / f"{name}.nii.gz", blob(LARGE))
    save_mask(tmp_path / "b" / "case1.nii.gz", blob(LARGE))
    skipped = []
    (pair,) = find_pairs([tmp_path / "a"], [tmp_path / "b"], skipped=skipped)
    assert pair.truths[0].name == "lesion.nii.gz"
    assert "PD.nii.gz, gado.nii.gz" in skipped[0]


@pytest.mark.parametrize("suffix", ["label-lesion", "label-L", "label-WMH", "label-lesion_desc-manual", "label-L_dseg"])
def test_bids_lesion_labels_with_and_without_suffix(tmp_path, save_mask, suffix):
    save_mask(tmp_path / "a" / f"P1_{suffix}.nii.gz", blob(LARGE))
    save_mask(tmp_path / "a" / "P1_label-brain_mask.nii.gz", blob(LARGE))
    (pair,) = find_pairs([tmp_path / "a"], [tmp_path / "a"], names=["itself"])
    assert pair.truths[0].name == f"P1_{suffix}.nii.gz"


@pytest.mark.parametrize(
    ("second", "told"), [("sub-02/ses-1", "sub-01 and sub-02"), ("sub-01/ses-2", "ses-1 and ses-2"), ("x/ses-1", None)]
)
@pytest.mark.parametrize("folders", [True, False])
def test_lone_files_tell_who_they_are_by_their_whole_path(tmp_path, save_mask, second, told, folders):
    paths = [tmp_path / "a" / "sub-01" / "ses-1", tmp_path / "b" / second]
    files = [save_mask(path / "lesions.nii.gz", blob(LARGE)) for path in paths]
    truth, other = paths if folders else files
    if told is None:
        (pair,) = find_pairs([truth], [other])
        assert folders or (pair.case, pair.patient) == ("sub-01_ses-1", "sub-01")
    else:
        with pytest.raises(InputError, match=told):
            find_pairs([truth], [other])


def test_time_points_named_like_sequences_are_masks_where_nothing_is_named_better(tmp_path, save_mask):
    for folder in ("a", "b"):
        for visit in ("T1", "T2"):
            save_mask(tmp_path / folder / f"P14_{visit}.nii.gz", blob(LARGE))
    assert [p.case for p in find_pairs([tmp_path / "a"], [tmp_path / "b"])] == ["P14_T1", "P14_T2"]


def test_everything_unmatched_is_listed_at_once(mask_cohort, save_mask):
    (mask_cohort / "good" / "P01_T2_seg.nii.gz").unlink()
    save_mask(mask_cohort / "good" / "P09_seg.nii.gz", blob())
    (mask_cohort / "bad" / "P02_seg.nii.gz").unlink()
    with pytest.raises(InputError) as caught:
        find_pairs([mask_cohort / "truth"], [mask_cohort / "good", mask_cohort / "bad"])
    text = str(caught.value)
    assert "3 problems" in text
    for wanted in ("P01_T2: ", "no counterpart in prediction good", "P09: ", "P02: ", "in prediction bad"):
        assert wanted in text


def test_an_empty_folder_is_named(mask_cohort):
    (mask_cohort / "empty").mkdir()
    with pytest.raises(InputError, match="empty: this folder holds no lesion mask"):
        find_pairs([mask_cohort / "truth"], [mask_cohort / "empty"])
    with pytest.raises(InputError, match="no such file or folder"):
        find_pairs([mask_cohort / "truth"], [mask_cohort / "nowhere"])


def test_two_files_for_one_case_are_named(mask_cohort, save_mask):
    save_mask(mask_cohort / "good" / "P02_pred.nii.gz", blob())
    with pytest.raises(InputError, match="2 files for case P02"):
        find_pairs([mask_cohort / "truth"], [mask_cohort / "good"])


def test_a_bids_file_in_anothers_folder_is_named(tmp_path, save_mask):
    save_mask(tmp_path / "a" / "sub-01" / "anat" / "sub-02_label-lesion_mask.nii.gz", blob())
    with pytest.raises(InputError, match="its folder says sub-01 and its name sub-02"):
        find_pairs([tmp_path / "a"], [tmp_path / "a"])


def test_names_of_predictions(tmp_path):
    paths = [tmp_path / "lst" / "out", tmp_path / "ours" / "out"]
    assert method_names(paths) == ["lst/out", "ours/out"]
    assert method_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert method_names([tmp_path / "a", tmp_path / "a"]) == ["prediction 1", "prediction 2"]


def test_numbers_that_do_not_fit_are_refused(mask_cohort):
    with pytest.raises(UsageError, match="1 predictions were given and 2 times --name"):
        find_pairs([mask_cohort / "truth"], [mask_cohort / "good"], names=["a", "b"])
    with pytest.raises(UsageError, match="the same name"):
        find_pairs([mask_cohort / "truth"], [mask_cohort / "good", mask_cohort / "bad"], names=["a", "a"])
    with pytest.raises(UsageError, match="no masks"):
        find_pairs([], [])
