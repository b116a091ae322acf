"""From the synthetic patient's scans to summary, table, page and PDF: all say the same. And half a brain."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import dawson
from dawson.cases.demo import demo_study_files
from dawson.cli import app as cli
from dawson.core.names import RESULT_FILES
from dawson.core.result import REGIONS
from dawson.core.study import Modality

CHECKS = [
    "inputs", "field of view", "resolution", "noise", "alignment", "intensities", "contrast", "left and right",
    "brain volume", "brain outline", "lesion load",
]  # fmt: skip


@pytest.fixture(scope="module")
def flair() -> Path:
    return demo_study_files()[Modality.FLAIR]


@pytest.fixture(scope="module")
def whole(flair, tmp_path_factory) -> Path:
    """The result of the whole FLAIR, with reports."""
    out = tmp_path_factory.mktemp("whole") / "out"
    dawson.write(dawson.segment(dawson.read_study(flair=flair)), out)
    dawson.report(out, viewer=False)
    return out


@pytest.fixture(scope="module")
def halved(flair, tmp_path_factory) -> tuple[int, Path]:
    """Exit code and folder of ``dawson segment`` on a scan that ends in the middle of the brain."""
    folder = tmp_path_factory.mktemp("half")
    scan = nib.load(flair)
    nib.save(scan.slicer[:, :, : 50 * scan.shape[2] // 74], folder / "flair.nii.gz")
    with pytest.raises(SystemExit) as end:
        cli.main(["segment", "--flair", str(folder / "flair.nii.gz"), "-o", str(folder / "out"), "--no-viewer"])
    return end.value.code, folder / "out"


def summary_and_rows(out: Path) -> tuple[dict, list[dict[str, str]]]:
    with (out / "lesions.csv").open(newline="", encoding="utf-8") as stream:
        return json.loads((out / "summary.json").read_text("utf-8")), list(csv.DictReader(stream))


def words_of_page(out: Path) -> str:
    page = (out / "report.html").read_text("utf-8")
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())


def words_of_pdf(out: Path) -> str:
    pypdf = pytest.importorskip("pypdf", reason="pypdf, which reads PDFs back, is not installed")
    pages = pypdf.PdfReader(io.BytesIO((out / "report.pdf").read_bytes())).pages
    return " ".join(" ".join(page.extract_text() for page in pages).split())


def test_summary_mask_and_table_agree(whole):
    summary, rows = summary_and_rows(whole)
    image = nib.load(whole / "lesions.nii.gz")
    voxel_ml = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    load = np.count_nonzero(np.asarray(image.dataobj)) * voxel_ml
    assert summary["lesion_load_ml"] == pytest.approx(load, rel=1e-5)
    assert summary["lesion_count"] == len(rows) > 3
    assert sum(float(row["volume_ml"]) for row in rows) == pytest.approx(load, abs=1e-6 * len(rows))
    assert summary["count_long_axis_3mm"] == sum(float(row["long_axis_mm"]) >= 3 for row in rows)
    for name, group in summary["confidence"].items():
        assert group["count"] == sum(row["confidence"] == name for row in rows)
    assert sum(group["count"] for group in summary["confidence"].values()) == len(rows)


def test_regions_sum_up_to_the_whole(whole):
    summary, rows = summary_and_rows(whole)
    regions = summary["regions"]
    assert tuple(regions) == REGIONS
    for name, figures in regions.items():
        here = [row for row in rows if row["region"] == name]
        assert figures["count"] == len(here)
        assert figures["volume_ml"] == pytest.approx(sum(float(row["volume_ml"]) for row in here), abs=1e-6 * len(rows))
        assert figures["count_long_axis_3mm"] == sum(float(row["long_axis_mm"]) >= 3 for row in here)
        assert figures["largest_long_axis_mm"] == max((float(row["long_axis_mm"]) for row in here), default=None)
    assert sum(figures["volume_ml"] for figures in regions.values()) == pytest.approx(
        summary["lesion_load_ml"], abs=1e-5
    )


def test_interval_volumes_and_checks(whole):
    summary, _ = summary_and_rows(whole)
    load, interval, volumes = summary["lesion_load_ml"], summary["load_interval"], summary["volumes"]
    assert 0 < interval["low_ml"] <= load <= interval["high_ml"]
    assert load < volumes["brain_ml"] < volumes["brain_ml"] + volumes["ventricles_ml"] <= volumes["intracranial_ml"]
    assert volumes["load_percent_of_brain"] == pytest.approx(100 * load / volumes["brain_ml"], abs=1e-3)
    assert [check["name"] for check in summary["quality"]["checks"]] == CHECKS
    assert summary["quality"]["status"] != "fail"


@pytest.mark.parametrize("words_of", [words_of_page, words_of_pdf])
def test_page_and_pdf_say_what_summary_and_table_say(whole, words_of):
    summary, rows = summary_and_rows(whole)
    text = words_of(whole)
    for check in summary["quality"]["checks"]:
        assert check["words"] in text
    assert f"Lesions ≥ 3 mm {summary['count_long_axis_3mm']} " in text
    assert f"All {summary['lesion_count']} {summary['count_long_axis_3mm']} {summary['lesion_load_ml']:.3f} " in text
    for heading, name in (("Periventricular", "periventricular"), ("Deep white matter", "deep")):
        figures = summary["regions"][name]
        assert f"{heading} {figures['count']} {figures['count_long_axis_3mm']} {figures['volume_ml']:.3f} " in text
    for row in rows[:5]:  # the PDF shows the largest
        told = f"{row['id']} {row['region'].capitalize()} {row['position']} {row['confidence']} "
        assert told + f"{float(row['volume_ml']):.3f} " in text
    assert summary["inputs"]["flair"]["sha256"] in text.replace(" ", "")
    assert summary["notice"] in text


def test_half_a_brain_is_written_and_reported_but_ends_with_3(halved):
    code, out = halved
    assert code == 3
    assert {entry.name for entry in out.iterdir()} == set(RESULT_FILES)
    summary, _ = summary_and_rows(out)
    failed = [check for check in summary["quality"]["checks"] if check["status"] == "fail"]
    assert [check["name"] for check in failed] == ["field of view"]
    assert summary["quality"]["status"] == "fail"
    for text in (words_of_page(out), words_of_pdf(out)):
        assert "Quality control failed (1 check): these results must not be used" in text
        assert failed[0]["words"] in text and "upper end" in failed[0]["words"]
