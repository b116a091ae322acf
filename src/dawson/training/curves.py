"""The paper's first figure from a run's own record: Dice and IoU on training and validation, by epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from dawson.evaluation.output.chart_style import COLOURS, GREY, STYLE, new_figure, to_png

MEASURES = (("dice", "Dice"), ("iou", "IoU"))
SETS = (("train", COLOURS[0], "-"), ("validation", COLOURS[1], "--"))
SUDDEN = 0.6  # of the rate before; a cosine falls more slowly from epoch to epoch, but for its end
MARKED = 40  # epochs up to which every one gets a point


def draw_curves(epochs: Sequence[Mapping[str, Any]]) -> bytes:
    """A PNG of Dice and IoU by epoch, with the best epoch and sudden falls of the learning rate marked.

    ``epochs`` are a record's lines of the event ``epoch``, at least one. Training figures are means over the
    augmented images of the epoch; validation figures lie on the recipe's grid.
    """
    with mpl.rc_context(STYLE):
        figure, axes = new_figure(columns=2, sharey=True)
        for panel, (measure, title) in zip(axes, MEASURES, strict=True):
            for name, colour, line in SETS:
                points = [(e["epoch"], e[name][measure]) for e in epochs if measure in e.get(name, {})]
                if points:
                    marker = "o" if len(points) <= MARKED else None
                    panel.plot(
                        *zip(*points, strict=True), line, color=colour, marker=marker, markersize=3.5, label=name
                    )
            _mark(panel, epochs)
            panel.set_title(title)
            panel.set_xlabel("epoch")
            panel.set_ylim(0, 1)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        return to_png(figure)


def draw_by_modality(dice: Mapping[str, float]) -> bytes:
    """A PNG of the mean validation Dice by sequence."""
    with mpl.rc_context(STYLE):
        figure, (panel,) = new_figure()
        bars = panel.bar(range(len(dice)), list(dice.values()), color=COLOURS[0], width=0.5)
        panel.bar_label(bars, fmt="%.3f")
        panel.set_xticks(range(len(dice)), list(dice))
        panel.set_ylim(0, 1)
        panel.set_title("Mean Dice on the validation set, best epoch")
        return to_png(figure)


def _mark(panel: Axes, epochs: Sequence[Mapping[str, Any]]) -> None:
    """The best epoch, and where the learning rate fell at once, as it does when validation stands still."""
    best = epochs[-1].get("best_epoch", -1)
    if best >= 1:
        panel.axvline(best, color=GREY, linewidth=1, linestyle=":", label="best epoch")
    falls = [b["epoch"] for a, b in pairwise(epochs) if b["lr"] < SUDDEN * a["lr"]]
    for number, epoch in enumerate(falls):
        panel.axvline(epoch - 0.5, color=COLOURS[2], linewidth=1, label="learning rate falls" if not number else None)
