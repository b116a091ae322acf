"""A folder of results: complete, repeatable, never half-done, and silent about who the patient is."""

from __future__ import annotations

import csv
import errno
import json
import os

import numpy as np
import pytest

from dawson.core import files as folder
from dawson.core.errors import UsageError
from dawson.core.files import check_output
from dawson.core.names import REPORT_FILES, RESULT_FILES
from dawson.core.study import Modality, Study
from dawson.results import write as results
from dawson.results.write import write

WRITTEN = tuple(name for name in RESULT_FILES if name not in REPORT_FILES)
pytestmark = pytest.mark.usefixtures("small_pictures")


def listing(place):
    return sorted(entry.name for entry in place.iterdir())


def test_all_files_and_nothing_else(make, tmp_path):
    write(make(), tmp_path / "a" / "b")
    assert listing(tmp_path / "a" / "b") == sorted(WRITTEN)


def test_reruns_give_the_same_bytes(make, tmp_path):
    for out in ("one", "two"):
        write(make(), tmp_path / out)
    for name in WRITTEN:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_lesion_table(make, tmp_path):
    segmentation = make()
    write(segmentation, tmp_path)
    with (tmp_path / "lesions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == [
        "id",
        "region",
        "side",
        "position",
        "volume_ml",
        "long_axis_mm",
        "centroid_x_mm",
        "centroid_y_mm",
        "centroid_z_mm",
        "mean_probability",
        "peak_probability",
        "confidence",
    ]
    assert [rows[0][name] for name in ("region", "side", "position", "confidence")] == ["", "", "", ""]  # not known
    assert [row["id"] for row in rows] == ["1", "2"]
    assert rows[0]["volume_ml"] == "0.009000"  # three voxels of 3 mm³ in a row
    assert rows[0]["long_axis_mm"] == "3.00"
    assert [rows[0][f"centroid_{axis}_mm"] for axis in "xyz"] == ["10.00", "15.00", "18.00"]
    assert rows[1]["peak_probability"] == "0.6000"
    assert sum(float(row["volume_ml"]) for row in rows) == pytest.approx(segmentation.load_ml)


def test_no_lesions_is_a_result_too(make, tmp_path):
    summary = write(make(probability=np.zeros((24, 30, 12), np.float32)), tmp_path)
    assert (summary["lesion_count"], summary["lesion_load_ml"], summary["largest_lesion_ml"]) == (0, 0.0, 0.0)
    assert len((tmp_path / "lesions.csv").read_text().splitlines()) == 1


def test_anatomy_table_is_tab_separated(make, tmp_path):
    write(make(), tmp_path)
    assert (tmp_path / "anatomy.tsv").read_text() == "index\tname\n0\toutside\n2\twhite matter\n"


def test_summary(make, tmp_path):
    returned = write(make(), tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text("utf-8"))
    assert summary == returned
    assert summary["lesion_count"] == 2
    assert summary["lesion_load_ml"] == pytest.approx(0.012)
    assert summary["sequences"] == ["flair"]
    assert summary["inputs"]["flair"] == {
        "sha256": "ab" * 32,
        "shape": [24, 30, 12],
        "spacing_mm": [1.0, 1.0, 3.0],
        "orientation": "RAS",
        "affine": np.diag([1.0, 1.0, 3.0, 1.0]).tolist(),
    }
    assert summary["model"] == {"name": "tiny", "sha256": "cd" * 32}
    assert summary["rule"] == {
        "threshold": 0.45,
        "peak": 0.0,
        "minimum_lesion_mm3": 0.0,
        "connectivity": 26,
    }
    assert summary["seconds"] == {"segment": 1.235}
    assert {"dawson", "python", "numpy", "SimpleITK", "nibabel"} <= set(summary["versions"])
    assert "not a medical device" in summary["notice"]


def test_summary_is_strict_json(make, tmp_path):
    def refuse(constant):
        raise AssertionError(constant)

    write(make(seconds={"segment": float("nan")}, warnings=("µ-metal nearby",)), tmp_path)
    text = (tmp_path / "summary.json").read_bytes().decode("utf-8")
    summary = json.loads(text, parse_constant=refuse)
    assert summary["seconds"]["segment"] is None
    assert summary["warnings"] == ["flair: µ-metal nearby"]


def test_names_of_files_and_folders_stay_out(make, tmp_path):
    home = tmp_path / "Doe_Jane_1970"
    home.mkdir()
    (home / "DOE JANE T1 Gd.nii.gz").touch()
    file = home / "DOE_FLAIR.nii.gz"
    said = (f"{file} is odd", "DOE_FLAIR.nii.gz too", "DOE JANE T1 Gd.nii.gz is not used", f"see {home}")
    write(make(file=file, warnings=said, alignment={Modality.T1: f"to {file.name}"}), tmp_path / "out")
    for name in WRITTEN:
        assert b"doe" not in (tmp_path / "out" / name).read_bytes().lower(), name
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["warnings"] == [
        "flair: the flair scan is odd",
        "flair: the flair scan too",
        "flair: another scan is not used",
        "flair: see their folder",
    ]
    assert summary["alignment"] == {"t1": "to the flair scan"}


