"""The version of the installed dawson."""

from __future__ import annotations

from functools import lru_cache

UNKNOWN = "0+unknown"
"""Of a source tree that was never installed."""


@lru_cache
def dawson_version() -> str:
    """Version of the installed distribution, as ``1.2.3``; :data:`UNKNOWN` where there is none."""
    from importlib import metadata  # noqa: PLC0415 (slow to import, and seldom asked for)

    try:
        return metadata.version("dawson")
    except metadata.PackageNotFoundError:
        return UNKNOWN
