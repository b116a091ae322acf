"""README and documentation: links lead somewhere, snippets run, every column is explained, the site is strict."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import typer.main

import dawson
from dawson.cases.demo import demo_study_files
from dawson.cases.split import COLUMNS as SPLIT_COLUMNS
from dawson.cases.table import COLUMNS as CASE_COLUMNS
from dawson.cli.app import app
from dawson.cli.terminal import SEGMENT_EXIT_CODES
from dawson.evaluation.output.table import LESIONS as EVALUATED_LESIONS
from dawson.reporting.cohort.table import COLUMNS as COHORT_COLUMNS
from dawson.results.tables import LESION_COLUMNS

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
LINES_OF_README = 90
OLD = ("training-log.md", "CHANGELOG.md")  # they tell of what was
EVERYWHERE = {"--help", "-h", "-v", "--verbose"}
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
LOADED = re.compile(r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*\bsrc=\"?(?:https?:)?//[^>]*>")
STYLES = re.compile(r"<link\b[^>]*\bhref=\"?(?:https?:)?//[^>]*>")
FREE = tuple(
    f"{name}."
    for name in (
        *("alignment", "quality.checks[].figures", "seconds", "versions", "volumes.methods"),
        *("model.accuracy", "model.calibration"),
    )
)  # tables whose names are free: their keys are not explained one by one
FETCHED = re.compile(r"@import\s+(?:url\()?[\"']?https?:|url\([\"']?https?:")


@pytest.fixture(scope="module")
def hooks() -> Iterator[ModuleType]:
    """What fills the generated parts of pages."""
    spec = importlib.util.spec_from_file_location("dawson_docs_hooks", DOCS / "hooks.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page):
    targets = [link.partition("#")[0] for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


def test_links_are_found_where_there_are_some():
    assert LINK.findall("a [b](c.md#d) ![e](f.png)") == ["c.md#d", "f.png"]


def test_readme_fits_one_screen_and_holds_the_two_commands():
    lines = README.read_text("utf-8").splitlines()
    assert len(lines) <= LINES_OF_README
    commands = [line for line in lines if line.startswith("python3 -m venv .venv && ")]
    assert len(commands) == 2
    assert commands[0].endswith("dawson demo --overwrite")
    assert commands[1].endswith(".venv/bin/pytest")


def test_no_page_names_a_host_to_install_from():
    for page in PAGES:
        assert not re.search(r"--(extra-)?index-url|pip install '?dawson\[", page.read_text("utf-8")), page


@pytest.mark.parametrize("page", [page for page in PAGES if page.name not in OLD], ids=lambda page: page.name)
def test_scripts_that_pages_name_are_there(page):
    text = page.read_text("utf-8")
    files = [ROOT / file for file in re.findall(r"\btools/\w+/\w+\.\w+", text)]
    files += [ROOT / f"{name.replace('.', '/')}.py" for name in re.findall(r"-m (tools\.\w+\.\w+)", text)]
    assert [file for file in files if not file.is_file()] == []


def test_shipped_recipes_name_files_that_are_there():
    recipes = sorted((ROOT / "src" / "dawson" / "recipe" / "shipped").glob("*.toml"))
    assert len(recipes) == 3
    named = [
        (file.name, name) for file in recipes for name in re.findall(r"[\w./-]+\.(?:py|md)\b", file.read_text("utf-8"))
    ]
    assert named != []
    assert [one for one in named if not (ROOT / one[1]).is_file()] == []


def test_pages_name_the_exit_codes_of_help():
    rows = re.findall(r"^\| (\d+) \|", (DOCS / "how-to" / "many-visits.md").read_text("utf-8"), re.MULTILINE)
    assert rows == re.findall(r"\b\d+(?= )", SEGMENT_EXIT_CODES)


def commands_of(page: Path) -> Iterator[list[str]]:
    """The words of every ``dawson`` command in the page's code."""
    for block in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        for part in re.split(r"&&|[|]+|[;\n]", block.replace("\\\n", " ")):
            words = part.partition("#")[0].split()
            if words and words[0] in ("dawson", ".venv/bin/dawson"):
                yield words[1:]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_and_options_on_pages_are_dawsons(page):
    for words in commands_of(page):
        command, rest = typer.main.get_command(app), list(words)
        while rest and rest[0] in getattr(command, "commands", {}):
            command = command.commands[rest.pop(0)]
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        assert not hasattr(command, "commands") or set(rest) <= EVERYWHERE | {"--version"}, words
        assert {word for word in rest if word.startswith("-")} - options - EVERYWHERE == set(), words


def snippets() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)
        yield from ((f"{page.relative_to(ROOT)}:{number}", code) for number, code in enumerate(blocks))


