"""What this process may use of its machine: processor cores, memory, and the numbers that its CPU is fast in.

Read anew at each call, from files that Linux keeps; elsewhere the cores are known and the rest is not.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/")  # of the files of the system, which tests replace
UNLIMITED = 2**60  # bytes: cgroup v1 writes a number like this where there is no limit
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16", "bf16"})  # the last is ARM's
BF16_LEVELS = ("BF16", "FP16", "AMX", "AVX10", "DEFAULT", "ALL")
"""Parts of those values of ONEDNN_MAX_CPU_ISA under which oneDNN, which torch computes with, still uses bf16."""


def cores() -> int:
    """How many cores to compute with: the least of affinity, a container's CPU quota and ``DAWSON_THREADS``."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [usable, *_cpu_quotas()]
    wanted = os.environ.get("DAWSON_THREADS", "")
    if wanted.isdecimal() and int(wanted) > 0:
        limits.append(int(wanted))
    return max(int(min(limits)), 1)


def memory_gb() -> float | None:
    """Memory (GB) that this process may fill: the least of what is available and of a container's limit.

    None where the system does not say.
    """
    found = [*_available_memory(), *_memory_limits()]
    return min(found) / 1e9 if found else None


def workers(per_worker_gb: float) -> int:
    """How many processes or threads to run that take a core and ``per_worker_gb`` of memory each; at least one."""
    memory = memory_gb()
    return cores() if memory is None else max(min(cores(), int(memory / per_worker_gb)), 1)


def fast_bf16() -> bool:
    """Whether this CPU multiplies in bf16 faster than in f32, and may (``ONEDNN_MAX_CPU_ISA`` can forbid it).

    A CPU without such instructions emulates them, ten times slower than f32. Where its features are not told, no.
    """
    allowed = (os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or "DEFAULT").upper()
    if not any(level in allowed for level in BF16_LEVELS):
        return False
    return not BF16_FLAGS.isdisjoint(cpu_flags())


def cpu_flags() -> frozenset[str]:
    """Features of the CPU as Linux names them (``avx2``, ``avx512_vnni``, …); none where the system does not say."""
    for line in _text("proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() in ("flags", "Features"):
            return frozenset(value.split())
    return frozenset()


def _cpu_quotas() -> Iterator[float]:
    """Cores that each control group around this process may keep busy, where that is limited."""
    for folder in _groups("cpu"):
        quota, period = (_text(folder / "cpu.max").split() or ["max", ""])[:2]  # version 2
        if quota == "max":
            quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
        if quota.strip().isdigit() and period.strip().isdigit() and int(period) > 0:
            yield int(quota) / int(period)


def _memory_limits() -> Iterator[int]:
    """Bytes that each control group around this process may hold, where that is limited."""
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            limit = _text(folder / name).strip()
            if limit.isdigit() and int(limit) < UNLIMITED:
                yield int(limit)


def _available_memory() -> Iterator[int]:
    for line in _text("proc/meminfo").splitlines():
        key, _, value = line.partition(":")
        if key == "MemAvailable":
            yield int(value.split()[0]) * 1024
            return
    try:
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # of the whole machine: macOS
    except (AttributeError, ValueError, OSError):
        return


def _groups(controller: str) -> Iterator[Path]:
    """Folders of the control groups that this process lies in, the innermost first.

    Within a container the path that ``/proc/self/cgroup`` names may not be visible; its parents then are.
    """
    for line in _text("proc/self/cgroup").splitlines():
        _, controllers, path = (line.split(":", 2) + ["", ""])[:3]
        if controllers and controller not in controllers.split(","):
            continue
        mounts = dict.fromkeys((controllers, controller)) if controllers else ("", "unified")
        inner = Path(path.lstrip("/"))
        for mount in mounts:
            for part in (inner, *inner.parents):
                yield Path("sys/fs/cgroup") / mount / part


def _text(file: str | Path) -> str:
    """The content of a file of the system, empty where there is none."""
    try:
        return (ROOT / file).read_text("utf-8")
    except (OSError, ValueError):
        return ""
