"""The grid of a search: axes such as ``optimizer.lr=1e-3,1e-4``, and every combination of their values."""

from __future__ import annotations

import itertools
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dawson.core.errors import UsageError
from dawson.recipe import load_recipe

LONGEST_NAME = 100  # file systems end names at 255 bytes, and logs add to them
HOW = 'write it like --grid "optimizer.lr=1e-3,1e-4"'


@dataclass(frozen=True)
class Axis:
    """One field of the recipe and the values that it takes, read and as TOML text."""

    field: str
    texts: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def label(self) -> str:
        """The field's own name, without its table."""
        return self.field.rpartition(".")[2]


@dataclass(frozen=True)
class Point:
    """One point of the grid: its folder's name, its value on every axis, and what it changes in the recipe."""

    name: str
    values: tuple[Any, ...]
    overrides: Mapping[str, str]


def expand(
    recipe: str | Path, grid: Sequence[str], overrides: Mapping[str, str] | None = None
) -> tuple[tuple[Axis, ...], tuple[Point, ...]]:
    """Turn axes into points, the last axis varying fastest, and check each point as a recipe.

    A point's name depends on its values alone, not on how they are spelled or on what else is in the grid.
    Raises :class:`UsageError`, which names the field, for an axis or a value given twice, an unknown field,
    a value that is no TOML or out of range, and a field that ``overrides`` sets too.
    """
    axes = tuple(_axis(text) for text in grid)
    if not axes:
        raise UsageError("the search has no grid", remedy=f"give at least one field: {HOW}")
    fields = [axis.field for axis in axes]
    base = {_field(key): value for key, value in (overrides or {}).items()}
    for field in fields:
        if fields.count(field) > 1:
            raise UsageError(f"the grid has {field!r} twice", remedy="give all its values in one --grid")
        if field in base:
            raise UsageError(f"{field!r} is both in the grid and set", remedy="drop its --grid or its --set")
    labels = [axis.label for axis in axes]
    names = [axis.label if labels.count(axis.label) == 1 else axis.field for axis in axes]
    points = []
    for chosen in itertools.product(*(range(len(axis.texts)) for axis in axes)):
        values_by_field = {axis.field: axis.texts[n] for axis, n in zip(axes, chosen, strict=True)}
        values = tuple(axis.values[n] for axis, n in zip(axes, chosen, strict=True))
        load_recipe(recipe, base | values_by_field)
        points.append(Point(_name(names, values), values, base | values_by_field))
    return axes, tuple(points)


def spell(value: Any) -> str:
    """A value as people write it: ``1`` and ``1.0`` alike, ``true``, ``16-32-64``."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return repr(float(value)).removesuffix(".0")
    if isinstance(value, list | tuple):
        return "-".join(spell(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _axis(text: str) -> Axis:
    key, equals, rest = text.partition("=")
    field, texts = _field(key), tuple(_split(rest))
    if not (field and equals and all(texts)):
        raise UsageError(f"--grid {text} is not FIELD=VALUE,VALUE", remedy=HOW)
    values: list[Any] = []
    for each in texts:
        try:
            value = tomllib.loads(f"value = {each}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise UsageError(
                f"the grid's {field!r} holds {each}, which is no TOML value",
                remedy="write words in quotes, numbers as they are, and lists in brackets",
            ) from error
        if value in values:
            raise UsageError(f"the grid's {field!r} holds {each} twice", remedy="give each value once")
        values.append(value)
    return Axis(field, texts, tuple(values))


def _field(key: str) -> str:
    """One spelling for a field: ``loss.lambda`` is ``loss.lambda_`` to Python."""
    return ".".join(part.strip().removesuffix("_") for part in key.split("."))


def _split(text: str) -> Iterator[str]:
    """Split at commas that are in no quotes and no brackets."""
    depth, quote, part = 0, "", ""
    for sign in text:
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "\"'":
            quote = sign
        elif sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        if sign == "," and not depth and not quote:
            yield part.strip()
            part = ""
        else:
            part += sign
    yield part.strip()


def _name(labels: Sequence[str], values: Sequence[Any]) -> str:
    """A name for a folder, readable and without signs that a shell or a file system minds."""
    whole = "_".join(f"{label}={spell(value)}" for label, value in zip(labels, values, strict=True))
    safe = re.sub(r"[^A-Za-z0-9.=_+-]", "-", whole)[:LONGEST_NAME]
    return safe if safe == whole else f"{safe}-{sha256(whole.encode()).hexdigest()[:8]}"
