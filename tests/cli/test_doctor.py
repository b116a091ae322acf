"""``dawson doctor``: what it finds, what it says of what is broken, and whose figures it expects."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

import dawson.core.runtime
import dawson.segmentation.pipeline
from dawson.cases.demo import demo_expectation, demo_study_files
from dawson.cli import doctor
from dawson.cli.app import main
from dawson.model.card import load_model


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["doctor", *arguments])
    return end.value.code, capsys.readouterr().out


def findings(text):
    return {finding["name"]: finding for finding in json.loads(text)["findings"]}


def test_the_self_test_passes_with_the_shipped_model_and_names_no_file(capsys):
    code, out = run(capsys, "--json")
    found = findings(out)
    assert code == 0
    assert json.loads(out)["status"] == "ok"
    assert found["self-test"]["status"] == "ok"
    assert found["self-test"]["figures"]["expected"]["lesion_count"] == demo_expectation().lesion_count
    assert "FP32" in found["system"]["figures"]["computes_in"]
    assert found["precision"]["figures"]["taken"] in ("int8", "bf16", "f32")
    assert found["model"]["figures"]["dawson-1"]["sha256"] == load_model().summary["sha256"]
    assert str(demo_study_files()[dawson.Modality.FLAIR].parent) not in out


def test_the_expectation_is_of_the_shipped_model():
    wanted = demo_expectation()
    assert wanted.model_sha256 == load_model().summary["sha256"]  # else: python -m tools.release.expect_demo
    assert set(wanted.given) <= {modality.value for modality in demo_study_files()}
    assert wanted.lesion_count > 0
    assert wanted.lesion_load_ml > 0


@pytest.mark.parametrize(
    ("count", "share", "holds"), [(0, 1.0, True), (2, 1.09, True), (3, 1.0, False), (0, 1.11, False), (-3, 0.5, False)]
)
def test_tolerances(count, share, holds):
    wanted = demo_expectation()
    assert wanted.holds(wanted.lesion_count + count, wanted.lesion_load_ml * share) is holds


def test_another_result_fails_and_says_what_was_expected(capsys, monkeypatch):
    nothing = SimpleNamespace(table=(), load_ml=0.0)
    monkeypatch.setattr(dawson.segmentation.pipeline, "segment", lambda study: nothing)
    code, out = run(capsys)
    assert code == 1
    assert "FAIL  self-test" in out
    assert f"expected are {demo_expectation().lesion_count} ±" in out
    assert f"in the example's {', '.join(demo_expectation().given).upper()} in" in out
    assert out.endswith("Failed: self-test.\n")


def test_what_raises_is_a_finding_and_the_others_go_on(capsys, monkeypatch):
    monkeypatch.setenv("DAWSON_PRECISION", "f16")
    code, out = run(capsys, "--json", "--no-test")
    found = findings(out)
    assert code == 1
    assert found["precision"]["status"] == "fail"
    assert "DAWSON_PRECISION" in found["precision"]["words"]
    assert found["model"]["status"] == "ok"
    assert "self-test" not in found


def test_a_damaged_model_fails(capsys, monkeypatch, tmp_path):
    def damaged(name=None):
        raise dawson.ModelError(
            "differs from the hash in its card", file=tmp_path / "model.onnx", remedy="install again"
        )

    monkeypatch.setattr("dawson.model.card.load_model", damaged)
    code, out = run(capsys, "--no-test")
    assert code == 1
    assert "FAIL  model" in out
    assert "differs from the hash" in out


def test_little_memory_is_a_warning(capsys, monkeypatch):
    monkeypatch.setattr(dawson.core.runtime, "memory_gb", lambda: 0.7)
    code, out = run(capsys, "--no-test")
    assert code == 0
    assert "warn  memory     0.7 GB are free" in out


def test_without_the_extra_it_says_how_to_get_it(capsys, monkeypatch):
    monkeypatch.setattr(doctor, "TRAINING", ("a-package-that-nobody-has",))
    code, out = run(capsys, "--no-test")
    assert code == 0
    assert "not installed (a-package-that-nobody-has missing)" in out
    assert "pip install '.[train]'" in out
