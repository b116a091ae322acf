"""``dawson model``: what is shown, chosen, set and averaged agrees with what dawson itself does."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.cli import app as cli
from dawson.core.errors import ModelError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.case import measure_case
from dawson.evaluation.rule_table import measure_rules
from dawson.evaluation.settings import Settings
from dawson.measurement.lesions import find_lesions
from dawson.model import quantise
from dawson.model.calibration import calibrate
from dawson.model.card import load_model
from dawson.model.unet import UNet
from dawson.recipe import load_recipe
from dawson.training.export import export
from dawson.training.refine import integers
from fixtures.weights import weights_of

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


def run(*words: object) -> int:
    with pytest.raises(SystemExit) as end:
        cli.main(["model", *map(str, words)])
    return int(end.value.code or 0)


@settings(max_examples=15)
@given(st.integers(0, 10**6), st.sampled_from([0.02, 0.1]), st.sampled_from([0.0, 0.7, 0.9]))
def test_the_table_of_rules_counts_as_dawson_does(seed: int, share: float, peak: float) -> None:
    grid = Grid(SHAPE, np.eye(4))
    probability, truth = blobs(seed, share), blobs(seed, share + 0.02) > 0.6
    found = measure_rules(probability, truth, 3.0 - 1e-4, thresholds=[0.3], peaks=[peak])[0.3, peak]
    mask, _, _ = find_lesions(probability, grid, threshold=0.3, peak=peak, minimum_mm3=3.0)
    measured = measure_case(truth, mask, grid, settings=Settings()).values
    assert found.dice == pytest.approx(measured["dice"] or 0.0, abs=1e-6)
    if measured["lesion_f1_any"] is not None and mask.any() and truth.any():
        assert found.f1 == pytest.approx(measured["lesion_f1_any"], abs=1e-6)


def test_a_rule_is_chosen_from_what_an_evaluation_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A lesion of 0.8 beside a false one that ends at 0.5: a peak above that is best."""
    probability, truth = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    probability[3:8, 3:8, 3:8], probability[12:15, 12:15, 12:15] = 0.8, 0.5
    truth[3:8, 3:8, 3:8] = 1
    kept = tmp_path / "evaluation" / "predictions" / "p1" / "flair"
    kept.mkdir(parents=True)
    for file, voxels in ((kept / "probability.nii.gz", probability), (tmp_path / "mask.nii.gz", truth)):
        nib.save(nib.Nifti1Image(voxels, np.eye(4)), file)
    nib.save(nib.Nifti1Image(probability, np.eye(4)), tmp_path / "flair.nii.gz")
    (kept / "summary.json").write_text(json.dumps({"rule": {"threshold": 0.3, "peak": 0.0}}))
    (tmp_path / "cases.tsv").write_text("patient\tflair\tmask\np1\tflair.nii.gz\tmask.nii.gz\n")
    assert run("choose-rule", tmp_path / "cases.tsv", tmp_path / "evaluation") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "flair (1 cases)"
    (best,) = [line for line in lines if line.strip().startswith("*")]
    assert best.split()[1:] == ["0.05", "0.60", "1.000", "1.000", "×1.00"]
    assert run("choose-rule", tmp_path / "cases.tsv", tmp_path / "evaluation", "--inputs", "t2") == 2


