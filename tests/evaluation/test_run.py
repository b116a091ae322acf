"""From files to an evaluation: all problems at once, figures on the truth's grid, models run and taken up again."""

from __future__ import annotations

import csv
import json
import sys
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from dawson.cases.case import Case
from dawson.core.errors import InputError, UsageError
from dawson.core.runtime import cores
from dawson.core.study import Modality
from dawson.evaluation import kept_results
from dawson.evaluation import model_runs as models
from dawson.evaluation.matching.pairs import find_pairs
from dawson.evaluation.output.charts import draw_charts
from dawson.evaluation.output.page import evaluation_page
from dawson.evaluation.output.summary import summarise
from dawson.evaluation.output.table import lesions_csv, metrics_csv, text_report
from dawson.evaluation.run import evaluate, evaluate_pairs
from dawson.evaluation.settings import Reading, Settings
from dawson.evaluation.workers import MOST, default_workers
from dawson.model.engine import precision
from dawson.results.summary import RULE
from fixtures.masks import AFFINE, ELSEWHERE, LARGE, SHAPE, SMALL, blob


def dice(evaluation, method):
    return {row.pair.case: row.metrics.values["dice"] for row in evaluation.of(method)}


def test_every_case_of_every_prediction_is_measured(evaluated):
    assert dice(evaluated, "good") == {
        "P01_T1": 1.0,
        "P01_T2": pytest.approx(2 * 108 / (108 + 126)),
        "P02": 1.0,
    }
    assert dice(evaluated, "bad") == {"P01_T1": 0.0, "P01_T2": 0.0, "P02": 0.0}
    (free,) = [row for row in evaluated.of("bad") if row.pair.case == "P02"]
    assert free.metrics.values["false_positives"] == 1


def test_two_processes_give_what_one_gives(mask_cohort, evaluated):
    pairs = find_pairs([mask_cohort / "truth"], [mask_cohort / "good", mask_cohort / "bad"])
    told = []
    again = evaluate_pairs(pairs, workers=2, progress=lambda *step: told.append(step))
    assert summarise(again) == summarise(evaluated)
    assert told == [(what, n, 3) for what in ("check", "measure") for n in (1, 2, 3)]


def test_all_problems_of_the_whole_set_are_listed_before_anything_is_measured(mask_cohort, save_mask, monkeypatch):
    monkeypatch.setattr(
        sys.modules["dawson.evaluation.measure"], "measure_case", lambda *a, **k: pytest.fail("measured")
    )
    save_mask(mask_cohort / "good" / "P01_T1_seg.nii.gz", blob(LARGE) + 2 * blob(SMALL))
    save_mask(mask_cohort / "good" / "P01_T2_seg.nii.gz", np.full(SHAPE, np.nan, np.float32))
    save_mask(mask_cohort / "good" / "P02_seg.nii.gz", blob(), affine=np.diag([1.0, 1.0, 2.5, 1.0]))
    save_mask(mask_cohort / "truth" / "P02_mask.nii.gz", np.zeros((*SHAPE, 2), np.uint8))
    with pytest.raises(InputError) as caught:
        evaluate(mask_cohort / "truth", mask_cohort / "good")
    text = str(caught.value)
    assert "3 problems" in text  # the fourth shows once its truth can be read
    for wanted in ("not binary", "NaN", "4D"):
        assert wanted in text
    save_mask(mask_cohort / "truth" / "P02_mask.nii.gz", blob())
    with pytest.raises(InputError, match="another grid than the truth"):
        evaluate(mask_cohort / "truth", mask_cohort / "good")


def test_other_grids_are_resampled_where_asked(mask_cohort, save_mask):
    finer = AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0])
    finer[:3, 3] = AFFINE[:3, :3] @ np.full(3, -0.25)
    fine = blob(LARGE, SMALL).repeat(2, 0).repeat(2, 1).repeat(2, 2)
    save_mask(mask_cohort / "fine.nii.gz", fine, affine=finer)
    truth = mask_cohort / "truth" / "P01_T1_mask.nii.gz"
    (row,) = evaluate(truth, mask_cohort / "fine.nii.gz", resample=True).rows
    assert row.resampled
    assert row.metrics.values["dice"] > 0.9
    with pytest.raises(InputError, match="--resample"):
        evaluate(truth, mask_cohort / "fine.nii.gz")