def test_results_are_not_replaced_unasked(make, tmp_path):
    write(make(), tmp_path)
    before = {name: (tmp_path / name).read_bytes() for name in WRITTEN}
    with pytest.raises(UsageError, match=r"results are there already \(lesions.nii.gz, .*--overwrite"):
        write(make(), tmp_path)
    assert before == {name: (tmp_path / name).read_bytes() for name in WRITTEN}


def test_one_foreign_file_of_our_name_is_enough_to_refuse(make, tmp_path):
    (tmp_path / "lesions.csv").write_text("mine")
    with pytest.raises(UsageError, match=r"\(lesions.csv\)"):
        write(make(), tmp_path)
    assert listing(tmp_path) == ["lesions.csv"]


def test_overwrite_replaces_results_and_leaves_other_files(make, tmp_path):
    write(make(), tmp_path)
    (tmp_path / "notes.txt").write_text("keep me")
    write(make(probability=np.zeros((24, 30, 12), np.float32)), tmp_path, overwrite=True)
    assert json.loads((tmp_path / "summary.json").read_text())["lesion_count"] == 0
    assert listing(tmp_path) == sorted([*WRITTEN, "notes.txt"])


def test_an_input_is_never_replaced(make, tmp_path):
    file = tmp_path / "anatomy.nii.gz"
    file.write_bytes(b"a scan")
    with pytest.raises(UsageError, match="would be replaced"):
        write(make(file=file), tmp_path, overwrite=True)
    assert file.read_bytes() == b"a scan"


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_results_and_no_rubbish(make, tmp_path, monkeypatch, stop):
    write(make(), tmp_path / "old")
    before = {name: (tmp_path / "old" / name).read_bytes() for name in WRITTEN}

    def fail(*_):
        raise stop

    (tmp_path / "old" / "report.html").write_text("of the old results")
    before["report.html"] = b"of the old results"
    monkeypatch.setattr(results, "overview", fail)  # all but the last two files have been written by then
    with pytest.raises(stop):
        write(make(seconds={}), tmp_path / "old", overwrite=True)
    with pytest.raises(stop):
        write(make(), tmp_path / "new" / "deep")
    assert before == {name: (tmp_path / "old" / name).read_bytes() for name in before}
    assert listing(tmp_path) == ["old"]
    assert listing(tmp_path / "old") == sorted(before)


def test_an_old_report_does_not_outlive_the_results_that_it_tells_of(make, tmp_path):
    write(make(), tmp_path)
    for name in REPORT_FILES:
        (tmp_path / name).write_text("of the old results")
    write(make(), tmp_path, overwrite=True)
    assert listing(tmp_path) == sorted(WRITTEN)


def test_while_files_are_replaced_there_is_no_summary(make, tmp_path, monkeypatch):
    write(make(), tmp_path)
    seen = []
    replace = os.replace

    def watch(source, target):
        seen.append((os.fspath(target).rpartition(os.sep)[2], (tmp_path / "summary.json").exists()))
        replace(source, target)

    monkeypatch.setattr("pathlib.Path.replace", watch)
    write(make(), tmp_path, overwrite=True)
    assert seen == [(name, False) for name in WRITTEN]


def test_a_full_disk_is_a_clear_error(make, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results, "save", full)
    with pytest.raises(UsageError, match=r"could not be written \(No space left on device\); make room"):
        write(make(), tmp_path / "out")
    assert listing(tmp_path) == []


def test_an_output_that_is_a_file(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match="the output folder is a file"):
        check_output(tmp_path / "out")
    with pytest.raises(UsageError, match="a part of the output path is a file"):
        check_output(tmp_path / "out" / "deeper")


def test_a_relative_output_that_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError, match=r"^out: the output folder is a file"):
        check_output("out")


def test_an_output_that_is_not_writable(tmp_path, monkeypatch):
    asked = []

    def access(path, _):
        asked.append(path)
        return False

    monkeypatch.setattr(folder.os, "access", access)
    with pytest.raises(UsageError, match="not writable"):
        check_output(tmp_path / "not" / "there")
    assert asked == [tmp_path]


def test_checking_creates_nothing(tmp_path):
    assert check_output(str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert listing(tmp_path) == []


def test_a_dangling_link_in_the_way(tmp_path):
    (tmp_path / "summary.json").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match=r"results are there already \(summary.json\)"):
        check_output(tmp_path)
    (tmp_path / "out").symlink_to(tmp_path / "gone")
    with pytest.raises(UsageError, match="is a file"):
        check_output(tmp_path / "out")


def test_a_path_too_long_for_the_system(tmp_path):
    with pytest.raises(UsageError, match="could not be written"):
        check_output(tmp_path / ("x" * 300))


def test_two_sequences(make, tmp_path):
    segmentation = make()
    flair = segmentation.study.reference
    study = Study({Modality.T1: flair.__class__(Modality.T1, flair.voxels, flair.grid), Modality.FLAIR: flair})
    summary = write(make(study=study, used=study.modalities, alignment={Modality.T1: "moved by 2.1 mm"}), tmp_path)
    assert summary["sequences"] == list(summary["inputs"]) == ["flair", "t1"]
    assert summary["alignment"] == {"t1": "moved by 2.1 mm"}
    assert summary["inputs"]["t1"]["sha256"] is None
