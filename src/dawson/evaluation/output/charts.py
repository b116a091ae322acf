"""Charts of an evaluation, drawn from its summary alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dawson.evaluation.metrics.cohort import load_group
from dawson.evaluation.metrics.columns import SIZES
from dawson.evaluation.output.chart_style import (
    GREY,
    LIGHT,
    STYLE,
    Chart,
    Summary,
    legend,
    line_style,
    names_of,
    new_figure,
    short,
    to_png,
)
from dawson.evaluation.output.curve_charts import calibration, froc, precision_recall
from dawson.evaluation.output.summary import COHORT, LOADS
from dawson.evaluation.settings import suffix_of

LOAD_STYLES = dict(zip(LOADS, (("X", "#000000"), ("o", "#56B4E9"), ("s", "#E69F00"), ("^", "#D55E00")), strict=True))
SIZE_LABELS = {"lt10": "< 10", "10_100": "10-100", "100_1000": "100-1000", "gt1000": "> 1000"}
LEAST_FOR_BOX = 5  # cases: a box of fewer would pretend to know their quartiles
MOST_LINKED = 60  # cases joined by lines from prediction to prediction
MOST_PANELS = 6
CURVES = ("precision_recall", "froc", "calibration")


def draw_charts(summary: Summary) -> list[Chart]:
    """Every chart that the summary has figures for."""
    charts = []
    with mpl.rc_context(STYLE):
        for name, (title, caption, draw) in _CHARTS.items():
            figure = draw(summary)
            if figure is not None:
                charts.append(Chart(name, title, caption + _further(name, summary), to_png(figure)))
    return charts


def _further(name: str, summary: Summary) -> str:
    """What a caption must add about this evaluation."""
    raters = summary["raters"]
    if name == "dice" and raters is not None:
        truth = "what both raters marked" if raters["raters"] == 2 else "the majority of the raters"
        return f" The dashed line is rater against rater; the points are against {truth}, which is easier to reach."
    if name not in CURVES:
        return ""
    cases = {one: (curves["cases"], summary["predictions"][one]["cases"]) for one, curves in summary["curves"].items()}
    fewer = [f"{one}: {held} of {count} cases" for one, (held, count) in cases.items() if held < count]
    return f" Only cases with probabilities count ({'; '.join(fewer)})." if fewer else ""


def _by_prediction(summary: Summary) -> Figure | None:
    """Dice and lesion F1 of every case, a column a prediction, as in the paper's figure of Dice by sequence."""
    names = names_of(summary)
    f1 = f"lesion_f1_{suffix_of(summary['settings']['rule'])}"
    cases = list(dict.fromkeys(row["case"] for row in summary["rows"]))
    shifts = dict(zip(cases, _shifts(len(cases)), strict=True))  # a case keeps its place in every column
    figure, axes = new_figure(columns=2, sharey=True)
    for panel, (column, title) in zip(axes, (("dice", "Dice"), (f1, "lesion F1")), strict=True):
        _link_cases(panel, summary, column, names, shifts)
        for place, name in enumerate(names):
            rows = [row for row in summary["rows"] if row["prediction"] == name]
            _strip(panel, place, [row for row in rows if row["values"][column] is not None], column, shifts)
        raters = summary["raters"]
        if raters is not None:
            height = raters["dice" if column == "dice" else "lesion_f1"]
            panel.axhline(height, color=GREY, linestyle="--", linewidth=1.2)
            panel.text(len(names) - 0.5, height, "raters ", ha="right", va="bottom", color=GREY, fontsize=8.5)
        panel.set_title(title)
        panel.set_xticks(range(len(names)), [short(name) for name in names])
        if len(names) > 4 or max(map(len, names)) > 12:
            panel.tick_params(axis="x", rotation=35)
            for label in panel.get_xticklabels():
                label.set_horizontalalignment("right")
        panel.set_xlim(-0.6, len(names) - 0.4)
        panel.set_ylim(-0.03, 1.03)
        panel.grid(axis="x", visible=False)
    loads = [load for load in LOADS if any(_load(row) == load for row in summary["rows"])]
    handles = [
        mpl.lines.Line2D([], [], linestyle="", marker=LOAD_STYLES[load][0], color=LOAD_STYLES[load][1], label=load)
        for load in loads
    ]
    figure.legend(handles=handles, title="lesion load of the truth", loc="outside lower center", ncols=len(loads))
    return figure