@pytest.mark.parametrize(("where", "code"), list(snippets()), ids=[where for where, _ in snippets()])
def test_python_snippets_run_on_the_example(where, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in demo_study_files().values():
        (tmp_path / file.name).symlink_to(file)
    exec(compile(code, where, "exec"), {"__name__": "__main__"})
    if "dawson.write" in code:
        assert (tmp_path / "results" / "summary.json").is_file()


def test_there_are_snippets_in_readme_tutorial_and_reference():
    assert {where.partition(":")[0] for where, _ in snippets()} >= {
        "README.md",
        "docs/tutorial.md",
        "docs/reference/api.md",
    }


def named(markdown: str) -> set[str]:
    """Whatever stands as code in the first cells of tables."""
    return {name for line in markdown.splitlines() if line.startswith("| `") for name in re.findall(r"`([^`]+)`", line)}


def test_every_column_of_every_table_is_explained(hooks):
    known = named(hooks.on_page_markdown((DOCS / "reference" / "files.md").read_text("utf-8")))
    tables = (LESION_COLUMNS, COHORT_COLUMNS, EVALUATED_LESIONS, SPLIT_COLUMNS, set(CASE_COLUMNS.values()))
    assert {column for columns in tables for column in columns} - known == set()


def test_every_key_of_a_summary_is_explained(hooks, tmp_path):
    study = dawson.read_study(flair=demo_study_files()[dawson.Modality.FLAIR])
    summary = dawson.write(dawson.segment(study), tmp_path)
    known = named(hooks.on_page_markdown((DOCS / "reference" / "files.md").read_text("utf-8")))
    known |= {name.rpartition(".")[0] for name in known}
    keys = {key for key in keys_of(summary) if not key.startswith(FREE)}
    assert len(keys) > 60
    checks = named((DOCS / "reference" / "quality.md").read_text("utf-8"))
    assert {check["name"] for check in summary["quality"]["checks"]} - checks == set()
    assert [key for key in sorted(keys) if not any(fits(key, name) for name in known)] == []


@pytest.mark.parametrize(
    "part", ["command_line", "recipe_fields", "result_files", "summary_keys", "evaluation_columns"]
)
def test_nothing_is_named_without_a_word_on_it(hooks, part):
    rows = [line for line in getattr(hooks, part)().splitlines() if line.startswith("| `")]
    assert rows
    assert [row for row in rows if not row.rstrip("| ").rsplit(" | ", 1)[-1] or re.search(r"\|\s*\|$", row)] == []


def test_generated_parts_are_filled(hooks):
    for page in (DOCS / "reference").glob("*.md"):
        for marker in re.findall(r"^\{\{.*\}\}$", page.read_text("utf-8"), re.MULTILINE):
            assert "{{" not in hooks.on_page_markdown(marker)
            assert len(hooks.on_page_markdown(marker).splitlines()) > 10
    with pytest.raises(KeyError):
        hooks.on_page_markdown("{{ nothing_of_this_name }}")


def test_every_command_stands_on_the_page_of_the_command_line(hooks):
    text = hooks.command_line()
    for name in typer.main.get_command(app).commands:
        assert f"## dawson {name}\n" in text


def test_every_public_name_stands_on_the_page_of_python():
    page = (DOCS / "reference" / "api.md").read_text("utf-8")
    assert [name for name in dawson.__all__ if f"::: dawson.{name}\n" not in page] == ["__version__"]


def test_every_field_of_a_recipe_is_explained(hooks):
    from dawson.recipe import load_recipe, recipe_to_toml

    tables = hooks.recipe_fields()
    for name in ("paper", "dawson"):
        fields = re.findall(r"^(\w+) = ", recipe_to_toml(load_recipe(name)), re.MULTILINE)
        missing = [field for field in fields if f"| `{field}` |" not in tables]
        assert missing in ([], ["name"])


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    pytest.importorskip("mkdocs", reason="the documentation's tools are not installed")
    pytest.importorskip("mkdocstrings", reason="the documentation's tools are not installed")
    pytest.importorskip("material", reason="the documentation's tools are not installed")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        text = page.read_text("utf-8")
        assert LOADED.findall(text) + STYLES.findall(text) == [], page
    for style in (tmp_path / "site").rglob("*.css"):
        assert not FETCHED.search(style.read_text("utf-8")), style


def keys_of(value: object, above: str = "") -> Iterator[str]:
    """All keys of plain JSON, dots between levels, ``[]`` for items of a list."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield f"{above}{name}"
            yield from keys_of(inner, f"{above}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from keys_of(inner, f"{above[:-1]}[].")


def fits(key: str, name: str) -> bool:
    """Whether a documented name stands for a key, NAME in it for any part."""
    pattern = "".join(r"[^.]+" if part == "NAME" else re.escape(part) for part in re.split(r"(NAME)", name))
    return re.fullmatch(pattern, key) is not None


def test_commands_are_found_in_code():
    found = [words for page in PAGES for words in commands_of(page)]
    assert len(found) > 30
    assert ["demo", "--overwrite"] in found
