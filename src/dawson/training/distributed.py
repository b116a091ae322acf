"""One process or several (``torchrun``), on CPUs or GPUs, that train one network together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import distributed

from dawson.core.errors import UsageError
from dawson.core.runtime import fast_bf16

PATIENCE = timedelta(days=7)
"""How long processes wait for one another: the leader prepares all scans, and tests, while the others wait."""


@dataclass(frozen=True)
class Team:
    """This process's place among those that train together."""

    rank: int
    size: int
    device: torch.device

    @property
    def leads(self) -> bool:
        """Whether this process writes files and talks."""
        return self.rank == 0

    def wait(self) -> None:
        """Go on when all have come so far."""
        if self.size > 1:
            distributed.barrier()

    def agree(self, value: float) -> float:
        """The leader's value, in every process."""
        if self.size == 1:
            return value
        shared = torch.tensor([value], dtype=torch.float64, device=self.device)
        distributed.broadcast(shared, 0)
        return float(shared.item())

    def any(self, flag: bool) -> bool:
        """Whether any process raised its flag."""
        if self.size == 1:
            return flag
        shared = torch.tensor([float(flag)], device=self.device)
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return bool(shared.item())


def is_fast_in_bf16(device: torch.device) -> bool:
    """Whether a device computes bf16 itself, and so faster than f32, rather than emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return fast_bf16()


def choose_precision(wanted: str, device: torch.device, *, begun: str | None = None) -> str:
    """``bf16`` or ``f32``: what is ``wanted``, or for ``auto`` what the device is fast in.

    A run that has ``begun`` in one of them keeps it under ``auto``, unless the device would have to emulate it.
    """
    if wanted != "auto":
        return wanted
    fast = is_fast_in_bf16(device)
    if begun is not None and (fast or begun == "f32"):
        return begun
    return "bf16" if fast else "f32"


def mixed_precision(device: torch.device, precision: str) -> torch.autocast:
    """A context in which a network computes in this precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16")


@contextmanager
def join_team(device: str, batch: int) -> Iterator[Team]:
    """Join the other processes, where ``torchrun`` started several; ``device`` is ``auto``, ``cpu`` or ``cuda``.

    Raises :class:`UsageError` for a GPU that is not there and a batch that cannot be shared evenly.
    """
    gpus = torch.cuda.is_available()
    if device not in ("auto", "cpu", "cuda"):
        raise UsageError(f"--device {device} is unknown", remedy="use auto, cpu or cuda")
    if device == "cuda" and not gpus:
        raise UsageError("torch finds no CUDA GPU here", remedy="use --device cpu, or install torch for your GPU")
    kind = "cuda" if gpus and device != "cpu" else "cpu"
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(0, 1, torch.device(kind))
        return
    if batch % size:
        raise UsageError(
            f"a batch of {batch} cannot be shared evenly by {size} processes",
            remedy=f"set optimizer.batch to a multiple of {size}",
        )
    local = int(os.environ.get("LOCAL_RANK", "0"))
    if kind == "cuda":
        torch.cuda.set_device(local)
    distributed.init_process_group("nccl" if kind == "cuda" else "gloo", timeout=PATIENCE)
    try:
        where = torch.device(kind, local) if kind == "cuda" else torch.device(kind)
        yield Team(distributed.get_rank(), size, where)
    finally:
        distributed.destroy_process_group()