def test_what_resampling_loses_is_told(mask_cohort, save_mask):
    moved = AFFINE.copy()
    moved[0, 3] += 4.4
    other = save_mask(mask_cohort / "moved.nii.gz", blob(LARGE), affine=moved)
    evaluation = evaluate(mask_cohort / "truth" / "P01_T1_mask.nii.gz", other, resample=True)
    summary = summarise(evaluation)
    (row,) = evaluation.rows
    assert row.outside_ml == summary["rows"][0]["outside_ml"] == pytest.approx(0.072)
    for text in (text_report(evaluation, summary), evaluation_page(summary, [], [])):
        assert "1 of 1 prediction lay on another grid and was resampled" in text
        assert "P01_T1, moved: 0.072 ml that it marks lie outside" in text
    assert metrics_csv(evaluation).splitlines()[1].split(",")[4:6] == ["1", "0.072"]
    far = save_mask(mask_cohort / "far.nii.gz", blob(LARGE), affine=AFFINE + 500 * (np.arange(16) == 3).reshape(4, 4))
    with pytest.raises(InputError, match="lies nowhere where the truth lies"):
        evaluate(mask_cohort / "truth" / "P01_T1_mask.nii.gz", far, resample=True)


def test_what_is_no_mask_is_told(mask_cohort, save_mask):
    save_mask(mask_cohort / "good" / "P02_brain.nii.gz", blob(LARGE))
    evaluation = evaluate(mask_cohort / "truth", mask_cohort / "good")
    assert "1 NIfTI file was not taken for lesion masks, by name: P02_brain.nii.gz" in evaluation.skipped[0]
    assert evaluation.skipped[0] in text_report(evaluation, summarise(evaluation))


def test_rules_are_those_of_the_evaluation(mask_cohort):
    rules = summarise(evaluate(mask_cohort / "truth", mask_cohort / "good", settings=Settings(rule="msseg")))["rules"]
    assert "6-connected lesions of more than 3 mm³" in rules
    assert "26-connected" not in rules
    assert "any false voxel on a lesion-free truth makes its Dice 0" in rules


def test_a_mean_of_fewer_cases_says_so(mask_cohort):
    evaluation = evaluate(mask_cohort / "truth", mask_cohort / "bad")
    summary = summarise(evaluation)
    report = text_report(evaluation, summary)
    (volume,) = [line for line in report.splitlines() if line.startswith("volume error")]
    (recall,) = [line for line in report.splitlines() if line.startswith("Dice")]
    assert volume.endswith("(n=2)")
    assert "(n=" not in recall
    assert "(n=2)" in evaluation_page(summary, [], [])


@pytest.mark.parametrize("where", ["opening", "load"])
def test_the_page_says_how_many_cases_a_mean_is_of(evaluated, where):
    summary = summarise(evaluated)
    method = summary["predictions"]["good"]
    part = method if where == "opening" else method["by_load"]["<5 ml"]
    assert "(n=1)" not in evaluation_page(summary, [], [])
    part["dice"] = {**part["dice"], "n": 1}
    text = evaluation_page(summary, [], [])
    assert ("(n=1)" in text.split("</header>")[0]) is (where == "opening")
    assert ("(n=1)" in text.split("By lesion load")[1]) is (where == "load")


def test_two_raters_have_no_majority(mask_cohort, save_mask):
    for number, mask in enumerate((blob(LARGE, SMALL), blob(LARGE)), start=1):
        save_mask(mask_cohort / f"rater{number}" / "P05.nii.gz", mask)
    evaluation = evaluate([mask_cohort / "rater1", mask_cohort / "rater2"], mask_cohort / "rater1")
    summary = summarise(evaluation)
    report = text_report(evaluation, summary)
    assert "the truth is what both marked" in report
    assert "majority" not in report + evaluation_page(summary, [], [])
    (dice, *_) = draw_charts(summary)
    assert "rater against rater; the points are against what both raters marked" in dice.caption


