"""The accuracy gate: the shipped model must not find lesions worse than it did when its figures were recorded.

The floor is in ``tests/data/accuracy.json``, written by ``tools/release/gate.py``: Dice and lesion F1 (any overlap,
26-connected, at least 3 mm³) by case and inputs, measured by :mod:`dawson.evaluation`. A fall by more than
``tolerance`` fails. A better model raises the floor: run the script again and commit what it writes.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dawson.cases.case import Case
from dawson.cases.demo import demo_study_files
from dawson.core.study import Modality
from dawson.evaluation.model_runs import evaluate_model, plan_runs

HERE = Path(__file__).parent
GATE = json.loads((HERE / "data" / "accuracy.json").read_text("utf-8"))
FILES = {Modality.FLAIR: "FLAIR.nii.gz", Modality.T1: "T1.nii.gz", Modality.T2: "T2.nii.gz"}
F1 = "lesion_f1_any"


def synthetic_case(_: Path | None = None) -> Case:
    """The synthetic patient that comes with dawson, with the mask it was painted with."""
    return Case("demo", "", dict(demo_study_files()), HERE / "data" / "demo_lesion.nii.gz")


def real_case(data: Path, name: str) -> Case:
    """A labelled real scan."""
    folder = data / "labelled" / name
    scans = {modality: folder / file for modality, file in FILES.items() if (folder / file).exists()}
    return Case(name, "", scans, folder / "lesion.nii.gz")


def figures(case: Case, inputs: str, out: Path) -> dict[str, float]:
    """Dice and lesion F1 of the shipped model."""
    units, _ = plan_runs([case], [inputs])
    (row,) = evaluate_model(units, out).rows
    return {column: float(row.metrics.values[column] or 0.0) for column in ("dice", F1)}


def check(found: dict[str, float], floor: dict[str, float]) -> None:
    for column, value in floor.items():
        assert found[column] >= value - GATE["tolerance"], f"{column} fell from {value} to {found[column]:.3f}"


@pytest.mark.parametrize("inputs", sorted(GATE["synthetic"]))
def test_the_synthetic_patient(inputs: str, tmp_path: Path) -> None:
    check(figures(synthetic_case(), inputs, tmp_path), GATE["synthetic"][inputs])


@pytest.mark.realdata
@pytest.mark.parametrize("name", sorted(GATE["real"]))
def test_real_scans(name: str, tmp_path: Path, shared_data: Path) -> None:
    case, inputs = name.split(" ")
    check(figures(real_case(shared_data, case), inputs, tmp_path), GATE["real"][name])


@pytest.mark.parametrize("column", ["dice", F1])
def test_the_gate_closes(column: str) -> None:
    floor = {"dice": 0.4, F1: 0.5}
    check(floor, floor)
    with pytest.raises(AssertionError, match=f"{column} fell"):
        check(floor | {column: floor[column] - GATE["tolerance"] - 0.01}, floor)


def test_the_gate_holds_every_figure() -> None:
    """A floor that lost a figure would let any model through."""
    assert 0.0 < GATE["tolerance"] <= 0.05
    assert set(GATE["synthetic"]) == {"all", "flair"}
    assert len(GATE["real"]) >= 3
    for floor in (*GATE["synthetic"].values(), *GATE["real"].values()):
        assert floor.keys() == {"dice", F1}
        assert all(0.2 < value <= 1.0 for value in floor.values())
