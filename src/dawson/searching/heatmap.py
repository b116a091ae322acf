"""The picture of a grid search: validation Dice along one axis, over two, or over two for each value of a third."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from dawson.searching.grid import Axis, spell
from dawson.searching.ranking import RankedPoint

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = "cividis"  # alike for the colour-blind, and in grey
LONGEST = 60  # signs of a title
DPI = 150


def draw(axes: Sequence[Axis], rows: Sequence[RankedPoint], file: Path) -> Path:
    """Draw the validation Dice of all points as PNG; a frame or ring marks the best one.

    Args:
        axes: one, two or three axes of the grid. Values are spaced evenly, in the order given.
        rows: points with their Dice, best first; those without one show their state instead.
        file: the PNG, written in one step.
    """
    figure = _dots(axes[0], rows) if len(axes) == 1 else _maps(axes, rows)
    FigureCanvasAgg(figure)
    partial = file.with_name(f".{file.name}.{os.getpid()}")
    figure.savefig(partial, format="png", dpi=DPI)
    partial.replace(file)
    return file


def _dots(axis: Axis, rows: Sequence[RankedPoint]) -> Figure:
    figure = Figure(figsize=(max(4.0, 1.0 * len(axis.values) + 1.5), 3.4), layout="constrained")
    chart = figure.subplots()
    found = sorted((axis.values.index(row.point.values[0]), row.dice) for row in rows if row.dice is not None)
    chart.plot([place for place, _ in found], [dice for _, dice in found], "o-", color="#00416a")
    best = axis.values.index(rows[0].point.values[0])
    chart.plot([best], [dict(found)[best]], "o", markersize=14, fillstyle="none", color="#c05000")
    for place, dice in found:
        label = chart.annotate(
            f"{dice:.3f}", (place, dice), (0, 11), textcoords="offset points", ha="center", fontsize=8
        )
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    for row in rows:
        if row.dice is None:
            place = axis.values.index(row.point.values[0])
            chart.annotate(row.state, (place, 0.03), xycoords=("data", "axes fraction"), ha="center", fontsize=8)
    chart.set_xticks(range(len(axis.values)), [spell(value) for value in axis.values])
    chart.set_xlim(-0.5, len(axis.values) - 0.5)
    chart.margins(y=0.25)
    chart.set_xlabel(axis.field)
    chart.set_ylabel("validation Dice")
    chart.grid(axis="y", alpha=0.3)
    return figure


def _maps(axes: Sequence[Axis], rows: Sequence[RankedPoint]) -> Figure:
    """A map of the first axis (down) by the second (across), side by side for the values of the third."""
    down, across = axes[0], axes[1]
    panels = axes[2].values if len(axes) > 2 else (None,)
    width, height = max(2.6, 0.95 * len(across.values)), max(2.0, 0.65 * len(down.values))
    figure = Figure(figsize=(width * len(panels) + 2.2, height + 1.3), layout="constrained")
    charts = figure.subplots(1, len(panels), squeeze=False)[0]
    found = [row.dice for row in rows if row.dice is not None]
    low, high = min(found), max(found)
    if high - low < 1e-3:  # one colour, not noise stretched over all of them
        low, high = low - 5e-4, high + 5e-4
    for number, (panel, chart) in enumerate(zip(panels, charts, strict=True)):
        shown = [row for row in rows if panel is None or row.point.values[2] == panel]
        values = [[float("nan")] * len(across.values) for _ in down.values]
        for row in shown:
            if row.dice is not None:
                values[down.values.index(row.point.values[0])][across.values.index(row.point.values[1])] = row.dice
        image = chart.imshow(values, cmap=COLOURS, vmin=low, vmax=high, aspect="auto")
        for row in shown:
            _cell(chart, axes, row, light=row.dice is not None and row.dice > (low + high) / 2, best=row is rows[0])
        chart.set_facecolor("#e4e4e4")
        chart.set_xticks(range(len(across.values)), [spell(value) for value in across.values])
        chart.set_yticks(range(len(down.values)), [spell(value) for value in down.values] if not number else [])
        chart.set_xlabel(across.field)
        if panel is not None:
            chart.set_title(f"{axes[2].field} = {spell(panel)}"[:LONGEST], fontsize=9)
    charts[0].set_ylabel(down.field)
    figure.colorbar(image, ax=list(charts), label="validation Dice")
    return figure


def _cell(chart: Axes, axes: Sequence[Axis], row: RankedPoint, *, light: bool, best: bool) -> None:
    """Write a point's figure, or its state, into its cell; ``light`` is the cell's colour."""
    y, x = (axis.values.index(value) for axis, value in zip(axes[:2], row.point.values[:2], strict=True))
    text = row.state if row.dice is None else f"{row.dice:.3f}"
    dark = row.dice is None or light
    weight = "bold" if best else "normal"
    chart.text(x, y, text, ha="center", va="center", fontsize=9, weight=weight, color="black" if dark else "white")
    if best:
        chart.add_patch(Rectangle((x - 0.48, y - 0.46), 0.96, 0.92, fill=False, linewidth=2.5, edgecolor="#c05000"))
