"""Grid search with a stand-in for training: the grid, the ranking, what is kept, and jobs on this machine."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dawson.cli import app as cli
from dawson.cli.search import _progress
from dawson.core.errors import InputError, UsageError
from dawson.model.card import SHIPPED, load_model
from dawson.searching import submit
from dawson.searching.grid import expand
from dawson.searching.ranking import RankedPoint, rank
from dawson.searching.slurm import parse_slurm, slurm_minutes
from dawson.searching.task import Place, Task, carry_out, epochs_of, parse_place, result_of
from dawson.training.settings import TrainingData, TrainingOptions
from fixtures import quick_train
from fixtures.runs import search_with

RATES, SHARES = "optimizer.lr=1e-3,1e-4,1e-5", "loss.lambda=0.25,0.5,0.75"
BEST = "lr=0.0001_lambda=0.5"


@pytest.fixture(scope="module")
def cases(tmp_path_factory, write_head) -> Path:
    return quick_train.write_cohort(tmp_path_factory.mktemp("cohort") / "cases", write_head)


@pytest.fixture
def find(cases: Path):
    def run(out: Path, *grid: str, **options):
        usual = {"run": quick_train.train, "cases": cases, "split": "4/1/1"}
        return search_with("paper", out, grid=grid or (RATES, SHARES), **{**usual, **options})

    return run


# --- the grid ---


def test_every_combination_is_a_point_with_a_name_of_its_own() -> None:
    axes, points = expand("paper", [RATES, SHARES])
    assert [axis.field for axis in axes] == ["optimizer.lr", "loss.lambda"]
    assert len({point.name for point in points}) == 9
    assert points[1].name == "lr=0.001_lambda=0.5"
    assert points[1].values == (1e-3, 0.5)
    assert points[1].overrides == {"optimizer.lr": "1e-3", "loss.lambda": "0.5"}


def test_names_depend_on_values_not_on_spelling() -> None:
    for grid in (["optimizer.lr=0.0010", "loss.lambda_=1"], ["optimizer.lr = 1e-3", "loss.lambda=1.0"]):
        assert [point.name for point in expand("paper", grid)[1]] == ["lr=0.001_lambda=1"]


def test_values_may_be_lists_words_and_flags() -> None:
    grid = ["network.widths=[4,8,8,8,8],[8,8,8,8,8]", 'name="a b","a,b"', 'optimizer.precision="bf16","f32"']
    names = [point.name for point in expand("paper", grid)[1]]
    assert len(set(names)) == 8
    assert all(name.startswith("widths=") and "/" not in name and " " not in name for name in names)


@pytest.mark.parametrize(
    ("grid", "words"),
    [
        (["optimizer.lr=1e-3", "optimizer.lr=1e-4"], "'optimizer.lr' twice"),
        (["loss.lambda=0.1", "loss.lambda_=0.2"], "'loss.lambda' twice"),
        (["optimizer.lr=1e-3,0.001"], "'optimizer.lr' holds 0.001 twice"),
        (["optimizer.rate=1e-3"], "'optimizer.rate' is unknown"),
        (["loss.lambda=0.5,1.5"], "'loss.lambda' is 1.5"),
        (["optimizer.batch=2,1.5"], "'optimizer.batch' is 1.5"),
        (["optimizer.lr=fast"], "'optimizer.lr' holds fast"),
        (["optimizer.lr=1e-3,"], "FIELD=VALUE"),
        (["optimizer.lr"], "FIELD=VALUE"),
        ([], "no grid"),
    ],
)
def test_a_grid_that_is_not_in_order_is_refused_before_any_run(tmp_path: Path, grid, words) -> None:
    with pytest.raises(UsageError, match=words):
        search_with("paper", tmp_path / "out", grid=grid, cases=tmp_path, run=quick_train.train)
    assert not (tmp_path / "out").exists()


def test_a_field_cannot_be_set_and_searched(find, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="both in the grid and set"):
        find(tmp_path / "out", SHARES, overrides={"loss.lambda_": "0.5"})


# --- the search ---


def test_points_are_ranked_on_validation_and_the_test_set_is_left_alone(find, tmp_path: Path) -> None:
    heard = []
    found = find(tmp_path / "out", tell=lambda *change: heard.append(change), overrides={"optimizer.seed": "3"})
    assert found.rows[0].point.name == BEST
    dice = [row.dice for row in found.rows]
    assert dice == sorted(dice, reverse=True)
    known = [json.loads((found.out / row.point.name / "known.json").read_text()) for row in found.rows]
    sets = [line.split("\t")[3] for line in (found.out / "split.tsv").read_text().splitlines()[1:]]
    assert sorted(sets) == ["test", "train", "train", "train", "train", "validation"]
    assert {(k["test"], k["split"], k["cache"]) for k in known} == {
        (False, str(found.out / "split.tsv"), str(found.out / "cache"))
    }
    assert all(k["overrides"]["optimizer.seed"] == "3" for k in known)
    lines = [line.split("\t") for line in (found.out / "search.tsv").read_text().splitlines()]
    assert lines[0][:5] == ["rank", "optimizer.lr", "loss.lambda", "dice", "iou"]
    assert lines[1][:6] == ["1", "0.0001", "0.5", "0.7000", "0.3500", "5"]
    record = json.loads((found.out / "search.json").read_text())
    assert record["best"]["point"] == BEST
    assert "validation" in record["ranked_by"]
    assert [point["dice"] for point in record["points"]] == dice
    assert {state for _, state, _ in heard} == {"running", "finished"}


def test_the_same_again_leaves_finished_points_alone_and_a_longer_grid_adds_some(find, tmp_path: Path) -> None:
    find(tmp_path / "out", "optimizer.lr=1e-3,1e-4")
    before = {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/lr=*/*")}
    heard = []
    found = find(tmp_path / "out", RATES, tell=lambda name, state, known: heard.append(name))
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert set(heard) == {"lr=1e-05"}
    assert [row.point.name for row in found.rows] == ["lr=0.0001", "lr=1e-05", "lr=0.001"]


def test_a_failed_point_is_told_does_not_stop_the_others_and_is_tried_again(find, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "broken").write_text("lr=0.0001")
    found = find(out, RATES)
    assert [row.state for row in found.rows] == ["finished", "finished", "failed"]
    assert "the loss is not a number; lower optimizer.lr" in found.rows[-1].reason
    assert "not a number" in (out / "search.tsv").read_text()
    (out / "broken").unlink()
    found = find(out, RATES)
    assert [row.state for row in found.rows] == ["finished"] * 3
    assert "not a number" not in (out / "search.tsv").read_text()


def test_an_error_that_nobody_foresaw_leaves_its_traceback(find, tmp_path: Path) -> None:
    def run(*arguments, **options):
        raise ZeroDivisionError("by\nnothing")

    found = find(tmp_path / "out", "optimizer.lr=1e-3", run=run)
    assert found.rows[0].reason == "ZeroDivisionError: by nothing"
    assert "Traceback" in (found.out / "jobs" / "lr=0.001.failed").read_text()


def test_ctrl_c_loses_nothing(find, tmp_path: Path) -> None:
    out = tmp_path / "out"

    def interrupt(name, state, known):
        if name == "lr=0.0001" and known.get("epoch") == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(out, RATES, tell=interrupt)
    states = [line.split("\t")[6] for line in (out / "search.tsv").read_text().splitlines()[1:]]
    assert states == ["finished", "unfinished", "unfinished"]
    found = find(out, RATES)
    assert all(row.state == "finished" for row in found.rows)
    assert json.loads((out / "lr=0.0001" / "known.json").read_text())["began_at"] == 3
    assert [record["epoch"] for record in epochs_of(out / "lr=0.0001")] == [1, 2, 3, 4, 5]


def test_a_folder_of_something_else_is_refused(find, tmp_path: Path) -> None:
    find(tmp_path / "out", RATES)
    with pytest.raises(UsageError, match=r"another search \(optimizer.batch was 2, now 4\)"):
        find(tmp_path / "out", RATES, overrides={"optimizer.batch": "4"})
    with pytest.raises(UsageError, match="another search"):
        find(tmp_path / "out", RATES, split="3/2/1")
    with pytest.raises(UsageError, match="a training run"):
        find(tmp_path / "out" / "lr=0.001", RATES)
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot hold the search"):
        find(tmp_path / "file", RATES)
    (tmp_path / "out" / "search.json").write_text("{")
    with pytest.raises(UsageError, match="no record of a search"):
        find(tmp_path / "out", RATES)


def test_points_without_a_figure_come_last_in_their_order() -> None:
    points = expand("paper", ["optimizer.seed=1,2,3,4"])[1]
    figures = (None, 0.2, None, 0.3)
    rows = rank([RankedPoint(p, "finished", dice) for p, dice in zip(points, figures, strict=True)])
    assert [row.point.values[0] for row in rows] == [4, 2, 1, 3]


def test_a_run_without_figures_is_not_ranked(find, tmp_path: Path) -> None:
    def run(recipe, out, *arguments, **options):
        out.mkdir()
        (out / "result.json").write_text('{"finished": true, "best": {"dice": NaN, "epoch": 0}}')

    found = find(tmp_path / "out", "optimizer.lr=1e-3", run=run)
    assert (found.rows[0].state, found.rows[0].dice) == ("finished", None)
    assert "no validation Dice" in found.rows[0].reason


def test_only_a_finished_result_counts(tmp_path: Path) -> None:
    for text in ('{"finished": false}', '{"finished"', "[]", ""):
        (tmp_path / "result.json").write_text(text)
        assert result_of(tmp_path) is None
    (tmp_path / "record.jsonl").write_text('{"event": "step"}\n{"event": "epoch", "epoch": 1}\n{"event": "ep')
    assert epochs_of(tmp_path) == [{"event": "epoch", "epoch": 1}]


def test_a_point_is_trained_by_one_process_at_a_time(tmp_path: Path) -> None:
    holder = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'a'); fcntl.lockf(f, 2); print(1, flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", holder, tmp_path / "point.lock"], stdin=-1, stdout=-1)
    task = Task("point", "paper", tmp_path / "point", TrainingData(), TrainingOptions(test=False))
    try:
        other.stdout.readline()
        assert carry_out(task, tmp_path, quick_train.train) == "another process is training it"
        assert not task.folder.exists()
    finally:
        other.kill()
        other.communicate()
    assert carry_out(task, tmp_path, quick_train.train) is None


def test_the_split_is_made_once_and_may_be_given(find, cases: Path, tmp_path: Path) -> None:
    first = find(tmp_path / "one", "optimizer.lr=1e-4", split="2/2/1")
    assert any("unused" in note for note in first.notes)
    written = (tmp_path / "one" / "split.tsv").read_text()
    find(tmp_path / "two", "optimizer.lr=1e-4", split=tmp_path / "one" / "split.tsv")
    assert (tmp_path / "two" / "split.tsv").read_text() == written
    find(tmp_path / "one", "optimizer.lr=1e-3,1e-4", split="2/2/1")
    assert (tmp_path / "one" / "split.tsv").read_text() == written


def test_a_split_without_a_validation_set_cannot_rank(find, tmp_path: Path) -> None:
    find(tmp_path / "one", "optimizer.lr=1e-4")
    split = tmp_path / "split.tsv"
    split.write_text((tmp_path / "one" / "split.tsv").read_text().replace("validation", "unused"))
    with pytest.raises(InputError, match=r"split\.tsv: leaves no volume to validate with"):
        find(tmp_path / "two", "optimizer.lr=1e-4", split=split)
    assert not list((tmp_path / "two").glob("lr=*"))


def test_cases_that_are_not_in_order_are_refused_before_any_run(find, tmp_path: Path) -> None:
    (tmp_path / "cases.tsv").write_text("patient\tflair\tmask\np1\tnone.nii\tnone-mask.nii\n")
    with pytest.raises(InputError, match=r"none\.nii"):
        find(tmp_path / "out", RATES, cases=tmp_path / "cases.tsv")
    with pytest.raises(UsageError, match="7"):
        find(tmp_path / "out", RATES, split="5/1/1")
    find(tmp_path / "out", "optimizer.lr=1e-4", split="4/1/1")  # nothing was left that is in the way


def test_real_training_is_searched_and_resumed(find, tmp_path: Path) -> None:
    def interrupt(name, state, known):
        if name == "lr=0.01" and known.get("epoch") == 1:
            raise KeyboardInterrupt

    options = {"run": None, "workers": 0, "overrides": quick_train.TINY}
    with pytest.raises(KeyboardInterrupt):
        find(tmp_path / "out", "optimizer.lr=1e-3,1e-2", tell=interrupt, **options)
    found = find(tmp_path / "out", "optimizer.lr=1e-3,1e-2", **options)
    assert [(row.state, row.steps) for row in found.rows] == [("finished", 4)] * 2
    for row in found.rows:
        folder = found.out / row.point.name
        epochs = epochs_of(folder)
        assert [record["epoch"] for record in epochs] == [1, 2]
        assert row.dice == pytest.approx(max(record["validation"]["dice"] for record in epochs), abs=1e-6)
        assert (folder / "split.tsv").read_text() == (found.out / "split.tsv").read_text()
        assert not (folder / "cache").exists()
        assert not json.loads((folder / "result.json").read_text()).get("test")


def test_a_search_goes_on_from_a_model_and_keeps_its_rule(find, tmp_path: Path) -> None:
    options = {"run": None, "workers": 0}
    told = quick_train.TINY | {"measure.threshold": "0.42"}
    first = find(tmp_path / "first", "optimizer.lr=1e-3", overrides=told, **options)
    model = first.out / first.rows[0].point.name
    found = find(tmp_path / "second", "optimizer.lr=1e-3,1e-2", start=model, overrides=quick_train.TINY, **options)
    for row in found.rows:
        assert row.state == "finished"
        folder = found.out / row.point.name
        begun = json.loads((folder / "recipe.json").read_text())["from"]
        assert begun["sha256"] == load_model(model).card["sha256"]["model.onnx"]
        assert load_model(folder).threshold == pytest.approx(0.42)


def test_every_point_goes_on_from_a_shipped_model_by_its_name(find, tmp_path: Path) -> None:
    started = []

    def run(recipe, folder, data, options, **more):
        started.append(options.start)
        return quick_train.train(recipe, folder, data, options, **more)

    find(tmp_path / "out", "optimizer.lr=1e-3,1e-4", run=run, start=Path(SHIPPED))
    assert [load_model(model).folder for model in started] == [load_model(SHIPPED).folder] * 2


# --- jobs on this machine ---


@pytest.fixture
def importable(monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)


def test_two_at_once_on_this_machine(find, tmp_path: Path, importable) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "broken").write_text("lr=0.001")
    (out / "slow").write_text("lr=0.0001 lr=1e-05")
    at_once, running = [], set()

    def tell(name, state, known):
        running.add(name) if state == "running" else running.discard(name)
        at_once.append(len(running))
        if "epoch" in known and len(running) == 2:  # both have begun, so neither waits for the other
            (out / "slow").unlink(missing_ok=True)

    found = find(out, RATES, place=Place("local", 2), tell=tell, poll_s=0.02)
    assert max(at_once) == 2
    assert [row.state for row in found.rows] == ["finished", "finished", "failed"]
    assert "not a number" in found.rows[-1].reason
    assert list((out / "jobs").glob("*_log.out"))


@pytest.mark.parametrize("background", [False, True], ids=["", "in the background"])
def test_ctrl_c_ends_the_jobs_on_this_machine(find, tmp_path: Path, importable, background: bool, request) -> None:
    """Also where the search itself was told to ignore SIGINT, as a script's background commands are."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    out = tmp_path / "out"
    out.mkdir()
    (out / "slow").write_text("lr=0.0001")

    def interrupt(name, state, known):
        if known.get("epoch") == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find(out, "optimizer.lr=1e-4", place=Place("local", 1), tell=interrupt, poll_s=0.02)
    (out / "slow").unlink()
    time.sleep(0.3)
    assert len(epochs_of(out / "lr=0.0001")) == 2  # nobody goes on with it
    found = find(out, "optimizer.lr=1e-4", place=Place("local", 1), poll_s=0.02)
    assert found.rows[0].state == "finished"
    assert json.loads((out / "lr=0.0001" / "known.json").read_text())["began_at"] == 2


