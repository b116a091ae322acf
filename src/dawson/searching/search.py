"""Grid search: every point of the grid is an ordinary resumable run, ranked by Dice on the validation set.

All runs share one split and one cache of prepared volumes. The test set stays untouched: choosing by it
would make its figures worthless. What a search knows lies in its folder: ``search.tsv`` and ``search.json``
(the ranking), ``search.png``, ``split.tsv``, a folder a point, and ``jobs`` with logs.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.core.errors import InputError, UsageError
from dawson.core.files import replace_file
from dawson.core.tables import table_text
from dawson.recipe import load_recipe, recipe_names, recipe_to_dict
from dawson.searching.grid import Axis, Point, expand, spell
from dawson.searching.jobs import Place, Task, Tell, Train, epochs_of, failure_note, result_of, run_tasks
from dawson.training.run_folder import RECIPE, SPLIT, write_json
from dawson.training.run_folder import RECORD as RUN_RECORD

if TYPE_CHECKING:
    from dawson.cases.split import Split

TABLE, RECORD, PICTURE, LOGS, CACHE = "search.tsv", "search.json", "search.png", "jobs", "cache"
RANKED_BY = "mean Dice of the validation set at the best epoch; the test set was not used"
FORMAT = 1


@dataclass(frozen=True)
class Row:
    """What became of a point: ``finished``, ``failed`` or ``unfinished``, with the figures of its best epoch."""

    point: Point
    state: str
    dice: float | None = None
    iou: float | None = None
    epoch: int | None = None
    steps: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Search:
    """A search: its folder, its axes, its points (best first, those without a figure last), and remarks."""

    out: Path
    axes: tuple[Axis, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()


def search(
    recipe: str | Path,
    out: Path,
    *,
    grid: Sequence[str],
    cases: Path,
    maps: Path | None = None,
    masks: Path | None = None,
    start: Path | None = None,
    split: str | Path | None = None,
    cache: Path | None = None,
    overrides: Mapping[str, str] | None = None,
    workers: int = 1,
    place: Place | None = None,
    slurm: Mapping[str, str] | None = None,
    run: Train | None = None,
    tell: Tell | None = None,
    poll_s: float | None = None,
) -> Search:
    """Train every point of a grid that is not finished yet, and rank the points.

    Args:
        recipe: name of a shipped recipe, or a TOML file.
        out: folder of the search; the same again goes on there, and a longer grid adds points.
        grid: axes such as ``"optimizer.lr=1e-3,1e-4"``.
        cases: labelled cases, some of which validate; as for :func:`dawson.training.run.train`, like
            ``maps``, ``masks``, ``start`` and ``workers``.
        split: as there; made once, for all points, and kept in ``out/split.tsv``.
        cache: folder of prepared volumes, for all points; ``out/cache`` where left out.
        overrides: fields of the recipe that are changed at all points.
        place: where points run; one after another in this process where left out.
        slurm: options of sbatch, see :func:`dawson.searching.slurm.parse_slurm`.
        run: the training function; :func:`dawson.training.run.train` where left out.
        tell: called with every change, see :data:`dawson.searching.jobs.Tell`.
        poll_s: how often to look after jobs, in seconds.

    Returns:
        The ranking, which is also written to ``out``, after every point and after Ctrl-C too.

    Raises:
        UsageError: before any run starts, for a grid or a recipe that is not in order
            (:func:`dawson.searching.grid.expand`), and for a folder that holds another search.
        InputError: the cases are not in order.
    """
    out = Path(out).absolute()
    if str(recipe) not in recipe_names() and Path(recipe).is_file():
        recipe = Path(recipe).absolute()  # a job may run in another folder
    axes, points = expand(recipe, grid, overrides)
    given = {"cases": cases, "maps": maps, "masks": masks, "start": start}
    paths = {name: None if path is None else Path(path).absolute() for name, path in given.items()}
    base = load_recipe(recipe, overrides)
    asked = {"recipe": recipe_to_dict(base), "split": split, **paths}
    asked = json.loads(json.dumps(asked, default=str))  # as it will be read again
    _check_folder(out, asked, {axis.field for axis in axes})
    cache = out / CACHE if cache is None else Path(cache).absolute()
    made = _shared_split(out / SPLIT, cases, split, cache, base.optimizer.seed)
    options = {**paths, "split": out / SPLIT, "cache": cache, "test": False, "workers": workers}
    tasks = [Task(p.name, recipe, out / p.name, {**options, "overrides": dict(p.overrides)}) for p in points]
    reasons = {
        task.name: note.read_text("utf-8").partition("\n")[0]
        for task in tasks
        if (note := failure_note(task, out / LOGS)).is_file()
    }

    def look() -> tuple[Row, ...]:
        rows = rank([_row(point, out / point.name, reasons.get(point.name, "")) for point in points])
        _write(out, asked, axes, rows)
        return rows

    def hear(name: str, state: str, known: Mapping[str, Any]) -> None:
        reasons.pop(name, None)
        if state == "failed":
            reasons[name] = str(known["reason"])
        if state in ("finished", "failed"):
            look()  # so that the table can be read while the search goes on
        if tell is not None:
            tell(name, state, known)

    _check_points(tasks, points, recipe, start)
    todo = [task for task in tasks if result_of(task.folder) is None]
    look()
    try:
        run_tasks(todo, place or Place(), out / LOGS, run=run, slurm=slurm, tell=hear, poll_s=poll_s)
    finally:
        rows = look()
    if any(row.dice is not None for row in rows) and len(axes) <= 3:
        from dawson.searching.heatmap import draw  # noqa: PLC0415 (matplotlib takes a second)

        draw(axes, rows, out / PICTURE)
    return Search(out, axes, rows, tuple(made.notes))


def _check_points(tasks: Sequence[Task], points: Sequence[Point], recipe: str | Path, start: Path | None) -> None:
    """Refuse a folder whose run of that name used another recipe: its figures belong to other values."""
    for task, point in zip(tasks, points, strict=True):
        stored = task.folder / RECIPE
        if not stored.exists():
            continue
        settings = load_recipe(recipe, point.overrides)
        if start is not None:
            from dawson.training.checkpoint import keep_rule  # noqa: PLC0415 (torch takes a second)

            settings, _ = keep_rule(start, settings, point.overrides)
        wanted = json.loads(json.dumps(recipe_to_dict(settings)))
        if json.loads(stored.read_text("utf-8")).get("recipe") != wanted:
            raise UsageError("holds a run of another recipe", file=task.folder, remedy="search into another folder")


def rank(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Highest validation Dice first; points without one keep their order and come last."""
    return tuple(sorted(rows, key=lambda row: math.inf if row.dice is None else -row.dice))


