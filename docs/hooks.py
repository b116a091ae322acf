"""Parts of the documentation that dawson itself tells when the site is built, so that they are never stale.

A line ``{{ name }}`` of a page is replaced by what the function of that name in :data:`PARTS` gives.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import typer.main
from pydantic import TypeAdapter

from dawson.cli.app import app
from dawson.core.names import RESULT_FILES
from dawson.evaluation.metrics.columns import definitions_of
from dawson.evaluation.settings import Settings
from dawson.recipe.schema import Recipe
from dawson.results.schema import json_schema

WORDS = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
    "object": "table",
    "null": "null",
}
"""What the types of a JSON schema are called on the pages."""
LARGE = 2**31  # a bound from here on is not worth printing
MARKER = re.compile(r"^\{\{ (\w+) \}\}$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """MkDocs calls this with the text of each page; an unknown name is a KeyError, which ends the build."""
    return MARKER.sub(lambda found: PARTS[found[1]](), markdown)


def command_line() -> str:
    """Every command: usage, help, options, examples."""
    return "\n".join(_commands(typer.main.get_command(app), "dawson"))


def recipe_fields() -> str:
    """The fields of a recipe, a table for each of its tables: default, range and meaning."""
    return "\n".join(_recipe_tables())


def result_files() -> str:
    """The files of one result."""
    return _table(("file", "what it holds"), ((f"`{name}`", what) for name, what in RESULT_FILES.items()))


def summary_keys() -> str:
    """Every key of ``summary.json``."""
    schema = dict(json_schema())
    return _table(("key", "type", "meaning"), _keys(schema, schema["$defs"], ""))


def evaluation_columns() -> str:
    """Every computed column of ``metrics.csv``, as its own definition says."""
    settings = Settings(rules=("any", "iou-0.1", "msseg"))
    return _table(("column", "meaning"), ((f"`{name}`", text) for name, text in definitions_of(settings).items()))


PARTS: dict[str, Callable[[], str]] = {
    "command_line": command_line,
    "recipe_fields": recipe_fields,
    "result_files": result_files,
    "summary_keys": summary_keys,
    "evaluation_columns": evaluation_columns,
}


def _commands(command: Any, name: str) -> Iterator[str]:
    """A command in Markdown, and those below it."""
    context = command.context_class(command, info_name=name)
    yield f"## {name}\n"
    yield f"```text\n{' '.join([name, *command.collect_usage_pieces(context)])}\n```\n"
    yield f"{_paragraphs(command.help or '')}\n"
    records = [record for parameter in command.params if (record := parameter.get_help_record(context)) is not None]
    if records:
        yield _table(("option", "meaning"), ((f"`{names}`", text) for names, text in records))
    if command.epilog:
        yield _epilog(command.epilog)
    for inner, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, f"{name} {inner}")


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.replace("\b", "").split("\n\n"))


def _epilog(text: str) -> str:
    """Examples as code, where click is told to keep their lines (a paragraph that begins with a backspace)."""
    parts = []
    for part in text.split("\n\n"):
        if part.startswith("\b\n"):
            title, _, lines = part.removeprefix("\b\n").partition("\n")
            head, code = (f"{title}\n\n", lines) if title.endswith(":") else ("", part.removeprefix("\b\n"))
            parts.append(f"{head}```sh\n{textwrap.dedent(code)}\n```\n")
        else:
            parts.append(f"{part}\n")
    return "\n".join(parts)


def _recipe_tables() -> Iterator[str]:
    """A heading and a table of fields for each table of a recipe, by its own schema."""
    schema = TypeAdapter(Recipe).json_schema()
    for name, field in schema["properties"].items():
        part = next((kind for _, kind in _kinds(field, schema["$defs"]) if kind is not None), None)
        if part is None:
            continue
        about = [_marked(part["description"]), _marked(field.get("description", ""))]
        yield f"## `[{name}]`\n\n{' '.join(about).strip()}\n"
        rows = (
            (f"`{key.rstrip('_')}`", _default(one), _allowed(one), _marked(one.get("description", "")))
            for key, one in part["properties"].items()
        )
        yield _table(("field", "default", "may hold", "meaning"), rows)


def _default(field: dict[str, Any]) -> str:
    """The default as TOML has it."""
    value = field.get("default")
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{json.dumps(key)} = {inner}" for key, inner in value.items()) + "}`"
    return f"`{json.dumps(value)}`" if value is not None else "its own shares"


def _allowed(field: dict[str, Any]) -> str:
    """Type and range of a field, or its words."""
    if "enum" in field:
        return ", ".join(f"`{json.dumps(word)}`" for word in field["enum"])
    if field.get("type") == "array":
        items = field.get("items") or field["prefixItems"][0]
        count = (
            f"{field['minItems']} " if field.get("minItems") and field.get("minItems") == field.get("maxItems") else ""
        )
        return f"{count}in a list: {_allowed(items)}"
    if isinstance(field.get("additionalProperties"), dict):
        return f"by name: {_allowed(field['additionalProperties'])}"
    word = WORDS.get(str(field.get("type")), "any")
    above, low, high = (field.get(bound) for bound in ("exclusiveMinimum", "minimum", "maximum"))
    if above is not None:
        word += f" above {above:g}"
    if high is None or high >= LARGE:
        return word if low is None else f"{word}, {low:g} or more"
    return f"{word}, up to {high:g}" if low is None else f"{word}, {low:g} to {high:g}"


def _keys(part: dict[str, Any], parts: dict[str, Any], above: str) -> Iterator[tuple[str, str, str]]:
    for name, field in part.get("properties", {}).items():
        where = f"{above}{name}"
        kinds = list(_kinds(field, parts))
        inner = [kind for _, kind in kinds if kind is not None]
        meaning = field.get("description") or " ".join(str(kind.get("description", "")) for kind in inner)
        yield f"`{where}`", " or ".join(word for word, _ in kinds), _marked(meaning)
        for kind in inner:
            yield from _keys(kind, parts, f"{where}{_step(field)}.")


def _kinds(field: dict[str, Any], parts: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """Word and, for a table, schema of each type that a field may have."""
    if "$ref" in field:
        yield "table", parts[field["$ref"].rsplit("/", 1)[1]]
    elif "anyOf" in field:
        kinds = [
            one for one in field["anyOf"] if one.get("type") != "integer" or {"type": "number"} not in field["anyOf"]
        ]
        for one in kinds:
            yield from _kinds(one, parts)
    elif field.get("type") == "array":
        kinds = list(_kinds(field["items"], parts))
        yield f"list of ({' or '.join(word for word, _ in kinds)})", next((kind for _, kind in kinds if kind), None)
    elif isinstance(field.get("additionalProperties"), dict):
        kinds = list(_kinds(field["additionalProperties"], parts))
        yield f"by name: {' or '.join(word for word, _ in kinds)}", next((kind for _, kind in kinds if kind), None)
    elif "enum" in field:
        yield "one of " + ", ".join(map(str, field["enum"])), None
    else:
        yield WORDS.get(str(field.get("type")), "any"), None


def _step(field: dict[str, Any]) -> str:
    options = field.get("anyOf", [field])
    if any(one.get("type") == "array" for one in options):
        return "[]"
    return ".NAME" if any(isinstance(one.get("additionalProperties"), dict) for one in options) else ""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def _cell(text: str) -> str:
    return re.sub(r" <[^>]*>", "", text.replace("|", "\\|").replace("\n", " "))


def _marked(text: str) -> str:
    """A docstring on one line, with roles of reStructuredText as plain code."""
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
