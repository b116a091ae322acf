"""The training loop: step, step, step … validate … until the schedule ends, validation stands still, or a signal."""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from dawson.core.errors import DawsonError
from dawson.core.stop import Stop, Stopped
from dawson.model.unet import UNet
from dawson.recipe import Recipe
from dawson.synthesis.tissues import Anatomy
from dawson.training import checkpoint
from dawson.training.checkpoint import State
from dawson.training.data import Data
from dawson.training.distributed import Team, mixed_precision
from dawson.training.loss import loss
from dawson.training.record import Log
from dawson.training.run_folder import BEST, CHECKPOINT
from dawson.training.schedule import learning_rate
from dawson.training.sources import Item, Numbered
from dawson.training.validate import scores, validate

CHECKPOINT_S = 60.0  # seconds between checkpoints, beside those at each epoch's end
AHEAD = {"windows": 12, "volumes": 2}  # batches that each worker prepares beforehand; volumes fill memory

Batch = tuple[Tensor, Tensor, Tensor, list[str]]
"""Images (batch, channels, i, j, k), lesion and anatomy (batch, i, j, k), and names for errors."""


@dataclass(frozen=True, eq=False)
class Learner:
    """What learns: a network, the running average of its weights, the optimizer, and how far all have come."""

    network: UNet
    average: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    state: State

    def weights(self, recipe: Recipe) -> dict[str, Tensor]:
        """The weights that count: the average, where the recipe asks for one."""
        return self.average if recipe.optimizer.averaging else self.network.state_dict()

    def save(self, file: Path) -> None:
        """Write a checkpoint."""
        checkpoint.save(file, self.network, self.average, self.optimizer, self.state)

    def stands_still(self, recipe: Recipe) -> bool:
        """Whether the run is to end early because validation no longer grows."""
        return self.state.growth.stops(self.state.epoch, recipe.optimizer)


@dataclass(frozen=True, eq=False)
class Setting:
    """Where a loop runs: recipe, precision (``bf16`` or ``f32``), data, processes, folder, worker processes."""

    recipe: Recipe
    precision: str
    data: Data
    team: Team
    out: Path
    workers: int


def build(recipe: Recipe, team: Team, saved: Path, start: Path | None) -> Learner:
    """A learner: new, with the weights of the model ``start``, or from the checkpoint ``saved`` where there is one."""
    torch.manual_seed(recipe.optimizer.seed)
    classes = 0 if recipe.volume is not None else len(Anatomy)
    network = UNet(recipe.network, channels=recipe.channels, anatomy_classes=classes)
    if start is not None and not saved.exists():
        checkpoint.start_from(start, network)
    network.to(team.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = {name: weight.clone() for name, weight in network.state_dict().items()}
    kind = torch.optim.Adam if recipe.optimizer.algorithm == "adam" else torch.optim.AdamW
    optimizer = kind(network.parameters(), lr=recipe.optimizer.lr, weight_decay=recipe.optimizer.weight_decay)
    state = checkpoint.restore(saved, network, average, optimizer) if saved.exists() else State()
    return Learner(network, average, optimizer, state)


def fit(learner: Learner, setting: Setting, log: Log, stop: Stop, *, end: int) -> None:
    """Step until ``end``, or until validation has stood still for too long.

    A signal to stop cuts short only what leaves the weights alone: waiting for images, forward and backward passes,
    validation. The checkpoint that is written then is that of the last whole step, so that nothing else is lost.
    Several processes stop together, after a step. Raises :class:`Stopped` once the checkpoint is there.
    """
    team = setting.team
    module: nn.Module = learner.network
    if team.size > 1:
        module = DistributedDataParallel(module, device_ids=[team.device] if team.device.type == "cuda" else None)
    try:
        with stop.held() if team.size > 1 else nullcontext():
            _loop(learner, module, setting, log, stop, end)
    except Stopped as stopped:
        if team.leads and not stopped.at_once:
            learner.save(setting.out / CHECKPOINT)
        raise


def _loop(learner: Learner, module: nn.Module, setting: Setting, log: Log, stop: Stop, end: int) -> None:
    state, recipe, team = learner.state, setting.recipe, setting.team
    coming = batches(setting, state.step, end)
    saved = time.monotonic()
    while True:
        whole = state.count > 0 and (state.count == recipe.optimizer.steps_per_epoch or _is_last(state, recipe))
        if whole:  # also where a signal came during the validation of a run that is now resumed
            _end_epoch(learner, setting, log, stop)
        still = whole and learner.stands_still(recipe)
        stopped = team.size > 1 and team.any(stop.signal is not None)
        if whole or stopped or state.step == end or time.monotonic() - saved > CHECKPOINT_S:
            with stop.held():
                if team.leads:
                    learner.save(setting.out / CHECKPOINT)
            saved = time.monotonic()
        if stopped:
            raise Stopped(stop.signal or signal.SIGTERM)
        if still or state.step >= end:
            return
        began = time.monotonic()
        figures = compute_gradients(learner, module, next(coming), setting)
        with stop.held():
            advance(learner, figures, recipe)
            seconds = time.monotonic() - began
            state.seconds += seconds
            log.step(state.step, figures, seconds, learner.optimizer.param_groups[0]["lr"], recipe.optimizer.steps)


def compute_gradients(learner: Learner, module: nn.Module, batch: Batch, setting: Setting) -> dict[str, float]:
    """Forward and backward pass; returns loss, its parts, Dice and IoU of what was found in the batch.

    Raises :class:`DawsonError`, which names the scans, where the loss or its gradient is no number.
    """
    recipe, state, device = setting.recipe, learner.state, setting.team.device
    images, lesion, anatomy = (part.to(device, non_blocking=True) for part in batch[:3])
    with mixed_precision(device, setting.precision):
        logits = module(images.to(memory_format=torch.channels_last_3d))
    total, parts = loss(logits, lesion, anatomy, recipe.loss)
    learner.optimizer.zero_grad(set_to_none=True)
    total.backward()
    longest = recipe.optimizer.gradient_clip or torch.inf
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), longest)
    if not (torch.isfinite(total) and torch.isfinite(norm)):
        odd = [name for name, one in zip(batch[3], logits.detach(), strict=True) if not torch.isfinite(one).all()]
        who = f"with {' and '.join(odd)}" if odd else f"in a batch of {' and '.join(batch[3])}"
        raise DawsonError(
            f"the loss is {float(total.detach())} and its gradient {float(norm)} at step {state.step}, {who}",
            remedy="look at these scans, or go on from the last checkpoint with --resume and a lower optimizer.lr",
        )
    limit = float(torch.logit(torch.tensor(recipe.measure.threshold, dtype=torch.float64)))
    dice, iou = scores(logits[:, 0].detach() >= limit, lesion)
    return {"loss": float(total.detach()), **parts, "dice": float(dice.mean()), "iou": float(iou.mean())}


