"""The ranking of a search: points by the Dice of their validation set, as a table and as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.core.files import replace_file
from dawson.core.tables import table_text
from dawson.searching.grid import Axis, Point, spell
from dawson.searching.task import epochs_of, result_of
from dawson.training.run_folder import write_json

TABLE, RECORD = "search.tsv", "search.json"
RANKED_BY = "mean Dice of the validation set at the best epoch; the test set was not used"
FORMAT = 1


@dataclass(frozen=True)
class RankedPoint:
    """What became of a point: ``finished``, ``failed`` or ``unfinished``, with the figures of its best epoch."""

    point: Point
    state: str
    dice: float | None = None
    iou: float | None = None
    epoch: int | None = None
    steps: int | None = None
    reason: str = ""


def rank(rows: Sequence[RankedPoint]) -> tuple[RankedPoint, ...]:
    """Highest validation Dice first; points without one keep their order and come last."""
    return tuple(sorted(rows, key=lambda row: math.inf if row.dice is None else -row.dice))


def table(axes: Sequence[Axis], rows: Sequence[RankedPoint]) -> list[list[str]]:
    """The ranking as text, with a line of names first."""
    lines = [["rank", *(axis.field for axis in axes), "dice", "iou", "epoch", "steps", "state", "reason", "point"]]
    for number, row in enumerate(rows, 1):
        figures = ("n/a" if figure is None else f"{figure:.4f}" for figure in (row.dice, row.iou))
        counts = ("n/a" if count is None else str(count) for count in (row.epoch, row.steps))
        place = "n/a" if row.dice is None else str(number)
        values = (spell(value) for value in row.point.values)
        lines.append([place, *values, *figures, *counts, row.state, row.reason or "n/a", row.point.name])
    return lines


def ranked(point: Point, folder: Path, reason: str) -> RankedPoint:
    """What has become of the point whose run fills ``folder``; ``reason`` is why it failed, if it did."""
    result = result_of(folder)
    if result is None:
        last = (epochs_of(folder) or [{}])[-1]
        state = "failed" if reason else "unfinished"
        return RankedPoint(point, state, epoch=last.get("epoch"), steps=last.get("step"), reason=reason)
    best = result.get("best") or {}
    dice, iou = (_figure(best.get(name)) for name in ("dice", "iou"))
    note = "" if dice is not None else "the run has no validation Dice"
    return RankedPoint(point, "finished", dice, iou, best.get("epoch"), result.get("steps"), note)


def _figure(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def write_ranking(out: Path, asked: Mapping[str, Any], axes: Sequence[Axis], rows: Sequence[RankedPoint]) -> None:
    """Write the ranking; each file changes in one step."""
    lines = table(axes, rows)
    best = next((row for row in rows if row.dice is not None), None)
    record = {
        "format": FORMAT,
        "ranked_by": RANKED_BY,
        "asked": asked,
        "grid": {axis.field: axis.values for axis in axes},
        "best": None if best is None else {"point": best.point.name, "overrides": dict(best.point.overrides)},
        "points": [
            {
                "point": row.point.name,
                "values": dict(zip((axis.field for axis in axes), row.point.values, strict=True)),
                "state": row.state,
                "dice": row.dice,
                "iou": row.iou,
                "epoch": row.epoch,
                "steps": row.steps,
                "reason": row.reason or None,
            }
            for row in rows
        ],
    }
    replace_file(out / TABLE, table_text(lines, delimiter="\t"))
    write_json(out / RECORD, record)
