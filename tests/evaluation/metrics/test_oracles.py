"""The same masks through panoptica, MONAI and SimpleITK: equal to 1e-6 where the definitions coincide.

Where they do not, on purpose: MONAI leaves lesion-free cases out by default (``ignore_empty``); panoptica's
ASSD is the mean of two means and its HD95 pools both directions; SimpleITK has no percentile.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import Settings, measure_case

SHAPE = (28, 24, 20)
SEEDS = range(4)
SPACINGS = [(1.0, 1.0, 1.0), (0.47, 0.6, 3.0)]
CLOSE = {"rel": 1e-6, "abs": 1e-6}


@pytest.fixture(scope="module", params=[(seed, spacing) for seed in SEEDS for spacing in SPACINGS], ids=str)
def case(request):
    """Truth and prediction that share some blobs, their spacing, and our figures of every component's size."""
    seed, spacing = request.param
    rng = np.random.default_rng(seed)
    common, *own = (ndimage.gaussian_filter(rng.normal(size=SHAPE), 1.4) for _ in range(3))
    truth, prediction = (common + 0.6 * noise > 0.16 for noise in own)
    for mask in (truth, prediction):  # what the edge of the array means differs between libraries
        mask[[0, -1]] = mask[:, [0, -1]] = mask[:, :, [0, -1]] = False
    grid = Grid(shape=SHAPE, affine=np.diag([*spacing, 1.0]))
    options = Settings(minimum_mm3=0.0, rules=("any", "iou-0.5", "msseg"), rule="iou-0.5")
    return truth, prediction, spacing, measure_case(truth, prediction, grid, settings=options).values


def monai_metric(name, truth, prediction, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torch
        from monai import metrics

        pair = [torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (prediction, truth)]
        return float(getattr(metrics, name)(*pair, include_background=True, **options))


def test_monai_overlap(case):
    truth, prediction, _, values = case
    assert values["dice"] == pytest.approx(monai_metric("compute_dice", truth, prediction), **CLOSE)
    assert values["iou"] == pytest.approx(monai_metric("compute_iou", truth, prediction), **CLOSE)


def test_monai_surfaces(case):
    truth, prediction, spacing, values = case
    hd95 = monai_metric("compute_hausdorff_distance", truth, prediction, percentile=95, spacing=spacing)
    assd = monai_metric("compute_average_surface_distance", truth, prediction, symmetric=True, spacing=spacing)
    nsd = monai_metric("compute_surface_dice", truth, prediction, class_thresholds=[1.0], spacing=spacing)
    assert values["hd95_mm"] == pytest.approx(hd95, **CLOSE)
    assert values["assd_mm"] == pytest.approx(assd, **CLOSE)
    assert values["nsd"] == pytest.approx(nsd, **CLOSE)


def test_monai_on_empty_masks():
    none, some = np.zeros(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    some[3:6, 3:6, 3:6] = True
    grid = Grid(shape=SHAPE, affine=np.eye(4))
    for truth, prediction in ((none, none), (none, some), (some, none)):
        ours = measure_case(truth, prediction, grid).values
        assert ours["dice"] == monai_metric("compute_dice", truth, prediction, ignore_empty=False)
        assert ours["iou"] == monai_metric("compute_iou", truth, prediction, ignore_empty=False)
    assert np.isnan(monai_metric("compute_dice", none, some))  # the default, which drops lesion-free cases


def test_panoptica(case, monkeypatch):
    monkeypatch.setenv("PANOPTICA_CITATION_REMINDER", "false")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import panoptica
        from panoptica.metrics import Metric

        truth, prediction, _, values = case
        evaluator = panoptica.Panoptica_Evaluator(
            expected_input=panoptica.InputType.SEMANTIC,
            instance_approximator=panoptica.ConnectedComponentsInstanceApproximator(),  # 26-connected in 3D
            instance_matcher=panoptica.NaiveThresholdMatching(matching_threshold=0.5),
            instance_metrics=[Metric.IOU],
            global_metrics=[Metric.DSC, Metric.IOU],
        )
        (result,) = evaluator.evaluate(prediction.astype(np.uint8), truth.astype(np.uint8), verbose=False).values()
        theirs = result.to_dict()
    assert values["dice"] == pytest.approx(theirs["global_bin_dsc"], **CLOSE)
    assert values["iou"] == pytest.approx(theirs["global_bin_iou"], **CLOSE)
    # From an IoU of 0.5 on no lesion has two partners, and one-to-one matching is the same as ours.
    assert (values["truth_lesions"], values["predicted_lesions"]) == (
        theirs["n_ref_instances"],
        theirs["n_pred_instances"],
    )
    assert (values["true_positives"], values["false_positives"]) == (theirs["tp"], theirs["fp"])
    assert values["lesion_recall_iou_0_5"] == pytest.approx(theirs["rec"], **CLOSE)
    assert values["lesion_precision_iou_0_5"] == pytest.approx(theirs["prec"], **CLOSE)
    assert values["lesion_f1_iou_0_5"] == pytest.approx(theirs["rq"], **CLOSE)


def image_of(mask, spacing):
    image = sitk.GetImageFromArray(mask.transpose(2, 1, 0).astype(np.uint8))
    image.SetSpacing(spacing)
    return image


def test_simpleitk_overlap(case):
    truth, prediction, spacing, values = case
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(image_of(prediction, spacing), image_of(truth, spacing))
    assert values["dice"] == pytest.approx(overlap.GetDiceCoefficient(), **CLOSE)
    assert values["iou"] == pytest.approx(overlap.GetJaccardCoefficient(), **CLOSE)
    assert 1.0 - values["sensitivity"] == pytest.approx(overlap.GetFalseNegativeError(), **CLOSE)


def test_simpleitk_surface_distances(case):
    """Contours and distances by SimpleITK's own filters, on the whole image."""
    truth, prediction, spacing, values = case
    images = [image_of(mask, spacing) for mask in (truth, prediction)]
    contours = [sitk.LabelContour(image, fullyConnected=False) for image in images]
    maps = [
        np.abs(
            sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(contour, squaredDistance=False, useImageSpacing=True))
        )
        for contour in contours
    ]
    edges = [sitk.GetArrayFromImage(contour) > 0 for contour in contours]
    there, back = maps[0][edges[1]].astype(float), maps[1][edges[0]].astype(float)
    assert values["hd95_mm"] == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), **CLOSE)
    assert values["assd_mm"] == pytest.approx(np.concatenate([there, back]).mean(), **CLOSE)
    assert values["nsd"] == pytest.approx(np.mean(np.concatenate([there, back]) <= 1.0), **CLOSE)


def normalised_dice_of_shifts(truth, prediction, rate=0.001):
    """The normalised Dice as the Shifts challenge defines it, voxel by voxel."""
    positives, negatives = truth.sum(), (~truth).sum()
    scale = (1 - rate) / rate * positives / negatives
    hits, false, missed = (truth & prediction).sum(), (~truth & prediction).sum(), (truth & ~prediction).sum()
    return 2 * hits / (scale * false + 2 * hits + missed)


def test_normalised_dice(case):
    truth, prediction, _, values = case
    assert values["normalised_dice"] == pytest.approx(normalised_dice_of_shifts(truth, prediction), **CLOSE)
