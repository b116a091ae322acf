"""The learning rate: a cosine over the whole run, or a fall whenever validation stands still."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dawson.recipe import Optimizer


@dataclass
class Growth:
    """How validation has gone so far; part of every checkpoint."""

    factor: float = 1.0
    best: float = -1.0
    best_epoch: int = -1
    stale: int = 0
    """Epochs since the best one, or since the learning rate last fell."""

    def update(self, dice: float, epoch: int, settings: Optimizer) -> bool:
        """Take in an epoch's validation Dice; returns whether it is the best so far."""
        if dice > self.best:
            self.best, self.best_epoch, self.stale = dice, epoch, 0
            return True
        self.stale += 1
        if settings.schedule == "plateau" and self.stale >= settings.patience_epochs:
            self.factor *= settings.factor
            self.stale = 0
        return False

    def stops(self, epoch: int, settings: Optimizer) -> bool:
        """Whether validation has stood still for so long that the run ends early."""
        patience = settings.early_stop_epochs
        return patience > 0 and self.best_epoch >= 0 and epoch - self.best_epoch >= patience


def learning_rate(step: int, settings: Optimizer, growth: Growth) -> float:
    """The rate of one step: see :class:`dawson.recipe.Optimizer`."""
    if settings.schedule == "plateau":
        return settings.lr * growth.factor
    if step < settings.warm_up_steps:
        return settings.lr * (step + 1) / settings.warm_up_steps
    done = (step - settings.warm_up_steps) / max(settings.steps - settings.warm_up_steps, 1)
    return settings.lr * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(done, 1.0))))
