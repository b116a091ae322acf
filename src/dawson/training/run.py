"""Training: a recipe and something to learn from become a run folder with a model in it.

    gather → build → step, step, step … validate → … → export → test

The same seed and the same data give the same weights, interrupted or not, on one kind of CPU with one number of
threads.
"""

from __future__ import annotations

import copy
import os
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from dawson.core.errors import DawsonError, UsageError
from dawson.model.unet import UNet
from dawson.recipe import Recipe, load_recipe
from dawson.synthesis.tissues import Anatomy
from dawson.training import checkpoint
from dawson.training.checkpoint import State, check_start, keep_rule
from dawson.training.data import Data, Origin, gather
from dawson.training.distributed import Team, choose_precision, join_team
from dawson.training.export import export
from dawson.training.finish import finish
from dawson.training.loss import loss
from dawson.training.record import Log
from dawson.training.run_folder import BEST, CHECKPOINT, MODEL, RESULT, Tell, open_run, rates_of
from dawson.training.schedule import learning_rate
from dawson.training.sources import Item, Numbered, Source
from dawson.training.stop import stoppable
from dawson.training.validate import scores, validate

CHECKPOINT_S = 60.0  # seconds between checkpoints, beside those at each epoch's end
AHEAD = {"windows": 12, "volumes": 2}  # batches that each worker prepares beforehand; volumes fill memory


def train(
    recipe: str | Path,
    out: Path,
    *,
    cases: Path | None = None,
    maps: Path | None = None,
    masks: Path | None = None,
    split: str | Path | None = None,
    folds: int | None = None,
    fold: int | None = None,
    cache: Path | None = None,
    start: Path | None = None,
    resume: bool = False,
    steps: int | None = None,
    test: bool = True,
    overrides: Mapping[str, str] | None = None,
    workers: int = 1,
    device: str = "auto",
    progress: Tell | None = None,
) -> Path:
    """Train a model and write it to ``out/model``.

    ``recipe`` is a shipped one's name or a TOML file, ``overrides`` maps its dotted fields to TOML values. What
    to learn from is described at :class:`dawson.training.data.Origin`. ``start`` is a model to go on from;
    ``resume`` takes up the run in ``out``; ``steps`` ends it early without changing the schedule. Unless
    ``test`` is off, a finished run ends with the test set, once. ``workers`` processes prepare images,
    ``device`` is ``auto``, ``cpu`` or ``cuda``; under ``torchrun`` several processes share each batch. ``progress``
    is called with every record. Returns ``out/model``.

    Raises :class:`DawsonError` of the fitting kind for bad input, and KeyboardInterrupt, with a checkpoint
    written, when told to stop.
    """
    settings = load_recipe(recipe, overrides)
    origin = Origin(cases, maps, masks, split, folds, fold, cache)
    tell = progress or (lambda _: None)
    with join_team(device, settings.optimizer.batch) as team:
        origins = None if start is None else check_start(start, settings)
        kept: dict[str, Any] = {}
        if start is not None:
            settings, kept = keep_rule(start, settings, overrides)
        if team.leads:
            open_run(out, settings, overrides, resume=resume, start=origins)
            data = gather(origin, settings, out, helper=start, tell=tell)
        team.wait()
        if not team.leads:
            data = gather(origin, settings, out, helper=start, tell=lambda _: None)
        network, average, optimizer, state = _build(settings, team, out / CHECKPOINT, start)
        end = min(steps or settings.optimizer.steps, settings.optimizer.steps)
        if end < state.step:
            raise UsageError(
                f"has {state.step} steps done already", file=out, remedy=f"ask for at least {state.step} steps"
            )
        with Log(out, tell if team.leads else None, begin=state.step) as log:
            if not _stands_still(state, settings):
                if team.leads and state.step < end:
                    (out / RESULT).unlink(missing_ok=True)  # what it says is about to be no longer true
                _fit(network, average, optimizer, state, data, settings, team, out, log, end=end, workers=workers)
        if team.leads:
            model = _export(network, average, settings, out, data, state, origins, kept)
            if state.step == settings.optimizer.steps or _stands_still(state, settings):
                finish(out, model, data, settings, state, test=test, tell=tell)
        team.wait()
    return out / MODEL


