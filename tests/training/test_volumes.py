"""Training on whole volumes of labelled cases, as the paper does, at a toy's size."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.core.arrays import UNSURE
from dawson.core.errors import DawsonError, EvaluationError, InputError, UsageError
from dawson.core.study import Modality, Scan, Study
from dawson.model.card import load_model
from dawson.nifti.scan import read_scan
from dawson.preparation.register import Alignment
from dawson.recipe import Augment, Recipe, load_recipe
from dawson.segmentation.pipeline import segment
from dawson.training import distributed, prepared_cases
from dawson.training.prepared_cases import Example, prepare_examples
from dawson.training.run_folder import CHECKPOINT, read_record
from dawson.training.sources import SingleVolumes, augment
from fixtures.runs import train_with as train
from fixtures.weights import weights_of

TINY = {
    "volume.shape": "[16, 16, 16]",
    "volume.spacing_mm": "[12.0, 14.0, 11.0]",
    "volume.blur_mm": "2.0",
    "volume.kernel_mm": "10.0",
    "network.widths": "[4, 8]",
    "network.convolutions": "[1, 1]",
    "optimizer.steps": "12",
    "optimizer.steps_per_epoch": "4",
    "optimizer.lr": "1e-2",
}


def run(out: Path, toy_cohort: Path, **options: object) -> Path:
    overrides = TINY | dict(options.pop("overrides", {}))  # type: ignore[call-overload]
    options = {"split": "6/4/2", "test": False, "workers": 0} | options
    return train("paper", out, cases=toy_cohort, overrides=overrides, **options)  # type: ignore[arg-type]


def test_an_interrupted_run_ends_with_the_same_weights(tmp_path: Path, toy_cohort: Path) -> None:
    whole = run(tmp_path / "whole", toy_cohort)
    run(tmp_path / "parts", toy_cohort, steps=3)
    parts = run(tmp_path / "parts", toy_cohort, steps=6, resume=True)
    parts = run(tmp_path / "parts", toy_cohort, resume=True)
    one, two = (weights_of(folder) for folder in (whole, parts))
    assert all(torch.equal(one[name], two[name]) for name in one)
    first, second = (read_record(tmp_path / name / "record.jsonl") for name in ("whole", "parts"))
    epochs = [[(e["epoch"], e["train"], e["validation"]) for e in r if e["event"] == "epoch"] for r in (first, second)]
    assert len(epochs[0]) == 3
    assert epochs[0] == epochs[1]
    result = json.loads((tmp_path / "parts" / "result.json").read_text())
    assert result["finished"]
    assert result["best"]["dice"] == max(e[2]["dice"] for e in epochs[0])


def test_what_nobody_is_sure_of_is_kept_beside_the_lesions(tmp_path: Path, toy_cohort: Path) -> None:
    case = find_cases(toy_cohort)[0]
    image = nib.load(case.mask)
    lesion = np.asanyarray(image.dataobj) > 0
    around = np.roll(lesion, 3, axis=0) | lesion
    nib.save(nib.Nifti1Image(around.astype(np.uint8), image.affine), tmp_path / "unsure.nii.gz")
    recipe = load_recipe("paper", TINY)
    labels = []
    for one in (case, replace(case, unsure=tmp_path / "unsure.nii.gz")):
        example = Example(one, (Modality.FLAIR,))
        (kept,) = prepare_examples([example], check_cases([one]), recipe, tmp_path / "cache")
        assert kept.slices == {Modality.FLAIR: (0, 8.0)}
        labels.append(np.array(kept.lesion))
    assert set(np.unique(labels[0])) == {0, 1}
    assert np.array_equal(labels[1] == 1, labels[0] == 1)
    assert (labels[1] == UNSURE).any()


def test_training_and_inference_prepare_a_scan_alike(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the network is shown in inference, caught at its door, is what training kept, to the last bit."""
    folder = run(tmp_path / "run", toy_cohort, steps=1)
    model = load_model(folder)
    cases = find_cases(toy_cohort)
    shown: list[np.ndarray] = []

    def engine(_: Path, **__: object) -> Callable[[np.ndarray], np.ndarray]:
        def infer(images: np.ndarray) -> np.ndarray:
            shown.append(images)
            return np.zeros((1, *images.shape[1:]), np.float32)

        return infer

    monkeypatch.setattr("dawson.segmentation.pipeline.load_engine", engine)
    for modality in (Modality.FLAIR, Modality.T1):
        example = Example(cases[0], (modality,))
        (kept,) = prepare_examples([example], check_cases(cases), model.recipe, tmp_path / "cache")
        segment(Study({modality: read_scan(cases[0].scans[modality], modality)}), model=folder)
        images, _, _, _ = SingleVolumes([kept], calm(model.recipe)).draw(0)
        assert np.array_equal(images.numpy(), shown.pop())


