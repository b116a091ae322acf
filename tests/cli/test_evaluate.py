"""``dawson evaluate`` from the outside: what it prints, writes and refuses, and with which exit code."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dawson.cli.app import main
from dawson.evaluation import model_runs as models
from fixtures.masks import LARGE, SHAPE, SMALL, blob


@pytest.fixture
def run(capsys, monkeypatch):
    """A function that runs the command line and returns exit code, stdout and stderr."""
    monkeypatch.setenv("DAWSON_THREADS", "1")

    def call(*arguments: object):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *map(str, arguments)])
        told = capsys.readouterr()
        return ended.value.code, told.out, told.err

    return call


def masks(mask_cohort, *predictions):
    return (
        "--truth",
        mask_cohort / "truth",
        *(part for p in predictions for part in ("--prediction", mask_cohort / p)),
    )


def test_a_table_is_printed(run, mask_cohort):
    code, out, err = run(*masks(mask_cohort, "good", "bad"))
    assert (code, err) == (0, "")
    assert "3 cases of 2 patients" in out
    assert "\x1b" not in out  # plain where it is piped
    (dice,) = [line.split() for line in out.splitlines() if line.startswith("Dice ")]
    assert dice[1] == "0.974"


def test_a_folder_is_written(run, mask_cohort, tmp_path):
    code, out, _ = run(*masks(mask_cohort, "good"), "-o", tmp_path / "e", "--no-surfaces")
    assert code == 0
    assert "evaluation.html" in out
    assert "HD95" not in out
    assert (tmp_path / "e" / "evaluation.html").is_file()
    code, _, err = run(*masks(mask_cohort, "good"), "-o", tmp_path / "e")
    assert code == 2
    assert "--overwrite" in err


def test_json_is_all_of_stdout(run, mask_cohort):
    code, out, _ = run(*masks(mask_cohort, "good"), "--json", "--name", "ours", "--rule", "iou-0.5")
    summary = json.loads(out)
    assert code == 0
    assert list(summary["predictions"]) == ["ours"]
    assert summary["settings"]["rule"] == "iou-0.5"


def test_all_that_is_wrong_is_listed_and_nothing_is_written(run, mask_cohort, tmp_path, save_mask):
    save_mask(mask_cohort / "good" / "P01_T1_seg.nii.gz", blob(LARGE) + 2 * blob(SMALL))
    save_mask(mask_cohort / "good" / "P02_seg.nii.gz", np.zeros((*SHAPE, 3), np.uint8))
    code, out, err = run(*masks(mask_cohort, "good"), "-o", tmp_path / "e")
    assert (code, out) == (2, "")
    assert "2 problems" in err
    assert "not binary" in err
    assert "4D" in err
    assert not (tmp_path / "e").exists()


REFUSED = {
    "nothing to evaluate": (),
    "--prediction was not given": ("--truth", "x"),
    "--truth was not given": ("--prediction", "x"),
    "both given": ("--truth", "x", "--cases", "y", "-o", "z"),
    "need a folder": ("--cases", "y"),
    "--truth and --inputs were both given": ("--truth", "x", "--prediction", "y", "--inputs", "flair"),
    "--truth and --set-name were both given": ("--truth", "x", "--prediction", "y", "--set-name", "test"),
    "--resample and --cases were both given": ("--cases", "y", "-o", "z", "--resample"),
    "--set-name was given without --split": ("--cases", "y", "-o", "z", "--set-name", "test"),
    "no matching rule": ("--truth", "x", "--prediction", "y", "--rule", "most"),
    "connectivity is 8": ("--truth", "x", "--prediction", "y", "--connectivity", "8"),
    "--label and --threshold": ("--truth", "x", "--prediction", "y", "--label", "2", "--threshold", "0.5"),
    "no such file or folder": ("--truth", "x", "--prediction", "y"),
}


@pytest.mark.parametrize("finding", REFUSED)
def test_requests_that_make_no_sense_are_refused(run, finding, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(*REFUSED[finding])
    assert (code, out) == (2, "")
    assert finding in err


def test_the_output_may_not_be_a_result_folder(run, mask_cohort):
    (mask_cohort / "good" / "lesions.nii.gz").write_bytes(b"")
    code, _, err = run(*masks(mask_cohort, "good"), "-o", mask_cohort / "good", "--overwrite")
    assert code == 2
    assert "other results" in err


@pytest.fixture
def table(tmp_path, save_mask):
    """A table of two labelled cases, the second without a T1."""
    for name in ("a_flair", "a_t1", "b_flair"):
        save_mask(tmp_path / f"{name}.nii.gz", np.random.default_rng(len(name)).random(SHAPE), dtype=np.float32)
    for name in "ab":
        save_mask(tmp_path / f"{name}_mask.nii.gz", blob(LARGE))
    rows = ["patient\tflair\tt1\tmask", "a\ta_flair.nii.gz\ta_t1.nii.gz\ta_mask.nii.gz"]
    rows.append("b\tb_flair.nii.gz\tn/a\tb_mask.nii.gz")
    (tmp_path / "cases.tsv").write_text("\n".join(rows) + "\n")
    (tmp_path / "split.tsv").write_text("patient\tvisit\tsequence\tset\na\t\tflair\ttrain\nb\t\tflair\ttest\n")
    return tmp_path / "cases.tsv"


def test_a_scan_that_the_model_refuses_ends_in_an_error_after_all_were_tried(run, table, tmp_path):
    code, _, err = run("--cases", table, "--inputs", "flair,t1", "-o", tmp_path / "e")
    assert code == 2  # noise on a tiny grid is no head: every run fails, and each is named
    assert "3 problems with the scans" in err
    assert "a from flair" in err
    assert "b from flair" in err


def test_only_cases_of_the_set_are_run(run, table, tmp_path):
    code, _, err = run("--cases", table, "--inputs", "flair", "--split", tmp_path / "split.tsv", "-o", tmp_path / "e")
    assert code == 2
    assert "b from flair" in err
    assert "a from flair" not in err


def test_what_cases_outside_of_the_set_lack_is_not_told(run, table, tmp_path, monkeypatch):
    given = []
    monkeypatch.setattr(models, "plan_runs", lambda cases, _: given.extend(cases) or ((), ()))
    run("--cases", table, "--split", tmp_path / "split.tsv", "-o", tmp_path / "e")
    assert [case.patient for case in given] == ["b"]


@pytest.mark.realdata
def test_a_real_case_against_itself(run, shared_data):
    mask = shared_data / "labelled" / "mslesseg-P18-T1" / "lesion.nii.gz"
    code, out, _ = run("--truth", mask, "--prediction", mask, "--json")
    (row,) = json.loads(out)["rows"]
    assert code == 0
    assert row["values"]["dice"] == 1.0
    assert row["values"]["hd95_mm"] == 0.0
