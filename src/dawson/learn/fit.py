"""The training loop: synthetic patches in, a run folder out.

A run folder holds ``recipe.json``, ``record.jsonl`` (a line every few steps), ``checkpoint.safetensors`` (to
resume) and ``model/`` (to use). Sample *n* of a run depends on the seed and on *n* alone, so a resumed run
sees the patches that an uninterrupted one would have seen.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from dawson.errors import DawsonError, UsageError
from dawson.learn import checkpoint
from dawson.learn.anatomy import Head, LesionMap, nifti_files, read_heads, read_lesion_map
from dawson.learn.export import export
from dawson.learn.loss import loss
from dawson.learn.synthesis import Sample, synthesize, vary
from dawson.learn.tissues import Anatomy
from dawson.network.unet import UNet
from dawson.recipe import Optimizer, Recipe, load_recipe, recipe_from_dict, recipe_to_dict

Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
CHECKPOINT_EVERY = 50  # steps
RECORD_EVERY = 10
BLOCK = 8  # patches


class Patches(Dataset[Batch]):
    """Synthetic patches by number: (images (3, n, n, n), lesion (n, n, n), anatomy (n, n, n))."""

    def __init__(self, heads: list[Head], lesions: list[LesionMap], recipe: Recipe, first: int, count: int) -> None:
        self.heads, self.lesions, self.recipe = heads, lesions, recipe
        self.first, self.count = first, count
        self.kept: dict[int, Sample] = {}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        number = self.first + index
        seed, reuse = self.recipe.optimizer.seed, self.recipe.optimizer.reuse
        # A block of patches is seen once, then again, so that no two steps in a row see the same.
        block, within = divmod(number, BLOCK * reuse)
        for old in [n for n in self.kept if n < block * BLOCK]:  # left by blocks that several workers share
            del self.kept[old]
        drawn = block * BLOCK + within % BLOCK
        sample = self.kept.pop(drawn, None)
        if sample is None:
            rng = np.random.default_rng([seed, drawn])
            sample = synthesize(self.heads, self.lesions, self.recipe.synthesis, self.recipe.prepare.window, rng)
        if within < BLOCK * (reuse - 1):
            self.kept[drawn] = sample
        if within >= BLOCK:
            sample = vary(sample, np.random.default_rng([seed, number, 1]))
        return sample.images, sample.lesion, sample.anatomy


def learning_rate(step: int, settings: Optimizer) -> float:
    """Linear warm-up to ``settings.lr``, then a cosine down to a hundredth of it."""
    if step < settings.warm_up_steps:
        return settings.lr * (step + 1) / settings.warm_up_steps
    done = (step - settings.warm_up_steps) / max(settings.steps - settings.warm_up_steps, 1)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))


def train(
    recipe: str | Path,
    out: Path,
    *,
    maps: Path,
    masks: Path,
    resume: bool = False,
    steps: int | None = None,
    overrides: Mapping[str, str] | None = None,
    workers: int = 1,
    progress: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Train a model on synthetic patients and write it to ``out/model``.

    ``maps`` is a folder of whole-head label maps (FreeSurfer values, 1 mm), ``masks`` one of binary lesion
    masks in MNI152 space (1 mm). ``steps`` ends the run early without changing the schedule; ``resume``
    goes on from the checkpoint in ``out``. ``progress`` is called with every record. Returns ``out/model``.
    """
    settings = load_recipe(recipe, overrides)
    saved = out / "checkpoint.safetensors"
    if saved.exists() and not resume:
        raise UsageError("holds a run already", file=out, remedy="add --resume to go on, or name another folder")
    _prepare_folder(out, settings)
    heads = read_heads(nifti_files(maps), out / "cache")
    masks_read = [read_lesion_map(file) for file in nifti_files(masks)]
    lesions = _without(masks_read, settings.synthesis.exclude_masks, masks)

    torch.manual_seed(settings.optimizer.seed)
    network = UNet(settings.network, len(Anatomy))
    network.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = {name: weight.clone() for name, weight in network.state_dict().items()}
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=settings.optimizer.lr, weight_decay=settings.optimizer.weight_decay
    )
    begin = checkpoint.restore(saved, network, average, optimizer) if saved.exists() else 0
    end = min(steps or settings.optimizer.steps, settings.optimizer.steps)
    if end < begin:
        raise UsageError(f"has {begin} steps done already", file=out, remedy=f"ask for at least {begin} steps")
    (out / "recipe.json").write_text(json.dumps(recipe_to_dict(settings), indent=2), "utf-8")
    _truncate(out / "record.jsonl", begin)

    patches = Patches(
        heads, lesions, settings, begin * settings.optimizer.batch, (end - begin) * settings.optimizer.batch
    )
    loader = DataLoader(
        patches,
        batch_size=settings.optimizer.batch,
        num_workers=workers,
        worker_init_fn=_be_modest,
        prefetch_factor=12 if workers else None,
    )
    with (out / "record.jsonl").open("a", encoding="utf-8") as record:
        for step, entry in _steps(network, average, optimizer, loader, settings, begin):
            if entry is not None:
                record.write(json.dumps(entry) + "\n")
                record.flush()
                if progress is not None:
                    progress(entry)
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == end:
                checkpoint.save(saved, network, average, optimizer, step + 1)
    facts = {
        "steps": end,
        "data": {"label maps": len(heads), "lesion masks": len(lesions), "real scans": 0},
    }
    return export(average, settings, out / "model", facts)