def test_anatomy_is_checked_with_everything_else(mask_cohort, save_mask, monkeypatch):
    monkeypatch.setattr(
        sys.modules["dawson.evaluation.measure"], "measure_case", lambda *a, **k: pytest.fail("measured")
    )
    anatomy = save_mask(mask_cohort / "anatomy.nii.gz", blob(LARGE))
    (mask_cohort / "anatomy.tsv").write_text("a\tb\n1\t2\n")
    save_mask(mask_cohort / "good" / "P02_seg.nii.gz", blob(LARGE) + 2 * blob(SMALL))
    pairs = [replace(pair, anatomy=anatomy) for pair in find_pairs([mask_cohort / "truth"], [mask_cohort / "good"])]
    with pytest.raises(InputError, match="2 problems") as caught:
        evaluate_pairs(pairs)
    assert "no table of anatomy labels" in str(caught.value)


def test_probabilities_are_cut_and_give_curves(mask_cohort, save_mask):
    probability = np.float32(0.9) * blob(LARGE) + np.float32(0.2) * blob(SMALL)
    file = save_mask(mask_cohort / "p.nii.gz", probability)
    truth = mask_cohort / "truth" / "P01_T1_mask.nii.gz"
    evaluation = evaluate(truth, file, threshold=0.5)
    (row,) = evaluation.rows
    assert row.metrics.values["volume_predicted_ml"] == pytest.approx(108 * 2 / 1000)
    curve = summarise(evaluation)["curves"]["p"]["precision_recall"]
    assert curve["recall"][0] == 1.0
    assert curve["recall"][49] == pytest.approx(108 / 116)
    with pytest.raises(InputError, match="no probabilities"):
        evaluate(truth, save_mask(mask_cohort / "q.nii.gz", blob(LARGE) * 7), threshold=0.5)


def test_labels_are_picked_and_a_label_that_is_nowhere_is_a_problem(mask_cohort, save_mask):
    save_mask(mask_cohort / "map.nii.gz", 99 * blob(LARGE, SMALL) + 3 * blob(ELSEWHERE))
    truth = mask_cohort / "truth" / "P01_T1_mask.nii.gz"
    (row,) = evaluate(truth, mask_cohort / "map.nii.gz", label=99).rows
    assert row.metrics.values["dice"] == 1.0
    with pytest.raises(InputError, match="prediction map: none of its 1 masks holds the label"):
        evaluate(truth, mask_cohort / "map.nii.gz", label=5)


def test_a_label_of_a_map_of_many_is_found(mask_cohort, save_mask):
    labels = blob(LARGE, SMALL) * 99
    labels[0, 0, :12] = np.arange(1, 13)
    truth = mask_cohort / "truth" / "P01_T1_mask.nii.gz"
    (row,) = evaluate(truth, save_mask(mask_cohort / "map.nii.gz", labels), label=99).rows
    assert row.metrics.values["dice"] == 1.0


def test_several_raters_the_majority_is_the_truth(mask_cohort, save_mask):
    for number, mask in enumerate((blob(LARGE, SMALL), blob(LARGE), blob(LARGE, ELSEWHERE)), start=1):
        save_mask(mask_cohort / f"rater{number}" / "P05.nii.gz", mask)
    save_mask(mask_cohort / "tool" / "P05.nii.gz", blob(LARGE))
    evaluation = evaluate([mask_cohort / f"rater{n}" for n in (1, 2, 3)], mask_cohort / "tool")
    (row,) = evaluation.rows
    assert row.metrics.values["dice"] == 1.0
    pairs = [2 * 108 / (116 + 108), 2 * 108 / (108 + 126), 2 * 108 / (116 + 126)]
    summary = summarise(evaluation)
    assert summary["raters"]["dice"] == pytest.approx(np.mean(pairs))
    assert row.against_raters["dice"] == pytest.approx(np.mean([pairs[0], 1.0, pairs[1]]))
    assert "raters agree among themselves" in text_report(evaluation, summary)
    assert metrics_csv(evaluation).splitlines()[0].endswith("dice_against_raters,lesion_f1_against_raters")


def test_the_digest_groups_by_patient_and_keeps_lesion_free_cases(evaluated):
    summary = summarise(evaluated)
    assert summary["grouping"] == {"P01": ["P01_T1", "P01_T2"], "P02": ["P02"]}
    assert (summary["cases"], summary["patients"]) == (3, 2)
    assert summary["predictions"]["bad"]["lesion_free"] == {"cases": 1, "mean_false_positives": 1.0}
    (difference, _) = summary["comparisons"]
    assert difference["mean_difference"] == pytest.approx(np.mean([1.0, 216 / 234, 1.0]))
    json.dumps(summary, allow_nan=False)


