"""One page that holds an evaluation: figures, charts and definitions in a single file that needs no network.

No script runs in it, and nothing is fetched. The markup stands in ``reporting/templates/evaluation.html``, which
escapes every text that comes from outside (names of cases, files, models).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dawson.evaluation.output.chart_style import Chart
from dawson.evaluation.output.summary import LOADS, headline
from dawson.evaluation.output.table import (
    case_table,
    cohort_table,
    comparison_table,
    head,
    interval,
    places,
    resampled_lines,
)
from dawson.evaluation.settings import Settings
from dawson.reporting.render import render
from dawson.reporting.wording import count

Summary = Mapping[str, Any]
Rows = list[list[str]]

METRICS_FILE = "metrics.csv"
FEW_PATIENTS = 10  # below it a bootstrap interval is known to be too narrow


def evaluation_page(summary: Summary, charts: Sequence[Chart], worst: Sequence[Chart]) -> str:
    """The page as HTML: summary first, then charts beside their definitions, single cases, all definitions."""
    settings = _settings(summary)
    columns = headline(settings)
    dice, *others = columns
    texts = summary["definitions"]["columns"]
    return render(
        "evaluation.html",
        title="Lesion masks evaluated",
        summary=summary,
        opening=_opening(summary),
        headlines=_headlines(summary, settings),
        cohort_rows=cohort_table(summary, columns),
        raters=_raters(summary),
        headline_terms=[(head(column), texts[column]) for column in columns],
        charts=charts,
        worst=worst,
        comparison_rows=comparison_table(summary) if summary["comparisons"] else [],
        load_rows=_by_load(summary, settings),
        volume_rows=_by_volume(summary),
        metrics_file=METRICS_FILE,
        case_rows=case_table(summary, [dice, "normalised_dice", *others]),
        lists={
            "Resampled": resampled_lines(summary),
            "Not evaluated": [*summary["failed"], *summary["skipped"]],
        },
        provenance=_provenance(summary),
        patients="; ".join(f"{patient}: {', '.join(cases)}" for patient, cases in summary["grouping"].items()),
        hash_rows=_hashes(summary),
    )


def _opening(summary: Summary) -> str:
    patients, model = count(summary["patients"], "patient"), summary["model"]
    what = f"Model {model['name']} (version {model['version']}) run on labelled scans. " if model else ""
    many = (
        "Cases of one patient are not independent: intervals are drawn by patient."
        if summary["patients"] > 1
        else "One patient gives no interval."
    )
    if 1 < summary["patients"] < FEW_PATIENTS:
        many += f" Of only {patients} they say little."
    cases = count(summary["cases"], "case")
    return f"{what}{cases} of {patients}. Means over cases with their 95 % interval. {many}"


def _headlines(summary: Summary, settings: Settings) -> list[tuple[str, str]]:
    """The two main figures of each prediction that has any case."""
    lines = []
    for name, method in summary["predictions"].items():
        if method["cases"]:
            figures = ", ".join(
                f"{head(c)} {interval(method[c], digits=places(c), of=method['cases'])}" for c in headline(settings)[:2]
            )
            lines.append((name, f"{figures} ({count(method['cases'], 'case')})"))
    return lines


def _raters(summary: Summary) -> str:
    raters, texts = summary["raters"], summary["definitions"]["cohort"]
    if raters is None:
        return ""
    return (
        f"The {raters['raters']} raters agree among themselves with Dice {raters['dice']:.3f} and lesion F1 "
        f"{raters['lesion_f1']:.3f}. {texts['raters']} {texts['against_raters']}"
    )


def _by_load(summary: Summary, settings: Settings) -> Rows:
    columns = headline(settings)[:2]
    rows = [["prediction", "lesion load", "cases", *(head(column) for column in columns)]]
    for name, method in summary["predictions"].items():
        for load in LOADS:
            part = method.get("by_load", {}).get(load)
            if part is not None:
                figures = [interval(part[column], digits=places(column), of=part["cases"]) for column in columns]
                rows.append([name, load, str(part["cases"]), *figures])
    return rows


def _by_volume(summary: Summary) -> Rows:
    rows = [["prediction", "Pearson r", "Spearman rho", "bias ml", "limits ml", "lesion-free cases", "false there"]]
    for name, method in summary["predictions"].items():
        if method["cases"]:
            rows.append([name, *_volumes(method)])
    return rows


def _volumes(method: Summary) -> list[str]:
    correlation, limits, free = method["volume_correlation"], method["bland_altman"], method["lesion_free"]

    def number(value: float | None, digits: int) -> str:
        return "-" if value is None else f"{value:.{digits}f}"

    return [
        number(correlation["pearson"], 3),
        number(correlation["spearman"], 3),
        number(limits["bias_ml"], 2),
        "-" if limits["low_ml"] is None else f"{limits['low_ml']:.2f} to {limits['high_ml']:.2f}",
        str(free["cases"]),
        number(free["mean_false_positives"], 1),
    ]


def _provenance(summary: Summary) -> list[tuple[str, str]]:
    facts = [(name, version) for name, version in summary["versions"].items()]
    if summary["model"]:
        facts.append(("model", f"{summary['model']['name']} {summary['model']['version']}"))
        facts.append(("model SHA-256", str(summary["model"]["sha256"])))
    return facts


def _hashes(summary: Summary) -> Rows:
    rows = [["case", "prediction", "file", "SHA-256"]]
    for row in summary["rows"]:
        rows += [[row["case"], row["prediction"], what, digest] for what, digest in row["sha256"].items()]
    return rows


def _settings(summary: Summary) -> Settings:
    content = dict(summary["settings"])
    return Settings(**{**content, "rules": tuple(content["rules"])})
