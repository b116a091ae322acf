"""Charts show what there is to show, whatever the evaluation lacks."""

from __future__ import annotations

import io
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from dawson.evaluation.matching.pairs import Pair, find_pairs
from dawson.evaluation.output.charts import draw_charts
from dawson.evaluation.output.pictures import COLOURS, draw_worst
from dawson.evaluation.output.summary import summarise
from dawson.evaluation.run import evaluate, evaluate_pairs
from fixtures.masks import ELSEWHERE, LARGE, SMALL, blob


def pixels(chart):
    return np.asarray(Image.open(io.BytesIO(chart.png)).convert("RGB")).reshape(-1, 3)


def painted(chart, colour):
    """How many pixels have a colour of outcomes as it is painted on the empty background, unlike in the legend."""
    mixed = [0.72 * int(colour[n : n + 2], 16) + 0.28 * 0.12 * 255 for n in (1, 3, 5)]
    return int((np.abs(pixels(chart) - np.array(mixed)).max(axis=1) < 8).sum())


def test_masks_alone_give_the_charts_that_need_no_probability(evaluated):
    charts = {chart.name: chart for chart in draw_charts(summarise(evaluated))}
    assert set(charts) == {"dice", "recall_by_size", "bland_altman"}
    for chart in charts.values():
        assert Image.open(io.BytesIO(chart.png)).width == 1080
        assert len(np.unique(pixels(chart), axis=0)) > 10
        assert chart.caption
        assert chart.title


def test_probabilities_and_anatomy_give_the_others(mask_cohort, save_mask):
    probability = save_mask(mask_cohort / "p.nii.gz", np.float32(0.9) * blob(LARGE) + np.float32(0.2) * blob(SMALL))
    anatomy = save_mask(mask_cohort / "a" / "anatomy.nii.gz", blob(LARGE, SMALL, ELSEWHERE) * 2)
    pair = Pair(
        case="P01",
        patient="P01",
        truths=(mask_cohort / "truth" / "P01_T1_mask.nii.gz",),
        method="ours",
        prediction=mask_cohort / "good" / "P01_T1_seg.nii.gz",
        probability=probability,
        anatomy=anatomy,
    )
    names = {chart.name for chart in draw_charts(summarise(evaluate_pairs([pair])))}
    assert names == {
        "dice", "recall_by_size", "recall_by_region", "bland_altman", "precision_recall", "froc", "calibration",
    }  # fmt: skip


def test_captions_say_where_curves_are_of_fewer_cases(mask_cohort, save_mask):
    pairs = find_pairs([mask_cohort / "truth"], [mask_cohort / "good"])
    probability = save_mask(mask_cohort / "p.nii.gz", np.float32(0.9) * blob(LARGE))
    some = summarise(evaluate_pairs([replace(pairs[0], probability=probability), *pairs[1:]]))
    assert some["curves"]["good"]["cases"] == 1
    captions = {chart.name: chart.caption for chart in draw_charts(some)}
    assert "(good: 1 of 3 cases)" in captions["froc"]
    assert "of 3 cases" not in captions["dice"]
    all_ = summarise(evaluate_pairs([replace(pair, probability=probability) for pair in pairs]))
    assert all("of 3 cases" not in chart.caption for chart in draw_charts(all_))


def test_the_same_evaluation_gives_the_same_bytes(evaluated):
    summary = summarise(evaluated)
    assert [chart.png for chart in draw_charts(summary)] == [chart.png for chart in draw_charts(summary)]


def test_names_are_text_never_mathematics(mask_cohort):
    evaluation = evaluate(mask_cohort / "truth", mask_cohort / "good", names=[r"$\frac{broken"])
    assert draw_charts(summarise(evaluation))


def test_no_lesion_anywhere_is_charted_too(mask_cohort):
    case = [mask_cohort / kind / name for kind, name in (("truth", "P02_mask.nii.gz"), ("good", "P02_seg.nii.gz"))]
    names = {chart.name for chart in draw_charts(summarise(evaluate(*case)))}
    assert names == {"dice", "bland_altman"}


def test_the_worst_cases_come_first_and_show_what_was_false(evaluated):
    worst = draw_worst(evaluated)  # of the first prediction, which is the good one
    assert worst[0].title == "P01_T2, good: Dice 0.92"
    # The one slice that is wrong anywhere holds the false lesion and nothing else.
    agreed, missed, wrong = (painted(worst[0], colour) for colour, _ in COLOURS.values())
    assert (agreed, missed) == (0, 0)
    assert wrong > 1000
    assert "1 false" in worst[0].caption


def test_worst_cases_are_drawn_on_the_scan_where_there_is_one(mask_cohort, write_head):
    scan = write_head(mask_cohort / "scan.nii.gz")
    image = nib.load(scan)
    for name, box in (("t", np.s_[10:14, 10:14, 10:14]), ("p", np.s_[12:16, 10:14, 10:14])):
        mask = np.zeros(image.shape, np.uint8)
        mask[box] = 1
        nib.save(nib.Nifti1Image(mask, image.affine), mask_cohort / f"{name}.nii.gz")
    masks = {"truths": (mask_cohort / "t.nii.gz",), "prediction": mask_cohort / "p.nii.gz"}
    with_scan, without = (
        draw_worst(evaluate_pairs([Pair(case="a", patient="a", method="m", image=picture, **masks)]))[0]
        for picture in (scan, None)
    )
    grey = [((p.max(axis=1) - p.min(axis=1) < 5) & (p[:, 0] > 60)).mean() for p in map(pixels, (with_scan, without))]
    assert grey[0] > 0.3
    assert grey[1] < 0.05


def test_a_case_whose_files_have_gone_is_left_out(evaluated, mask_cohort):
    (mask_cohort / "good" / "P01_T2_seg.nii.gz").unlink()
    assert len(draw_worst(evaluated)) == 2


@pytest.mark.parametrize("count", [1, 12])
def test_any_number_of_predictions_fits(mask_cohort, count):
    evaluation = evaluate(
        mask_cohort / "truth",
        [mask_cohort / "good"] * count,
        names=[f"a rather long name of prediction {n}" for n in range(count)],
    )
    assert {chart.name for chart in draw_charts(summarise(evaluation))} == {"dice", "recall_by_size", "bland_altman"}
