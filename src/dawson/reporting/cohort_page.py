"""The page of a cohort: one sortable row a visit, in a single file that needs no network.

All text from results is escaped, and the page's policy lets only its own script run: the browser compares the
script with its hash, so that nothing that slipped in could run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from statistics import median
from typing import Any

from dawson.core.names import COHORT_TABLE
from dawson.reporting.cohort import Visit, noticed, remarks
from dawson.reporting.document import definitions, document, section
from dawson.reporting.facts import NO_CONCLUSION, NONE, OUT_OF_REACH, REGIONS, SIGN, STATUS, count, ml, sentence
from dawson.results.summary import NOTICE

SEVERITY = {"fail": 2, "warn": 1, "pass": 0}

STYLE = """
body { max-width: 86rem; }
.controls { display: flex; flex-wrap: wrap; gap: 0.6rem 1rem; align-items: baseline; margin: 1.2rem 0 0.6rem; }
.controls input { font: inherit; padding: 0.3rem 0.6rem; min-width: min(20rem, 100%); color: inherit;
  background: var(--paper); border: 1px solid var(--soft); border-radius: 4px; }
th button { font: inherit; font-weight: 600; color: inherit; background: none; border: 0; padding: 0; cursor: pointer;
  text-align: inherit; }
th button::after { content: " \\2195"; color: var(--soft); }
th[aria-sort=ascending] button::after { content: " \\2191"; color: inherit; }
th[aria-sort=descending] button::after { content: " \\2193"; color: inherit; }
td, tbody th { vertical-align: top; }
td.words { white-space: normal; text-align: left; min-width: 11rem; max-width: 26rem; }
#visits th, #visits td { padding-left: 0.45rem; padding-right: 0.45rem; }
td.words ul { margin: 0.2rem 0 0; padding-left: 1.1rem; }
tbody th { font-weight: 400; white-space: normal; min-width: 8rem; overflow-wrap: anywhere; }
.bar { display: block; width: 5rem; height: 5px; margin: 3px 0 0 auto; background: var(--line); }
thead th { white-space: normal; }
thead th[data-kind=text], thead th:nth-child(2), thead th:last-child { text-align: left; }
.bar rect { fill: var(--mark); }
.range { display: block; color: var(--soft); font-size: 0.8rem; }
.sign { display: inline-block; width: 1.25em; height: 1.25em; line-height: 1.25em; text-align: center; font-weight: 700;
  border-radius: 50%; margin-right: 0.35em; color: #ffffff; }
.pass .sign { background: #00694f; } .warn .sign { background: #8a5a00; } .fail .sign { background: #b3261e; }
.fail .word { font-weight: 700; }
[hidden] { display: none; }
@page { size: landscape; }
@media print { .controls { display: none; } body { padding: 0; max-width: none; font-size: 9pt; }
  th, td { padding: 0.2rem 0.35rem; } td.words { min-width: 9rem; } tr { break-inside: avoid; }
  .sign { print-color-adjust: exact; } .bar { print-color-adjust: exact; } }
"""

SCRIPT = """
(() => {
  const body = document.querySelector("#visits tbody"), heads = [...document.querySelectorAll("#visits thead th")];
  const rows = [...body.rows], box = document.querySelector("#filter"), shown = document.querySelector("#shown");
  const compare = new Intl.Collator(undefined, { numeric: true }).compare;
  const key = (row, place) => row.cells[place].dataset.sort;
  const sort = (place) => {
    const head = heads[place], up = head.getAttribute("aria-sort") !== "ascending";
    const number = head.dataset.kind === "number";
    for (const other of heads) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    rows.sort((a, b) => {
      const [one, two] = [key(a, place), key(b, place)];
      if (one === "" || two === "") return (one === "") - (two === "");
      const order = number ? Number(one) - Number(two) : compare(one, two);
      return up ? order : -order;
    });
    body.append(...rows);
  };
  heads.forEach((head, place) => head.querySelector("button").addEventListener("click", () => sort(place)));
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
  const filter = () => {
    const words = box.value.toLowerCase().split(/\\s+/).filter(Boolean);
    let left = 0;
    for (const row of rows) {
      row.hidden = !words.every((word) => texts.get(row).includes(word));
      left += !row.hidden;
    }
    shown.textContent = `${left} of ${rows.length} shown`;
  };
  box.addEventListener("input", filter);
  const folds = [...document.querySelectorAll("details")], buttons = heads.map((head) => head.querySelector("button"));
  addEventListener("beforeprint", () => {
    for (const fold of folds) { fold.dataset.was = fold.open; fold.open = true; }
    heads.forEach((head, place) => head.replaceChildren(buttons[place].textContent)); // buttons are not repeated
  });
  addEventListener("afterprint", () => {
    for (const fold of folds) fold.open = fold.dataset.was === "true";
    heads.forEach((head, place) => head.replaceChildren(buttons[place]));
  });
  document.querySelector(".controls").hidden = false;
  filter();
})();
"""


def cohort_page(visits: Sequence[Visit], left_out: Sequence[str] = ()) -> str:
    """The page as HTML: what the cohort holds, what to beware of, the table, and how to read it."""
    parts = [_opening(visits), _beware(visits, left_out), _controls(), _table(visits), _reading(visits)]
    title = f"Lesions of {count(len(visits), 'visit')} - dawson"
    return document(title, "\n".join(part for part in parts if part), style=STYLE, scripts=[SCRIPT])


def _opening(visits: Sequence[Visit]) -> str:
    by_status = {status: [v for v in visits if v.summary["quality"]["status"] == status] for status in STATUS}
    words = {"pass": "passed", "warn": "with warnings", "fail": "failed"}
    told = ", ".join(f"{len(group)} {words[status]}" for status, group in by_status.items() if group)
    usable = [float(v.summary["lesion_load_ml"]) for v in (*by_status["pass"], *by_status["warn"])]
    loads = ""
    if usable:
        loads = f" Lesion load {ml(min(usable))} to {ml(max(usable))}, median {ml(median(usable))}"
        loads += " (failed visits not counted)." if by_status["fail"] else "."
    return (
        f"<header><h1>Lesions of {count(len(visits), 'visit')}</h1>\n<p>Quality control: {told}.{loads} "
        f'All columns stand in <a href="{COHORT_TABLE}">{COHORT_TABLE}</a>.</p>\n'
        f'<p class="notice">{escape(NOTICE)}</p></header>'
    )


def _beware(visits: Sequence[Visit], left_out: Sequence[str]) -> str:
    lists = {"Compare with care": remarks(visits), "Left out": left_out}
    return "\n".join(section(title, _bullets(lines)) for title, lines in lists.items() if lines)


def _controls() -> str:
    return (
        '<h2>Visits</h2>\n<div class="controls" hidden><label for="filter">Filter</label>'
        '<input id="filter" type="search" placeholder="words in a row" autocomplete="off">'
        '<span id="shown" class="soft" role="status"></span></div>'
    )


def _table(visits: Sequence[Visit]) -> str:
    heads = [("Visit", "text"), ("Quality", "number"), ("Lesions", "number"), ("≥ 3 mm", "number")]
    heads += [("Load (ml)", "number"), ("% of brain", "number")]
    heads += [(f"{name} (ml)", "number") for name in REGIONS.values()]
    heads += [("Sequences", "text"), ("Warnings", "number")]
    head = "".join(
        f'<th scope="col" data-kind="{kind}" aria-sort="none"><button type="button">{escape(name)}</button></th>'
        for name, kind in heads
    )
    largest = max((_region_ml(visit, name) or 0.0 for visit in visits for name in REGIONS), default=0.0)
    rows = "\n".join(_row(visit, largest) for visit in visits)
    return (
        '<div class="wide" tabindex="0"><table id="visits">'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
    )


def _row(visit: Visit, largest: float) -> str:
    summary = visit.summary
    status = summary["quality"]["status"]
    name = escape(visit.name)
    linked = name if visit.link is None else f'<a href="{escape(visit.link, quote=True)}">{name}</a>'
    interval, volumes = summary["load_interval"], summary["volumes"]
    load = f"{_bare(summary['lesion_load_ml'])}"
    if interval is not None:
        load += f'<span class="range">{_bare(interval["low_ml"])} to {_bare(interval["high_ml"])}</span>'
    percent = None if volumes is None else volumes["load_percent_of_brain"]
    used = " + ".join(modality.upper() for modality in summary["sequences"])
    cells = [
        f'<th scope="row" class="left" data-sort="{escape(visit.name, quote=True)}">{linked}</th>',
        _cell(
            f'<span class="sign" aria-hidden="true">{SIGN[status]}</span><span class="word">{STATUS[status]}</span>',
            SEVERITY[status],
            f"left {status}",
        ),
        _cell(str(summary["lesion_count"]), summary["lesion_count"]),
        _cell(str(summary["count_long_axis_3mm"]), summary["count_long_axis_3mm"]),
        _cell(load, summary["lesion_load_ml"]),
        _cell(NONE if percent is None else f"{percent:.2f}", percent),
        *(_bar(_region_ml(visit, region), largest) for region in REGIONS),
        _cell(escape(used), used, "left"),
        _warnings(noticed(visit)),
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _cell(content: str, key: Any, kind: str = "") -> str:
    """A cell of ready HTML, and what it is sorted by (nothing: last)."""
    told = f' class="{kind}"' if kind else ""
    return f'<td{told} data-sort="{"" if key is None else escape(str(key), quote=True)}">{content}</td>'


def _bar(volume: float | None, largest: float) -> str:
    """A region's load, with a bar that shares its scale with all regions of all visits."""
    if volume is None:
        return _cell(NONE, None)
    share = 100 * volume / largest if largest else 0.0
    bar = (
        '<svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect width="{share:.1f}" height="1"/></svg>'
    )
    return _cell(_bare(volume) + bar, volume)


def _warnings(lines: Sequence[str]) -> str:
    if not lines:
        return _cell("none", 0, "words")
    told = f"<details><summary>{count(len(lines), 'warning')}</summary>{_bullets(lines)}</details>"
    return _cell(told, len(lines), "words")


def _reading(visits: Sequence[Visit]) -> str:
    terms = [
        ("Load", "The volume of all lesions. Below it stands its interval, where the result has one."),
        ("≥ 3 mm", "Lesions whose long axis is 3 mm or more."),
        ("Bars", "One scale for all regions and visits: the longest is the largest load of a region in this cohort."),
        ("Regions", f"{OUT_OF_REACH} {NO_CONCLUSION}"),
    ]
    rules = dict.fromkeys(v.summary["region_rules"] for v in visits if v.summary["region_rules"])
    terms += [("Rules of the regions", text) for text in rules]
    methods = dict.fromkeys(v.summary["load_interval"]["method"] for v in visits if v.summary["load_interval"])
    terms += [("Interval of the load", sentence(text)) for text in methods]
    return section("How to read it", definitions(terms))


def _region_ml(visit: Visit, region: str) -> float | None:
    regions = visit.summary["regions"]
    return None if regions is None else float(regions[region]["volume_ml"])


def _bare(value: float) -> str:
    return ml(value).removesuffix(" ml")


def _bullets(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