def test_a_job_that_dies_is_told(find, tmp_path: Path, importable) -> None:
    found = find(tmp_path / "out", "optimizer.lr=1e-4", place=Place("local", 1), run=quick_train.die, poll_s=0.02)
    assert found.rows[0].state == "failed"
    assert re.search(r"job \d+ ended without a result; see .*_log\.err", found.rows[0].reason)


def test_jobs_on_this_machine_share_its_gpus_and_cores(monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(submit, "cores", lambda: 8)
    shares = [submit._environment(Place("local", 3), slot) for slot in range(3)]
    assert [share["CUDA_VISIBLE_DEVICES"] for share in shares] == ["3", "5", "3"]
    assert {share["OMP_NUM_THREADS"] for share in shares} == {"2"}
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in submit._environment(Place("local", 3), 0)
    assert submit._environment(Place("slurm", 3), 0) == {}


def test_a_search_within_a_slurm_job_does_not_hand_on_what_it_was_given(monkeypatch) -> None:
    given = {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_CONF": "/slurm.conf", "SBATCH_ACCOUNT": "ms"}
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with submit._outside_of_jobs():
        left = {name: os.environ[name] for name in given if name in os.environ}
    assert left == {"SLURM_CONF": "/slurm.conf", "SBATCH_ACCOUNT": "ms"}
    assert {name: os.environ[name] for name in given} == given


@pytest.mark.parametrize("text", ["cloud", "local:0", "local:", "slurm:x", "local:-1", ""])
def test_places_that_are_none(text: str) -> None:
    with pytest.raises(UsageError, match="--on"):
        parse_place(text)
    assert (parse_place(None), parse_place("slurm")) == (Place(), Place("slurm", None))
    assert (parse_place("local:3"), parse_place("slurm:8")) == (Place("local", 3), Place("slurm", 8))


def test_options_of_sbatch() -> None:
    assert parse_slurm(["partition=gpu,gres=gpu:1", "--cpus-per-task=4"]) == {
        "partition": "gpu",
        "gres": "gpu:1",
        "cpus_per_task": "4",
    }
    for wrong in (["gpu"], ["mem=1G,mem=2G"], ["array=1-4"], ["time=soon"], ["time="]):
        with pytest.raises(UsageError, match="--slurm"):
            parse_slurm(wrong)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("90", 90), ("90:30", 91), ("12:00:00", 720), ("2-00", 2880), ("1-02:30", 1590), ("1-00:00:01", 1441)],
)
def test_time_limits_as_sbatch_reads_them(text: str, minutes: int) -> None:
    assert slurm_minutes(text) == minutes