def _strip(panel: Axes, place: int, rows: list[Any], column: str, shifts: Mapping[str, float]) -> None:
    """Every case as a point, with a box where there are enough, else the mean as a short bar."""
    if not rows:
        return
    values = np.array([row["values"][column] for row in rows])
    if len(values) >= LEAST_FOR_BOX:
        line = {"color": GREY, "linewidth": 1.0}
        panel.boxplot(
            values,
            positions=[place],
            widths=0.5,
            showfliers=False,
            boxprops=line,
            whiskerprops=line,
            capprops=line,
            medianprops={"color": "black", "linewidth": 1.8},
            manage_ticks=False,
        )
    else:
        panel.hlines(values.mean(), place - 0.25, place + 0.25, color="black", linewidth=1.8)
    edge: dict[str, Any] = {"markersize": 5, "markeredgecolor": "white", "markeredgewidth": 0.5, "zorder": 3}
    for value, row in zip(values, rows, strict=True):
        marker, colour = LOAD_STYLES[_load(row)]
        panel.plot(place + shifts[row["case"]], value, marker, color=colour, **edge)


def _link_cases(panel: Axes, summary: Summary, column: str, names: list[str], shifts: Mapping[str, float]) -> None:
    """Grey lines between the points of one case, where there are few enough to follow."""
    if len(shifts) > MOST_LINKED:
        return
    for case, shift in shifts.items():
        values = {row["prediction"]: row["values"][column] for row in summary["rows"] if row["case"] == case}
        places = [place for place, name in enumerate(names) if values.get(name) is not None]
        panel.plot(
            [p + shift for p in places], [values[names[p]] for p in places], color=LIGHT, linewidth=0.6, zorder=1
        )


def _recall_by_size(summary: Summary) -> Figure | None:
    figure, (panel,) = new_figure()
    names = names_of(summary)
    sizes = [name for name, *_ in SIZES]
    counts = np.zeros(len(sizes), dtype=int)
    for number, name in enumerate(names):
        table = summary["predictions"][name]["recall_by_size"]
        counts = np.maximum(counts, [table[size]["n"] for size in sizes])
        heights = [np.nan if table[size]["recall"] is None else table[size]["recall"] for size in sizes]
        shift = (number - (len(names) - 1) / 2) * min(0.12, 0.6 / len(names))
        panel.plot(np.arange(len(sizes)) + shift, heights, linewidth=1.2, label=short(name), **line_style(number))
    if not counts.any():
        return None
    labels = [f"{SIZE_LABELS[size]}\nn = {count}" for size, count in zip(sizes, counts, strict=True)]
    panel.set_xticks(range(len(sizes)), labels)
    panel.set_xlabel("volume of the true lesion in mm³ (n: lesions)")
    panel.set_ylabel("share found")
    panel.set_xlim(-0.5, len(sizes) - 0.5)
    panel.set_ylim(-0.03, 1.03)
    panel.grid(axis="x", visible=False)
    legend(figure, names)
    return figure


