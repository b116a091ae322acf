"""Many results in one table and on one page."""

from __future__ import annotations

import csv
import json
import re
import shutil
import time
from html.parser import HTMLParser

import pytest

from dawson.core.errors import InputError, UsageError
from dawson.reporting.cohort.table import COLUMNS
from dawson.reporting.cohort.write import write_cohort


@pytest.fixture
def visits(write_result, tmp_path):
    """A function that writes results that differ in their hashes, each changed by a function of its own."""

    def write(*changes):
        folders = []
        for number, change in enumerate(changes, start=1):

            def altered(summary, number=number, change=change):
                for scan in summary["inputs"].values():
                    scan["sha256"] = f"{number:02x}{scan['sha256'][2:]}"
                if change is not None:
                    change(summary)

            folders.append(write_result(tmp_path / "results" / f"visit{number}", change=altered))
        return folders

    return write


def rows(file):
    with file.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


class Page(HTMLParser):
    """The tags, links and table cells of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.cells, self.inside = [], [], [], 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        named = dict(attrs)
        self.links += [named[name] for name in ("href", "src") if name in named]
        if tag in ("td", "th"):
            self.cells.append(named.get("data-sort"))


def test_the_table_holds_the_figures_of_each_summary(visits, tmp_path):
    folders = visits(None, lambda s: s.update(volumes=None, regions=None, load_interval=None))
    (folders[0] / "report.html").touch()
    table, page = write_cohort(folders, tmp_path / "cohort")
    one, two = rows(table)
    summary = json.loads((folders[0] / "summary.json").read_text())
    assert tuple(one) == COLUMNS
    assert one["visit"] == "visit1" and one["quality"] == "pass" and one["model"] == "tiny"
    assert float(one["lesion_load_ml"]) == summary["lesion_load_ml"]
    assert float(one["load_low_ml"]) == summary["load_interval"]["low_ml"]
    assert float(one["brain_ml"]) == summary["volumes"]["brain_ml"]
    for region, figures in summary["regions"].items():
        for name, value in figures.items():
            assert float(one[f"{region}_{name}"]) == value
    assert one["flair_sha256"] == summary["inputs"]["flair"]["sha256"][:12]
    assert one["report"] == "../results/visit1/report.html"
    assert two["report"] == two["brain_ml"] == two["deep_volume_ml"] == two["t2_sha256"] == ""
    read = Page(page.read_text("utf-8"))
    assert "../results/visit1/report.html" in read.links and "../results/visit2/report.html" not in read.links
    assert str(summary["lesion_load_ml"]) in read.cells


def test_nothing_is_asked_of_the_network_and_no_text_is_markup(visits, tmp_path):
    bad = "<script>alert(1)</script>"

    def change(summary):
        summary["warnings"] = [bad, '"><img src=x onerror=alert(1)>']
        summary["model"]["name"] = bad
        summary["versions"]["dawson"] = bad
        summary["region_rules"] = bad

    folders = visits(change, None)
    odd = folders[0].rename(folders[0].with_name("<script>'\"&é #?"))
    (odd / "report.html").touch()
    table, page = write_cohort([odd, folders[1]], tmp_path / "cohort", left_out=[bad])
    text = page.read_text("utf-8")
    read = Page(text)
    assert read.tags.count("script") == 1 and "img" not in read.tags
    assert read.links == ["cohort.csv", "../results/%3Cscript%3E%27%22%26%C3%A9%20%23%3F/report.html"]
    assert "default-src 'none'" in text and "script-src 'sha256-" in text
    assert not re.search(r"https?:", text)
    assert text.count("&lt;script&gt;alert(1)") >= 4
    assert rows(table)[0]["visit"] == "<script>'\"&é #?"


def test_formulas_in_cells_are_defused(visits, tmp_path):
    (folder,) = visits(lambda s: s["model"].update(name="@SUM(A1)", version=" =1+1"))
    folder = folder.rename(folder.with_name("=cmd|'calc'!A0"))
    (row,) = rows(write_cohort([folder], tmp_path / "cohort")[0])
    assert row["visit"].startswith("'=") and row["model"] == "'@SUM(A1)" and row["model_version"] == "'=1+1"


def test_mixed_cohorts_are_warned_of(visits, tmp_path):
    def other(summary):
        summary["model"]["sha256"] = "12" * 32
        summary["model"]["precision"] = "int8"
        summary["rule"]["threshold"] = 0.5
        summary["versions"]["dawson"] = "9.9"
        summary["sequences"] = ["flair"]

    text = write_cohort(visits(None, None, other), tmp_path / "a")[1].read_text("utf-8")
    for what in ("2 models", "2 precisions", "2 rules", "2 versions of dawson", "2 sets of sequences"):
        assert f"mixes {what}" in text
    assert "(2 visits)" in text and "(1 visit)" in text
    alike = write_cohort(visits(None, None), tmp_path / "b")[1].read_text("utf-8")
    assert "mixes" not in alike and "Compare with care" not in alike


def test_a_scan_in_two_visits_is_told(write_result, tmp_path):
    folders = [write_result(tmp_path / name) for name in ("one", "two")]
    assert "one and two were made from the same FLAIR and T1 file" in write_cohort(folders, tmp_path)[1].read_text(
        "utf-8"
    )


def test_failed_visits_are_shown_and_not_counted(visits, tmp_path):
    def fail(summary):
        summary["quality"]["status"] = "fail"
        summary["quality"]["checks"].append({"name": "noise", "status": "fail", "words": "There is only noise."})

    table, page = write_cohort(visits(None, fail), tmp_path / "cohort")
    text = page.read_text("utf-8")
    assert rows(table)[1]["quality"] == "fail" and rows(table)[1]["warnings"] == "There is only noise."
    assert "1 passed, 1 failed" in text and "failed visits not counted" in text and "There is only noise." in text


def test_names_that_repeat_are_told_apart_and_folders_given_twice_count_once(visits, tmp_path):
    one, two = visits(None, None)
    folders = [tmp_path / "study" / name / "dawson" for name in ("sub-1", "sub-2")]
    for source, folder in zip((one, two), folders, strict=True):
        shutil.copytree(source, folder)
    table, _ = write_cohort([*folders, folders[0]], tmp_path / "cohort")
    assert [row["visit"] for row in rows(table)] == ["sub-1/dawson", "sub-2/dawson"]


def test_three_hundred_visits_take_seconds(write_result, tmp_path):
    first = write_result(tmp_path / "results" / "visit0")
    summary = json.loads((first / "summary.json").read_text())
    folders = [first]
    for number in range(1, 300):
        folder = tmp_path / "results" / f"visit{number}"
        folder.mkdir()
        shutil.copy(first / "lesions.csv", folder)
        summary["inputs"]["flair"]["sha256"] = f"{number:064x}"
        summary["inputs"]["t1"]["sha256"] = f"{number + 1000:064x}"
        (folder / "summary.json").write_text(json.dumps(summary))
        folders.append(folder)
    began = time.process_time()
    table, page = write_cohort(folders, tmp_path / "cohort")
    assert time.process_time() - began < 5
    assert len(rows(table)) == 300
    text = page.read_text("utf-8")
    assert text.count("<tr>") == 301 and len(text) < 1_500_000


def test_refusals(write_result, tmp_path):
    result = write_result(tmp_path / "out")
    with pytest.raises(UsageError, match="no result"):
        write_cohort([], tmp_path / "cohort")
    with pytest.raises(InputError):
        write_cohort([tmp_path / "nothing"], tmp_path / "cohort")
    assert not (tmp_path / "cohort").exists()
    with pytest.raises(UsageError, match="is a file"):
        write_cohort([result], result / "summary.json")
    (tmp_path / "cohort.csv").write_text("name,age\n")
    with pytest.raises(UsageError, match="dawson did not write"):
        write_cohort([result], tmp_path)
    write_cohort([result], tmp_path / "again")
    write_cohort([result], tmp_path / "again")
    assert sorted(file.name for file in (tmp_path / "again").iterdir()) == ["cohort.csv", "cohort.html"]
