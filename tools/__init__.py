"""Scripts for those who work on dawson: none is in the wheel, and no user needs one.

``release`` makes and checks what ships, ``studies`` ask how good it is and why, ``speed`` measures seconds and memory,
``curation`` marks lesions. Each runs from the checkout as ``python -m tools.studies.stress --help`` and needs
``pip install -e '.[dev]'``; what it needs beyond that stands in its head and is asked for by :func:`need`.
"""

from __future__ import annotations

from importlib.util import find_spec


def need(*packages: str) -> None:
    """End with a sentence where a package is missing."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise SystemExit(f"this script needs {' and '.join(missing)}: pip install {' '.join(missing)}")
