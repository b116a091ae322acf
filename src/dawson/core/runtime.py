"""How many processor cores to compute with."""

from __future__ import annotations

import os


def cores() -> int:
    """Every core that this process may use, which on a shared machine may be fewer than it has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads() -> int:
    """How many threads to compute with: DAWSON_THREADS, or every core this process may use."""
    wanted = os.environ.get("DAWSON_THREADS", "")
    return int(wanted) if wanted.isdigit() and int(wanted) > 0 else cores()
