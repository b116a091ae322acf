"""The facts agree with summary.json and lesions.csv, and say in words what a reader must know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dawson.reporting.facts import facts
from dawson.reporting.wording import NONE, OUT_OF_REACH, ml, mm
from dawson.results.read import read_result


@pytest.fixture(scope="module")
def told(result_folder):
    return facts(read_result(result_folder))


def figure(told, label):
    return next(figure for figure in told.figures if figure.label == label)


def test_key_figures_are_those_of_the_summary(told, result_folder):
    summary = read_result(result_folder).summary
    assert figure(told, "Lesions").value == "4"
    assert figure(told, "Lesions ≥ 3 mm").value == str(summary["count_long_axis_3mm"])
    load = figure(told, "Lesion load")
    assert load.value == ml(summary["lesion_load_ml"]) == "4.54 ml"
    assert load.note.startswith("between 3.63 ml and 5.90 ml")
    assert "5 of 7 labelled scans with these sequences" in load.note
    assert figure(told, "Brain").value == "1240 ml"
    assert figure(told, "Ventricles").value == "38.2 ml"
    assert figure(told, "Load in the brain").value == "0.37 %"


def test_regions_add_up_to_the_last_row(told):
    *rows, whole = told.regions.rows
    assert [row[0] for row in rows] == [
        "Periventricular", "Juxtacortical or cortical", "Infratentorial", "Deep white matter",
    ]  # fmt: skip
    assert sum(int(row[1]) for row in rows) == int(whole[1]) == 4
    assert sum(float(row[3]) for row in rows) == pytest.approx(float(whole[3]), abs=0.002)
    assert max(float(row[4]) for row in rows) == float(whole[4])


def test_the_lesions_are_those_of_the_table(told, result_folder):
    lesions = read_result(result_folder).lesions
    assert len(told.lesions.rows) == len(lesions)
    for row, lesion in zip(told.lesions.rows, lesions, strict=True):
        cells = dict(zip(told.lesions.heads, row, strict=True))
        assert cells["Lesion"] == str(lesion.id)
        assert float(cells["Volume (ml)"]) == pytest.approx(lesion.volume_ml, abs=0.0005)
        assert float(cells["Long axis (mm)"]) == pytest.approx(lesion.long_axis_mm, abs=0.051)
        assert cells["Position"] == lesion.position
        centre = [float(x) for x in cells["Centre x, y, z (mm)"].split(", ")]
        assert centre == pytest.approx(lesion.centroid, abs=0.51)


def test_the_confidence_says_what_was_measured(told):
    assert "91 % of such lesions were true (of 120 on labelled scans with these sequences)" in told.lesions_note
    assert "low: 2 lesions here, not measured yet" in told.lesions_note


def test_provenance_tells_inputs_model_thresholds_and_how_to_repeat_it(told):
    lines = dict(told.provenance)
    assert "ab" * 32 in lines["FLAIR scan"]
    assert "cd" * 32 in lines["T1 scan"]
    assert "ef" * 32 in lines["Model"]
    assert "Dice 0.56, lesion F1 0.47 from FLAIR + T1" in lines["Measured accuracy"]
    assert "0.35" in lines["Thresholds"]
    assert "26-connected" in lines["Thresholds"]
    assert "--flair FLAIR.nii.gz --t1 T1.nii.gz" in lines["To repeat it"]
    assert "not a medical device" in told.notice


def changed(write_result, folder, change, **options):
    return facts(read_result(write_result(folder, change=change, **options)))


def test_the_worst_comes_first_and_each_warning_stands_in_words(write_result, tmp_path):
    def change(summary):
        noise = {"name": "noise", "status": "warn", "words": "The scan is noisy."}
        cut = {"name": "brain_volume", "status": "fail", "words": "No brain is left."}
        summary["quality"]["checks"] += [noise, cut]
        summary["quality"]["status"] = "fail"
        summary["warnings"] = ["flair: slices are thick", "The scan is noisy."]

    told = changed(write_result, tmp_path / "out", change)
    assert told.status == "fail"
    assert told.verdict == "Quality control failed (1 check): these results must not be used"
    assert [line.status for line in told.quality] == ["fail", "warn", "warn", "pass", "pass"]
    assert told.quality[0].name == "Brain volume"
    words = [line.words for line in told.quality]
    assert words.count("The scan is noisy.") == 1  # told by a check and by a warning: once is enough
    assert "flair: slices are thick." in [text.lower() for text in words]


def test_a_model_without_anatomy_has_no_regions_and_says_so(write_result, tmp_path):
    def change(summary):
        summary.update(regions=None, region_rules=None, volumes=None, confidence=None, load_interval=None)
        summary["model"]["accuracy"] = None

    told = changed(write_result, tmp_path / "out", change)
    assert told.regions is None
    assert OUT_OF_REACH in told.regions_notes
    assert dict(told.provenance)["Measured accuracy"] == "not measured"
    assert {figure.label for figure in told.figures} == {"Lesions", "Lesions ≥ 3 mm", "Lesion load", "Largest lesion"}


def test_no_lesion_is_no_proof(write_result, tmp_path):
    told = changed(write_result, tmp_path / "out", None, lesions=False)
    assert told.lesions.rows == ()
    assert "does not mean that there is none" in told.lesions_note
    assert told.regions.rows[-1] == ("All", "0", "0", "0.000", NONE)


def test_accuracy_is_never_that_of_other_inputs(write_result, tmp_path):
    def change(summary):
        summary["sequences"] = ["t1"]
        summary["model"]["accuracy"]["mean"]["all"] = {"dice": 0.9}

    told = changed(write_result, tmp_path / "out", change)
    assert dict(told.provenance)["Measured accuracy"] == "not measured on T1"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.000 ml"),
        (0.0312, "0.031 ml"),
        (1.234, "1.23 ml"),
        (12.34, "12.3 ml"),
        (1234.5, "1234 ml"),
        (None, NONE),
    ],
)
def test_volumes_keep_three_digits(value, text):
    assert ml(value) == text


def test_no_length_is_rounded_up_to_the_3_mm_that_are_counted():
    assert [mm(length) for length in (2.94, 2.96, 3.0, 3.04, 45.49)] == ["2.9", "2.96", "3.0", "3.0", "45.5"]


def test_a_centre_just_below_zero_has_no_minus(write_result, tmp_path):
    out = write_result(tmp_path / "out")
    result = read_result(out)
    lesion = replace(result.lesions[0], centroid=(-0.2, 0.3, -0.6))
    told = facts(replace(result, lesions=(lesion, *result.lesions[1:])))
    assert told.lesions.rows[0][-1] == "0, 0, -1"
