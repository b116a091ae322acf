"""A model folder is believed only where card and weights agree."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

import pytest

from dawson.core.errors import ModelError
from dawson.model.card import LOCATOR, SHIPPED, find_model, load_model, subset_names, write_card
from dawson.preparation.locator import _shipped, about_locator


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    return Path(shutil.copytree(load_model().folder, tmp_path / "model"))


def test_the_shipped_model_says_what_it_is() -> None:
    model = load_model()
    assert 0 < model.threshold < 1
    assert model.minimum_mm3 == 3.0
    assert model.card["connectivity"] == 26
    assert set(model.card["parenchyma"]) < set(model.anatomy_names.values())
    assert model.card["data"] and model.card["accuracy"]
    assert sum(f.stat().st_size for f in (model.onnx,)) <= 16e6


def test_a_copied_model_is_the_same_model(copy: Path) -> None:
    assert load_model(copy).summary == load_model().summary


def test_changed_weights_are_refused(copy: Path) -> None:
    weights = copy / "model.onnx"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="hash"):
        load_model(copy)


@pytest.mark.parametrize("missing", ["card.json", "model.onnx"])
def test_a_missing_file_is_named(copy: Path, missing: str) -> None:
    (copy / missing).unlink()
    with pytest.raises(ModelError, match=missing):
        load_model(copy)


@pytest.mark.parametrize(
    "change",
    [
        {"threshold": None},
        {"recipe": {"nonsense": 1}},
        {"anatomy": [1]},
        {"sha256": {}},
        {"task": "tumours"},
        {"inputs": ["t1+flair"]},
        {"inputs": None},
        {"calibration": {"t1": [0, 1]}},
        {"anatomy_weights": [1.0, 2.0]},
        {"anatomy_weights": [0.0] * 8},
    ],
)
def test_a_broken_card_is_refused(copy: Path, change: dict[str, object]) -> None:
    card = json.loads((copy / "card.json").read_text()) | change
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match="card"):
        load_model(copy)


def test_scores_of_the_anatomy_are_divided_by_the_weights_of_the_loss_unless_the_card_has_others(copy: Path) -> None:
    card = json.loads((copy / "card.json").read_text())
    (copy / "card.json").write_text(json.dumps(card | {"anatomy_weights": None}))
    plain = load_model(copy)
    assert plain.anatomy_weights == plain.recipe.loss.anatomy_weights
    (copy / "card.json").write_text(json.dumps(card | {"anatomy_weights": [1, 2, 3, 4, 5, 6, 7, 8]}))
    fitted = load_model(copy)
    assert fitted.anatomy_weights == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0)
    assert fitted.summary["anatomy_weights"] == list(fitted.anatomy_weights)


def test_a_card_that_is_no_json_is_refused(copy: Path) -> None:
    (copy / "card.json").write_text("{")
    with pytest.raises(ModelError, match="card"):
        load_model(copy)


@pytest.mark.parametrize("entry", ["name", "task", "inputs", "threshold", "recipe", "sha256", "anatomy"])
def test_an_incomplete_card_is_refused(copy: Path, entry: str) -> None:
    card = json.loads((copy / "card.json").read_text())
    del card[entry]
    (copy / "card.json").write_text(json.dumps(card))
    with pytest.raises(ModelError, match=entry):
        load_model(copy)


def test_a_model_is_found_by_name_by_folder_and_by_run(copy: Path, tmp_path: Path) -> None:
    shipped = load_model()
    assert load_model(SHIPPED).folder == load_model(Path(SHIPPED)).folder == find_model() == shipped.folder
    assert load_model(copy).folder == load_model(tmp_path).folder == copy
    assert load_model(LOCATOR).task == "brain"
    assert shipped.task == "lesions"
    with pytest.raises(ModelError, match=SHIPPED):
        load_model("dawson-0")


@pytest.mark.parametrize("inner", ["", "model"], ids=["model folder", "run folder"])
def test_a_name_that_means_two_models_is_refused(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inner: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (SHIPPED, LOCATOR):
        shutil.copytree(copy, tmp_path / name / inner)
        with pytest.raises(ModelError, match="whole path"):
            load_model(name)
        assert load_model(tmp_path / name).folder == tmp_path / name / inner
    _shipped.cache_clear()
    assert about_locator()["name"] == LOCATOR  # what dawson itself needs is never taken from the current folder
    assert load_model().folder == find_model()
    monkeypatch.chdir(find_model().parent)
    assert load_model(SHIPPED).threshold == load_model().threshold


def test_a_card_that_cannot_be_written_stays_as_it_was(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    model = load_model(copy)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_card(copy, dict(model.card) | {"threshold": 0.5})
    assert load_model(copy).threshold == model.threshold
    assert sorted(file.name for file in copy.iterdir()) == sorted(file.name for file in model.folder.iterdir())


def test_subsets_are_named_in_the_order_of_sequences() -> None:
    assert subset_names(["t2+flair", "t1"]) == ["t1", "flair+t2"]
    assert load_model().inputs == tuple(subset_names(load_model().recipe.synthesis.subsets))