def advance(learner: Learner, figures: Mapping[str, float], recipe: Recipe) -> None:
    """Move the weights along their gradients, their average and the state with them."""
    state, wanted = learner.state, recipe.optimizer
    rate = learning_rate(state.step, wanted, state.growth)
    for group in learner.optimizer.param_groups:
        group["lr"] = rate
    learner.optimizer.step()
    if wanted.averaging:
        # Early weights are noise; a short memory at first forgets them.
        decay = min(wanted.averaging, (state.step + 1) / (state.step + 10))
        checkpoint.average_weights(learner.average, learner.network, decay)
    state.step += 1
    for name, value in figures.items():
        state.sums[name] = state.sums.get(name, 0.0) + value
    state.count += 1


def _end_epoch(learner: Learner, setting: Setting, log: Log, stop: Stop) -> None:
    """Validate, remember the best weights, record both."""
    state, recipe, data, team = learner.state, setting.recipe, setting.data, setting.team
    validation: dict[str, Any] | None = None
    weights = learner.weights(recipe)
    dice = 0.0
    if data.validation:
        if team.leads:
            network = _with(learner.network, weights)
            validation = validate(network, data.validation, recipe, team.device, setting.precision)
            dice = validation["dice"]
        dice = team.agree(dice)  # all processes slow down and stop together
    with stop.held():
        state.epoch += 1
        figures = {name: total / state.count for name, total in state.sums.items()}
        rate = learning_rate(state.step - 1, recipe.optimizer, state.growth)
        seconds = state.seconds
        state.sums, state.count, state.seconds = {}, 0, 0.0
        if data.validation and state.growth.update(dice, state.epoch, recipe.optimizer) and team.leads:
            checkpoint.save_weights(setting.out / BEST, weights, {"epoch": str(state.epoch)})
        log.epoch(state.epoch, state.step, rate, seconds, figures, validation, best=state.growth.best_epoch)


def _is_last(state: State, recipe: Recipe) -> bool:
    return state.step == recipe.optimizer.steps


def _with(network: UNet, weights: Mapping[str, Tensor]) -> UNet:
    """A copy of the network with these weights."""
    other = copy.deepcopy(network)
    other.load_state_dict(dict(weights))
    return other


def batches(setting: Setting, begin: int, end: int) -> Iterator[Batch]:
    """This process's share of every batch from step ``begin`` to ``end``."""
    recipe, team = setting.recipe, setting.team
    batch = recipe.optimizer.batch
    numbers = [n for step in range(begin, end) for n in range(step * batch + team.rank, (step + 1) * batch, team.size)]
    ahead = AHEAD["windows" if recipe.volume is None else "volumes"]
    loader: DataLoader[Item] = DataLoader(
        Numbered(setting.data.source, numbers),
        batch_size=batch // team.size,
        num_workers=setting.workers,
        worker_init_fn=_begin_work,
        prefetch_factor=ahead if setting.workers else None,
        pin_memory=team.device.type == "cuda",
    )
    yield from loader


def _begin_work(_: int) -> None:
    """In a worker: one thread, and the cores to the training step first; Ctrl-C is the parent's business."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler, inherited, would only raise there
    if hasattr(os, "nice"):
        os.nice(10)