def test_tables_hold_every_row(evaluated):
    metrics = metrics_csv(evaluated).splitlines()
    assert len(metrics) == 1 + 6
    assert metrics[1].startswith("P01_T1,P01,good,,0,0,1,1,")
    lesions = lesions_csv(evaluated).splitlines()
    assert sum(",truth," in line for line in lesions) == 2 * 3
    assert sum(",predicted," in line for line in lesions) == 4 + 3
    text = text_report(evaluated, summarise(evaluated))
    assert "3 cases of 2 patients" in text
    assert "26-connected" in text


def test_a_rule_of_its_own_is_always_among_the_rules(mask_cohort):
    evaluation = evaluate(
        mask_cohort / "truth", mask_cohort / "good", settings=Settings(rule="iou-0.5", surfaces=False)
    )
    assert "lesion_f1_iou_0_5" in evaluation.rows[0].metrics.values
    assert evaluation.rows[0].metrics.values["hd95_mm"] is None


def test_readings_that_contradict_are_refused():
    with pytest.raises(UsageError, match=r"the threshold is 1\.5"):
        Reading(threshold=1.5)
    with pytest.raises(UsageError, match="both given"):
        Reading(threshold=0.5, label=2)
    with pytest.raises(UsageError, match="nothing to evaluate"):
        evaluate_pairs([])


def test_threads_limit_the_processes(monkeypatch):
    monkeypatch.setenv("DAWSON_THREADS", "1")
    assert default_workers() == 1
    monkeypatch.setenv("DAWSON_THREADS", "64")
    assert 1 <= default_workers() <= min(MOST, cores())


@pytest.fixture
def model_cases(tmp_path, save_mask):
    """Two cases, one without a T1; scans are named after what they hold and never looked into."""
    cases = []
    for patient, names in (("A", ("flair", "t1")), ("B", ("flair",))):
        scans = {}
        for name in names:
            scans[Modality(name)] = tmp_path / patient / f"{name}.nii.gz"
            save_mask(scans[Modality(name)], np.random.default_rng(len(names)).random(SHAPE), dtype=np.float32)
        mask = save_mask(tmp_path / patient / "mask.nii.gz", blob(LARGE, SMALL))
        cases.append(Case(patient, "1", scans, mask))
    return cases


@pytest.fixture
def runs(monkeypatch):
    """A stand-in for the pipeline that finds the large lesion; the runs that it made, and scans that it refuses."""
    made, refused = [], set()

    def read_study(*, strict, **files):
        assert strict  # a figure of all sequences is not one of those that could be read
        if refused & {file.parent.name for file in files.values()}:
            raise InputError("shows no brain", remedy="give one that does", file=next(iter(files.values())))
        return files

    def write(files, folder, *, overwrite):
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in (
            ("lesions", blob(LARGE)),
            ("probability", blob(LARGE) * np.float32(0.8)),
            ("anatomy", blob(LARGE)),
        ):
            nib.save(nib.Nifti1Image(data, AFFINE), folder / f"{name}.nii.gz")
        network = models.load_model()
        made.append("+".join(files))
        summary = {
            "inputs": {name: {"sha256": kept_results.sha256(file)} for name, file in files.items()},
            "model": {key: network.summary[key] for key in (*kept_results.WHICH, *kept_results.FITTED)}
            | {"locator": kept_results.about_locator(), "precision": precision(network)},
            "rule": {field: network.summary[field] for field in RULE},
            "versions": {"code": kept_results.code_hash()},
        }
        (folder / "summary.json").write_text(json.dumps(summary))

    monkeypatch.setattr("dawson.cases.visit.read_study", read_study)
    monkeypatch.setattr("dawson.segmentation.pipeline.segment", lambda files, *, model: files)
    monkeypatch.setattr("dawson.results.write.write", write)
    return made, refused


def test_a_model_is_run_on_every_subset_of_every_case_that_has_it(model_cases):
    planned, skipped = models.plan_runs(model_cases, ["flair", "t1+flair", "all"])
    assert [(run.case.name, run.method, run.inputs) for run in planned] == [
        ("A_1", "flair", "flair"),
        ("B_1", "flair", "flair"),
        ("A_1", "t1+flair", "flair+t1"),
        ("A_1", "all", "flair+t1"),
        ("B_1", "all", "flair"),
    ]
    assert skipped == ("B_1: not evaluated from t1+flair, for it has no t1",)
    with pytest.raises(UsageError, match="no subset of sequences"):
        models.plan_runs(model_cases, ["flair+pd"])
    with pytest.raises(UsageError, match="no case has the sequences t2"):
        models.plan_runs(model_cases, ["t2"])


