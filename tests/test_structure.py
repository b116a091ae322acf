"""The shape of the source: which room may import which, and how large files and functions may be.

Everything is read with :mod:`ast`; nothing is imported. What does not fit yet is listed in ``EXCEPTIONS``, which may
only shrink: an entry that is no longer needed fails too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src"
PACKAGE = SRC / "dawson"

ROOMS = (
    "core",
    "nifti",
    "recipe",
    "measurement",
    "cases",
    "model",
    "preparation",
    "quality",
    "segmentation",
    "results",
    "reporting",
    "evaluation",
    "synthesis",
    "training",
    "searching",
    "cli",
)
"""Each imports only rooms before it."""
NARROWER = {"measurement": {"core", "recipe"}, "model": {"core", "recipe"}}
"""Rooms that import less than all before them."""

FILES_IN_A_FOLDER = 16
LINES_OF_A_FILE = 400
LINES_OF_A_FUNCTION = 80
PARAMETERS = 10
LINES_OF_THE_PIPELINE = 120
LINES_OF_THE_README = 90

EXCEPTIONS: dict[str, set[str]] = {}
"""By rule: what does not keep it yet."""


@lru_cache
def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package by the name of its folder."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        parts = file.relative_to(SRC).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


@lru_cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def where(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def imported_names(module: str, syntax: ast.AST, known: frozenset[str], *, is_package: bool = False) -> Iterator[str]:
    """Modules among ``known`` that ``syntax`` imports, wherever in the file the import stands."""
    for node in ast.walk(syntax):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.split(".") if is_package else module.split(".")[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *([base] if base else [])])
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
        elif (  # import_module("dawson.…"), also through a name for it
            isinstance(node, ast.Call)
            and node.args
            and isinstance(node.args[0], ast.Constant)
            and getattr(node.func, "id", getattr(node.func, "attr", "")) in ("import_module", "__import__")
        ):
            names = [str(node.args[0].value)]
        else:
            continue
        yield from (name for name in names if name in known)


@lru_cache
def imports() -> dict[str, frozenset[str]]:
    known = frozenset(modules())
    return {
        module: frozenset(imported_names(module, tree(file), known, is_package=file.name == "__init__.py")) - {module}
        for module, file in modules().items()
    }


def circles(graph: dict[str, frozenset[str]]) -> list[list[str]]:
    """Sets of modules that reach one another (Tarjan's strongly connected components of more than one)."""
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = low[node] = len(number)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            part = [stack.pop()]
            while part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in sorted(graph):
        if node not in number:
            visit(node)
    return found


def room(module: str) -> str | None:
    """The room of a module; none for the package itself and its ``__main__``."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in ROOMS else None


def allowed(importer: str) -> set[str]:
    return NARROWER.get(importer, set(ROOMS[: ROOMS.index(importer)])) | {importer}


def functions() -> Iterator[tuple[str, Path, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for file in modules().values():
        for node in ast.walk(tree(file)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{where(file)}:{node.name}", file, node


def parameter_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    given = function.args
    named = [argument.arg for argument in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
    return len([name for name in named if name not in ("self", "cls")])


def commands(file: Path) -> set[str]:
    """Functions that ``app.command(…)(function)`` gives to typer, which reads their parameters as options."""
    return {
        node.args[0].id
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Call)
        and getattr(node.func.func, "attr", "") == "command"
        and node.args
        and isinstance(node.args[0], ast.Name)
    }


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


# --- the rules: each gives what breaks it ---


def circles_of_imports() -> set[str]:
    return {" ".join(circle) for circle in circles(imports())}


def imports_against_the_order() -> set[str]:
    broken = set()
    for module, others in imports().items():
        importer = room(module)
        if importer is None:
            continue
        for other in others:
            target = room(other)
            if target is None or target not in allowed(importer):
                broken.add(f"{module} -> {other}")
    return broken


def imports_of_the_package_itself() -> set[str]:
    """Inside, a name is taken from where it lives: the package stands after all rooms."""
    return {module for module, others in imports().items() if "dawson" in others and room(module)}


def rooms_that_nobody_named() -> set[str]:
    return {folder.name for folder in PACKAGE.iterdir() if folder.is_dir() and any(folder.rglob("*.py"))} - set(ROOMS)


def crowded_folders() -> set[str]:
    folders = {file.parent for file in modules().values()}
    return {where(folder) for folder in folders if len(list(folder.glob("*.py"))) > FILES_IN_A_FOLDER}


def long_files() -> set[str]:
    return {where(file) for file in modules().values() if lines(file) > LINES_OF_A_FILE}


def long_functions() -> set[str]:
    return {name for name, _, function in functions() if length(function) > LINES_OF_A_FUNCTION}


def functions_of_many_parameters() -> set[str]:
    return {
        name
        for name, file, function in functions()
        if parameter_count(function) > PARAMETERS and function.name not in commands(file)
    }


def long_pipeline() -> set[str]:
    file = PACKAGE / "segmentation" / "pipeline.py"
    return {where(file)} if lines(file) > LINES_OF_THE_PIPELINE else set()


def long_readme() -> set[str]:
    return {"README.md"} if lines(ROOT / "README.md") > LINES_OF_THE_README else set()


def asserts_and_prints() -> set[str]:
    broken = set()
    for file in modules().values():
        for node in ast.walk(tree(file)):
            called = node.func if isinstance(node, ast.Call) else None
            if isinstance(node, ast.Assert) or (isinstance(called, ast.Name) and called.id in ("print", "pprint")):
                broken.add(f"{where(file)}:{node.lineno}")
    return broken


def verbs_that_hide_a_package() -> set[str]:
    exported: set[str] = set()
    for node in tree(PACKAGE / "__init__.py").body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            exported = set(ast.literal_eval(node.value))
    assert exported, "dawson/__init__.py has no __all__"
    return {name for name in exported if f"dawson.{name}" in modules()}


RULES = {
    rule.__name__: rule
    for rule in (
        circles_of_imports,
        imports_against_the_order,
        imports_of_the_package_itself,
        rooms_that_nobody_named,
        crowded_folders,
        long_files,
        long_functions,
        functions_of_many_parameters,
        long_pipeline,
        long_readme,
        asserts_and_prints,
        verbs_that_hide_a_package,
    )
}


@pytest.mark.parametrize("name", RULES)
def test_rule(name: str) -> None:
    broken, excepted = RULES[name](), EXCEPTIONS.get(name, set())
    assert broken - excepted == set(), "breaks the rule"
    assert excepted - broken == set(), "keeps the rule now: take it out of EXCEPTIONS"


def test_exceptions_are_of_rules() -> None:
    assert set(EXCEPTIONS) <= set(RULES)


# --- the rules see what they are for ---


def test_every_module_is_seen() -> None:
    assert {room(module) for module in modules()} == {*ROOMS, None}
    assert sum(map(len, imports().values())) > len(modules())


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import dawson.core.errors", {"dawson.core.errors"}),
        ("import dawson.core.errors as x", {"dawson.core.errors"}),
        ("from dawson.core import errors", {"dawson.core.errors"}),
        ("from dawson.core.errors import DawsonError", {"dawson.core.errors"}),
        ("def f():\n    from dawson.core.errors import DawsonError", {"dawson.core.errors"}),
        ("if TYPE_CHECKING:\n    from dawson.core.errors import DawsonError", {"dawson.core.errors"}),
        ("from .errors import DawsonError", {"dawson.core.errors"}),
        ("from . import errors", {"dawson.core.errors"}),
        ("from ..nifti import scan", {"dawson.nifti.scan"}),
        ("importlib.import_module('dawson.nifti.scan')", {"dawson.nifti.scan"}),
        ("import numpy", set()),
    ],
)
def test_imports_are_seen_wherever_they_stand(source: str, found: set[str]) -> None:
    known = frozenset({"dawson", "dawson.core", "dawson.core.errors", "dawson.nifti", "dawson.nifti.scan"})
    assert set(imported_names("dawson.core.grid", ast.parse(source), known)) == found


def test_circles_are_found() -> None:
    def graph(**edges: str) -> dict[str, frozenset[str]]:
        return {name: frozenset(others) for name, others in edges.items()}

    assert circles(graph(a="b", b="c", c="")) == []
    assert circles(graph(a="b", b="a")) == [["a", "b"]]
    assert circles(graph(a="b", b="c", c="a", d="a")) == [["a", "b", "c"]]
