"""Templates escape everything, and the policy of a page lets only its own scripts run."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

import pytest
from jinja2 import UndefinedError

from dawson.reporting.render import asset, render

TEMPLATES = {
    file.name: file.read_text("utf-8") for file in (resources.files("dawson.reporting") / "templates").iterdir()
}
HOSTILE = "</title></style></script><script>alert(1)</script>\"' onload=x"


def test_there_are_templates():
    assert {"base.html", "components.html", "visit.html", "visits.html", "evaluation.html"} <= set(TEMPLATES)


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_template_turns_escaping_off(name):
    assert not re.search(r"\|\s*safe|autoescape|Markup", TEMPLATES[name])
    assert not re.search(r"\son\w+=|\sstyle=|https?:", TEMPLATES[name])


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_attribute_that_is_filled_in_is_quoted(name):
    """An attribute without quotes could be ended by a space, which escaping leaves as it is."""
    assert not re.search(r"=\{\{", TEMPLATES[name])


def test_a_title_is_text():
    page = render("base.html", title=HOSTILE)
    assert "<script>" not in page
    assert page.count("</title>") == page.count("</style>") == 1


def test_only_the_scripts_of_the_page_may_run():
    page = render("base.html", title="A page", scripts=["visit.js"])
    digest = base64.b64encode(hashlib.sha256(asset("visit.js").encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert f"<script>{asset('visit.js')}</script>" in page
    assert "script-src" not in render("base.html", title="A page")


def test_a_name_that_is_missing_is_an_error():
    with pytest.raises(UndefinedError):
        render("visit.html", title="A page")