def calm(recipe: Recipe) -> Recipe:
    """The recipe without augmentation."""
    return replace(
        recipe, augment=Augment(flip_vertical=0.0, flip_horizontal=0.0, brightness=0.0, contrast=0.0, noise=0.0)
    )


def test_the_model_segments_one_sequence_at_a_time(tmp_path: Path, toy_cohort: Path) -> None:
    model = run(tmp_path / "run", toy_cohort, steps=2)
    case = find_cases(toy_cohort)[0]
    scans = {s: read_scan(f, s) for s, f in case.scans.items()}
    both = segment(Study(scans), model=model)
    assert both.used == (Modality.FLAIR,)
    assert any("T1 had no part" in warning for warning in both.warnings)
    alone = segment(Study({Modality.FLAIR: scans[Modality.FLAIR]}), model=model)
    assert np.array_equal(both.probability, alone.probability)
    assert both.probability.shape == scans[Modality.FLAIR].grid.shape


def test_it_learns_to_find_bright_balls(tmp_path: Path, toy_cohort: Path) -> None:
    wanted = {"optimizer.steps": "160", "optimizer.steps_per_epoch": "40", "loss.lambda": "0.2"}
    run(tmp_path / "run", toy_cohort, overrides=wanted)
    epochs = [e for e in read_record(tmp_path / "run" / "record.jsonl") if e["event"] == "epoch"]
    assert epochs[-1]["train"]["dice"] > max(0.3, 2 * epochs[0]["train"]["dice"])
    assert set(epochs[-1]["validation"]["by_sequence"]) == {"flair", "t1"}


