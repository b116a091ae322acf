"""The training loop: it learns, resumes to the bit, exports what it trained, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from dawson.core.arrays import UNSURE
from dawson.core.errors import DawsonError, InputError, UsageError
from dawson.model.card import load_model
from dawson.recipe import Loss, Optimizer, load_recipe
from dawson.synthesis.label_maps import read_head, read_lesion_map
from dawson.training.loss import lesion_weight, loss
from dawson.training.schedule import Growth, learning_rate
from dawson.training.sources import BLOCK, Numbered, Patches
from fixtures.runs import train_with as train
from fixtures.weights import weights_of

TINY = {
    "prepare.window": "32",
    "network.widths": "[4, 8, 8]",
    "network.convolutions": "[1, 1, 1]",
    "optimizer.steps": "20",
    "optimizer.warm_up_steps": "4",
}


def run(out: Path, folders: tuple[Path, Path], **options: object) -> Path:
    maps, masks = folders
    overrides = TINY | dict(options.pop("overrides", {}))  # type: ignore[call-overload]
    return train("dawson", out, maps=maps, masks=masks, workers=0, overrides=overrides, **options)  # type: ignore[arg-type]


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    whole = run(tmp_path / "whole", toy_folders)
    run(tmp_path / "parts", toy_folders, steps=7)
    parts = run(tmp_path / "parts", toy_folders, resume=True)
    one, two = (weights_of(folder) for folder in (whole, parts))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    records = [json.loads(line) for line in (tmp_path / "whole" / "record.jsonl").read_text().splitlines()]
    assert [r["step"] for r in records if r["event"] == "step"] == [10, 20]


def test_the_model_loads_and_carries_its_recipe(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    run(tmp_path / "run", toy_folders, steps=1)
    model = load_model(tmp_path / "run")
    assert model.recipe.network.widths == (4, 8, 8)
    assert model.recipe.prepare.window == 32
    assert model.card["steps"] == 1


def test_going_on_from_a_model_keeps_its_rule_unless_told_otherwise(
    tmp_path: Path, toy_folders: tuple[Path, Path]
) -> None:
    first = run(tmp_path / "first", toy_folders, steps=1, overrides={"measure.threshold": "0.2", "measure.peak": "0.6"})
    card = json.loads((first / "card.json").read_text())
    fitted = {"calibration": {"t1": [1.5, 2.0]}, "anatomy_weights": [1, 9, 1, 1, 1, 1, 1, 1]}
    (first / "card.json").write_text(json.dumps(card | fitted))
    kept = load_model(run(tmp_path / "kept", toy_folders, steps=1, start=first))
    assert (kept.threshold, kept.peak) == (0.2, 0.6)
    assert kept.calibration == {"t1": (1.5, 2.0)}
    assert kept.anatomy_weights == (1, 9, 1, 1, 1, 1, 1, 1)
    assert kept.card["from"]["sha256"] == card["sha256"]["model.onnx"]
    own = {"measure.threshold": "0.4", "loss.anatomy_weights": "[1, 2, 1, 1, 1, 1, 1, 1]"}
    changed = load_model(run(tmp_path / "changed", toy_folders, steps=1, start=first, overrides=own))
    assert changed.threshold == 0.4
    assert not changed.calibration
    assert changed.anatomy_weights == (1, 2, 1, 1, 1, 1, 1, 1)
    run(tmp_path / "kept", toy_folders, steps=2, start=first, resume=True)  # the same recipe as before


def test_a_locator_trains_on_whole_heads_and_on_nothing_else(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    maps, masks = toy_folders
    small = TINY | {"optimizer.steps": "2"}
    folder = train("locator", tmp_path / "run", maps=maps, masks=masks, workers=0, overrides=small)
    assert load_model(folder).recipe.synthesis.whole_head
    with pytest.raises(UsageError, match="label maps only"):
        train("locator", tmp_path / "other", maps=maps, masks=masks, cases=tmp_path, workers=0, overrides=small)


def test_training_lowers_the_loss(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    records: list[dict[str, float]] = []
    overrides = {"optimizer.steps": "60", "optimizer.lr": "5e-3"}
    run(tmp_path / "run", toy_folders, overrides=overrides, progress=records.append)
    records = [r for r in records if r["event"] == "step"]
    assert records[-1]["anatomy"] < 0.9 * records[0]["anatomy"]


def test_an_old_run_is_not_overwritten(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    run(tmp_path / "run", toy_folders, steps=1)
    with pytest.raises(UsageError, match="--resume"):
        run(tmp_path / "run", toy_folders, steps=1)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    run(tmp_path / "run", toy_folders, steps=1)
    with pytest.raises(UsageError, match="recipe"):
        run(tmp_path / "run", toy_folders, resume=True, overrides={"network.widths": "[4, 8, 12]"})


def test_a_run_is_not_resumed_with_another_recipe(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    run(tmp_path / "run", toy_folders, steps=2)
    for change in ({"optimizer.seed": "2"}, {"synthesis.exclude_masks": '["one"]'}):
        with pytest.raises(UsageError, match="another recipe"):
            run(tmp_path / "run", toy_folders, resume=True, overrides=change)
    run(tmp_path / "run", toy_folders, resume=True, steps=3, overrides={"optimizer.lr": "1e-5"})
    with pytest.raises(UsageError, match="3 steps"):
        run(tmp_path / "run", toy_folders, resume=True, steps=2, overrides={"optimizer.lr": "1e-5"})


def test_a_misspelt_excluded_mask_is_no_secret(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="onee"):
        run(tmp_path / "run", toy_folders, overrides={"synthesis.exclude_masks": '["onee"]'})


def test_patches_are_seen_twice_and_not_kept(toy_folders: tuple[Path, Path]) -> None:
    maps, masks = toy_folders
    recipe = load_recipe("dawson", TINY)
    heads, lesions = [read_head(maps / "toy.nii.gz")], [read_lesion_map(masks / "one.nii.gz")]
    patches = Patches(heads, lesions, recipe)
    seen = [patches.draw(number) for number in range(4 * BLOCK)]
    for index in (0, BLOCK - 1):
        assert torch.equal(seen[index][2], seen[index + BLOCK][2].flip(0))
        assert not torch.equal(seen[index][2], seen[index + 2 * BLOCK][2])
    assert not patches.kept
    third = [Patches(heads, lesions, recipe) for _ in range(3)]
    for number in range(3 * BLOCK * 4):
        third[number % 3].draw(number)
    assert all(len(worker.kept) <= BLOCK for worker in third)
    later = Numbered(Patches(heads, lesions, recipe), range(BLOCK + 3, BLOCK + 12))
    assert all(torch.equal(a, b) for a, b in zip(later[0][:3], seen[BLOCK + 3][:3], strict=True))


def test_a_truncated_label_map_is_named(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    whole = (toy_folders[0] / "toy.nii.gz").read_bytes()
    (tmp_path / "cut.nii.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"cut\.nii\.gz"):
        read_head(tmp_path / "cut.nii.gz")


def test_an_output_that_is_a_file_is_refused(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    (tmp_path / "run").write_text("")
    with pytest.raises(UsageError, match="run"):
        run(tmp_path / "run", toy_folders)


def test_empty_folders_and_excluded_masks_are_named(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="no NIfTI"):
        run(tmp_path / "run", (tmp_path, toy_folders[1]))
    with pytest.raises(UsageError, match="exclude_masks"):
        run(tmp_path / "run", toy_folders, overrides={"synthesis.exclude_masks": '["one", "two"]'})


def test_a_loss_that_is_no_number_stops_the_run(tmp_path: Path, toy_folders: tuple[Path, Path]) -> None:
    with pytest.raises(DawsonError, match=r"optimizer\.lr"):
        run(tmp_path / "run", toy_folders, overrides={"optimizer.lr": "1e30", "optimizer.warm_up_steps": "1"})


def test_the_learning_rate_rises_then_falls() -> None:
    settings = Optimizer(lr=1.0, warm_up_steps=10, steps=110)
    rates = [learning_rate(step, settings, Growth()) for step in range(110)]
    assert int(np.argmax(rates)) in (9, 10)
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] < 0.02


def test_the_loss_is_small_for_the_truth_and_large_for_its_opposite() -> None:
    lesion = torch.zeros(1, 16, 16, 16, dtype=torch.uint8)
    lesion[0, 4:9, 4:9, 4:9] = 1
    anatomy = torch.randint(0, 8, (1, 16, 16, 16), dtype=torch.uint8)
    right = torch.cat(
        [
            (lesion.float() * 40 - 20)[:, None],
            torch.nn.functional.one_hot(anatomy.long(), 8).permute(0, 4, 1, 2, 3) * 20.0,
        ],
        1,
    )
    good, _ = loss(right, lesion, anatomy, Loss())
    bad, _ = loss(-right, lesion, anatomy, Loss())
    assert float(good) < 0.01 < 5 < float(bad)


def test_small_lesions_weigh_more_a_voxel() -> None:
    truth = torch.zeros(1, 40, 40, 40)
    truth[0, 5, 5, 5] = 1
    truth[0, 20:34, 20:34, 20:34] = 1
    weight = lesion_weight(truth, 4.0)[0]
    assert float(weight[0, 0, 0]) == 1
    assert float(weight[5, 5, 5]) > 4 > 1.2 > float(weight[27, 27, 27])


def test_the_loss_does_not_look_where_nobody_is_sure() -> None:
    generator = torch.Generator().manual_seed(0)
    lesion = torch.zeros(1, 16, 16, 16, dtype=torch.uint8)
    lesion[0, 4:8, 4:8, 4:8] = 1
    lesion[0, 10:14, 4:8, 4:8] = UNSURE
    logits = torch.randn(1, 1, 16, 16, 16, generator=generator, requires_grad=True)
    total, _ = loss(logits, lesion, lesion, Loss())
    (slope,) = torch.autograd.grad(total, logits)
    assert not bool(slope[:, 0][lesion == UNSURE].any())
    assert bool((slope[:, 0][lesion != UNSURE] != 0).all())
