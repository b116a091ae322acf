"""The page of a cohort: one sortable row a visit, in a single file that needs no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dawson.core.names import COHORT_TABLE
from dawson.reporting.cohort.visits import Visit, comparability_warnings, visit_warnings
from dawson.reporting.render import render
from dawson.reporting.wording import NO_CONCLUSION, NONE, OUT_OF_REACH, REGIONS, STATUS, count, ml, sentence
from dawson.results.summary import NOTICE

SEVERITY = {"fail": 2, "warn": 1, "pass": 0}
STATUS_WORDS = {"pass": "passed", "warn": "with warnings", "fail": "failed"}
HEADS = (
    *(("Visit", "text"), ("Quality", "number"), ("Lesions", "number"), ("≥ 3 mm", "number")),
    *(("Load (ml)", "number"), ("% of brain", "number")),
    *((f"{name} (ml)", "number") for name in REGIONS.values()),
    *(("Sequences", "text"), ("Warnings", "number")),
)
"""Heads of the columns, and what each is sorted as."""


@dataclass(frozen=True)
class Cell:
    """A figure as it is shown and as it is sorted by ("": last), and the length of its bar where it has one."""

    text: str
    key: str
    bar_percent: str | None = None


@dataclass(frozen=True)
class Row:
    """What the table shows of one visit."""

    visit: Visit
    status: str
    severity: int
    counts: tuple[Cell, ...]
    load: Cell
    interval: str | None
    percent: Cell
    regions: tuple[Cell, ...]
    sequences: str
    warnings: tuple[str, ...]
    warnings_title: str


def cohort_page(visits: Sequence[Visit], left_out: Sequence[str] = ()) -> str:
    """The page as HTML: what the cohort holds, what to beware of, the table, and how to read it."""
    largest = max((_region_ml(visit, name) or 0.0 for visit in visits for name in REGIONS), default=0.0)
    title = f"Lesions of {count(len(visits), 'visit')}"
    return render(
        "visits.html",
        title=title,
        scripts=("cohort.js",),
        quality=_quality(visits),
        loads=_loads(visits),
        table_file=COHORT_TABLE,
        notice=NOTICE,
        lists={"Compare with care": comparability_warnings(visits), "Left out": left_out},
        heads=HEADS,
        rows=[_row(visit, largest) for visit in visits],
        status_words=STATUS,
        terms=_terms(visits),
    )


def _quality(visits: Sequence[Visit]) -> str:
    statuses = [visit.summary["quality"]["status"] for visit in visits]
    return ", ".join(f"{statuses.count(status)} {STATUS_WORDS[status]}" for status in STATUS if status in statuses)


def _loads(visits: Sequence[Visit]) -> str:
    loads = [float(v.summary["lesion_load_ml"]) for v in visits if v.summary["quality"]["status"] != "fail"]
    if not loads:
        return ""
    left_out = " (failed visits not counted)" if len(loads) < len(visits) else ""
    return f" Lesion load {ml(min(loads))} to {ml(max(loads))}, median {ml(median(loads))}{left_out}."


def _row(visit: Visit, largest: float) -> Row:
    summary = visit.summary
    status = summary["quality"]["status"]
    interval, volumes = summary["load_interval"], summary["volumes"]
    percent = None if volumes is None else volumes["load_percent_of_brain"]
    warnings = tuple(visit_warnings(visit))
    return Row(
        visit=visit,
        status=status,
        severity=SEVERITY[status],
        counts=tuple(_cell(summary[name], str(summary[name])) for name in ("lesion_count", "count_long_axis_3mm")),
        load=_cell(summary["lesion_load_ml"], _without_unit(summary["lesion_load_ml"])),
        interval=None
        if interval is None
        else f"{_without_unit(interval['low_ml'])} to {_without_unit(interval['high_ml'])}",
        percent=_cell(percent, NONE if percent is None else f"{percent:.2f}"),
        regions=tuple(_region(_region_ml(visit, region), largest) for region in REGIONS),
        sequences=" + ".join(name.upper() for name in summary["sequences"]),
        warnings=warnings,
        warnings_title=count(len(warnings), "warning"),
    )


def _cell(value: Any, text: str) -> Cell:
    return Cell(text, "" if value is None else str(value))


def _region(volume: float | None, largest: float) -> Cell:
    """A region's load, with a bar that shares its scale with all regions of all visits."""
    if volume is None:
        return Cell(NONE, "")
    return Cell(_without_unit(volume), str(volume), f"{100 * volume / largest if largest else 0.0:.1f}")


def _terms(visits: Sequence[Visit]) -> list[tuple[str, str]]:
    terms = [
        ("Load", "The volume of all lesions. Below it stands its interval, where the result has one."),
        ("≥ 3 mm", "Lesions whose long axis is 3 mm or more."),
        ("Bars", "One scale for all regions and visits: the longest is the largest load of a region in this cohort."),
        ("Regions", f"{OUT_OF_REACH} {NO_CONCLUSION}"),
    ]
    rules = dict.fromkeys(v.summary["region_rules"] for v in visits if v.summary["region_rules"])
    methods = dict.fromkeys(v.summary["load_interval"]["method"] for v in visits if v.summary["load_interval"])
    terms += [("Rules of the regions", text) for text in rules]
    return [*terms, *(("Interval of the load", sentence(text)) for text in methods)]


def _region_ml(visit: Visit, region: str) -> float | None:
    regions = visit.summary["regions"]
    return None if regions is None else float(regions[region]["volume_ml"])


def _without_unit(volume_ml: float) -> str:
    return ml(volume_ml).removesuffix(" ml")
