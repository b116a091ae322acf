"""Training: a recipe and something to learn from become a run folder with a model in it.

    gather → build → step, step, step … validate → … → export → test

The same seed and the same data give the same weights, interrupted or not, on one kind of CPU with one number of
threads, in one precision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dawson.core.errors import EvaluationError, UsageError
from dawson.core.runtime import cores
from dawson.core.stop import Stop, stoppable
from dawson.recipe import Recipe, load_recipe
from dawson.training import checkpoint
from dawson.training.checkpoint import check_start, keep_rule
from dawson.training.data import Data, gather
from dawson.training.distributed import Team, choose_precision, is_fast_in_bf16, join_team
from dawson.training.export import export
from dawson.training.finish import finish
from dawson.training.fit import Learner, Setting, build, fit
from dawson.training.record import Log
from dawson.training.run_folder import BEST, CHECKPOINT, MODEL, RESULT, open_run, rates_of
from dawson.training.settings import Progress, TrainingData, TrainingOptions


def train(
    recipe: str | Path,
    out: Path | str,
    data: TrainingData,
    options: TrainingOptions | None = None,
    *,
    progress: Progress | None = None,
) -> Path:
    """Train a model and write it to ``out/model``.

    Args:
        recipe: a shipped recipe's name, or a TOML file.
        out: folder of the run: checkpoints, record, charts, model.
        data: what to learn from.
        options: how to go about it; under ``torchrun`` several processes share each batch.
        progress: called with every record of the run, in this process.

    Returns:
        The model's folder, ``out/model``.

    Raises:
        DawsonError: of the fitting kind, for bad input; :class:`EvaluationError` where all is there and only the test
            set could not be evaluated.
        KeyboardInterrupt: on Ctrl-C or SIGTERM; a checkpoint is written before.

    Example:
        >>> from pathlib import Path
        >>> from dawson.training.run import train
        >>> from dawson.training.settings import TrainingData, TrainingOptions
        >>> tuned = train(
        ...     "dawson",
        ...     Path("runs/tuned"),
        ...     TrainingData(cases=Path("cases.tsv")),
        ...     TrainingOptions(overrides={"optimizer.lr": "1e-4"}, steps=500),
        ... )  # doctest: +SKIP
    """
    out, options = Path(out), options or TrainingOptions()
    settings = load_recipe(recipe, options.overrides)
    torch.set_num_threads(min(torch.get_num_threads(), cores()))  # torch knows of no quota
    with stoppable() as stop, join_team(options.device, settings.optimizer.batch) as team:
        return _train(_Order(settings, out, data, options, progress or (lambda _: None)), team, stop)


@dataclass(frozen=True, eq=False)
class _Order:
    """What was asked for, with the recipe read."""

    recipe: Recipe
    out: Path
    data: TrainingData
    options: TrainingOptions
    progress: Progress


def _train(order: _Order, team: Team, stop: Stop) -> Path:
    out, options, settings = order.out, order.options, order.recipe
    start, progress = options.start, order.progress if team.leads else lambda _: None
    began_from = None if start is None else check_start(start, settings)
    kept: dict[str, Any] = {}
    if start is not None:
        settings, kept = keep_rule(start, settings, options.overrides)
    if team.leads:
        open_run(
            out,
            settings,
            options,
            start=began_from,
            choose_precision=lambda begun: choose_precision(settings.optimizer.precision, team.device, begun=begun),
        )
        _announce(settings, out, team, progress)
        data = gather(order.data, settings, out, anatomy_model=start, progress=progress)
    team.wait()
    if not team.leads:
        data = gather(order.data, settings, out, anatomy_model=start, progress=progress)
    learner = build(settings, team, out / CHECKPOINT, start)
    state, steps = learner.state, settings.optimizer.steps
    end = min(options.steps or steps, steps)
    if end < state.step:
        remedy = f"ask for at least {state.step} steps"
        raise UsageError(f"has {state.step} steps done already", file=out, remedy=remedy)
    setting = Setting(settings, rates_of(out)[-1]["precision"], data, team, out, options.workers)
    with Log(out, progress if team.leads else None, begin=state.step) as log:
        if not learner.stands_still(settings):
            if team.leads and state.step < end:
                (out / RESULT).unlink(missing_ok=True)  # what it says is about to be no longer true
            fit(learner, setting, log, stop, end=end)
    untested = None
    if team.leads:
        facts = kept if began_from is None else {**kept, "from": began_from}
        model = _export(learner, settings, out, data, facts)
        if state.step == steps or learner.stands_still(settings):
            untested = finish(out, model, data, settings, state, test=options.test, progress=progress)
    team.wait()
    if untested is not None:
        raise EvaluationError(
            f"the model is trained and kept, but the test set could not be evaluated ({untested.rstrip('.')})",
            file=out,
            remedy="mend that and run the same command with --resume, which tests again, or add --no-test",
        )
    return out / MODEL


def _announce(settings: Recipe, out: Path, team: Team, progress: Progress) -> None:
    """Say once what the run is computed with, and in which precision."""
    rates = rates_of(out)
    progress(
        {
            "event": "start",
            "recipe": settings.name,
            "of": settings.optimizer.steps,
            "precision": rates[-1]["precision"],
            "precision_before": rates[-2]["precision"] if len(rates) > 1 else None,
            "fast_bf16": is_fast_in_bf16(team.device),
            "device": team.device.type,
            "threads": torch.get_num_threads(),
            "processes": team.size,
        }
    )


def _export(learner: Learner, settings: Recipe, out: Path, data: Data, facts: Mapping[str, Any]) -> Path:
    """The best weights, or where nothing was validated the last ones, as a model; ``facts`` go into its card."""
    weights, state = learner.weights(settings), learner.state
    card: dict[str, Any] = {"steps": state.step, "data": data.facts, "rates": rates_of(out), **facts}
    if state.growth.best_epoch >= 0 and (out / BEST).exists():
        weights = checkpoint.load_weights(out / BEST)
        card["validation"] = {"epoch": state.growth.best_epoch, "dice": state.growth.best, "grid": "the recipe's"}
    return export({k: v.cpu() for k, v in weights.items()}, settings, out / MODEL, card)
