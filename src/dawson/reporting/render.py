"""Pages from templates: each is one file that escapes all text and asks the network for nothing.

Templates lie in ``templates``, stylesheet and scripts in ``assets``. A page's template extends ``base.html`` and takes
its parts from ``components.html``. Whatever is handed to a template is text and gets escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

STYLESHEET = "style.css"


def render(template: str, *, title: str, scripts: Sequence[str] = (), **context: Any) -> str:
    """A whole page in one file: stylesheet, scripts and pictures stand in it.

    The page's own policy makes the browser refuse every request, and every script but those named here, which it
    tells by their hashes: text that slipped in could not run. Pictures are ``data:`` addresses.

    Args:
        template: the file in ``templates``, such as ``visit.html``.
        title: of the browser's window.
        scripts: files in ``assets``, run in this order at the end of the page.
        context: what the template shows. A name that the template needs and that is not here is an error.
    """
    texts = [asset(name) for name in scripts]
    page = _environment().get_template(template)
    return page.render(
        title=title,
        policy=Markup(_policy(texts)),  # made of constants and base64
        style=Markup(asset(STYLESHEET)),  # dawson's own file
        scripts=[Markup(text) for text in texts],  # dawson's own files, and NiiVue's
        **context,
    )


@cache
def asset(name: str) -> str:
    """The text of a file that pages inline."""
    return (resources.files("dawson.reporting") / "assets" / name).read_text("utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("dawson.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["png_address"] = _png_address
    return environment


def _policy(scripts: Sequence[str]) -> str:
    hashes = " ".join(f"'sha256-{_base64(hashlib.sha256(script.encode()).digest())}'" for script in scripts)
    return "default-src 'none'; img-src data:; style-src 'unsafe-inline'" + (f"; script-src {hashes}" * bool(hashes))


def _png_address(png: bytes) -> str:
    return f"data:image/png;base64,{_base64(png)}"


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
