"""The end of a run: the test set, touched once, and the charts of how it went."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from dawson.learn.checkpoint import State
from dawson.learn.data import Data
from dawson.learn.run import RESULT, Tell, write_json
from dawson.recipe import Recipe


def finish(out: Path, model: Path, data: Data, recipe: Recipe, state: State, *, test: bool, tell: Tell) -> None:
    """Write charts, the test set's table (unless there is one already) and ``result.json``."""
    best = None
    if state.growth.best_epoch >= 0:
        best = {"epoch": state.growth.best_epoch, "dice": state.growth.best}
    result: dict[str, Any] = {"finished": True, "steps": state.step, "best": best}
    write_json(out / RESULT, result)
