"""Recipes from TOML and plain tables, and back."""

from __future__ import annotations

import dataclasses
import json
import textwrap
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from pydantic import ValidationError

from dawson.core.errors import UsageError
from dawson.recipe.schema import TABLES, Recipe, bad, describe


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
    values: dict[str, Any] = {}
    for key, value in content.items():
        if key not in TABLES:
            values[key] = value
        elif isinstance(value, Mapping):
            values[key] = _build(TABLES[key], value, key + ".")
        else:
            raise bad(key, f"is {value!r}, not a table", f"write it as [{key}]")
    recipe: Recipe = _build(Recipe, values, "")
    return recipe


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain tables of a recipe, for TOML, JSON and back through :func:`recipe_from_dict`."""
    plain: dict[str, Any] = _plain(dataclasses.asdict(recipe))
    return plain


def recipe_to_toml(recipe: Recipe, *, explain: bool = False) -> str:
    """The whole recipe as TOML, every field written out; where asked for, what it means stands above it."""
    content = recipe_to_dict(recipe)
    lines = [f"{key} = {_toml(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for table, fields in content.items():
        if isinstance(fields, dict):
            lines += ["", f"[{table}]"]
            meanings = describe(table) if explain else {}
            for key, value in fields.items():
                lines += [*textwrap.wrap(meanings.get(key, ""), 100, initial_indent="# ", subsequent_indent="# ")]
                lines.append(f"{key} = {_toml(value)}")
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
    names = {f.name.removesuffix("_"): f.name for f in dataclasses.fields(kind)}
    for key in content:
        if key.removesuffix("_") not in names:
            raise bad(where + key, "is unknown", f"use one of {', '.join(sorted(names))}")
    try:
        return kind(**{names[key.removesuffix("_")]: value for key, value in content.items()})
    except ValidationError as error:
        raise _refusal(kind, error, content, where) from error


def _refusal(kind: Any, error: ValidationError, content: Mapping[str, Any], where: str) -> UsageError:
    """The first thing that is wrong: which field, what it holds, what it may hold."""
    first = error.errors()[0]
    name = str(first["loc"][0])
    key = name.removesuffix("_")
    if first["type"] == "missing" and key not in content and name not in content:
        return bad(where + key, "is missing, so that the recipe is incomplete", "add it")
    hint = get_type_hints(kind, include_extras=True)[name]
    return bad(where + key, f"is {content.get(key, content.get(name))!r}", f"give {_allowed(hint)}")


def _allowed(hint: Any) -> str:
    """What a field of this type may hold, in words."""
    limits: dict[str, float] = {}
    while get_origin(hint) is Annotated:
        for part in (p for m in hint.__metadata__ for p in m.metadata):
            limits |= {side: getattr(part, side) for side in ("ge", "gt", "le") if hasattr(part, side)}
        hint = get_args(hint)[0]
    inner = get_args(hint)
    if get_origin(hint) is Literal:
        return " or ".join(map(repr, inner))
    if get_origin(hint) is tuple:
        each = _allowed(inner[0])
        return f"a list of {'values' if inner[-1] is Ellipsis else len(inner)}, each {each}"
    if get_origin(hint) is Mapping:
        return "a table of shares"
    what = {int: "a whole number", float: "a number", bool: "true or false", str: "text in quotes"}[hint]
    if "gt" in limits:
        return f"{what} above {limits['gt']:g}"
    if "le" in limits:
        return f"{what} between {limits['ge']:g} and {limits['le']:g}"
    return what
