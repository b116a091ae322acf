"""Recipes from TOML and plain tables, and back."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from dawson.core.errors import UsageError
from dawson.recipe.rules import bad, check_ranges, check_together
from dawson.recipe.schema import Recipe


def load_recipe(recipe: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe by the name of a shipped one or by its path.

    ``overrides`` maps dotted fields (``"optimizer.lr"``) to TOML values as text. Raises
    :class:`UsageError` for a missing file, broken TOML, and unknown or ill-typed fields.
    """
    shipped = resources.files("dawson.recipe") / "shipped" / f"{recipe}.toml"
    if shipped.is_file():
        text = shipped.read_text("utf-8")
    elif Path(recipe).is_file():
        try:
            text = Path(recipe).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
            raise UsageError(f"the recipe cannot be read ({reason})", file=recipe, remedy="check the file") from error
    else:
        names = " or ".join(recipe_names())
        raise UsageError(f"there is no recipe {str(recipe)!r}", remedy=f"name a TOML file, or {names}")
    try:
        content = tomllib.loads(text)
        for key, value in (overrides or {}).items():
            _set(content, key, _toml_value(key, value))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {str(recipe)!r} is not valid TOML ({error})", remedy="correct it there") from error
    return recipe_from_dict(content)


def recipe_names() -> list[str]:
    """The shipped recipes."""
    folder = resources.files("dawson.recipe") / "shipped"
    return sorted(file.name.removesuffix(".toml") for file in folder.iterdir() if file.name.endswith(".toml"))


def recipe_from_dict(content: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain tables, as TOML and a model's card hold them."""
    built: Recipe = _build(Recipe, content, "")
    check_ranges(built, recipe_to_dict(built))
    check_together(built)
    return built


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain tables of a recipe, for TOML, JSON and back through :func:`recipe_from_dict`."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return plain


def recipe_to_toml(recipe: Recipe) -> str:
    """The whole recipe as TOML, every field written out."""
    content = recipe_to_dict(recipe)
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for table, fields in content.items():
        if isinstance(fields, dict):
            lines += ["", f"[{table}]", *(f"{key} = {_toml(value)}" for key, value in fields.items())]
    return "\n".join(lines) + "\n"


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Tables as TOML has them: ``lambda``, which Python reserves, without its underscore, and no empty ones."""
    return {
        key.removesuffix("_"): _plain(value) if isinstance(value, dict) else value
        for key, value in content.items()
        if value is not None
    }


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value, ensure_ascii=False)


def _toml_value(key: str, text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        remedy = "write words in quotes, numbers as they are, and lists in brackets"
        raise bad(key, f"is set to {text}, which is no TOML value", remedy) from error


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for table in tables:
        inner = content.setdefault(table, {})
        if not isinstance(inner, dict):
            raise bad(key, f"lies in {table!r}, which is no table", "name a field that the recipe has")
        content = inner
    content[last.removesuffix("_")] = value


def _build(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    names = {f.name.removesuffix("_"): f.name for f in dataclasses.fields(kind)}
    for key in content:
        if key.removesuffix("_") not in names:
            raise bad(where + key, "is unknown", f"use one of {', '.join(sorted(names))}")
    values = {}
    for key, value in content.items():
        name = names[key.removesuffix("_")]
        values[name] = _value(hints[name], value, where + key)
    try:
        return kind(**values)
    except TypeError as error:
        raise bad(where or "recipe", f"is incomplete ({error})", "add what is missing") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, UnionType):  # an optional table, given
        hint = next(kind for kind in get_args(hint) if kind is not type(None))
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise bad(where, f"is {value!r}, not a table", f"write it as [{where}]")
        return _build(hint, value, where + ".")
    origin = get_origin(hint)
    if origin is tuple:
        inner = get_args(hint)
        if not isinstance(value, list | tuple) or (inner[-1] is not Ellipsis and len(value) != len(inner)):
            raise bad(
                where,
                f"is {value!r}",
                f"give a list of {'some' if inner[-1] is Ellipsis else len(inner)} values",
            )
        return tuple(_value(inner[0], item, where) for item in value)
    if origin in (dict, Mapping) or (origin is not None and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise bad(where, f"is {value!r}, not a table", f"write it as [{where}]")
        return {str(k): _value(get_args(hint)[1], v, where) for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise bad(where, f"is {value!r}", f"give a value of type {hint.__name__}")
    return value
