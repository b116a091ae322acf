"""Charts of what probabilities are worth at every threshold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dawson.evaluation.output.chart_style import GREY, Summary, legend, line_style, names_of, new_figure, numbers, short


def precision_recall(summary: Summary) -> Figure | None:
    """Voxel-wise precision against recall."""

    def draw(panel: Axes, curves: Summary, number: int, name: str) -> None:
        x, y = numbers(curves["precision_recall"]["recall"]), numbers(curves["precision_recall"]["precision"])
        panel.plot(x, y, color=line_style(number)["color"], linewidth=1.6, label=short(name))
        _working_point(panel, summary, curves["precision_recall"]["threshold"], x, y, number)

    figure = _curves(summary, "precision_recall", "recall", draw)
    if figure is not None:
        panel = figure.axes[0]
        panel.set(xlabel="recall (sensitivity) of voxels", ylabel="precision of voxels")
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.02, 1.02)
    return figure


def froc(summary: Summary) -> Figure | None:
    """Lesion sensitivity against false-positive lesions a case."""

    def draw(panel: Axes, curves: Summary, number: int, name: str) -> None:
        x, y = numbers(curves["froc"]["false_positives"]), numbers(curves["froc"]["sensitivity"])
        panel.plot(x, y, linewidth=1.4, label=short(name), **(line_style(number) | {"markersize": 3.5}))
        _working_point(panel, summary, curves["froc"]["threshold"], x, y, number)

    figure = _curves(summary, "froc", "sensitivity", draw)
    if figure is not None:
        panel = figure.axes[0]
        panel.set(xlabel="false-positive lesions a case", ylabel="share of true lesions found")
        panel.set_xlim(left=0)
        panel.set_ylim(-0.02, 1.02)
    return figure


def calibration(summary: Summary) -> Figure | None:
    """What share of voxels was lesion, by the probability that they were given."""

    def draw(panel: Axes, curves: Summary, number: int, name: str) -> None:
        table = curves["calibration"]
        x, y = numbers(table["predicted"]), numbers(table["observed"])
        panel.plot(x, y, linewidth=1.4, label=short(name), **line_style(number))

    figure = _curves(summary, "calibration", "observed", draw)
    if figure is not None:
        panel = figure.axes[0]
        panel.plot([0, 1], [0, 1], color=GREY, linestyle="--", linewidth=1, zorder=1)
        panel.set(xlabel="predicted probability (mean of the bin)", ylabel="share of voxels that are lesion")
        panel.set_xlim(-0.02, 1.02)
        panel.set_ylim(-0.02, 1.02)
    return figure


def _curves(summary: Summary, kind: str, needed: str, draw: Callable[[Axes, Summary, int, str], None]) -> Figure | None:
    """One panel with a curve for each prediction that has probabilities."""
    names = names_of(summary)
    held = [n for n in names if n in summary["curves"]]
    held = [n for n in held if any(value is not None for value in summary["curves"][n][kind][needed])]
    if not held:
        return None
    figure, (panel,) = new_figure()
    for name in held:
        draw(panel, summary["curves"][name], names.index(name), name)
    legend(figure, held)
    return figure


def _working_point(panel: Axes, summary: Summary, thresholds: Sequence[float], x: Any, y: Any, number: int) -> None:
    """A ring where the masks were cut, as far as the threshold is known."""
    threshold = summary["reading"]["threshold"] or (summary["model"] or {}).get("threshold")
    if threshold is None:
        return
    nearest = int(np.abs(np.array(thresholds) - threshold).argmin())
    colour = line_style(number)["color"]
    panel.plot(x[nearest], y[nearest], "o", markersize=9, markerfacecolor="none", markeredgecolor=colour,
               markeredgewidth=1.8, zorder=4)  # fmt: skip
