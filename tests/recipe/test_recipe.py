"""A recipe is checked field by field, and survives the way into a card and back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from dawson.core.errors import UsageError
from dawson.recipe import load_recipe, recipe_from_dict, recipe_names, recipe_to_dict, recipe_to_toml


def test_the_shipped_recipe_loads() -> None:
    recipe = load_recipe("dawson")
    assert recipe.name == "dawson"
    assert recipe.prepare.spacing_mm == 1.0


def test_a_recipe_survives_json() -> None:
    recipe = load_recipe("dawson", {"optimizer.lr": "1e-5", "synthesis.noise": "[0.1, 0.2]"})
    assert recipe_from_dict(json.loads(json.dumps(recipe_to_dict(recipe)))) == recipe


def test_overrides_reach_their_field() -> None:
    assert load_recipe("dawson", {"optimizer.lr": "3e-4"}).optimizer.lr == 3e-4
    assert load_recipe("dawson", {"loss.anatomy": "1"}).loss.anatomy == 1.0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("optimizer.lr", '"fast"'),
        ("optimizer.steps", "1.5"),
        ("optimizer.precision", "1"),
        ("optimizer.precision", '"f16"'),
        ("optimizer.speed", "1"),
        ("network.widths", "16"),
        ("network.widths", "[16, 32]"),
        ("synthesis.noise", "[0.1]"),
        ("synthesis.subsets", "1"),
        ("prepare.window", "100"),
        ("prepare", "3"),
        ("prepare.spacing_mm", "2.0"),
        ("prepare.overlap", "1.0"),
        ("optimizer.batch", "0"),
        ("optimizer.reuse", "0"),
        ("synthesis.thick", "1.5"),
        ("synthesis.subsets", "{pd = 1.0}"),
        ("name.x", "1"),
        ("optimizer.schedule", "cosine"),
        ("optimizer.schedule", '"linear"'),
        ("optimizer.seed", "1e30"),
        ("loss.anatomy_weights", "[1.0, 2.0]"),
        ("loss.lambda", "1.5"),
        ("volume.shape", "[16, 16, 16]"),
        ("volume.percentiles", "[90.0, 10.0]"),
        ("synthesis.small_lesion_count", "0.5"),
        ("synthesis.thickest_mm", "2.0"),
        ("synthesis.noise", "[0.1, 0.02]"),
        ("synthesis.noise", "[0.0, 0.02]"),
        ("synthesis.contrast", "[1.0, 0.5]"),
        ("synthesis.border", "0.0"),
        ("synthesis.bias", "inf"),
        ("optimizer.lr", "nan"),
        ("optimizer.batch", "true"),
        ("network.widths", "[]"),
        ("network.convolutions", "[0, 2, 2, 2, 2]"),
    ],
)
def test_a_wrong_field_is_named(key: str, value: str) -> None:
    with pytest.raises(UsageError, match=key.split(".", maxsplit=1)[0]):
        load_recipe("dawson", {key: value})


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("synthesis.thickest_mm", "2.0", "'synthesis.thickest_mm' is 2.0; give a number between 3 and 20."),
        ("optimizer.batch", "1.5", "'optimizer.batch' is 1.5; give a whole number between 1 and 4096."),
        ("optimizer.lr", "0", "'optimizer.lr' is 0; give a number above 0."),
        ("optimizer.precision", '"fp8"', "'optimizer.precision' is 'fp8'; give 'auto' or 'bf16' or 'f32'."),
        (
            "synthesis.noise",
            "[0.1]",
            "'synthesis.noise' is [0.1]; give a list of 2, each a number between 0.0001 and 1.",
        ),
        ("synthesis.visible", "1", "'synthesis.visible' is 1; give true or false."),
    ],
)
def test_an_error_says_what_was_found_and_what_may_be(key: str, value: str, sentence: str) -> None:
    with pytest.raises(UsageError) as refused:
        load_recipe("dawson", {key: value})
    assert sentence in str(refused.value)


def test_a_recipe_that_is_changed_in_code_is_checked_too() -> None:
    recipe = load_recipe("dawson")
    with pytest.raises(ValidationError, match="thickest_mm"):
        replace(recipe.synthesis, thickest_mm=2.0)
    with pytest.raises(UsageError, match="window"):
        replace(recipe, prepare=replace(recipe.prepare, window=100))


def test_a_recipe_that_is_shown_with_its_meanings_is_the_same_recipe(tmp_path: Path) -> None:
    recipe = load_recipe("paper")
    text = recipe_to_toml(recipe, explain=True)
    (tmp_path / "shown.toml").write_text(text, "utf-8")
    assert load_recipe(tmp_path / "shown.toml") == recipe
    assert "# Least probability of a lesion voxel." in text
    assert "# λ; written ``lambda`` in TOML." in text


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere"):
        load_recipe(tmp_path / "nowhere.toml")
    (tmp_path / "broken.toml").write_text("name = ")
    with pytest.raises(UsageError, match="TOML"):
        load_recipe(tmp_path / "broken.toml")
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    with pytest.raises(UsageError, match="UTF-8"):
        load_recipe(tmp_path / "latin.toml")
    (tmp_path / "nameless.toml").write_text("[loss]\nanatomy = 1.0")
    with pytest.raises(UsageError, match="incomplete"):
        load_recipe(tmp_path / "nameless.toml")


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_survives_toml(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name, {"loss.lambda": "0.25"})
    (tmp_path / "again.toml").write_text(recipe_to_toml(recipe), "utf-8")
    assert load_recipe(tmp_path / "again.toml") == recipe
    assert recipe.loss.lambda_ == load_recipe(name, {"loss.lambda_": "0.25"}).loss.lambda_ == 0.25


def test_the_paper_is_as_stated() -> None:
    paper = load_recipe("paper")
    assert paper.volume is not None
    assert paper.volume.shape == (160, 160, 96)
    assert (paper.optimizer.algorithm, paper.optimizer.lr, paper.optimizer.batch) == ("adam", 1e-4, 2)
    assert paper.optimizer.steps == 50_000
    assert -(-paper.optimizer.steps // paper.optimizer.steps_per_epoch) == 120
    assert (paper.optimizer.schedule, paper.optimizer.factor, paper.optimizer.patience_epochs) == ("plateau", 0.1, 5)