# --- the picture ---


@pytest.mark.parametrize(
    "grid", [[RATES], [RATES, SHARES], [RATES, SHARES, "optimizer.batch=1,2"], ["loss.lambda=0.5"]]
)
def test_a_picture_for_one_two_and_three_axes(find, tmp_path: Path, grid) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "broken").write_text("lr=0.001 lr=0.001_lambda=0.25 lr=0.001_lambda=0.25_batch=1")
    find(tmp_path / "out", *grid)
    with Image.open(tmp_path / "out" / "search.png") as picture:
        pixels = np.asarray(picture.convert("RGB"), dtype=int)
    orange = (abs(pixels - [0xC0, 0x50, 0x00]) < 40).all(axis=2)
    assert orange.sum() > 50  # the best point is marked


# --- the command ---


@pytest.fixture
def command(monkeypatch, capsys, tmp_path, cases):
    fit = type(sys)("dawson.training.run")
    fit.train = quick_train.train
    monkeypatch.setitem(sys.modules, "dawson.training.run", fit)

    def run(*arguments: str):
        with pytest.raises(SystemExit) as end:
            cli.main(["search", "-o", str(tmp_path / "out"), "--cases", str(cases), "--split", "4/1/1", *arguments])
        return (end.value.code, *capsys.readouterr())

    return run


