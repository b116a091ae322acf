"""An evaluation as tables: comma-separated for programs, aligned text for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dawson.core.tables import table_text
from dawson.evaluation.metrics.columns import columns_of
from dawson.evaluation.output.summary import headline
from dawson.evaluation.result import Evaluation

LESIONS = ("case", "prediction", "side", "volume_mm3", "found", "overlap", "peak_probability", "x_mm", "y_mm", "z_mm",
           "region")  # fmt: skip
MOST_ROWS = 40  # of single cases on the terminal

HEADS = {
    "dice": "Dice",
    "normalised_dice": "norm. Dice",
    "volume_difference_percent": "volume error %",
    "hd95_mm": "HD95 mm",
    "assd_mm": "ASSD mm",
    "nsd": "NSD",
}


def metrics_csv(evaluation: Evaluation) -> str:
    """One row a case and prediction; an empty field is a figure that is undefined there by the stated policy."""
    columns = columns_of(evaluation.settings)
    raters = any(row.against_raters is not None for row in evaluation.rows)
    further = ("dice_against_raters", "lesion_f1_against_raters") if raters else ()
    rows: list[Iterable[object]] = [
        ("case", "patient", "prediction", "inputs", "resampled", "outside_ml", *columns, *further)
    ]
    for row in evaluation.rows:
        against = row.against_raters or {}
        rows.append(
            (
                row.pair.case,
                row.pair.patient,
                row.pair.method,
                "+".join(row.pair.inputs),
                int(row.resampled),
                _digits(row.outside_ml),
                *(_digits(row.metrics.values[column]) for column in columns),
                *((_digits(against.get("dice")), _digits(against.get("lesion_f1"))) if raters else ()),
            )
        )
    return table_text(rows)


def lesions_csv(evaluation: Evaluation) -> str:
    """One row a lesion of truth or prediction: where it lies (RAS+ mm), how large it is, whether it was found."""
    rows: list[Iterable[object]] = [LESIONS]
    for row in evaluation.rows:
        for side, lesions in (("truth", row.metrics.truth_lesions), ("predicted", row.metrics.predicted_lesions)):
            rows += [
                (
                    row.pair.case,
                    row.pair.method,
                    side,
                    f"{lesion.volume_mm3:.3f}",
                    int(lesion.matched),
                    f"{lesion.overlap:.4f}",
                    "" if lesion.peak_probability is None else f"{lesion.peak_probability:.4f}",
                    *(f"{place:.2f}" for place in lesion.centroid),
                    lesion.region or "",
                )
                for lesion in lesions
            ]
    return table_text(rows)


def cohort_table(summary: Mapping[str, Any], columns: Sequence[str]) -> list[list[str]]:
    """A column a prediction, a row a figure: the mean over cases and its 95 % interval; the heads come first."""
    methods = summary["predictions"]
    rows = [["", *methods], ["cases", *(str(method["cases"]) for method in methods.values())]]
    for column in columns:
        figures = [interval(m.get(column), digits=places(column), of=m["cases"]) for m in methods.values()]
        rows.append([head(column), *figures])
    if summary["raters"] is not None:
        for figure, name in (("dice", "Dice"), ("lesion_f1", "lesion F1")):
            against = [method.get("against_raters") for method in methods.values()]
            rows.append([f"{name} to each rater", *("-" if a is None else f"{a[figure]:.3f}" for a in against)])
    return rows


def case_table(summary: Mapping[str, Any], columns: Sequence[str]) -> list[list[str]]:
    """A row a case and prediction; the heads come first."""
    volumes = ("volume_truth_ml", "volume_predicted_ml")
    counts = ("truth_lesions", "predicted_lesions", "false_positives")
    heads = [*(head(column) for column in columns), "true ml", "found ml", "true lesions", "found lesions", "false"]
    rows = [["case", "prediction", *heads]]
    for row in summary["rows"]:
        values = row["values"]
        figures = [short(values[column], column) for column in (*columns, *volumes)]
        rows.append([row["case"], row["prediction"], *figures, *(f"{values[count]:.0f}" for count in counts)])
    return rows


def text_report(evaluation: Evaluation, summary: Mapping[str, Any]) -> str:
    """What the terminal shows: the cohort, the single cases where they are few, and the rules."""
    columns = headline(evaluation.settings)
    parts = [aligned(cohort_table(summary, columns), left=1)]
    if len(evaluation.rows) <= MOST_ROWS:
        few = [column for column in columns if column in columns[:2] or column == "hd95_mm"]
        parts.append(aligned(case_table(summary, few), left=2))
    if summary["comparisons"]:
        parts.append(aligned(comparison_table(summary), left=3))
    if summary["raters"] is not None:
        raters = summary["raters"]
        truth = "what both marked" if raters["raters"] == 2 else "their majority"
        parts.append(
            f"The {raters['raters']} raters agree among themselves with Dice {raters['dice']:.3f} and lesion F1 "
            f"{raters['lesion_f1']:.3f}; the truth is {truth}."
        )
    patients, cases = summary["patients"], summary["cases"]
    parts.append(
        f"{_count(cases, 'case')} of {_count(patients, 'patient')}. In brackets: 95 % bootstrap interval by patient"
        f"{'; one patient gives none' if patients == 1 else ''}.\n{summary['rules']}"
    )
    notes = [resampled_lines(summary), summary["skipped"], summary["failed"]]
    parts += ["\n".join(lines) for lines in notes if lines]
    return "\n\n".join(parts)


def resampled_lines(summary: Mapping[str, Any]) -> list[str]:
    """How many predictions were brought to another grid, and what of them was lost on the way."""
    count = sum(row["resampled"] for row in summary["rows"])
    if not count:
        return []
    total = len(summary["rows"])
    lines = [f"{count} of {_count(total, 'prediction')} lay on another grid and {'was' if count == 1 else 'were'} "
             "resampled to the truth's (nearest voxel)."]  # fmt: skip
    return lines + [
        f"{row['case']}, {row['prediction']}: {row['outside_ml']:.3g} ml that it marks lie outside of the truth's scan "
        "and are counted nowhere."
        for row in summary["rows"]
        if row["outside_ml"]
    ]


def comparison_table(summary: Mapping[str, Any]) -> list[list[str]]:
    """A row for each two predictions and figure; the heads come first."""
    rows = [["first", "second", "figure", "first - second", "Wilcoxon p", "cases", "patients"]]
    for one in summary["comparisons"]:
        difference = {"mean": one["mean_difference"], "low": one["low"], "high": one["high"]}
        p = "-" if one["p"] is None else f"{one['p']:.2g}"
        names = [one["first"], one["second"], head(one["column"])]
        rows.append([*names, interval(difference, sign=True), p, str(one["n"]), str(one["patients"])])
    return rows


def head(column: str) -> str:
    """A column's name as a table's head."""
    for figure in ("f1", "recall", "precision"):
        if column.startswith(f"lesion_{figure}_"):
            return f"lesion {figure.replace('f1', 'F1')}"
    return HEADS.get(column, column.replace("_", " "))


def interval(figure: Mapping[str, Any] | None, *, digits: int = 3, sign: bool = False, of: int | None = None) -> str:
    """A mean and its interval, as ``0.612 [0.48, 0.72]``, and ``(n=3)`` where it is of fewer than ``of`` cases."""
    if figure is None or figure["mean"] is None:
        return "-"
    plus = "+" if sign else ""
    mean = f"{figure['mean']:{plus}.{digits}f}"
    number = f" (n={figure['n']})" if of is not None and figure["n"] < of else ""
    if figure["low"] is None or figure["high"] is None:
        return mean + number
    fewer = max(digits - 1, 1)
    return f"{mean} [{figure['low']:{plus}.{fewer}f}, {figure['high']:{plus}.{fewer}f}]{number}"


def short(value: float | None, column: str) -> str:
    """One figure as a table shows it."""
    if value is None:
        return "-"
    return f"{value:.{places(column)}f}"


def aligned(rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Rows of text in columns of equal width, the first ``left`` of them to the left, numbers to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if place < left else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def places(column: str) -> int:
    """Decimals that mean something."""
    return 1 if column.endswith(("percent", "_mm")) else 2 if column.endswith("_ml") else 3


def _digits(value: float | None) -> str:
    return "" if value is None else repr(round(float(value), 9)).removesuffix(".0")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