def test_calibration_moves_a_threshold_and_a_peak_where_they_are_wanted(tmp_path: Path) -> None:
    folder = small_model(tmp_path / "model", 1)
    rule = ("--threshold", 0.3, "--peak", 0.7)
    assert run("calibrate", folder, *rule, "--as", "flair=0.4,0.98", "--as", "t1,t2=0.1,0.6") == 0
    model = load_model(folder)
    assert (model.threshold, model.peak) == (0.3, 0.7)
    for inputs, raw in (("flair", [0.4, 0.98]), ("t1", [0.1, 0.6]), ("t2", [0.1, 0.6])):
        moved = calibrate(np.array(raw, np.float32)[:, None, None], *model.calibration_of(inputs)).ravel()
        assert moved == pytest.approx([0.3, 0.7], abs=1e-3)
    assert model.recipe.measure.threshold == 0.3


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--as", "pd=0.1,0.6"), "no subset"),
        (("--as", "t1=0.6,0.1"), "below the peak"),
        (("--as", "t1=0.6"), "INPUTS=P,P"),
        (("--as", "t1=0,1"), "between 0 and 1"),
    ],
)
def test_a_rule_that_makes_no_sense_leaves_the_card_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], sentence: str
) -> None:
    folder = small_model(tmp_path / "model", 1)
    before = (folder / "card.json").read_bytes()
    assert run("calibrate", folder, "--threshold", 0.3, "--peak", 0.7, *words) == 2
    assert sentence in capsys.readouterr().err
    assert (folder / "card.json").read_bytes() == before


def test_shipped_models_are_shown_and_not_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("show", "dawson-1") == 0
    shown = capsys.readouterr().out
    assert "lesions and a coarse anatomy" in shown
    assert "threshold 0.3, least peak 0.7" in shown and load_model().card["sha256"]["model.onnx"] in shown
    assert run("calibrate", "dawson-1", "--threshold", 0.3, "--peak", 0.7) == 2


def test_a_model_named_twice_counts_twice(tmp_path: Path) -> None:
    """As for a mean of 1 : 2; the rule is the first one's."""
    one, other = (small_model(tmp_path / str(seed), seed) for seed in (1, 2))
    assert run("average", one, other, other, "-o", tmp_path / "mean") == 0
    first, second, mean = (weights_of(folder) for folder in (one, other, tmp_path / "mean"))
    for name, values in mean.items():
        wanted = (first[name] + 2 * second[name]) / 3
        assert (values - wanted).abs().max() <= 2e-3 * max(wanted.abs().max().item(), 1e-6)  # kept as fp16
    assert any((first[name] - second[name]).abs().max() > 0.01 for name in first)
    averaged, source = load_model(tmp_path / "mean"), load_model(one)
    assert (averaged.threshold, averaged.peak) == (source.threshold, source.peak) == (0.41, 0.81)
    assert averaged.calibration_of("t1") == source.calibration_of("t1") == (1.1, 0.1)
    assert averaged.anatomy_weights == pytest.approx(source.anatomy_weights)


def test_integers_are_kept_only_where_they_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_model(tmp_path / "model", 1)
    rng = np.random.default_rng(0)
    draw = SimpleNamespace(draw=lambda _: (torch.from_numpy(rng.random((3, 16, 16, 16), dtype=np.float32)),))
    for name, stand_in in (
        ("find_cases", lambda _: []),
        ("check_cases", lambda *_, **__: []),
        ("prepare_examples", lambda *_, **__: []),
        ("Windows", lambda *_: draw),
    ):
        monkeypatch.setattr(integers, name, stand_in)
    found = integers.quantise_from_cases(folder, tmp_path, cache=tmp_path)
    assert found.dice >= integers.LEAST_DICE and load_model(folder).int8 is not None
    monkeypatch.setattr(integers, "LEAST_DICE", 1.01)
    with pytest.raises(ModelError, match="deleted again"):
        integers.quantise_from_cases(folder, tmp_path, cache=tmp_path)
    assert load_model(folder).int8 is None

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(integers, "compare_precisions", interrupt)
    with pytest.raises(KeyboardInterrupt):
        integers.quantise_from_cases(folder, tmp_path, cache=tmp_path)
    assert load_model(folder).int8 is None  # nobody has compared them


def test_a_model_stays_usable_where_new_integers_are_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = small_model(tmp_path / "model", 1)
    windows = [torch.rand(3, 16, 16, 16) for _ in range(2)]
    quantise.quantise(folder, windows)
    assert load_model(folder).int8 is not None

    def cut_off(_: object, file: Path) -> None:
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(quantise, "save_onnx", cut_off)
    with pytest.raises(KeyboardInterrupt):
        quantise.quantise(folder, windows)
    assert load_model(folder).int8 is None