def test_the_command_prints_the_ranking(command, tmp_path: Path) -> None:
    code, out, err = command("--grid", RATES, "--grid", SHARES)
    assert code == 0
    assert len(err.splitlines()) == 18  # each of nine points begins and ends
    assert f"{BEST}: finished" in err
    lines = out.splitlines()
    assert lines[0].split() == ["rank", "optimizer.lr", "loss.lambda", "dice", "iou", "epoch", "steps", "state"]
    assert lines[1].split() == ["1", "0.0001", "0.5", "0.7000", "0.3500", "5", "50", "finished"]
    assert BEST in lines[-1] and "untouched" in lines[-1]


def test_the_command_ends_with_1_where_a_point_failed(command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "broken").write_text("lr=0.001")
    code, out, err = command("--grid", RATES)
    assert code == 1
    assert "lr=0.001: " in err and "not a number" in err
    assert out.count("finished") == 2


def test_progress_is_shown_on_a_terminal(command, monkeypatch, tmp_path: Path) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "broken").write_text("lr=0.001")
    assert command("--grid", RATES)[0] == 1
    assert "finished  lr=0.0001" in stream.getvalue()
    assert "failed    lr=0.001 " in stream.getvalue()


def test_what_is_known_of_a_running_point() -> None:
    record = {"event": "epoch", "epoch": 3, "step": 30, "validation": {"dice": 0.51234}}
    assert _progress("running", record) == "running epoch 3 step 30 validation Dice 0.512"
    assert _progress("running", {"event": "prepare", "done": 3, "of": 9}) == "prepare 3 of 9"
    assert _progress("waiting", {"job": "12"}) == "waiting job 12"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--grid", "optimizer.lrr=1"), "optimizer.lrr"),
        (("--grid", RATES, "--set", "optimizer.batch"), "KEY=VALUE"),
        (("--grid", RATES, "--slurm", "mem=1G"), "without --on slurm"),
        (("--grid", RATES, "--on", "moon"), "--on moon"),
        ((), "--grid"),
    ],
)
def test_bad_usage_ends_with_2(command, tmp_path: Path, arguments, words) -> None:
    code, out, err = command(*arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert not (tmp_path / "out").exists()


def test_ctrl_c_at_the_command_says_how_to_go_on(command, monkeypatch) -> None:
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["dawson.training.run"], "train", interrupt)
    code, out, err = command("--grid", RATES)
    assert (code, out) == (130, "")
    assert "goes on from here" in err


def test_slurm_is_missed_in_plain_words(find, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="Slurm"):
        find(tmp_path / "out", RATES, place=Place("slurm", None))


def test_a_slurm_that_does_not_answer_is_told(find, tmp_path: Path, monkeypatch) -> None:
    for name in ("sbatch", "srun", "squeue"):
        (tmp_path / name).write_text("#!/bin/sh\nexit 1\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(UsageError, match="does not answer"):
        find(tmp_path / "out", RATES, place=Place("slurm", None))
