"""A run's folder: what is in it, whether it may be gone on with, and its record.

``recipe.json`` and ``split.tsv`` say what the run is, ``record.jsonl`` how it goes (a line every few steps and one
an epoch), ``checkpoint.safetensors`` is there to go on from, ``best.safetensors`` holds the weights of the best
epoch, ``model/`` the model, ``result.json`` how it ended.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dawson.core.errors import UsageError
from dawson.core.files import replace_file
from dawson.recipe import Recipe, recipe_from_dict, recipe_to_dict
from dawson.training.settings import TrainingOptions

CHECKPOINT, BEST, RECORD, RECIPE = "checkpoint.safetensors", "best.safetensors", "record.jsonl", "recipe.json"
RESULT, SPLIT, MODEL = "result.json", "split.tsv", "model"


def open_run(
    out: Path,
    recipe: Recipe,
    options: TrainingOptions,
    *,
    start: Mapping[str, Any] | None,
    choose_precision: Callable[[str | None], str],
) -> None:
    """Make the run folder, or check that the run in it used this recipe.

    Learning rate, number of steps and precision may change from one part of a run to the next, which is written down;
    anything else would leave a card that does not say how the weights came about. ``start`` names the model that the
    run goes on from; ``choose_precision`` is called with the precision that the run has begun in, if it has.
    """
    rates: list[dict[str, Any]] = []
    named = None if start is None else dict(start)
    try:
        out.mkdir(parents=True, exist_ok=True)
        begun = (out / CHECKPOINT).exists()
        if begun and not options.resume:
            raise UsageError("holds a run already", file=out, remedy="add --resume to go on, or name another folder")
        if begun and (out / RECIPE).exists():
            rates = _check_same(out, recipe, named)
        precision = choose_precision(rates[-1]["precision"] if rates else None)
        rate = {"lr": recipe.optimizer.lr, "steps": recipe.optimizer.steps, "precision": precision}
        rates = rates if rates and rates[-1] == rate else [*rates, rate]
        content = {"recipe": recipe_to_dict(recipe), "set": dict(options.overrides), "rates": rates}
        write_json(out / RECIPE, content | {"from": named})
    except OSError as error:
        raise UsageError(f"cannot be used ({error.strerror})", file=out, remedy="name another folder") from error


def _check_same(out: Path, recipe: Recipe, start: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Refuse to go on with another recipe or model; returns the rates of the run so far."""
    stored = json.loads((out / RECIPE).read_text("utf-8"))
    if stored.get("from") != start:
        raise UsageError(
            "was begun from another model, or from none", file=out, remedy="resume with the same --from option"
        )
    before, now = recipe_from_dict(stored["recipe"]), recipe.optimizer
    optimizer = replace(before.optimizer, lr=now.lr, steps=now.steps, precision=now.precision)
    if replace(before, optimizer=optimizer) != recipe:
        raise UsageError(
            "was begun with another recipe (only optimizer.lr, optimizer.steps and optimizer.precision may change)",
            file=out,
            remedy="resume with the same recipe and --set options, or train into an empty folder",
        )
    rates: list[dict[str, Any]] = stored["rates"]
    return rates


def rates_of(out: Path) -> list[dict[str, Any]]:
    """Learning rate, steps and precision, from part to part of the run."""
    rates: list[dict[str, Any]] = json.loads((out / RECIPE).read_text("utf-8"))["rates"]
    return rates


def write_json(file: Path, content: Mapping[str, Any]) -> None:
    """Write JSON in one step."""
    replace_file(file, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def truncate(record: Path, step: int) -> None:
    """Drop records of steps that were lost with an interruption and are about to be done again."""
    if record.exists():
        kept = [line for line in read_record(record) if line["step"] <= step]
        replace_file(record, "".join(json.dumps(line) + "\n" for line in kept))


def read_record(record: Path) -> list[dict[str, Any]]:
    """All whole lines of a record; a last one that was cut off by a crash is left out."""
    lines = []
    for line in record.read_text("utf-8").splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines


def epochs(record: Path) -> list[dict[str, Any]]:
    """The epochs' lines of a record."""
    return [line for line in read_record(record) if line.get("event") == "epoch"] if record.exists() else []