def _recall_by_region(summary: Summary) -> Figure | None:
    names = names_of(summary)
    tables = [summary["predictions"][name]["recall_by_region"] for name in names]
    regions = sorted({region for table in tables for region in table})
    if not regions:
        return None
    figure, (panel,) = new_figure(height=1.3 + 0.42 * len(regions))
    for number, table in enumerate(tables):
        shift = ((len(names) - 1) / 2 - number) * min(0.14, 0.6 / len(names))
        held = [(place, table[region]["recall"]) for place, region in enumerate(regions) if region in table]
        places = [place + shift for place, _ in held]
        panel.plot(
            [recall for _, recall in held], places, linestyle="", label=short(names[number]), **line_style(number)
        )
    most = {region: max(table[region]["n"] for table in tables if region in table) for region in regions}
    panel.set_yticks(range(len(regions)), [f"{region} (n = {most[region]})" for region in regions])
    panel.set_ylim(-0.6, len(regions) - 0.4)
    panel.set_xlim(-0.03, 1.03)
    panel.set_xlabel("share of true lesions found")
    legend(figure, names)
    return figure


def _bland_altman(summary: Summary) -> Figure | None:
    names = names_of(summary)[:MOST_PANELS]
    columns = min(len(names), 3)
    rows = -(-len(names) // columns)
    figure, axes = new_figure(columns=columns, rows=rows, height=0.6 + 2.9 * rows, sharex=True, sharey=True)
    for panel in axes[len(names) :]:
        panel.set_visible(False)
    for number, (panel, name) in enumerate(zip(axes, names, strict=False)):
        values = [row["values"] for row in summary["rows"] if row["prediction"] == name]
        true, found = (np.array([v[f"volume_{side}_ml"] for v in values]) for side in ("truth", "predicted"))
        panel.axhline(0, color=LIGHT, linewidth=1)
        panel.plot((true + found) / 2, found - true, linestyle="", alpha=0.9, **line_style(number))
        limits = summary["predictions"][name]["bland_altman"]
        for key, line in (("bias_ml", "-"), ("low_ml", "--"), ("high_ml", "--")):
            if limits[key] is not None:
                panel.axhline(limits[key], color="black", linestyle=line, linewidth=1)
        panel.set_title(short(name))
        bias = limits["bias_ml"]
        if bias is not None:
            spread = "" if limits["high_ml"] is None else f" ± {limits['high_ml'] - bias:.2g}"
            panel.set_title(f"bias {bias:+.2g}{spread} ml", loc="right", fontsize=8.5, color=GREY)
    figure.supxlabel("mean of true and predicted volume, ml", fontsize=9.5)
    figure.supylabel("predicted - true, ml", fontsize=9.5)
    return figure


def _load(row: Any) -> str:
    return load_group(row["values"]["volume_truth_ml"])


def _shifts(count: int) -> Any:
    """Sideways shifts that keep points apart: the golden ratio spreads any number of them evenly."""
    return ((np.arange(count) * 0.618034 + 0.5) % 1.0 - 0.5) * 0.36


_CHARTS: dict[str, tuple[str, str, Callable[[Summary], Figure | None]]] = {
    "dice": (
        "Dice and lesion F1, case by case",
        "Each point is a case, grey lines join the points of one case. Boxes run from the first to the third quartile "
        "with the median as a bar; with fewer than five cases the bar is the mean.",
        _by_prediction,
    ),
    "recall_by_size": ("Recall by lesion size", COHORT["recall_by_size"], _recall_by_size),
    "recall_by_region": ("Recall by region", COHORT["recall_by_region"], _recall_by_region),
    "bland_altman": (
        "Lesion volume: Bland-Altman",
        COHORT["bland_altman"] + " Solid line: bias; dashed: limits.",
        _bland_altman,
    ),
    "precision_recall": (
        "Precision and recall",
        COHORT["precision_recall"] + " A ring marks the threshold that the masks were cut at, where known.",
        precision_recall,
    ),
    "froc": (
        "Lesions found against false lesions",
        COHORT["froc"] + " A ring marks the threshold nearest to the one in use, where known.",
        froc,
    ),
    "calibration": ("Calibration", COHORT["calibration"], calibration),
}

CHART_NAMES = tuple(_CHARTS)
"""Every chart that :func:`draw_charts` may draw."""
