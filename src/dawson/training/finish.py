"""The end of a run: curves of how it went, and the test set, touched once.

All figures of the test come from :mod:`dawson.evaluation`, on the grid on which the masks were drawn, through
the same pipeline that users run.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dawson.core.errors import DawsonError
from dawson.core.names import SUMMARY
from dawson.evaluation.model_runs import ModelRun, evaluate_model
from dawson.evaluation.output.chart_style import COLOURS, GREY, STYLE, new_figure, to_png
from dawson.evaluation.output.table import text_report
from dawson.evaluation.output.write import CHARTS, write_evaluation
from dawson.model.card import ONNX, load_model
from dawson.recipe import Recipe
from dawson.training.checkpoint import State
from dawson.training.data import Data
from dawson.training.run_folder import RECORD, RESULT, epochs, write_json
from dawson.training.settings import Progress

CURVES, BY_SEQUENCE, TEST = "curves.png", "by_sequence.png", "test"
MEASURES = (("dice", "Dice"), ("iou", "IoU"))
SETS = (("train", COLOURS[0], "-"), ("validation", COLOURS[1], "--"))
SUDDEN = 0.6  # of the rate before; a cosine falls more slowly from epoch to epoch, but for its end
MARKED = 40  # epochs up to which every one gets a point
BY_PREDICTION = f"{CHARTS}/dice.png"  # of an evaluation


def finish(
    out: Path, model: Path, data: Data, recipe: Recipe, state: State, *, test: bool, progress: Progress
) -> str | None:
    """Write curves, the test set's evaluation (unless there is one already) and ``result.json``.

    Returns why the test set could not be evaluated, where that is so.
    """
    lines = epochs(out / RECORD)
    if lines:
        (out / CURVES).write_bytes(draw_curves(lines))
    validations = {line["epoch"]: line["validation"] for line in lines if "validation" in line}
    validation = validations.get(state.growth.best_epoch)
    best = validation and {"epoch": state.growth.best_epoch, "dice": validation["dice"], "iou": validation["iou"]}
    result: dict[str, Any] = {"finished": True, "steps": state.step, "best": best}
    if test and data.test:
        result["test"] = _test(out, model, data, recipe, progress)
    if (out / TEST / SUMMARY).exists():  # Dice by sequence: of every test case,
        if (out / TEST / BY_PREDICTION).exists():
            shutil.copyfile(out / TEST / BY_PREDICTION, out / BY_SEQUENCE)
    elif validation is not None:  # or where nothing was tested the means of the best epoch's validation
        (out / BY_SEQUENCE).write_bytes(draw_by_modality(validation["by_sequence"]))
    write_json(out / RESULT, result)
    failed: str | None = result.get("test", {}).get("failed")
    return failed


def _test(out: Path, model: Path, data: Data, recipe: Recipe, progress: Progress) -> dict[str, Any]:
    """Evaluate the model on the test set once; a second time would make it a validation set."""
    if (out / TEST / SUMMARY).exists():
        content = json.loads((out / TEST / SUMMARY).read_text("utf-8"))
        note = f"The test set was evaluated before and is left alone: see {out / TEST}."
        if content["model"]["sha256"] != load_model(model).card["sha256"][ONNX]:
            note = f"The test set was spent on an earlier state of this run, whose figures are in {out / TEST}."
            progress({"event": "table", "lines": [note]})
            return {"of an earlier model": _means(content["predictions"])}
        progress({"event": "table", "lines": [note]})
        return _means(content["predictions"])
    alone = recipe.volume is not None
    runs = [ModelRun(u.case, u.modalities, "+".join(u.modalities) if alone else "all") for u in data.test]

    def count(what: str, done: int, total: int) -> None:
        progress({"event": "test", "done": done, "of": total, "what": what})

    try:
        evaluation = evaluate_model(runs, out / TEST, model=model, progress=count)
    except DawsonError as error:  # a model that finds no brain in any scan has been trained too little
        return {"failed": str(error)}
    content = write_evaluation(evaluation, out / TEST)
    progress({"event": "table", "lines": ["", "Test set:", *text_report(evaluation, content).splitlines()]})
    return _means(content["predictions"])


def _means(predictions: dict[str, Any]) -> dict[str, Any]:
    """Mean Dice by prediction."""
    return {name: method["dice"]["mean"] for name, method in predictions.items() if method["cases"]}


def draw_curves(epochs: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG of Dice and IoU by epoch, with the best epoch and sudden falls of the learning rate marked.

    ``epochs`` are a record's lines of the event ``epoch``, at least one. Training figures are means over the
    augmented images of the epoch; validation figures lie on the recipe's grid.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(columns=2, sharey=True)
        for panel, (measure, title) in zip(axes, MEASURES, strict=True):
            for name, colour, line in SETS:
                points = [(e["epoch"], e[name][measure]) for e in epochs if measure in e.get(name, {})]
                if points:
                    marker = "o" if len(points) <= MARKED else None
                    panel.plot(
                        *zip(*points, strict=True), line, color=colour, marker=marker, markersize=3.5, label=name
                    )
            _mark(panel, epochs)
            panel.set_title(title)
            panel.set_xlabel("epoch")
            panel.set_ylim(0, 1)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return to_png(figure)


def draw_by_modality(dice: Mapping[str, float]) -> bytes:
    """A PNG of the mean validation Dice by sequence."""
    with mpl.rc_context(STYLE):
        figure, (panel,) = new_figure()
        bars = panel.bar(range(len(dice)), list(dice.values()), color=COLOURS[0], width=0.5)
        panel.bar_label(bars, fmt="%.3f")
        panel.set_xticks(range(len(dice)), list(dice))
        panel.set_ylim(0, 1)
        panel.set_title("Mean Dice on the validation set, best epoch")
        return to_png(figure)


def _mark(panel: Axes, epochs: Sequence[Mapping[str, Any]]) -> None:
    """The best epoch, and where the learning rate fell at once, as it does when validation stands still."""
    best = epochs[-1].get("best_epoch", -1)
    if best >= 1:
        panel.axvline(best, color=GREY, linewidth=1, linestyle=":", label="best epoch")
    falls = [b["epoch"] for a, b in pairwise(epochs) if b["lr"] < SUDDEN * a["lr"]]
    for number, epoch in enumerate(falls):
        panel.axvline(epoch - 0.5, color=COLOURS[2], linewidth=1, label="learning rate falls" if not number else None)
