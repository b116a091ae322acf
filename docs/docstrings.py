"""How docstrings become pages: examples get a heading of their own, roles of reStructuredText become code."""

from __future__ import annotations

import re
import textwrap
from typing import Any

import griffe

ROLE = re.compile(r":\w+:`~?([^`]+)`")


class Docstrings(griffe.Extension):
    """Rewrites each docstring before it is parsed in Google's style."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called once for each object."""
        if obj.docstring is not None:
            obj.docstring.value = rewritten(obj.docstring.value)


def rewritten(text: str) -> str:
    """Plain code for roles; what begins with ``>>>`` comes last, as a section of examples."""
    before, prompt, after = ROLE.sub(r"`\1`", text).partition("\n>>> ")
    if not prompt:
        return before
    return f"{before.rstrip()}\n\nExamples:\n{textwrap.indent(prompt.lstrip() + after, '    ')}\n"