def test_another_split_is_taken_before_the_first_step_and_refused_after_it(tmp_path: Path, toy_cohort: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(DawsonError, match="network"):
        run(out, toy_cohort, overrides={"optimizer.lr": "1e30"}, start=load_model(None).folder)
    run(out, toy_cohort, steps=1, split="4/4/4")
    kept = (out / "split.tsv").read_text()
    run(out, toy_cohort, steps=2, split="4/4/4", resume=True)
    run(out, toy_cohort, steps=3, split=None, resume=True)
    assert (out / "split.tsv").read_text() == kept
    with pytest.raises(UsageError, match="another split"):
        run(out, toy_cohort, split="6/4/2", resume=True)
    with pytest.raises(UsageError, match="another model"):
        run(out, toy_cohort, start=out / "model", resume=True)


def test_every_epoch_ends_with_one_checkpoint(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved: list[int] = []
    monkeypatch.setattr("dawson.training.checkpoint.save", lambda *given: saved.append(given[-1].step))
    run(tmp_path / "run", toy_cohort)
    run(tmp_path / "part", toy_cohort, steps=6)
    assert saved == [4, 8, 12, 4, 6]


def test_more_steps_than_first_planned_make_further_epochs(tmp_path: Path, toy_cohort: Path) -> None:
    wanted = {"optimizer.steps": "6"}  # one and a half epochs
    run(tmp_path / "run", toy_cohort, overrides=wanted)
    assert (tmp_path / "run" / "result.json").exists()
    run(tmp_path / "run", toy_cohort, overrides=wanted | {"optimizer.steps": "10"}, resume=True)
    epochs = [e for e in read_record(tmp_path / "run" / "record.jsonl") if e["event"] == "epoch"]
    assert [(e["epoch"], e["step"]) for e in epochs] == [(1, 4), (2, 6), (3, 10)]
    assert all(0.3 < e["train"]["loss"] < 3 for e in epochs)  # means, whatever the number of steps
    card = load_model(tmp_path / "run").card
    assert [rate["steps"] for rate in card["rates"]] == [6, 10]


def test_a_damaged_prepared_scan_is_made_again(tmp_path: Path, toy_cohort: Path) -> None:
    cases = find_cases(toy_cohort)[:2]
    facts, recipe = check_cases(cases), load_recipe("paper", TINY)
    examples = [Example(cases[0], (Modality.FLAIR,))]
    (whole,) = prepare_examples(examples, facts, recipe, tmp_path)
    before = np.array(whole.images)
    for damage in (b"", b"nonsense"):
        file = next(tmp_path.glob("*/images.npy"))
        file.unlink()
        file.write_bytes(damage)
        (again,) = prepare_examples(examples, facts, recipe, tmp_path)
        assert np.array_equal(again.images, before)


def test_patients_keep_to_their_sets(tmp_path: Path, toy_cohort: Path) -> None:
    run(tmp_path / "run", toy_cohort, steps=1)
    rows = [line.split("\t") for line in (tmp_path / "run" / "split.tsv").read_text().splitlines()[1:]]
    sets: dict[str, set[str]] = {}
    for patient, _, _, name in rows:
        sets.setdefault(patient, set()).add(name)
    assert all(len(own) == 1 for own in sets.values())
    assert [sum(row[3] == name for row in rows) for name in ("train", "validation", "test")] == [6, 4, 2]
    again = tmp_path / "again"
    run(again, toy_cohort, steps=1, split=tmp_path / "run" / "split.tsv")
    assert (again / "split.tsv").read_text() == (tmp_path / "run" / "split.tsv").read_text()


def without_validation(toy_cohort: Path, file: Path) -> Path:
    lines = ["patient\tvisit\tsequence\tset"]
    for case in find_cases(toy_cohort):
        role = "train" if case.patient in ("p0", "p1") else "unused"
        lines += [f"{case.patient}\t{case.visit}\t{modality}\t{role}" for modality in case.scans]
    file.write_text("\n".join(lines) + "\n")
    return file


def test_without_a_validation_set_the_last_weights_are_the_model(tmp_path: Path, toy_cohort: Path) -> None:
    split, out = without_validation(toy_cohort, tmp_path / "own.tsv"), tmp_path / "run"
    wanted = {"optimizer.schedule": '"cosine"', "optimizer.steps": "6"}
    model = run(out, toy_cohort, split=split, overrides=wanted)
    weights, last = weights_of(model), load_file(out / CHECKPOINT)
    assert weights.keys() == {name.removeprefix("model.") for name in last if name.startswith("model.")}
    assert all(torch.equal(weights[name], last[f"model.{name}"].half().float()) for name in weights)
    assert "validation" not in load_model(out).card
    assert json.loads((out / "result.json").read_text())["best"] is None


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({}, r"optimizer\.schedule"),  # the paper's waits for the validation Dice to stand still
        ({"optimizer.schedule": '"cosine"', "optimizer.early_stop_epochs": "3"}, r"optimizer\.early_stop_epochs"),
    ],
)
def test_a_recipe_that_goes_by_validation_needs_a_validation_set(
    tmp_path: Path, toy_cohort: Path, wanted: dict[str, str], field: str
) -> None:
    split = without_validation(toy_cohort, tmp_path / "own.tsv")
    with pytest.raises(UsageError, match=rf"own\.tsv: leaves no volume to validate with, .*{field}.*; give some"):
        run(tmp_path / "run", toy_cohort, split=split, overrides=wanted)
    assert not (tmp_path / "run" / "split.tsv").exists()


def test_a_loss_that_is_no_number_names_the_scan(tmp_path: Path, toy_cohort: Path) -> None:
    with pytest.raises(DawsonError, match=r"p\d_v1 \((flair|t1)\)"):
        run(tmp_path / "run", toy_cohort, overrides={"optimizer.lr": "1e30"})


def test_going_on_from_a_model(tmp_path: Path, toy_cohort: Path) -> None:
    model = run(tmp_path / "run", toy_cohort)
    before = weights_of(model)
    options = {"optimizer.lr": "1e-12"}
    after = weights_of(run(tmp_path / "tuned", toy_cohort, start=model, overrides=options, steps=1))
    assert all(torch.allclose(before[name], after[name]) for name in before)
    with pytest.raises(DawsonError, match="network"):
        run(tmp_path / "other", toy_cohort, start=model, overrides={"network.widths": "[4, 12]"})