def test_a_model_is_run_once_for_each_subset_and_its_results_are_taken_up_again(model_cases, runs, tmp_path):
    planned, skipped = models.plan_runs(model_cases, ["flair", "all"])
    evaluation = models.evaluate_model(planned, tmp_path / "out", skipped=skipped)
    assert runs[0] == ["flair", "flair", "flair+t1"]
    assert len(evaluation.rows) == 4
    assert all(row.metrics.values["dice"] == pytest.approx(216 / 224) for row in evaluation.rows)
    assert set(evaluation.curves) == {"flair", "all"}
    models.evaluate_model(planned, tmp_path / "out")
    assert len(runs[0]) == 3
    model_cases[1].scans[Modality.FLAIR].write_bytes(model_cases[0].scans[Modality.FLAIR].read_bytes())
    models.evaluate_model(planned, tmp_path / "out")
    assert runs[0][3:] == ["flair"]


def test_results_in_another_precision_are_made_anew(model_cases, runs, tmp_path, monkeypatch):
    planned, _ = models.plan_runs(model_cases, ["flair"])
    for wanted, made in (("f32", 2), ("f32", 2), ("int8", 4), ("int8", 4)):
        monkeypatch.setenv("DAWSON_PRECISION", wanted)
        models.evaluate_model(planned, tmp_path / "out")
        assert len(runs[0]) == made


@pytest.mark.parametrize("field", ["sha256", "int8_sha256", "version"])
def test_results_of_another_model_are_made_anew(model_cases, runs, tmp_path, field):
    planned, _ = models.plan_runs(model_cases, ["flair"])
    models.evaluate_model(planned, tmp_path / "out")
    (one, _) = sorted((tmp_path / "out").rglob("flair/summary.json"))
    summary = json.loads(one.read_text())
    summary["model"][field] = "another"
    one.write_text(json.dumps(summary))
    models.evaluate_model(planned, tmp_path / "out")
    assert len(runs[0]) == 3


def test_results_of_other_code_are_made_anew(model_cases, runs, tmp_path, monkeypatch):
    planned, _ = models.plan_runs(model_cases, ["flair"])
    models.evaluate_model(planned, tmp_path / "out")
    monkeypatch.setattr(kept_results, "code_hash", lambda: "another")
    models.evaluate_model(planned, tmp_path / "out")
    assert len(runs[0]) == 4


def test_a_scan_that_the_pipeline_refuses_stops_nobody_else(model_cases, runs, tmp_path):
    runs[1].add("B")
    planned, _ = models.plan_runs(model_cases, ["flair"])
    evaluation = models.evaluate_model(planned, tmp_path / "out")
    assert [row.pair.case for row in evaluation.rows] == ["A_1"]
    (failure,) = evaluation.failed
    assert failure.startswith("B_1 from flair: ")
    assert "shows no brain" in failure
    runs[1].add("A")
    for file in (tmp_path / "out").rglob("summary.json"):
        file.unlink()
    with pytest.raises(InputError, match="2 problems with the scans"):
        models.evaluate_model(planned, tmp_path / "out")


def test_masks_are_checked_before_a_model_runs(model_cases, runs, tmp_path, save_mask):
    save_mask(model_cases[1].mask, blob(LARGE) + 2 * blob(SMALL))
    planned, _ = models.plan_runs(model_cases, ["flair"])
    with pytest.raises(InputError, match="not binary"):
        models.evaluate_model(planned, tmp_path / "out")
    assert runs[0] == []


def test_no_name_in_a_table_is_run_by_a_spreadsheet(mask_cohort):
    evaluation = evaluate(mask_cohort / "truth", mask_cohort / "good", names=["=1+1"])
    for text in (metrics_csv(evaluation), lesions_csv(evaluation)):
        lines = list(csv.DictReader(text.splitlines()))
        assert {line["prediction"] for line in lines} == {"'=1+1"}
    assert any(float(line["x_mm"]) for line in lines)  # figures stay figures
