"""Scripts of ``tools/``, imported by their names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from types import ModuleType

import pytest


@pytest.fixture
def script() -> Callable[[str], ModuleType]:
    """The function ``script("studies.stress")``, which imports ``tools/studies/stress.py``."""
    return lambda name: importlib.import_module(f"tools.{name}")


@pytest.fixture
def run_script(script: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The function ``run_script(name, *words)``, which runs a script as the command line does."""

    def run(name: str, *words: object) -> None:
        module = script(name)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, words)])
        module.main()

    return run
