"""The end of a run: curves of how it went, and the test set, touched once.

All figures of the test come from :mod:`dawson.evaluation`, on the grid on which the masks were drawn, through
the same pipeline that users run.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from dawson.core.errors import DawsonError
from dawson.core.names import SUMMARY
from dawson.evaluation.model_runs import Unit, evaluate_model
from dawson.evaluation.output.table import text_report
from dawson.evaluation.output.write import CHARTS, write_evaluation
from dawson.model.card import ONNX, load_model
from dawson.recipe import Recipe
from dawson.training.checkpoint import State
from dawson.training.curves import draw_by_modality, draw_curves
from dawson.training.data import Data
from dawson.training.run_folder import RECORD, RESULT, Tell, epochs, write_json

CURVES, BY_SEQUENCE, TEST = "curves.png", "by_sequence.png", "test"
BY_PREDICTION = f"{CHARTS}/dice.png"  # of an evaluation


def finish(out: Path, model: Path, data: Data, recipe: Recipe, state: State, *, test: bool, tell: Tell) -> None:
    """Write curves, the test set's evaluation (unless there is one already) and ``result.json``."""
    lines = epochs(out / RECORD)
    if lines:
        (out / CURVES).write_bytes(draw_curves(lines))
    validations = {line["epoch"]: line["validation"] for line in lines if "validation" in line}
    validation = validations.get(state.growth.best_epoch)
    best = validation and {"epoch": state.growth.best_epoch, "dice": validation["dice"], "iou": validation["iou"]}
    result: dict[str, Any] = {"finished": True, "steps": state.step, "best": best}
    if test and data.test:
        result["test"] = _test(out, model, data, recipe, tell)
    if (out / TEST / SUMMARY).exists():  # Dice by sequence: of every test case,
        if (out / TEST / BY_PREDICTION).exists():
            shutil.copyfile(out / TEST / BY_PREDICTION, out / BY_SEQUENCE)
    elif validation is not None:  # or where nothing was tested the means of the best epoch's validation
        (out / BY_SEQUENCE).write_bytes(draw_by_modality(validation["by_sequence"]))
    write_json(out / RESULT, result)


def _test(out: Path, model: Path, data: Data, recipe: Recipe, tell: Tell) -> dict[str, Any]:
    """Evaluate the model on the test set once; a second time would make it a validation set."""
    if (out / TEST / SUMMARY).exists():
        content = json.loads((out / TEST / SUMMARY).read_text("utf-8"))
        told = f"The test set was evaluated before and is left alone: see {out / TEST}."
        if content["model"]["sha256"] != load_model(model).card["sha256"][ONNX]:
            told = f"The test set was spent on an earlier state of this run, whose figures are in {out / TEST}."
            tell({"event": "table", "lines": [told]})
            return {"of an earlier model": _means(content["predictions"])}
        tell({"event": "table", "lines": [told]})
        return _means(content["predictions"])
    alone = recipe.volume is not None
    units = [Unit(u.case, u.modalities, "+".join(u.modalities) if alone else "all") for u in data.test]

    def count(what: str, done: int, total: int) -> None:
        tell({"event": "test", "done": done, "of": total, "what": what})

    try:
        evaluation = evaluate_model(units, out / TEST, model=model, progress=count)
    except DawsonError as error:  # a model that finds no brain in any scan has been trained too little
        tell({"event": "table", "lines": [f"The test set could not be evaluated: {error}"]})
        return {"failed": str(error)}
    content = write_evaluation(evaluation, out / TEST)
    tell({"event": "table", "lines": ["", "Test set:", *text_report(evaluation, content).splitlines()]})
    return _means(content["predictions"])


def _means(predictions: dict[str, Any]) -> dict[str, Any]:
    """Mean Dice by prediction."""
    return {name: method["dice"]["mean"] for name, method in predictions.items() if method["cases"]}
