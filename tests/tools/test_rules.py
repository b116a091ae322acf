"""Scripts that choose and set the rule, average weights and count: they agree with what dawson itself does."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import measure_case
from dawson.evaluation.settings import Settings
from dawson.measurement.lesions import find_lesions
from dawson.model.calibration import calibrate
from dawson.model.card import load_model
from dawson.model.unet import UNet
from dawson.model.weights import read_weights
from dawson.recipe import load_recipe
from dawson.training.export import export

SHAPE = (20, 22, 18)


def blobs(seed: int, share: float) -> np.ndarray:
    """Smooth random probabilities (i, j, k), of which about ``share`` lies above one half."""
    field = np.random.default_rng(seed).normal(size=SHAPE)
    for axis in range(3):
        field = (np.roll(field, 1, axis) + field + np.roll(field, -1, axis)) / 3
    field = (field - np.quantile(field, 1 - share)) / field.std()
    return (1 / (1 + np.exp(-3 * field))).astype(np.float32)


def small_model(folder: Path, seed: int) -> Path:
    """A network of two levels with random weights, and a rule of its own."""
    rule = {"measure.threshold": f"0.4{seed}", "measure.peak": f"0.8{seed}"}
    size = {"network.widths": "[4, 8]", "network.convolutions": "[1, 1]", "prepare.window": "16"}
    recipe = load_recipe("dawson", size | rule)
    torch.manual_seed(seed)
    network = UNet(recipe.network, channels=3, anatomy_classes=8)
    return export(network.state_dict(), recipe, folder, {"calibration": {"t1": [1 + seed / 10, seed / 10]}})


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.1]), st.sampled_from([0.0, 0.7, 0.9]))
def test_the_threshold_table_counts_as_dawson_does(
    script: Callable[[str], ModuleType], seed: int, share: float, peak: float
) -> None:
    grid = Grid(SHAPE, np.eye(4))
    probability, truth = blobs(seed, share), blobs(seed, share + 0.02) > 0.6
    found = script("studies.threshold").figures(probability, truth, 3.0 - 1e-4, thresholds=[0.3], peaks=[peak])[
        0.3, peak
    ]
    mask, _, _ = find_lesions(probability, grid, threshold=0.3, peak=peak, minimum_mm3=3.0)
    own = measure_case(truth, mask, grid, settings=Settings()).values
    assert found[0] == pytest.approx(own["dice"] or 0.0, abs=1e-6)
    if own["lesion_f1_any"] is not None and mask.any() and truth.any():
        assert found[1] == pytest.approx(own["lesion_f1_any"], abs=1e-6)


def test_calibration_moves_a_threshold_and_a_peak_where_they_are_wanted(
    run_script: Callable[..., None], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(load_model().folder, tmp_path / "model"))
    run_script(
        "release.rule", folder, "--threshold", 0.3, "--peak", 0.7, "--as", "flair=0.4,0.98", "--as", "t1,t2=0.1,0.6"
    )
    model = load_model(folder)
    assert (model.threshold, model.peak) == (0.3, 0.7)
    for inputs, raw in (("flair", [0.4, 0.98]), ("t1", [0.1, 0.6]), ("t2", [0.1, 0.6])):
        moved = calibrate(np.array(raw, np.float32)[:, None, None], *model.calibration_of(inputs)).ravel()
        assert moved == pytest.approx([0.3, 0.7], abs=1e-3)
    assert json.loads((folder / "card.json").read_text())["recipe"]["measure"]["threshold"] == 0.3


def test_a_model_named_twice_counts_twice(run_script: Callable[..., None], tmp_path: Path) -> None:
    """As for a mean of 1 : 2; the rule is the first one's."""
    one, other = (small_model(tmp_path / str(seed), seed) for seed in (1, 2))
    run_script("release.average", one, other, other, "-o", tmp_path / "mean")
    first, second, mean = (read_weights(load_model(folder)) for folder in (one, other, tmp_path / "mean"))
    assert first.keys() == mean.keys()
    apart = 0.0
    for name, values in mean.items():
        wanted = (first[name] + 2 * second[name]) / 3
        error = np.abs(values - wanted).max()
        assert error <= 2e-3 * max(np.abs(wanted).max(), 1e-6)  # kept as fp16
        apart = max(apart, np.abs(first[name] - second[name]).max())
    assert apart > 0
    averaged, source = load_model(tmp_path / "mean"), load_model(one)
    assert (averaged.threshold, averaged.peak) == (source.threshold, source.peak) == (0.41, 0.81)
    assert averaged.calibration_of("t1") == source.calibration_of("t1") == (1.1, 0.1)
    assert averaged.anatomy_weights == pytest.approx(source.anatomy_weights)


def test_the_confusion_of_classes(script: Callable[[str], ModuleType]) -> None:
    lesion_free = script("studies.lesion_free")
    truth, found = np.array([0, 1, 1, 3, 3, 3]), np.array([0, 1, 3, 3, 3, 1])
    table = lesion_free.taken(truth, found)
    assert table[1, 3] == 1 and table[3, 1] == 1 and table[3, 3] == 2 and table.sum() == truth.size
    assert lesion_free.dice_of(table, [1]) == pytest.approx(2 / 4)
    assert lesion_free.dice_of(table, [1, 3]) == pytest.approx(1.0)
    assert math.isclose(lesion_free.dice_of(table, [3]), 4 / 6)
