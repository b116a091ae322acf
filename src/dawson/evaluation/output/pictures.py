"""The worst cases as pictures: where prediction and truth agree, what was missed, what was wrongly marked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dawson.core.arrays import Mask
from dawson.core.errors import DawsonError
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.evaluation.matching.grids import bring_to_grid
from dawson.evaluation.metrics.raters import consensus
from dawson.evaluation.output.chart_style import DPI, STYLE, WIDTH, Chart, to_png
from dawson.evaluation.result import CaseResult, Evaluation
from dawson.evaluation.settings import Reading
from dawson.nifti.mask import read_anatomy, read_mask, read_probability
from dawson.nifti.scan import read_scan
from dawson.preparation.resample import reorient, resample

WORST = 4  # cases shown
SLICES = 3  # of each
APART_MM = 12.0  # between two slices shown
AROUND_MM = 10.0  # of margin around what is shown

AGREED, MISSED, WRONG = 1, 2, 3
COLOURS = {AGREED: ("#009E73", "in both"), MISSED: ("#56B4E9", "missed"), WRONG: ("#D55E00", "false")}
"""Bluish green, sky blue and vermillion (Okabe and Ito, 2008)."""


@dataclass(frozen=True, eq=False)
class _View:
    """What is drawn, axes running to R, A, S: the scan (or None), what agrees and what does not, and where."""

    scan: NDArray[Any] | None
    outcome: NDArray[np.uint8]
    grid: Grid


def draw_worst(evaluation: Evaluation) -> list[Chart]:
    """Pictures of the cases with the lowest Dice: of ``all`` sequences where a model was run so, else of the first
    prediction. A case whose files have gone in the meantime is left out."""
    method = "all" if "all" in evaluation.methods else evaluation.methods[0]
    rows = sorted(evaluation.of(method), key=lambda row: (row.metrics.values["dice"] or 0.0, row.pair.case))
    charts = []
    for number, row in enumerate(rows[:WORST], start=1):
        try:
            view = _view(row, evaluation.reading)
        except DawsonError:
            continue
        with mpl.rc_context(STYLE):
            values = row.metrics.values
            title = f"{row.pair.case}, {method}: Dice {values['dice']:.2f}"
            caption = (
                f"True volume {values['volume_truth_ml']:.1f} ml, predicted {values['volume_predicted_ml']:.1f} ml; "
                f"{values['false_negatives']:.0f} of {values['truth_lesions']:.0f} lesions missed, "
                f"{values['false_positives']:.0f} false. The axial slices with most disagreement; the patient's right "
                "is on the viewer's left."
            )
            charts.append(Chart(f"worst_{number}", title, caption, to_png(_draw(view))))
    return charts


def _view(row: CaseResult, reading: Reading) -> _View:
    pair = row.pair
    read = [read_mask(file, label=reading.truth_label) for file in pair.truths]
    grid = read[0].grid
    masks = [bring_to_grid(m.mask, m.grid, grid, allowed=False) for m in read]
    truth = masks[0] if len(masks) == 1 else consensus(masks)
    if reading.threshold is not None:
        probability, source, _ = read_probability(pair.prediction)
        mask: Mask = probability >= np.float64(reading.threshold)
    else:
        predicted = read_mask(pair.prediction, label=reading.label)
        mask, source = predicted.mask, predicted.grid
    mask = bring_to_grid(mask, source, grid, allowed=pair.resample)
    outcome = np.zeros(grid.shape, dtype=np.uint8)
    outcome[truth & mask], outcome[truth & ~mask], outcome[mask & ~truth] = AGREED, MISSED, WRONG
    canonical = grid.canonical()
    scan, brain = _scan(pair.image, pair.anatomy, canonical)
    return _cut(_View(scan, reorient(outcome, grid, canonical), canonical), brain)


def _scan(image: Path | None, anatomy: Path | None, grid: Grid) -> tuple[NDArray[Any] | None, Mask | None]:
    """The scan on a grid, in 0 to 1, and where the brain is, both None where not known.

    Without a scan the brain is drawn instead, faintly. With both, intensities are those of the brain, or scalp
    and fat would leave it dim.
    """
    inside: Mask | None = None
    brain: NDArray[Any] | None = None
    if anatomy is not None:
        labels, source, _ = read_anatomy(anatomy)
        brain = resample((labels > 0).astype(np.float32), source, grid, interpolation="linear")
        inside = brain > 0.5
    if image is None:
        return (None if brain is None else np.asarray(0.35 * brain)), inside
    scan = read_scan(image, Modality.FLAIR)  # the sequence changes nothing in how a file is read
    shown = resample(scan.voxels, scan.grid, grid, interpolation="linear")
    values = shown[inside] if inside is not None and inside.any() else shown[shown > shown.min()]
    low, high = np.percentile(values, (1.0, 99.7)) if values.size else (0.0, 1.0)
    return np.clip((shown - low) / max(float(high - low), 1e-6), 0.0, 1.0), inside


def _cut(view: _View, brain: Mask | None) -> _View:
    """Cut to the brain, or to what there is to see, in the slice plane; all slices are kept."""
    shown = view.outcome > 0
    if brain is not None:
        shown |= brain
    elif view.scan is not None:
        shown |= view.scan > 0.1
    if not shown.any():
        return view
    box = []
    for axis in (0, 1):
        along = np.flatnonzero(shown.any(axis=tuple({0, 1, 2} - {axis})))
        margin = round(AROUND_MM / view.grid.spacing[axis])
        box.append(slice(max(int(along[0]) - margin, 0), int(along[-1]) + 1 + margin))
    part = (box[0], box[1], slice(None))
    return _View(None if view.scan is None else view.scan[part], view.outcome[part], view.grid.crop(part))


def _slices(view: _View) -> list[int]:
    """The slices with most disagreement, some way apart, from below to above."""
    wrong = np.count_nonzero(view.outcome >= MISSED, axis=(0, 1)).astype(float)
    if not wrong.any():
        wrong = np.count_nonzero(view.outcome, axis=(0, 1)).astype(float)
    chosen: list[int] = []
    apart = max(1, round(APART_MM / view.grid.spacing[2]))
    while len(chosen) < SLICES and (not chosen or wrong.max() > 0):
        best = int(wrong.argmax()) if wrong.any() else len(wrong) // 2
        chosen.append(best)
        wrong[max(0, best - apart + 1) : best + apart] = 0
    return sorted(chosen)


def _draw(view: _View) -> Figure:
    slices = _slices(view)
    wide, deep = (n * s for n, s in zip(view.grid.shape[:2], view.grid.spacing[:2], strict=True))
    height = min(4.2, WIDTH / SLICES * deep / wide) + 0.45
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained", facecolor="black")
    panels = figure.subplots(1, len(slices), squeeze=False).ravel()
    for panel, k in zip(panels, slices, strict=True):
        panel.set_axis_off()
        _paint(panel, view, k)
        middle = view.grid.to_world(np.array([(n - 1) / 2 for n in view.grid.shape[:2]] + [k]))
        panel.set_title(f"z {middle[2]:.0f} mm", color="white", fontsize=8.5, loc="center", pad=3)
    edge: dict[str, Any] = {"color": "white", "fontsize": 9, "va": "center", "transform": panels[0].transAxes}
    panels[0].text(0.01, 0.5, "R", ha="left", **edge)
    handles = [mpl.patches.Patch(color=colour, label=name) for colour, name in COLOURS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, labelcolor="white", fontsize=8.5)
    return figure


def _paint(panel: Any, view: _View, k: int) -> None:
    """One slice, the patient's right on the viewer's left: the scan in grey, outcomes on it."""
    i, j = view.grid.shape[:2]
    # Columns run from the patient's right to left, and a grey scan of the slice's physical proportions.
    place = {"extent": (0.5, i + 0.5, 0.5, j + 0.5), "origin": "lower"}
    outcome = view.outcome[::-1, :, k].T
    grey = np.full(outcome.shape, 0.12) if view.scan is None else view.scan[::-1, :, k].T
    panel.imshow(grey, cmap="gray", vmin=0, vmax=1, interpolation="bilinear", **place)
    colours = np.zeros((*outcome.shape, 4))
    for kind, (colour, _) in COLOURS.items():
        colours[outcome == kind] = mpl.colors.to_rgba(colour, 0.72)
    panel.imshow(colours, interpolation="nearest", **place)
    panel.set_aspect(view.grid.spacing[1] / view.grid.spacing[0])
