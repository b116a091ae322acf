"""Reports made in result folders, and the command that makes them."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import pytest

import dawson
from dawson.cli import app as cli
from dawson.core.errors import InputError
from dawson.core.names import REPORT_PAGE
from dawson.reporting import run as module
from dawson.reporting.run import find_results, report


@pytest.fixture
def quick(monkeypatch):
    """Pages and PDFs that take no time."""
    page, pdf = (import_module(f"dawson.reporting.{name}") for name in ("page", "pdf.document"))
    monkeypatch.setattr(page, "page", lambda result, viewer, drawn: f"page {result.folder.name} {viewer}")
    monkeypatch.setattr(pdf, "pdf", lambda result, drawn: b"%PDF")
    monkeypatch.setattr(import_module("dawson.reporting.figures"), "draw", lambda result: None)


@pytest.fixture
def run(capfd):
    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main(["report", *map(str, arguments)])
        told = capfd.readouterr()
        return end.value.code, told.out, told.err

    return run


def listing(folder):
    return sorted(entry.name for entry in folder.iterdir())


def test_both_files_are_made_and_nothing_else(write_result, tmp_path):
    out = write_result(tmp_path / "out")
    before = {name: (out / name).read_bytes() for name in listing(out)}
    assert dawson.report(out, viewer=False) == (out / "report.html", out / "report.pdf")
    assert (out / "report.html").read_text("utf-8").startswith("<!DOCTYPE html>")
    assert (out / "report.pdf").read_bytes().startswith(b"%PDF")
    assert listing(out) == sorted([*before, "report.html", "report.pdf"])
    assert all((out / name).read_bytes() == content for name, content in before.items())
    first = [(out / name).read_bytes() for name in ("report.html", "report.pdf")]
    report(out, viewer=False)
    assert first == [(out / name).read_bytes() for name in ("report.html", "report.pdf")]


def test_an_earlier_report_stays_where_the_new_one_fails(write_result, tmp_path, quick, monkeypatch):
    out = write_result(tmp_path / "out")
    report(out)
    kept = listing(out)

    def broken(result, drawn):
        raise RuntimeError

    monkeypatch.setattr(sys.modules["dawson.reporting.pdf.document"], "pdf", broken)
    with pytest.raises(RuntimeError):
        report(out, viewer=False)
    assert (out / "report.html").read_text() == "page out True"
    assert listing(out) == kept


def test_no_result(tmp_path):
    with pytest.raises(InputError):
        report(tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_results_are_found_below_folders(write_result, tmp_path):
    one = write_result(tmp_path / "study" / "sub-1" / "ses-1")
    two = write_result(tmp_path / "study" / "sub-2")
    write_result(tmp_path / "study" / ".hidden")
    write_result(two / "inner")
    (tmp_path / "study" / "loop").symlink_to(tmp_path / "study")
    (tmp_path / "empty").mkdir()
    assert find_results([tmp_path / "study", two]) == [one, two]
    assert find_results([tmp_path / "empty"]) == [tmp_path / "empty"]


def test_command_on_one(run, quick, write_result, tmp_path):
    out = write_result(tmp_path / "out")
    code, told, err = run(out, "--no-viewer")
    assert (code, err) == (0, "")
    assert str(out / "report.html") in told
    assert (out / "report.html").read_text() == "page out False"


def test_command_goes_on_after_a_bad_one(run, quick, write_result, tmp_path):
    good = [write_result(tmp_path / name) for name in ("a", "c")]
    bad = write_result(tmp_path / "b")
    (bad / "summary.json").write_text("{")
    code, told, err = run(good[0], bad, good[1], "--cohort", tmp_path / "cohort")
    assert code == 2
    assert "2 reports made." in told and str(tmp_path / "cohort" / "cohort.html") in told
    assert "not valid JSON" in err and "1 of 3 results had no report made" in err
    assert all((out / "report.html").is_file() for out in good) and not (bad / "report.html").exists()
    page = (tmp_path / "cohort" / "cohort.html").read_text("utf-8")
    assert "Left out" in page and "not valid JSON" in page


def test_command_on_a_folder_without_results(run, tmp_path):
    code, told, err = run(tmp_path)
    assert (code, told) == (2, "")
    assert err.count("\n") == 1 and "summary.json" in err


def test_only_missing_reports(run, quick, write_result, tmp_path):
    one, two = (write_result(tmp_path / "study" / name) for name in ("a", "b"))
    report(one)
    (one / "report.html").write_text("kept")
    code, told, _ = run(tmp_path / "study", "--missing")
    assert code == 0 and "1 report made, 1 kept." in told
    assert (one / "report.html").read_text() == "kept" and (two / "report.pdf").is_file()


def test_a_bad_cohort_folder_is_refused_before_any_work(run, quick, write_result, tmp_path):
    out = write_result(tmp_path / "out")
    code, _, err = run(out, "--cohort", out / "summary.json")
    assert code == 2 and "is a file" in err
    assert not (out / REPORT_PAGE).exists()


def test_pictures_are_drawn_once_for_page_and_pdf(write_result, tmp_path, monkeypatch):
    pictures, drawn = import_module("dawson.reporting.figures"), []
    mosaic = pictures.mosaic
    monkeypatch.setattr(pictures, "mosaic", lambda result: drawn.append(result) or mosaic(result))
    report(write_result(tmp_path / "out"), viewer=False)
    assert len(drawn) == 1


def test_a_folder_that_is_read_only_is_told_of_before_any_work(run, quick, write_result, tmp_path, monkeypatch):
    out = write_result(tmp_path / "out")
    before = listing(out)
    monkeypatch.setattr(os, "access", lambda _, mode: mode == os.R_OK)  # permissions do not stop every user
    monkeypatch.setattr(sys.modules["dawson.reporting.pdf.document"], "pdf", None)
    code, _, err = run(out)
    assert code == 2 and "not writable" in err and "copy the result" in err and " -o" not in err
    assert listing(out) == before


def test_a_full_disk_leaves_the_earlier_report(run, quick, write_result, tmp_path, monkeypatch):
    out = write_result(tmp_path / "out")
    report(out)

    def full(file, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "save", full)
    before = {name: (out / name).read_bytes() for name in listing(out)}
    code, _, err = run(out)
    assert code == 2 and "No space left on device" in err and " -o" not in err
    assert {name: (out / name).read_bytes() for name in listing(out)} == before


def test_ctrl_c_leaves_the_earlier_report(run, quick, write_result, tmp_path, monkeypatch):
    out = write_result(tmp_path / "out")
    report(out)
    before = {name: (out / name).read_bytes() for name in listing(out)}

    def stop(file, content):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "save", stop)
    code, _, _ = run(out)
    assert code == 130
    assert {name: (out / name).read_bytes() for name in listing(out)} == before