def table(axes: Sequence[Axis], rows: Sequence[Row]) -> list[list[str]]:
    """The ranking as text, with a line of names first."""
    lines = [["rank", *(axis.field for axis in axes), "dice", "iou", "epoch", "steps", "state", "reason", "point"]]
    for number, row in enumerate(rows, 1):
        figures = ("n/a" if figure is None else f"{figure:.4f}" for figure in (row.dice, row.iou))
        counts = ("n/a" if count is None else str(count) for count in (row.epoch, row.steps))
        place = "n/a" if row.dice is None else str(number)
        values = (spell(value) for value in row.point.values)
        lines.append([place, *values, *figures, *counts, row.state, row.reason or "n/a", row.point.name])
    return lines


def _row(point: Point, folder: Path, reason: str) -> Row:
    result = result_of(folder)
    if result is None:
        last = (epochs_of(folder) or [{}])[-1]
        state = "failed" if reason else "unfinished"
        return Row(point, state, epoch=last.get("epoch"), steps=last.get("step"), reason=reason)
    best = result.get("best") or {}
    dice, iou = (_figure(best.get(name)) for name in ("dice", "iou"))
    note = "" if dice is not None else "the run has no validation Dice"
    return Row(point, "finished", dice, iou, best.get("epoch"), result.get("steps"), note)


def _figure(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _check_folder(out: Path, asked: Mapping[str, Any], varied: set[str]) -> None:
    """Make the folder; refuse one that holds another search or a single run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        text = (out / RECORD).read_text("utf-8") if (out / RECORD).exists() else None
    except OSError as error:
        what = f"cannot hold the search ({error.strerror})"
        raise UsageError(what, remedy="choose another folder with -o", file=out) from error
    if text is None:
        if (out / RUN_RECORD).exists():
            raise UsageError("holds a training run, no search", remedy="choose another folder with -o", file=out)
        return
    try:
        before = json.loads(text)["asked"]
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError("is no record of a search", remedy="move it away", file=out / RECORD) from error
    old, new = _flat(before), _flat(asked)
    changed = [name for name in (old | new) if old.get(name) != new.get(name) and name not in varied]
    if changed:
        shown = ", ".join(f"{name} was {old.get(name)}, now {new.get(name)}" for name in changed[:3])
        raise UsageError(f"holds another search ({shown})", remedy="choose another folder with -o", file=out)


def _flat(tables: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Tables as dotted fields; those of the recipe are named as users name them."""
    fields: dict[str, Any] = {}
    for key, value in tables.items():
        name = prefix if not prefix and key == "recipe" else f"{prefix}{key}"
        fields |= _flat(value, f"{name}." if name else "") if isinstance(value, dict) else {name: value}
    return fields


def _shared_split(file: Path, cases: Path, split: str | Path | None, cache: Path, seed: int) -> Split:
    """The split that all points use; made, checked and written where it is missing."""
    from dawson.cases.check import check_cases  # noqa: PLC0415
    from dawson.cases.find import find_cases  # noqa: PLC0415 (numpy and more)
    from dawson.cases.split import read_split, write_split  # noqa: PLC0415
    from dawson.cases.splitting import split_cases  # noqa: PLC0415
    from dawson.training.data import SHARES  # noqa: PLC0415

    found = find_cases(cases)
    if file.exists() and (file.parent / RECORD).exists():  # without a record, it may be of another wish
        return read_split(file, found)
    facts = check_cases(found, cache=cache, source=cases)
    if split is not None and Path(split).is_file():
        made = read_split(Path(split), found)
        if not made.validation:
            remedy = "give some volumes the set validation"
            raise InputError("leaves no volume to validate with, which the ranking goes by", remedy=remedy, file=split)
    else:
        made = split_cases(found, {fact.name: fact.load_ml for fact in facts}, str(split or SHARES), seed=seed)
    write_split(file, made)
    return made


def _write(out: Path, asked: Mapping[str, Any], axes: Sequence[Axis], rows: Sequence[Row]) -> None:
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
