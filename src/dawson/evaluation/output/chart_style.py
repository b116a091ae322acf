"""How charts look: one palette, one size, one typeface, readable in print and by the colour-blind.

Predictions differ in colour and in marker, so that no chart needs its colours.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
"""Okabe and Ito's palette (2008), which people with any common kind of colour blindness tell apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY, LIGHT = "#555555", "#BBBBBB"
WIDTH, HEIGHT, DPI = 7.2, 3.9, 150

STYLE: dict[Any, Any] = {
    "font.size": 9.5,
    "font.family": "DejaVu Sans",  # comes with matplotlib, so that a chart looks the same everywhere
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#222222",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "text.parse_math": False,  # a case named $x$ is a name
}

Summary = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture of an evaluation: the file's name, a title, what it shows and by which definition, PNG bytes."""

    name: str
    title: str
    caption: str
    png: bytes


def to_png(figure: Figure) -> bytes:
    """The PNG of a figure, the same bytes for the same figure."""
    packed = io.BytesIO()
    FigureCanvasAgg(figure).print_png(packed, metadata={"Software": None})  # type: ignore[no-untyped-call]
    return packed.getvalue()


def new_figure(*, height: float = HEIGHT, columns: int = 1, rows: int = 1, **options: Any) -> tuple[Figure, list[Axes]]:
    """A figure of the common width and its axes, row by row."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    return figure, list(axes.ravel())


def numbers(values: Sequence[float | None]) -> Any:
    """The values as an array, NaN where there is none: a gap in a line."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def names_of(summary: Summary) -> list[str]:
    """The predictions that have cases, in the order given."""
    return [name for name, method in summary["predictions"].items() if method["cases"]]


def line_style(number: int) -> dict[str, Any]:
    """Colour and marker of the prediction of that number."""
    return {
        "color": COLOURS[number % len(COLOURS)],
        "marker": MARKERS[number % len(MARKERS)],
        "markersize": 5.5,
        "markeredgecolor": "white",
        "markeredgewidth": 0.5,
    }


def legend(figure: Figure, names: Sequence[str]) -> None:
    """A legend below the panels, where there is more than one prediction to tell apart."""
    if len(names) > 1:
        figure.legend(loc="outside lower center", ncols=min(len(names), 5))


def short(name: str) -> str:
    """A name that a chart has room for: its beginning and its end."""
    return name if len(name) <= 24 else f"{name[:11]}…{name[-12:]}"
