"""The files beside pyproject.toml: valid, of one version, and without a host in them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]


def test_the_citation_is_of_this_version_and_has_what_the_format_asks_for():
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the documentation's tools")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == VERSION
    assert citation["license"] == "Apache-2.0"
    for entry in (citation, *citation["references"]):
        assert entry["title"]
        assert all(author.keys() <= {"name", "family-names", "given-names"} for author in entry["authors"])
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", citation["date-released"])


def test_the_changes_name_this_version_and_what_comes_next():
    heads = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased" or heads[0].startswith(f"{VERSION} – ")
    assert any(head.startswith(f"{VERSION} – ") for head in heads)


def test_hooks_before_a_commit_fetch_nothing():
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with the documentation's tools")
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repository["repo"] for repository in hooks["repos"]} == {"local"}
    assert {hook["language"] for repository in hooks["repos"] for hook in repository["hooks"]} == {"system"}


def test_issue_templates_ask_for_no_patient():
    templates = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.md"))
    assert len(templates) >= 2
    for template in templates:
        assert re.match(r"---\nname: .+\nabout: .+\n", template.read_text("utf-8"))
    assert "Never attach a patient's scan" in (ROOT / ".github" / "ISSUE_TEMPLATE" / "bug.md").read_text("utf-8")
