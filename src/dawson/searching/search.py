"""Grid search: every point of the grid is an ordinary resumable run, ranked by Dice on the validation set.

All runs share one split and one cache of prepared volumes. The test set stays untouched: choosing by it
would make its figures worthless. What a search knows lies in its folder: ``search.tsv`` and ``search.json``
(the ranking), ``search.png``, ``split.tsv``, a folder a point, and ``jobs`` with logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dawson.core.errors import InputError, UsageError
from dawson.model.card import find_model
from dawson.recipe import load_recipe, recipe_names, recipe_to_dict
from dawson.searching.grid import Axis, Point, expand
from dawson.searching.ranking import RECORD, RankedPoint, rank, ranked, write_ranking
from dawson.searching.run import run_tasks
from dawson.searching.task import Follow, Jobs, Task, failure_note, result_of
from dawson.training.run_folder import RECIPE, SPLIT
from dawson.training.run_folder import RECORD as RUN_RECORD
from dawson.training.settings import TrainingData, TrainingOptions

if TYPE_CHECKING:
    from dawson.cases.split import Split

PICTURE, LOGS, CACHE = "search.png", "jobs", "cache"


@dataclass(frozen=True)
class Search:
    """A search: its folder, its axes, its points (best first, those without a figure last), and remarks."""

    out: Path
    axes: tuple[Axis, ...]
    rows: tuple[RankedPoint, ...]
    notes: tuple[str, ...] = ()


def search(
    recipe: str | Path,
    out: Path | str,
    grid: Sequence[str],
    data: TrainingData,
    options: TrainingOptions | None = None,
    *,
    jobs: Jobs | None = None,
    follow: Follow | None = None,
) -> Search:
    """Train every point of a grid that is not finished yet, and rank the points.

    Args:
        recipe: name of a shipped recipe, or a TOML file.
        out: folder of the search; the same again goes on there, and a longer grid adds points.
        grid: axes such as ``"optimizer.lr=1e-3,1e-4"``.
        data: what all points learn from. Its ``cases`` are needed; the ``split`` is made once and kept in
            ``out/split.tsv``; the ``cache`` is ``out/cache`` where left out.
        options: as for :func:`dawson.training.run.train`; ``overrides`` change the recipe at all points. No point
            sees the test set, and each is resumed where it has begun.
        jobs: where points run; one after another in this process where left out.
        follow: called with every change, see :data:`dawson.searching.task.Follow`.

    Returns:
        The ranking, which is also written to ``out``, after every point and after Ctrl-C too.

    Raises:
        UsageError: before any run starts, for a grid or a recipe that is not in order
            (:func:`dawson.searching.grid.expand`), and for a folder that holds another search.
        InputError: the cases are not in order.
    """
    out, jobs, options = Path(out).absolute(), jobs or Jobs(), options or TrainingOptions()
    if data.cases is None:
        raise UsageError("a search needs labelled cases, some of which validate", remedy="give --cases")
    if str(recipe) not in recipe_names() and Path(recipe).is_file():
        recipe = Path(recipe).absolute()  # a job may run in another folder
    axes, points = expand(recipe, grid, options.overrides)
    base = load_recipe(recipe, options.overrides)
    wanted_split = data.split
    data = replace(data, cases=data.cases.absolute(), maps=_absolute(data.maps), masks=_absolute(data.masks))
    start = None if options.start is None else find_model(options.start)  # a shipped model's name is no path
    options = replace(options, start=_absolute(start), test=False)
    asked = {"recipe": recipe_to_dict(base), "split": wanted_split, "start": options.start}
    asked |= {"cases": data.cases, "maps": data.maps, "masks": data.masks}
    asked = json.loads(json.dumps(asked, default=str))  # as it will be read again
    _check_folder(out, asked, {axis.field for axis in axes})
    data = replace(data, cache=_absolute(data.cache) or out / CACHE, split=out / SPLIT)
    split = _shared_split(data, wanted_split, base.optimizer.seed)
    tasks = [Task(p.name, recipe, out / p.name, data, replace(options, overrides=dict(p.overrides))) for p in points]
    ranking = _Ranking(out, asked, axes, points, _reasons(tasks, out / LOGS))
    _check_points(tasks)
    todo = [task for task in tasks if result_of(task.folder) is None]
    ranking.update()
    try:
        run_tasks(todo, jobs, out / LOGS, follow=ranking.following(follow))
    finally:
        rows = ranking.update()
    if any(row.dice is not None for row in rows) and len(axes) <= 3:
        from dawson.searching.heatmap import draw  # noqa: PLC0415 (matplotlib takes a second)

        draw(axes, rows, out / PICTURE)
    return Search(out, axes, rows, tuple(split.notes))


@dataclass(frozen=True, eq=False)
class _Ranking:
    """The ranking while a search goes on, rewritten whenever a point ends."""

    out: Path
    asked: Mapping[str, Any]
    axes: tuple[Axis, ...]
    points: tuple[Point, ...]
    reasons: dict[str, str] = field(default_factory=dict)

    def update(self) -> tuple[RankedPoint, ...]:
        """Read what has become of every point, and write the ranking."""
        rows = rank([ranked(point, self.out / point.name, self.reasons.get(point.name, "")) for point in self.points])
        write_ranking(self.out, self.asked, self.axes, rows)
        return rows

    def following(self, follow: Follow | None) -> Follow:
        """What is called with each change: it keeps the ranking up to date, and passes the change on."""

        def take(name: str, state: str, known: Mapping[str, Any]) -> None:
            self.reasons.pop(name, None)
            if state == "failed":
                self.reasons[name] = str(known["reason"])
            if state in ("finished", "failed"):
                self.update()  # so that the table can be read while the search goes on
            if follow is not None:
                follow(name, state, known)

        return take


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else Path(path).absolute()


def _reasons(tasks: Sequence[Task], logs: Path) -> dict[str, str]:
    """Why tasks failed the last time, by their names."""
    notes = {task.name: failure_note(task, logs) for task in tasks}
    return {name: note.read_text("utf-8").partition("\n")[0] for name, note in notes.items() if note.is_file()}


def _check_points(tasks: Sequence[Task]) -> None:
    """Refuse a folder whose run of that name used another recipe: its figures belong to other values."""
    for task in tasks:
        stored = task.folder / RECIPE
        if not stored.exists():
            continue
        options = task.options
        settings = load_recipe(task.recipe, options.overrides)
        if options.start is not None:
            from dawson.training.checkpoint import keep_rule  # noqa: PLC0415 (torch takes a second)

            settings, _ = keep_rule(options.start, settings, options.overrides)
        wanted = json.loads(json.dumps(recipe_to_dict(settings)))
        if json.loads(stored.read_text("utf-8")).get("recipe") != wanted:
            raise UsageError("holds a run of another recipe", file=task.folder, remedy="search into another folder")


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


def _shared_split(data: TrainingData, split: str | Path | None, seed: int) -> Split:
    """The split that all points use, in ``data.split``; made, as was asked for, and written where it is missing."""
    from dawson.cases.check import check_cases  # noqa: PLC0415
    from dawson.cases.find import find_cases  # noqa: PLC0415 (numpy and more)
    from dawson.cases.split import read_split, write_split  # noqa: PLC0415
    from dawson.cases.splitting import split_cases  # noqa: PLC0415
    from dawson.training.data import SHARES  # noqa: PLC0415

    cases, file = Path(data.cases or ""), Path(data.split or "")
    found = find_cases(cases)
    if file.exists() and (file.parent / RECORD).exists():  # without a record, it may be of another wish
        return read_split(file, found)
    facts = check_cases(found, cache=data.cache, source=cases)
    if split is not None and Path(split).is_file():
        made = read_split(Path(split), found)
        if not made.validation:
            remedy = "give some volumes the set validation"
            raise InputError("leaves no volume to validate with, which the ranking goes by", remedy=remedy, file=split)
    else:
        made = split_cases(found, {fact.name: fact.load_ml for fact in facts}, str(split or SHARES), seed=seed)
    write_split(file, made)
    return made
