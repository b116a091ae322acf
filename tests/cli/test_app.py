"""The command line, with the path from scan to segmentation replaced by a stand-in that takes no time."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import typer.main

import dawson.cases.visit
from dawson.cli import app as cli
from dawson.cli import terminal
from dawson.core.errors import EvaluationError, InputError, UsageError
from dawson.core.grid import Grid
from dawson.core.names import RESULT_FILES
from dawson.core.result import Check, Segmentation
from dawson.core.study import Modality, Scan, Study
from dawson.measurement.lesions import find_lesions
from dawson.results import overview as picture
from dawson.training.settings import TrainingData, TrainingOptions

REPORT_FILES = ("report.html", "report.pdf")
STEPS = ("align", "prepare", "find the brain", "segment", "measure")


def tiny_study(folder=None, *, flair=None, t1=None, t2=None):
    given = {Modality.FLAIR: flair or folder, Modality.T1: t1, Modality.T2: t2}
    grid = Grid(shape=(12, 12, 6), affine=np.diag([1.0, 1.0, 3.0, 1.0]))
    voxels = np.ones(grid.shape, np.float32)
    scans = {
        modality: Scan(
            modality=modality,
            voxels=voxels,
            grid=grid,
            file=Path(file),
            warnings=(f"{Path(file).name} is odd",),
        )
        for modality, file in given.items()
        if file is not None
    }
    return Study(scans)


def tiny_segmentation(study):
    grid = study.reference.grid
    probability = np.zeros(grid.shape, np.float32)
    probability[5:7, 5, 3] = 0.8
    mask, labels, table = find_lesions(probability, grid, threshold=0.5, minimum_mm3=3.0)
    return Segmentation(
        study=study,
        used=study.modalities,
        lesions=mask,
        labels=labels,
        probability=probability,
        anatomy=np.ones(grid.shape, np.uint8),
        anatomy_names={1: "white matter"},
        table=table,
        model={"name": "tiny", "threshold": 0.5, "peak": 0.0, "minimum_lesion_mm3": 3.0},
        seconds={"segment": 0.1},
        warnings=(*study.warnings, "thick slices"),  # once more, as the real one may
        quality=(Check("noise", "warn", "The T1 is noisy."), Check("inputs", "warn", "thick slices")),
    )


class Calls(list):
    """What was asked of the stand-ins."""


@pytest.fixture
def calls(monkeypatch):
    made = Calls()

    def read_study(folder=None, *, strict=False, **files):
        made.append(("read", folder, files, "strict") if strict else ("read", folder, files))
        return tiny_study(folder, **files)

    def segment(study, *, model=None, progress=None):
        made.append(("segment", study.modalities, model))
        for step in STEPS:
            progress(step)
        return tiny_segmentation(study)

    pipeline = ModuleType("dawson.segmentation.pipeline")
    pipeline.segment = segment
    monkeypatch.setitem(sys.modules, "dawson.segmentation.pipeline", pipeline)

    def report(out, *, viewer=True):
        made.append(("report", out, viewer))
        for name in REPORT_FILES:
            (out / name).write_text("a report")

    monkeypatch.setattr(dawson.cases.visit, "read_study", read_study, raising=False)
    monkeypatch.setattr(import_module("dawson.reporting.run"), "report", report)
    monkeypatch.setattr(picture, "TILE", (60, 60))
    return made


@pytest.fixture
def run(capfd, monkeypatch):
    """Run the command line in-process; gives exit code, stdout and stderr."""
    monkeypatch.setenv("COLUMNS", "80")

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            cli.main([str(argument) for argument in arguments])
        told = capfd.readouterr()
        return end.value.code, told.out, told.err

    return run


def listing(folder):
    return sorted(entry.name for entry in folder.iterdir())


def one_sentence(text):
    return text.count("\n") == 1 and text.endswith(".\n") and "Traceback" not in text


def test_named_scans(run, calls, tmp_path):
    code, out, err = run("segment", "--flair", "f.nii", "--t2", "t2.nii", "-o", tmp_path / "out")
    assert code == 0
    assert calls[0] == ("read", None, {"flair": Path("f.nii"), "t2": Path("t2.nii")})
    assert calls[1] == ("segment", (Modality.FLAIR, Modality.T2), None)
    assert listing(tmp_path / "out") == sorted(RESULT_FILES)
    assert out.splitlines()[0] == "1 lesion, 0.01 ml in all, from FLAIR, T2. Not a diagnosis."
    assert str(tmp_path / "out") in out
    assert err.splitlines() == [  # warnings, and nothing of the steps: this is not a terminal
        "Warning: flair: f.nii is odd",
        "Warning: t2: t2.nii is odd",
        "Warning: thick slices",
        "Warning: The T1 is noisy.",
    ]


def test_strict_is_handed_on(run, calls, tmp_path):
    code, _, _ = run("segment", "--flair", "f.nii", "-o", tmp_path / "out", "--strict")
    assert code == 0 and calls[0] == ("read", None, {"flair": Path("f.nii")}, "strict")


def test_a_visit_folder_and_a_model(run, calls, tmp_path):
    code, _, _ = run("segment", tmp_path / "visit", "-o", tmp_path / "out", "--model", tmp_path / "m")
    assert code == 0
    assert calls == [
        ("read", tmp_path / "visit", {}),
        ("segment", (Modality.FLAIR,), tmp_path / "m"),
        ("report", tmp_path / "out", True),
    ]


def test_json_and_nothing_else_on_stdout(run, calls, tmp_path):
    code, out, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out", "--json")
    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "out" / "summary.json").read_text("utf-8"))
    assert out.isascii()
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["visit", "--flair", "f.nii", "-o", "out"], "a visit folder and --flair were both given"),
        (
            ["visit", "--t1", "a", "--t2", "b", "-o", "out"],
            "a visit folder and --t1 and --t2 were both given",
        ),
        (["-o", "out"], "no scan was given; give a visit folder or at least one of"),
        (["--flair", "f.nii"], "Missing option '--output' / '-o'; see dawson segment --help."),
        (["--flare", "f.nii", "-o", "out"], "No such option: --flare"),
        (["one", "two", "-o", "out"], "unexpected extra argument"),
    ],
)
def test_usage_errors_are_one_sentence_and_exit_2(run, calls, arguments, said):
    code, out, err = run("segment", *arguments)
    assert (code, out, calls) == (2, "", [])
    assert said in err
    assert one_sentence(err)


def test_no_command_shows_help_and_exits_2(run):
    code, out, _ = run()
    assert code == 2
    assert "Usage: dawson" in out and "segment" in out


def test_unknown_command(run):
    code, _, err = run("segmint")
    assert code == 2
    assert one_sentence(err) and "segmint" in err


@pytest.mark.parametrize("command", ["segment", "demo"])
def test_a_bad_output_folder_is_refused_before_any_work(run, calls, demo, tmp_path, command):
    (tmp_path / "summary.json").write_text("{}")
    arguments = ["--flair", "f.nii"] if command == "segment" else []
    code, _, err = run(command, *arguments, "-o", tmp_path)
    assert (code, calls) == (2, [])
    assert "results are there already (summary.json)" in err and "--overwrite" in err
    assert one_sentence(err)
    assert run(command, *arguments, "-o", tmp_path, "--overwrite")[0] == 0


def test_an_input_in_the_place_of_a_result_is_refused(run, calls, tmp_path):
    file = tmp_path / "lesions.nii.gz"
    file.write_bytes(b"a scan")
    code, _, err = run("segment", "--flair", file, "-o", tmp_path, "--overwrite")
    assert (code, calls) == (2, [])
    assert one_sentence(err) and "would be replaced" in err


def test_a_dawson_error_is_its_sentence(run, calls, monkeypatch, tmp_path):
    def read_study(*_, **__):
        raise InputError("the file is cut short", remedy="copy it again", file="f.nii.gz")

    monkeypatch.setattr(dawson.cases.visit, "read_study", read_study)
    code, out, err = run("segment", "--flair", "f.nii.gz", "-o", tmp_path / "out")
    assert (code, out) == (2, "")
    assert err == "f.nii.gz: the file is cut short; copy it again.\n"
    assert not (tmp_path / "out").exists()


def raising(error):
    def segment(study, *, model=None, progress=None):
        raise error

    return segment


def test_an_unexpected_error_is_one_sentence_and_exit_1(run, calls, monkeypatch, tmp_path):
    monkeypatch.delenv("DAWSON_DEBUG", raising=False)
    monkeypatch.setattr(sys.modules["dawson.segmentation.pipeline"], "segment", raising(ValueError("shapes\ndiffer")))
    code, _, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out")
    assert code == 1
    assert one_sentence(err)
    assert "ValueError: shapes differ" in err and "DAWSON_DEBUG=1" in err


def test_debugging_shows_the_traceback(run, calls, monkeypatch, tmp_path):
    monkeypatch.setenv("DAWSON_DEBUG", "1")
    monkeypatch.setattr(sys.modules["dawson.segmentation.pipeline"], "segment", raising(ValueError("shapes differ")))
    code, _, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out")
    assert code == 1
    assert "Traceback" in err and "raise error" in err


def test_no_memory_is_one_sentence(run, calls, monkeypatch, tmp_path):
    monkeypatch.delenv("DAWSON_DEBUG", raising=False)
    monkeypatch.setattr(sys.modules["dawson.segmentation.pipeline"], "segment", raising(MemoryError()))
    code, _, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out")
    assert code == 1
    assert one_sentence(err) and "memory" in err


def test_ctrl_c_is_one_line_and_exit_130(run, calls, monkeypatch, tmp_path):
    monkeypatch.setattr(sys.modules["dawson.segmentation.pipeline"], "segment", raising(KeyboardInterrupt()))
    code, out, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out")
    assert (code, out, err) == (130, "", "Interrupted.\n")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def demo(monkeypatch, tmp_path_factory):
    module = ModuleType("dawson.cases.demo")
    folder = tmp_path_factory.mktemp("example")
    module.demo_study_files = lambda: {s: folder / f"{s}.nii.gz" for s in Modality}
    monkeypatch.setitem(sys.modules, "dawson.cases.demo", module)
    return folder


def test_demo_says_it_is_synthetic_and_what_each_file_means(run, calls, demo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run("demo")
    assert code == 0
    assert calls[0] == ("read", None, {s.value: demo / f"{s}.nii.gz" for s in Modality}, "strict")
    assert "synthetic" in out.splitlines()[0]
    assert listing(tmp_path / "dawson-demo") == sorted(RESULT_FILES)
    for name, meaning in RESULT_FILES.items():
        assert name in out and meaning in out


@pytest.mark.parametrize("command", ["segment", "demo"])
def test_the_report_comes_last_and_may_be_left_out(run, calls, demo, tmp_path, command):
    scans = ["--flair", "f.nii"] if command == "segment" else []
    code, out, _ = run(command, *scans, "-o", tmp_path / "a", "--no-viewer")
    assert code == 0 and calls[-1] == ("report", tmp_path / "a", False)
    assert "report.html" in out
    calls.clear()
    code, out, _ = run(command, *scans, "-o", tmp_path / "b", "--no-report")
    assert code == 0 and "report" not in [call[0] for call in calls]
    assert "report.html" not in out and "overview.png" in out
    assert listing(tmp_path / "b") == sorted(set(RESULT_FILES) - set(REPORT_FILES))


@pytest.mark.parametrize("options", [[], ["--json"], ["--no-report"]])
def test_results_that_failed_quality_control_are_written_and_exit_3(run, calls, monkeypatch, tmp_path, options):
    check = Check(name="noise", status="fail", words="There is only [b]noise[/b].", figures={})

    def segment(study, *, model=None, progress=None):
        return replace(tiny_segmentation(study), quality=(check,))

    monkeypatch.setattr(sys.modules["dawson.segmentation.pipeline"], "segment", segment)
    code, out, err = run("segment", "--flair", "f.nii", "-o", tmp_path / "out", *options)
    assert code == 3
    assert (tmp_path / "out" / "summary.json").is_file()
    assert err.count("must not be used") == 1 and "There is only [b]noise[/b]." in err
    if "--json" in options:
        assert json.loads(out)["quality"]["status"] == "fail"


def test_train_hands_its_options_on(run, monkeypatch, tmp_path):
    asked = []
    fit = ModuleType("dawson.training.run")
    fit.train = lambda *positional, **options: asked.append((positional, options))
    monkeypatch.setitem(sys.modules, "dawson.training.run", fit)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    code, out, _ = run(
        *("train", "--maps", "m", "--masks", "k", "-o", "run", "--steps", "7", "--resume"),
        *("--set", "optimizer.lr=5e-4", "--set", 'name="a=b"'),
    )
    assert code == 0 and "run" in out
    ((positional, options),) = asked
    assert list(options) == ["progress"] and callable(options["progress"])
    assert positional == (
        "dawson",
        Path("run"),
        TrainingData(maps=Path("m"), masks=Path("k")),
        TrainingOptions(overrides={"optimizer.lr": "5e-4", "name": '"a=b"'}, resume=True, steps=7),
    )


def test_train_without_torch_says_how_to_get_it(run, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    code, _, err = run("train", "--maps", "m", "--masks", "k", "-o", "run")
    assert code == 2
    assert one_sentence(err) and "pip install '.[train]'" in err and "CPU build" in err
    assert "dawson[train]" not in err  # which is on no index


@pytest.mark.parametrize("setting", ["optimizer.lr", "=3", "optimizer.lr="])
def test_train_settings_that_are_none(run, setting):
    code, _, err = run("train", "--maps", "m", "--masks", "k", "-o", "run", "--set", setting)
    assert code == 2
    assert one_sentence(err) and "KEY=VALUE" in err


def test_version(run):
    code, out, _ = run("--version")
    assert (code, out) == (0, f"dawson {dawson.__version__}\n")


@pytest.mark.parametrize("command", ["segment", "demo", "train"])
def test_help_of_each_command(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert out.isascii()  # readable in every locale
    assert "--output" in out
    assert "Exit codes: 0 done" in out


def commands(command=None, words=()):
    """The words of every command that does something."""
    command = command or typer.main.get_command(cli.app)
    inner = getattr(command, "commands", None)
    return [words] if inner is None else [path for name in inner for path in commands(inner[name], (*words, name))]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_help_of_every_command_names_its_exit_codes(run, words):
    code, out, _ = run(*words, "--help")
    said = " ".join(out.split()).partition("Exit codes: ")[2]
    assert code == 0
    assert re.findall(r"(?:^|, )(\d+) ", said) in ([*"012", "130", "143"], [*"0123", "130", "143"])


def test_help_shows_examples_as_written(run):
    assert "\n    dawson segment visit1 -o results --overwrite\n" in run("segment", "-h")[1]


def test_narrow_terminals_lose_nothing(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    _, out, _ = run("segment", "-h")
    assert {"--flair", "--overwrite", "--json", "--model"} <= set(out.split())


def test_a_locale_that_cannot_spell_a_name(calls, monkeypatch, tmp_path):
    stream = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", stream)
    with pytest.raises(SystemExit) as end:
        cli.main(["segment", "--flair", "f.nii", "-o", str(tmp_path / "脑")])
    assert end.value.code == 0
    stream.flush()
    assert b"\\u8111" in stream.buffer.getvalue()


def test_as_a_module(tmp_path):
    (tmp_path / "out").touch()
    done = subprocess.run(
        [sys.executable, "-m", "dawson", "segment", "visit", "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "the output folder is a file" in done.stderr and one_sentence(done.stderr)


def a_terminal(monkeypatch, **environment):
    """Make stderr a terminal that can be read back."""

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in ({"TERM": "xterm", "COLUMNS": "80"} | environment).items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    return stream


def test_steps_are_shown_on_a_terminal(calls, monkeypatch, tmp_path):
    stream = a_terminal(monkeypatch)
    with pytest.raises(SystemExit) as end:
        cli.main(["segment", "--flair", "f.nii", "-o", str(tmp_path / "out")])
    assert end.value.code == 0
    for step in ("read", *STEPS, "write", "report"):
        assert f"  {step:<15} " in stream.getvalue()


@pytest.mark.parametrize(("environment", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_no_color_is_respected(monkeypatch, environment, coloured):
    stream = a_terminal(monkeypatch, **environment)
    with terminal.show_steps() as step:
        step("read")
    assert "read" in stream.getvalue()
    assert bool(re.search(r"\x1b\[[0-9;]*3[0-7]m", stream.getvalue())) == coloured


EPOCH = {"event": "epoch", "epoch": 1, "step": 20, "lr": 1e-3, "seconds": 9.0, "train": {"loss": 0.5, "dice": 0.25}}


def test_training_is_shown_on_a_terminal(monkeypatch):
    stream = a_terminal(monkeypatch)
    with terminal.show_training() as show:
        show({"event": "progress", "step": 10, "of": 20, "loss": 0.12345})
        show(EPOCH)
    assert "10/20" in stream.getvalue() and "loss 0.123" in stream.getvalue()
    assert "train loss 0.500 dice 0.250" in stream.getvalue()


START = {"event": "start", "recipe": "dawson", "of": 20, "device": "cpu", "threads": 2, "processes": 1}


@pytest.mark.parametrize(
    ("precision", "before", "fast", "words"),
    [
        ("bf16", None, True, ["in bf16 on the CPU with 2 threads."]),
        ("f32", None, False, ["in f32 on the CPU with 2 threads, since this CPU has no fast bf16."]),
        ("f32", "f32", True, ["in f32 on the CPU with 2 threads."]),
        ("bf16", None, False, ["in bf16", "emulates bf16"]),
        ("f32", "bf16", False, ["in f32", "the run began in bf16 and goes on in f32"]),
    ],
)
def test_a_run_says_once_what_it_is_computed_in(capsys, precision, before, fast, words):
    with terminal.show_training() as show:
        show(START | {"precision": precision, "precision_before": before, "fast_bf16": fast})
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(words)
    assert all(word in line for word, line in zip(words, lines, strict=True))


def test_without_a_terminal_a_line_a_minute_tells_of_the_steps(capsys, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(terminal.time, "monotonic", lambda: now[0])
    with terminal.show_training() as show:
        for step in range(1, 14):
            show(
                {
                    "event": "progress",
                    "step": step,
                    "of": 300,
                    "loss": 0.5,
                    "seconds_per_step": 10.0,
                    "left_s": 10.0 * (300 - step),
                }
            )
            now[0] += 10
    assert capsys.readouterr().err.splitlines() == [
        "step 1 of 300, loss 0.5000, 10.0 s a step, 50 min left",
        "step 7 of 300, loss 0.5000, 10.0 s a step, 49 min left",
        "step 13 of 300, loss 0.5000, 10.0 s a step, 48 min left",
    ]


def test_an_evaluation_that_fails_at_the_end_ends_with_1():
    assert terminal.explain(EvaluationError("is trained, not tested", remedy="try again"))[1] == 1
    assert terminal.explain(UsageError("is no option", remedy="try again"))[1] == 2


def test_without_a_terminal_epochs_and_notes_are_told(capsys):
    with terminal.show_steps() as step, terminal.show_training() as show:
        step("read")
        show({"event": "step", "step": 10, "of": 20, "loss": 0.1})
        show({"event": "split", "volumes": {"train": 3, "unused": 0}, "notes": ["one patient [b]only[/b]"]})
        show(EPOCH)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "Volumes: 3 train.",
        "Note: one patient [b]only[/b]",
        "epoch 1, step 20, lr 0.001; train loss 0.500 dice 0.250 (9 s)",
    ]
