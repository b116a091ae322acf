"""What a process may use: cores by affinity, quota and wish; memory by machine and container; bf16 by the CPU."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dawson.core import runtime

GB = 10**9


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty system of 64 cores and 100 GB, to be filled with files; no environment limits it."""
    monkeypatch.setattr(runtime, "ROOT", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    for name in ("DAWSON_THREADS", "ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        monkeypatch.delenv(name, raising=False)
    write(tmp_path, "proc/meminfo", f"MemTotal: 1 kB\nMemAvailable:  {100 * GB // 1024} kB\n")
    return tmp_path


def write(system: Path, file: str, text: str) -> None:
    (system / file).parent.mkdir(parents=True, exist_ok=True)
    (system / file).write_text(text)


def test_without_limits_all_cores_and_the_available_memory(system: Path) -> None:
    assert runtime.cores() == 64
    assert runtime.memory_gb() == pytest.approx(100)
    assert runtime.workers(1.7) == 58
    assert runtime.workers(0.1) == 64
    assert runtime.workers(1000) == 1


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({"cgroup": "0::/\n", "cpu.max": "250000 100000\n", "memory.max": f"{8 * GB}\n"}, 2, 8),
        ({"cgroup": "0::/\n", "cpu.max": "max 100000\n", "memory.max": "max\n"}, 64, 100),
        ({"cgroup": "0::/\n", "cpu.max": "50000 100000\n"}, 1, 100),
        ({"cgroup": "0::/user/job\n", "user/job/cpu.max": "max 100000\n", "user/cpu.max": "300000 100000\n"}, 3, 100),
        ({"cgroup": "0::/not/visible\n", "cpu.max": "400000 100000\n", "memory.max": f"{5 * GB}\n"}, 4, 5),
        (
            {
                "cgroup": "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n",
                "cpu,cpuacct/docker/x/cpu.cfs_quota_us": "600000\n",
                "cpu,cpuacct/docker/x/cpu.cfs_period_us": "100000\n",
                "memory/docker/x/memory.limit_in_bytes": f"{7 * GB}\n",
            },
            6,
            7,
        ),
        (
            {
                "cgroup": "5:memory:/\n3:cpu:/\n",
                "cpu/cpu.cfs_quota_us": "-1\n",
                "cpu/cpu.cfs_period_us": "100000\n",
                "memory/memory.limit_in_bytes": "9223372036854771712\n",
            },
            64,
            100,
        ),
        ({"cgroup": "3:cpuset:/\n", "cpuset/cpu.max": "100000 100000\n"}, 64, 100),
    ],
    ids=["v2", "v2 unlimited", "v2 half a core", "v2 parent", "v2 hidden path", "v1", "v1 unlimited", "other"],
)
def test_a_containers_limits_count(system: Path, files: dict[str, str], cores: int, memory: float) -> None:
    for name, text in files.items():
        write(system, "proc/self/cgroup" if name == "cgroup" else f"sys/fs/cgroup/{name}", text)
    assert runtime.cores() == cores
    assert runtime.memory_gb() == pytest.approx(memory)
    assert runtime.workers(1) == min(cores, memory)


@pytest.mark.parametrize(("wanted", "cores"), [("3", 3), ("100", 64), ("0", 64), ("many", 64), ("²", 64), ("", 64)])
def test_the_users_wish_limits_and_never_raises(
    system: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, cores: int
) -> None:
    monkeypatch.setenv("DAWSON_THREADS", wanted)
    assert runtime.cores() == cores


def test_64_cores_do_not_fill_more_memory_than_there_is(system: Path) -> None:
    write(system, "proc/meminfo", f"MemAvailable:  {16 * GB // 1024} kB\n")
    assert runtime.workers(1.7) * 1.7 <= 16


@pytest.mark.parametrize(
    ("flags", "level", "fast"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16", "", True),
        ("flags\t\t: fpu avx2 amx_bf16 amx_tile", "", True),
        ("Features\t: fp asimd bf16 i8mm", "", True),
        ("flags\t\t: fpu avx avx2 fma", "", False),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", "", False),
        ("", "", False),
        ("flags\t\t: fpu avx2 avx512_bf16", "AVX2", False),
        ("flags\t\t: fpu avx2 avx512_bf16", "avx512_core_vnni", False),
        ("flags\t\t: fpu avx2 avx512_bf16", "AVX512_CORE_BF16", True),
        ("flags\t\t: fpu avx2 avx512_bf16", "ALL", True),
    ],
)
def test_bf16_is_fast_only_where_the_cpu_has_it_and_may_use_it(
    system: Path, monkeypatch: pytest.MonkeyPatch, flags: str, level: str, *, fast: bool
) -> None:
    write(system, "proc/cpuinfo", f"processor\t: 0\n{flags}\n")
    if level:
        monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", level)
    assert runtime.fast_bf16() is fast


def test_features_of_the_cpu_are_those_of_its_first_core(system: Path) -> None:
    write(system, "proc/cpuinfo", "processor\t: 0\nflags\t\t: avx2 avx512_vnni\n\nprocessor\t: 1\nflags\t\t: other\n")
    assert runtime.cpu_flags() == {"avx2", "avx512_vnni"}


def test_without_the_systems_file_no_feature_is_known(system: Path) -> None:
    assert runtime.cpu_flags() == frozenset()