def _build(
    settings: Recipe, team: Team, saved: Path, start: Path | None
) -> tuple[UNet, dict[str, Tensor], torch.optim.Optimizer, State]:
    """Network, average of its weights, optimizer and state: new, from a model, or from the checkpoint."""
    torch.manual_seed(settings.optimizer.seed)
    classes = 0 if settings.volume is not None else len(Anatomy)
    network = UNet(settings.network, channels=settings.channels, anatomy_classes=classes)
    if start is not None and not saved.exists():
        checkpoint.start_from(start, network)
    network.to(team.device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = {name: weight.clone() for name, weight in network.state_dict().items()}
    kind = torch.optim.Adam if settings.optimizer.algorithm == "adam" else torch.optim.AdamW
    optimizer = kind(network.parameters(), lr=settings.optimizer.lr, weight_decay=settings.optimizer.weight_decay)
    state = checkpoint.restore(saved, network, average, optimizer) if saved.exists() else State()
    return network, average, optimizer, state


def _fit(
    network: UNet,
    average: dict[str, Tensor],
    optimizer: torch.optim.Optimizer,
    state: State,
    data: Data,
    settings: Recipe,
    team: Team,
    out: Path,
    log: Log,
    *,
    end: int,
    workers: int,
) -> None:
    """Step until ``end``, or until validation has stood still for too long, or somebody says stop."""
    module: nn.Module = network
    if team.size > 1:
        module = DistributedDataParallel(network, device_ids=[team.device] if team.device.type == "cuda" else None)
    saved, wanted = time.monotonic(), settings.optimizer
    waited = time.monotonic()

    with stoppable() as stop:
        for batch in _batches(data.source, settings, team, state.step, end, workers):
            figures = _step(module, optimizer, batch, settings, team, state)
            if wanted.averaging:
                # Early weights are noise; a short memory at first forgets them.
                decay = min(wanted.averaging, (state.step + 1) / (state.step + 10))
                checkpoint.average_weights(average, network, decay)
            state.step += 1
            for name, value in figures.items():
                state.sums[name] = state.sums.get(name, 0.0) + value
            state.count += 1
            state.seconds += time.monotonic() - waited
            log.step(state.step, figures, time.monotonic() - waited, optimizer.param_groups[0]["lr"], wanted.steps)
            whole = state.count == wanted.steps_per_epoch or state.step == wanted.steps
            if whole:
                _end_epoch(network, average, state, data, settings, team, out, log)
            still = whole and _stands_still(state, settings)
            stopped = not still and team.any(stop.asked)
            if whole or stopped or state.step == end or time.monotonic() - saved > CHECKPOINT_S:
                if team.leads:
                    checkpoint.save(out / CHECKPOINT, network, average, optimizer, state)
                saved = time.monotonic()
            if stopped:
                raise KeyboardInterrupt
            if still:
                break
            waited = time.monotonic()


def _batches(
    source: Source, settings: Recipe, team: Team, begin: int, end: int, workers: int
) -> Iterator[tuple[Tensor, Tensor, Tensor, list[str]]]:
    """This process's share of every batch from step ``begin`` to ``end``."""
    batch = settings.optimizer.batch
    numbers = [n for step in range(begin, end) for n in range(step * batch + team.rank, (step + 1) * batch, team.size)]
    ahead = AHEAD["windows" if settings.volume is None else "volumes"]
    loader: DataLoader[Item] = DataLoader(
        Numbered(source, numbers),
        batch_size=batch // team.size,
        num_workers=workers,
        worker_init_fn=_be_modest,
        prefetch_factor=ahead if workers else None,
        pin_memory=team.device.type == "cuda",
    )
    yield from loader


def _step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    batch: tuple[Tensor, Tensor, Tensor, list[str]],
    settings: Recipe,
    team: Team,
    state: State,
) -> dict[str, float]:
    """One step of gradient descent; returns loss, its parts, Dice and IoU of what was found in the batch."""
    images, lesion, anatomy = (part.to(team.device, non_blocking=True) for part in batch[:3])
    rate = learning_rate(state.step, settings.optimizer, state.growth)
    for group in optimizer.param_groups:
        group["lr"] = rate
    mixed = choose_precision(settings.optimizer.precision, team.device) == "bf16"
    with torch.autocast(team.device.type, torch.bfloat16, enabled=mixed):
        logits = module(images.to(memory_format=torch.channels_last_3d))
    total, parts = loss(logits, lesion, anatomy, settings.loss)
    optimizer.zero_grad(set_to_none=True)
    total.backward()
    longest = settings.optimizer.gradient_clip or torch.inf
    norm = torch.nn.utils.clip_grad_norm_(module.parameters(), longest)
    if not (torch.isfinite(total) and torch.isfinite(norm)):
        odd = [name for name, one in zip(batch[3], logits.detach(), strict=True) if not torch.isfinite(one).all()]
        who = f"with {' and '.join(odd)}" if odd else f"in a batch of {' and '.join(batch[3])}"
        raise DawsonError(
            f"the loss is {float(total.detach())} and its gradient {float(norm)} at step {state.step}, {who}",
            remedy="look at these scans, or go on from the last checkpoint with --resume and a lower optimizer.lr",
        )
    optimizer.step()
    limit = float(torch.logit(torch.tensor(settings.measure.threshold, dtype=torch.float64)))
    dice, iou = scores(logits[:, 0].detach() >= limit, lesion)
    return {"loss": float(total.detach()), **parts, "dice": float(dice.mean()), "iou": float(iou.mean())}