def test_validation_that_stands_still_lowers_the_rate_and_ends_the_run(tmp_path: Path, toy_cohort: Path) -> None:
    wanted = {
        "optimizer.lr": "1e-9",  # too low to change anything
        "optimizer.patience_epochs": "2",
        "optimizer.early_stop_epochs": "4",
        "optimizer.steps_per_epoch": "1",
    }
    run(tmp_path / "run", toy_cohort, overrides=wanted)
    rates = [e["lr"] for e in read_record(tmp_path / "run" / "record.jsonl") if e["event"] == "epoch"]
    assert rates == pytest.approx([1e-9] * 3 + [1e-10] * 2)
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["finished"]
    assert result["steps"] == 5


@pytest.mark.parametrize(("off_mm", "aligned"), [(0.03, False), (0.3, True)])
def test_a_scan_that_lies_a_rounded_header_off_its_mask_is_not_moved(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch, off_mm: float, aligned: bool
) -> None:
    """The mask was drawn on the FLAIR; the T1 lies on the same grid but for what a program has rounded."""
    case = find_cases(toy_cohort)[0]
    image = nib.load(case.scans[Modality.T1])
    affine = image.affine.copy()
    affine[0, 3] += off_mm
    moved = tmp_path / "t1.nii.gz"
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), moved)
    case = replace(case, scans={**case.scans, Modality.T1: moved})
    asked: list[float] = []

    def found(scan: Scan, reference: Scan) -> Alignment:
        asked.append(float(scan.grid.affine[0, 3] - reference.grid.affine[0, 3]))
        return Alignment(np.eye(4), "headers kept", 0.0, 0.0, "")

    monkeypatch.setattr("dawson.training.prepared_cases.align", found)
    recipe = load_recipe("paper", TINY)
    prepare_examples([Example(case, (Modality.T1,))], check_cases([case]), recipe, tmp_path / "cache")
    assert asked == ([pytest.approx(off_mm, abs=1e-4)] if aligned else [])


