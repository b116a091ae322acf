"""What was measured stands in the summary, the table and the display volume, and all of them agree."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from dawson.core.result import REGIONS, Check, LoadInterval, Volumes
from dawson.core.study import Modality, Study
from dawson.results.write import write

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture
def measured(make):
    base = make()
    first, second = base.table
    table = (
        replace(first, region="deep", side="left", position="left, anterior third, upper third", confidence="high"),
        replace(second, region="periventricular", side="midline", position="midline, central third", confidence="low"),
    )
    return replace(
        base,
        table=table,
        volumes=Volumes(brain_ml=1.2, ventricles_ml=None, intracranial_ml=1.5),
        interval=LoadInterval(0.006, 0.03, 0.2, 0.7, {"inside": 5, "cases": 7}),
        confidence={"high": {"true_share": 0.9, "lesions": 60}},
        quality=(Check("noise", "pass", "Fine."), Check("resolution", "warn", "Thick.", {"slice_mm": 6.5})),
    )


def test_summary_and_table_agree(measured, tmp_path):
    summary = write(measured, tmp_path)
    assert summary == json.loads((tmp_path / "summary.json").read_text("utf-8"))
    with (tmp_path / "lesions.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(summary["regions"]) == REGIONS
    for region, figures in summary["regions"].items():
        here = [row for row in rows if row["region"] == region]
        assert figures["count"] == len(here)
        assert figures["volume_ml"] == pytest.approx(sum(float(row["volume_ml"]) for row in here))
        assert figures["count_long_axis_3mm"] == sum(float(row["long_axis_mm"]) >= 3 for row in here)
        assert figures["largest_long_axis_mm"] == max((float(row["long_axis_mm"]) for row in here), default=None)
    assert summary["count_long_axis_3mm"] == 1
    assert rows[0]["position"] == "left, anterior third, upper third"
    assert [row["confidence"] for row in rows] == ["high", "low"]


def test_measured_fields(measured, tmp_path):
    summary = write(measured, tmp_path)
    volumes = summary["volumes"]
    assert (volumes["brain_ml"], volumes["ventricles_ml"]) == (1.2, None)
    assert volumes["load_percent_of_brain"] == pytest.approx(1.0)  # 0.012 of 1.2 ml
    assert set(volumes["methods"]) >= {"brain_ml", "ventricles_ml", "intracranial_ml", "load_percent_of_brain"}
    interval = summary["load_interval"]
    assert (interval["low_ml"], interval["high_ml"], interval["coverage"]) == (0.006, 0.03, {"inside": 5, "cases": 7})
    high, low = summary["confidence"]["high"], summary["confidence"]["low"]
    assert (high["count"], high["true_share"], high["measured_on"]) == (1, 0.9, 60)
    assert (low["count"], low["true_share"], low["measured_on"]) == (1, None, None)
    assert summary["quality"]["status"] == "warn"
    assert summary["quality"]["checks"][1] == {
        "name": "resolution",
        "status": "warn",
        "words": "Thick.",
        "figures": {"slice_mm": 6.5},
    }
    assert "spinal cord" in summary["region_rules"]


def test_what_is_not_known_is_null(make, tmp_path):
    summary = write(make(), tmp_path)
    assert summary["regions"] is summary["volumes"] is summary["load_interval"] is None
    assert summary["quality"] == {"status": "pass", "checks": []}


def test_the_reference_alone_is_displayed_where_no_more_was_kept(make, tmp_path):
    segmentation = make()
    summary = write(segmentation, tmp_path)
    image = nib.load(tmp_path / "display.nii.gz")
    assert (image.get_data_dtype(), image.shape) == (np.uint8, (*segmentation.grid.shape, 1))
    assert np.array_equal(image.affine, segmentation.grid.affine)
    assert summary["display"]["sequences"] == ["flair"]
    voxels, brain = segmentation.study.reference.voxels, segmentation.anatomy > 0
    top = np.percentile(voxels[brain], 99.5) * 1.15
    shown = np.asarray(image.dataobj)[..., 0]
    assert np.abs(shown - np.clip(voxels / top, 0, 1) * 255).max() <= 0.51


def test_several_sequences_are_displayed_in_order(make, tmp_path):
    segmentation = make()
    flair = segmentation.study.reference
    study = Study({Modality.FLAIR: flair, Modality.T2: replace(flair, modality=Modality.T2)})
    grey = np.arange(flair.voxels.size, dtype=np.uint8).reshape(flair.grid.shape)
    display = {Modality.FLAIR: grey, Modality.T2: 255 - grey}
    summary = write(replace(segmentation, study=study, used=study.modalities, display=display), tmp_path)
    assert summary["display"]["sequences"] == ["flair", "t2"]
    shown = np.asarray(nib.load(tmp_path / "display.nii.gz").dataobj)
    assert np.array_equal(shown[..., 0], grey)
    assert np.array_equal(shown[..., 1], 255 - grey)