def _end_epoch(
    network: UNet,
    average: dict[str, Tensor],
    state: State,
    data: Data,
    settings: Recipe,
    team: Team,
    out: Path,
    log: Log,
) -> None:
    """Validate, remember the best weights, tell."""
    state.epoch += 1
    figures = {name: total / state.count for name, total in state.sums.items()}
    rate = learning_rate(state.step - 1, settings.optimizer, state.growth)
    seconds = state.seconds
    state.sums, state.count, state.seconds = {}, 0, 0.0
    validation: dict[str, Any] | None = None
    weights = average if settings.optimizer.averaging else network.state_dict()
    if data.validation:
        dice = 0.0
        if team.leads:
            validation = validate(_with(network, weights), data.validation, settings, team.device)
            dice = validation["dice"]
        dice = team.agree(dice)  # all processes slow down and stop together
        if state.growth.see(dice, state.epoch, settings.optimizer) and team.leads:
            checkpoint.save_weights(out / BEST, weights, {"epoch": str(state.epoch)})
    log.epoch(state.epoch, state.step, rate, seconds, figures, validation, best=state.growth.best_epoch)


def _with(network: UNet, weights: Mapping[str, Tensor]) -> UNet:
    """A copy of the network with these weights."""
    other = copy.deepcopy(network)
    other.load_state_dict(dict(weights))
    return other


def _export(
    network: UNet,
    average: dict[str, Tensor],
    settings: Recipe,
    out: Path,
    data: Data,
    state: State,
    start: dict[str, Any] | None,
    kept: Mapping[str, Any],
) -> Path:
    """The best weights, or where nothing was validated the last ones, as a model."""
    weights = average if settings.optimizer.averaging else network.state_dict()
    facts: dict[str, Any] = {"steps": state.step, "data": data.facts, "rates": rates_of(out), **kept}
    if start is not None:
        facts["from"] = start
    if state.growth.best_epoch >= 0 and (out / BEST).exists():
        weights = checkpoint.load_weights(out / BEST)
        facts["validation"] = {"epoch": state.growth.best_epoch, "dice": state.growth.best, "grid": "the recipe's"}
    return export({k: v.cpu() for k, v in weights.items()}, settings, out / MODEL, facts)


def _stands_still(state: State, settings: Recipe) -> bool:
    """Whether the run is to end early because validation no longer grows."""
    return state.growth.stops(state.epoch, settings.optimizer)


def _be_modest(_: int) -> None:
    """One thread, and the cores to the training step first; Ctrl-C is the parent's business."""
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the parent's handler, inherited, would only raise a flag
    if hasattr(os, "nice"):
        os.nice(10)