def test_prepared_scans_are_kept_and_shared(tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = find_cases(toy_cohort)[:2]
    facts = check_cases(cases)
    recipe = load_recipe("paper", TINY)
    examples = [Example(case, (Modality.FLAIR,)) for case in cases]
    first = prepare_examples(examples, facts, recipe, tmp_path)
    folders = sorted(tmp_path.iterdir())
    monkeypatch.setattr("dawson.training.prepared_cases.read_scan", None)  # nothing needs to be read again
    second = prepare_examples(examples, facts, recipe, tmp_path)
    assert sorted(tmp_path.iterdir()) == folders
    assert all(np.array_equal(a.images, b.images) for a, b in zip(first, second, strict=True))
    monkeypatch.undo()
    assert recipe.volume is not None
    other = replace(recipe, volume=replace(recipe.volume, blur_mm=1.0))
    prepare_examples(examples, facts, other, tmp_path)
    assert len(list(tmp_path.iterdir())) == 2 * len(folders)


def test_a_full_disk_is_told_and_leaves_nothing_broken(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = find_cases(toy_cohort)[:2]
    facts, recipe = check_cases(cases), load_recipe("paper", TINY)
    examples = [Example(case, (Modality.FLAIR,)) for case in cases]
    real = np.save

    def full(file: Path, array: np.ndarray) -> None:
        if "lesion" in str(file):
            raise OSError(28, "No space left on device")
        real(file, array)

    monkeypatch.setattr("dawson.training.prepared_cases.np.save", full)
    with pytest.raises(UsageError, match="No space left"):
        prepare_examples(examples, facts, recipe, tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.undo()
    assert len(prepare_examples(examples, facts, recipe, tmp_path)) == 2


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_loses_nothing_and_is_answered(tmp_path: Path, toy_cohort: Path, number: int, code: int) -> None:
    """A real process without a terminal, stopped by a real signal, goes on to the weights of one left alone."""
    program = (
        "import sys; from pathlib import Path; from dawson.cli.app import main; "
        "main(['train', '--recipe', 'paper', '--cases', sys.argv[1], '-o', sys.argv[2], '--split', '6/4/2', "
        "'--no-test', "
        "*[w for k in sys.argv[3:] for w in ('--set', k)]])"
    )
    settings = [f"{k}={v}" for k, v in (TINY | {"optimizer.steps": "120", "optimizer.steps_per_epoch": "20"}).items()]
    out = tmp_path / "run"
    command = [sys.executable, "-c", program, str(toy_cohort), str(out), *settings]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        record = out / "record.jsonl"
        if record.exists() and len(record.read_text().splitlines()) >= 2:
            process.send_signal(number)
            break
        time.sleep(0.02)
    _, told = process.communicate(timeout=120)
    assert process.returncode == code, told
    assert "--resume" in told
    lines = told.splitlines()
    assert any(line.startswith("Training paper: 120 steps in ") for line in lines), told
    assert any(line.startswith("step 1 of 120, loss ") for line in lines)
    assert sum(line.startswith("step ") for line in lines) <= 3  # of hundreds: one a minute
    assert (out / CHECKPOINT).exists()
    resumed = run(out, toy_cohort, resume=True, overrides=dict(s.split("=", 1) for s in settings))
    whole = run(tmp_path / "whole", toy_cohort, overrides=dict(s.split("=", 1) for s in settings))
    one, two = (weights_of(folder) for folder in (whole, resumed))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_two_processes_step_as_one(tmp_path: Path, toy_cohort: Path) -> None:
    """torchrun with two processes (gloo) has one process's gradients, and so its weights."""
    settings = TINY | {"optimizer.steps": "3", "optimizer.precision": '"f32"', "optimizer.batch": "4"}
    program = tmp_path / "ddp.py"
    program.write_text(
        "import sys; from pathlib import Path; from dawson.training.run import train\n"
        "from dawson.training.settings import TrainingData, TrainingOptions\n"
        "data = TrainingData(cases=Path(sys.argv[2]), split='6/4/2')\n"
        f"train('paper', sys.argv[1], data, TrainingOptions(test=False, workers=0, overrides={settings!r}))\n"
    )
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-addr", "127.0.0.1"]
    launch += ["--master-port", "0", "--rdzv-backend", "c10d", "--rdzv-endpoint", "127.0.0.1:0", str(program)]
    done = subprocess.run(
        [*launch, str(tmp_path / "two"), str(toy_cohort)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    run(tmp_path / "one", toy_cohort, overrides=settings)
    one, two = (load_file(tmp_path / name / CHECKPOINT) for name in ("one", "two"))
    moments = [name for name in one if name.endswith("exp_avg")]
    assert moments  # running means of the gradients
    assert all(torch.allclose(one[name], two[name], rtol=1e-4, atol=1e-7) for name in moments)


def test_augmentation_moves_the_mask_with_the_image() -> None:
    rng = np.random.default_rng(1)
    images, lesion = torch.rand(1, 6, 7, 8), torch.zeros(6, 7, 8, dtype=torch.uint8)
    lesion[1, 2, 3] = 1
    images[0, 1, 2, 3] = 5.0  # an unmistakable voxel; clipped to 1 at the end
    calm = Augment(flip_vertical=1.0, flip_horizontal=1.0, brightness=0.0, contrast=0.0, noise=0.0)
    seen, mask = augment(images, lesion, calm, rng)
    assert mask[4, 4, 3] == 1
    assert seen[0, 4, 4, 3] == 1.0
    wild, _ = augment(images.clamp(0, 1), lesion, Augment(noise=0.5), rng)
    assert 0 <= float(wild.min()) <= float(wild.max()) <= 1


def test_a_finished_run_tests_once_and_draws_its_curves(tmp_path: Path, toy_cohort: Path) -> None:
    told: list[dict[str, object]] = []
    out = tmp_path / "run"
    run(out, toy_cohort, test=True, split="8/2/2", progress=told.append)
    for picture in ("curves.png", "by_sequence.png", "test/charts/dice.png"):
        assert (out / picture).read_bytes().startswith(b"\x89PNG")
    summary = json.loads((out / "test" / "summary.json").read_text())
    assert set(summary["predictions"]) == {"flair", "t1"}
    result = json.loads((out / "result.json").read_text())
    assert result["test"] == {name: summary["predictions"][name]["dice"]["mean"] for name in ("flair", "t1")}
    rows = (out / "test" / "metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 2
    assert any("Test set:" in line for record in told if record["event"] == "table" for line in record["lines"])  # type: ignore[union-attr]
    before = (out / "test" / "summary.json").stat().st_mtime_ns
    run(out, toy_cohort, test=True, split="8/2/2", resume=True)
    assert (out / "test" / "summary.json").stat().st_mtime_ns == before


def test_a_run_whose_test_fails_keeps_all_and_says_so(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object, **options: object) -> None:
        raise InputError("no brain was found", remedy="train longer")

    monkeypatch.setattr("dawson.training.finish.evaluate_model", fail)
    with pytest.raises(EvaluationError, match=r"no brain was found; train longer.*--resume") as raised:
        run(tmp_path / "run", toy_cohort, test=True, split="8/2/2")
    assert raised.value.exit_code == 1
    assert load_model(tmp_path / "run").card["steps"] == int(TINY["optimizer.steps"])
    assert "no brain" in json.loads((tmp_path / "run" / "result.json").read_text())["test"]["failed"]
    monkeypatch.undo()
    run(tmp_path / "run", toy_cohort, test=True, split="8/2/2", resume=True)  # tests again, trains no more


def test_scans_that_cannot_be_prepared_are_listed_together_or_left_out(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = prepared_cases.prepare_volume

    def prepare(scan: object, settings: object) -> object:
        if Path(scan.file).name in ("p1_flair.nii.gz", "p2_flair.nii.gz"):  # type: ignore[attr-defined]
            raise InputError("shows no brain", remedy="scan again", file=scan.file)  # type: ignore[attr-defined]
        return real(scan, settings)  # type: ignore[arg-type]

    monkeypatch.setattr(prepared_cases, "prepare_volume", prepare)
    with pytest.raises(InputError, match=r"(?s)2 of 12 images.*--skip-bad.*p[12]_flair.*p[12]_flair"):
        run(tmp_path / "run", toy_cohort, split="8/4/0", steps=1)
    told: list[dict[str, object]] = []
    options = {"split": "8/4/0", "steps": 1, "skip_bad": True, "progress": told.append}
    model = run(tmp_path / "other", toy_cohort, **options)
    lines = [line for record in told if record["event"] == "table" for line in record["lines"]]  # type: ignore[union-attr]
    assert sum(line.startswith("Left out: ") for line in lines) == 2
    assert load_model(model).card["data"]["left out"] == 2


def test_prepared_cases_are_kept_by_code_and_precision(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = find_cases(toy_cohort)[:1]
    facts = check_cases(find_cases(toy_cohort))
    example = Example(cases[0], (Modality.FLAIR,))
    finder = prepared_cases._Finder(load_model(None))
    windows = load_recipe("dawson", {})

    def key() -> str:
        return prepared_cases._key(example, facts[0], windows, finder)

    before = key()
    assert key() == before
    monkeypatch.setattr(prepared_cases, "precision", lambda model: "another")
    assert key() != before
    monkeypatch.undo()
    monkeypatch.setattr(prepared_cases, "code_hash", lambda parts: "another")
    assert key() != before


@pytest.mark.parametrize(
    ("wanted", "begun", "fast", "chosen"),
    [
        ("auto", None, True, "bf16"),
        ("auto", None, False, "f32"),
        ("auto", "bf16", True, "bf16"),
        ("auto", "f32", True, "f32"),
        ("auto", "f32", False, "f32"),
        ("auto", "bf16", False, "f32"),
        ("bf16", "f32", False, "bf16"),
        ("f32", "bf16", True, "f32"),
    ],
)
def test_precision_is_what_is_fast_and_a_run_keeps_it(
    monkeypatch: pytest.MonkeyPatch, wanted: str, begun: str | None, chosen: str, *, fast: bool
) -> None:
    monkeypatch.setattr(distributed, "fast_bf16", lambda: fast)
    assert distributed.choose_precision(wanted, torch.device("cpu"), begun=begun) == chosen


def test_a_resumed_run_keeps_its_precision_and_records_a_change(
    tmp_path: Path, toy_cohort: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr(distributed, "fast_bf16", lambda: False)
    run(tmp_path / "run", toy_cohort, steps=1, progress=told.append)
    monkeypatch.setattr(distributed, "fast_bf16", lambda: True)
    run(tmp_path / "run", toy_cohort, steps=2, resume=True, progress=told.append)
    wished = {"optimizer.precision": '"bf16"'}
    model = run(tmp_path / "run", toy_cohort, steps=3, resume=True, overrides=TINY | wished, progress=told.append)
    starts = [record for record in told if record["event"] == "start"]
    assert [record["precision"] for record in starts] == ["f32", "f32", "bf16"]
    assert starts[2]["precision_before"] == "f32"
    assert [rate["precision"] for rate in load_model(model).card["rates"]] == ["f32", "bf16"]