def _prepare_folder(out: Path, recipe: Recipe) -> None:
    """Make the run folder, or check that a run in it used this recipe.

    The learning rate and the number of steps may change from one part of a run to the next; anything else
    would leave a card that does not say how the weights came about.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        stored = out / "recipe.json"
        if not stored.exists() or not (out / "checkpoint.safetensors").exists():
            return
        before = recipe_from_dict(json.loads(stored.read_text("utf-8")))
    except OSError as error:
        raise UsageError(f"cannot be used ({error.strerror})", file=out, remedy="name another folder") from error
    optimizer = replace(before.optimizer, lr=recipe.optimizer.lr, steps=recipe.optimizer.steps)
    if replace(before, optimizer=optimizer) != recipe:
        raise UsageError(
            "was begun with another recipe (only optimizer.lr and optimizer.steps may change)",
            file=out,
            remedy="resume with the same recipe and --set options, or train into an empty folder",
        )


def _without(lesions: list[LesionMap], excluded: tuple[str, ...], folder: Path) -> list[LesionMap]:
    """The lesion maps less the excluded ones, every one of which must be there: a typo would leak a patient."""
    names = {lesion.name for lesion in lesions}
    for name in excluded:
        if name not in names:
            raise UsageError(
                f"has no mask named {name!r}",
                file=folder,
                remedy="correct synthesis.exclude_masks in the recipe",
            )
    left = [lesion for lesion in lesions if lesion.name not in excluded]
    if not left:
        raise UsageError("leaves no lesion mask", file=folder, remedy="shorten synthesis.exclude_masks in the recipe")
    return left


def _truncate(record: Path, step: int) -> None:
    """Drop records of steps that were lost with an interruption and are about to be done again."""
    if record.exists():
        lines = record.read_text("utf-8").splitlines(keepends=True)
        record.write_text("".join(line for line in lines if json.loads(line)["step"] <= step), "utf-8")


def _be_modest(_: int) -> None:
    """One thread, and the cores to the training step first: it waits for its slowest thread."""
    torch.set_num_threads(1)
    if hasattr(os, "nice"):
        os.nice(10)


def _steps(
    network: UNet,
    average: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
    loader: DataLoader[Batch],
    recipe: Recipe,
    begin: int,
) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """Run one epoch of steps; yields each step's number and, every few steps, a record."""
    started, sums, count = time.monotonic(), {"loss": 0.0}, 0
    for step, (images, lesion, anatomy) in enumerate(loader, begin):
        rate = learning_rate(step, recipe.optimizer)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16, enabled=recipe.optimizer.bf16):
            logits = network(images.to(memory_format=torch.channels_last_3d))
        total, parts = loss(logits, lesion, anatomy, recipe.loss)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.optimizer.gradient_clip)
        if not (torch.isfinite(total) and torch.isfinite(norm)):
            raise DawsonError(
                f"the loss is {float(total.detach())} and its gradient {float(norm)} at step {step}",
                remedy="resume with a lower optimizer.lr; the last checkpoint is sound",
            )
        optimizer.step()
        # Early weights are noise; a short memory at first forgets them.
        checkpoint.average_weights(average, network, min(recipe.optimizer.averaging, (step + 1) / (step + 10)))
        for key, value in {"loss": float(total.detach()), **parts}.items():
            sums[key] = sums.get(key, 0.0) + value
        count += 1
        entry = None
        if (step + 1) % RECORD_EVERY == 0:
            seconds = (time.monotonic() - started) / count
            entry = {"step": step + 1, "lr": rate, "seconds_per_step": round(seconds, 3)}
            entry |= {k: round(v / count, 4) for k, v in sums.items()}
            started, sums, count = time.monotonic(), {"loss": 0.0}, 0
        yield step, entry
