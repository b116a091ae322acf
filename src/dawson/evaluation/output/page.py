"""One page that holds an evaluation: figures, charts and definitions in a single file that needs no network.

No script runs in it, and nothing is fetched: pictures are embedded, the style stands in the page. Every
text that comes from outside (names of cases, files, models) is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
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
from dawson.reporting.document import definitions, document, picture, section

Summary = Mapping[str, Any]

STYLE = """
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 29rem), 1fr)); gap: 1.4rem; }
"""

FEW_PATIENTS = 10  # below it a bootstrap interval is known to be too narrow


def evaluation_page(summary: Summary, charts: Sequence[Chart], worst: Sequence[Chart]) -> str:
    """The page as HTML: summary first, then charts beside their definitions, single cases, all definitions."""
    settings = _settings(summary)
    sections = [
        _opening(summary, settings),
        _cohort(summary, settings),
        section("Charts", _figures(charts)),
        section("Worst cases", _figures(worst)) if worst else "",
        _compared(summary),
        _by_load(summary, settings),
        _cases(summary, settings),
        _left_out(summary),
        _definitions(summary),
        _provenance(summary),
    ]
    body = "\n".join(part for part in sections if part)
    return document("Lesion masks evaluated - dawson", body, style=STYLE)


def _opening(summary: Summary, settings: Settings) -> str:
    columns = headline(settings)[:2]
    told = []
    for name, method in summary["predictions"].items():
        if method["cases"]:
            figures = ", ".join(
                f"{head(c)} {interval(method[c], digits=places(c), of=method['cases'])}" for c in columns
            )
            told.append(
                f"<li><strong>{escape(name)}</strong>: {escape(figures)} ({_count(method['cases'], 'case')})</li>"
            )
    patients = _count(summary["patients"], "patient")
    model = summary["model"]
    what = (
        f"Model {escape(str(model['name']))} (version {escape(str(model['version']))}) run on labelled scans. "
        if model
        else ""
    )
    many = (
        "Cases of one patient are not independent: intervals are drawn by patient."
        if summary["patients"] > 1
        else "One patient gives no interval."
    )
    if 1 < summary["patients"] < FEW_PATIENTS:
        many += f" Of only {patients} they say little."
    return (
        "<header><h1>Lesion masks against the truth</h1>\n"
        f"<p>{what}{_count(summary['cases'], 'case')} of {patients}. Means over cases with their 95 % interval. "
        f"{many}</p>\n"
        f"<ul>{''.join(told)}</ul>\n"
        f"<p>{escape(summary['rules'])}</p>\n"
        f'<p class="notice">{escape(summary["notice"])}</p></header>'
    )


def _cohort(summary: Summary, settings: Settings) -> str:
    columns = headline(settings)
    texts = summary["definitions"]["columns"]
    body = _table(cohort_table(summary, columns), left=1)
    if summary["raters"] is not None:
        raters = summary["raters"]
        body += (
            f"<p>The {raters['raters']} raters agree among themselves with Dice {raters['dice']:.3f} and lesion F1 "
            f"{raters['lesion_f1']:.3f}. {escape(summary['definitions']['cohort']['raters'])} "
            f"{escape(summary['definitions']['cohort']['against_raters'])}</p>"
        )
    body += definitions((head(column), texts[column]) for column in columns)
    return section("Cohort", body)


def _figures(charts: Sequence[Chart]) -> str:
    figures = (picture(chart.png, title=chart.title, caption=chart.caption) for chart in charts)
    return f'<div class="charts">{"".join(figures)}</div>'


def _compared(summary: Summary) -> str:
    if not summary["comparisons"]:
        return ""
    text = f"<p>{escape(summary['definitions']['cohort']['comparison'])} p is not corrected for many comparisons.</p>"
    return section("Predictions compared", text + _table(comparison_table(summary), left=3))


def _by_load(summary: Summary, settings: Settings) -> str:
    columns = headline(settings)[:2]
    rows = [["prediction", "lesion load", "cases", *(head(column) for column in columns)]]
    for name, method in summary["predictions"].items():
        for load in LOADS:
            part = method.get("by_load", {}).get(load)
            if part is not None:
                figures = [interval(part[column], digits=places(column), of=part["cases"]) for column in columns]
                rows.append([name, load, str(part["cases"]), *figures])
    volumes = [["prediction", "Pearson r", "Spearman rho", "bias ml", "limits ml", "lesion-free cases", "false there"]]
    for name, method in summary["predictions"].items():
        if method["cases"]:
            volumes.append([name, *_volumes(method)])
    text = "<h3>Volumes, and cases without lesions</h3>"
    return section("By lesion load", _table(rows, left=2) + text + _table(volumes, left=1))


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


def _cases(summary: Summary, settings: Settings) -> str:
    dice, *others = headline(settings)
    rows = case_table(summary, [dice, "normalised_dice", *others])
    return section("Every case", f"<p>All columns stand in metrics.csv.</p>{_table(rows, left=2)}")


def _left_out(summary: Summary) -> str:
    lists = {
        "Resampled": resampled_lines(summary),
        "Not evaluated": [*summary["failed"], *summary["skipped"]],
    }
    return "\n".join(
        section(title, f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>")
        for title, lines in lists.items()
        if lines
    )


def _definitions(summary: Summary) -> str:
    texts = summary["definitions"]
    body = "<p>Undefined figures are left empty and do not enter means.</p>" + definitions(texts["columns"].items())
    return section("Definitions", body + "<h3>Of the cohort</h3>" + definitions(texts["cohort"].items()))


def _provenance(summary: Summary) -> str:
    facts = [(name, version) for name, version in summary["versions"].items()]
    if summary["model"]:
        facts.append(("model", f"{summary['model']['name']} {summary['model']['version']}"))
        facts.append(("model SHA-256", str(summary["model"]["sha256"])))
    groups = "; ".join(f"{patient}: {', '.join(cases)}" for patient, cases in summary["grouping"].items())
    rows = [["case", "prediction", "file", "SHA-256"]]
    for row in summary["rows"]:
        rows += [[row["case"], row["prediction"], what, digest] for what, digest in row["sha256"].items()]
    return section(
        "Provenance",
        f"{definitions(facts)}<h3>Cases by patient</h3><p>{escape(groups)}</p>"
        f"<details><summary>Files by hash</summary>{_table(rows, left=4)}</details>",
    )


def _table(rows: Sequence[Sequence[str]], *, left: int) -> str:
    """A table whose first row holds the heads; its first ``left`` columns are text."""

    def cells(row: Sequence[str], tag: str) -> str:
        kinds = [' class="left"' if place < left else "" for place in range(len(row))]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, row, strict=True))

    head_row = f"<thead><tr>{cells(rows[0], 'th')}</tr></thead>"
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows[1:])
    return f'<div class="wide" tabindex="0"><table>{head_row}<tbody>{body}</tbody></table></div>'


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _settings(summary: Summary) -> Settings:
    content = dict(summary["settings"])
    return Settings(**{**content, "rules": tuple(content["rules"])})
