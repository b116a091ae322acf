"""What a report says, as plain text: said once, for the page and for the PDF.

Every figure is formatted here and only here, from ``summary.json`` and ``lesions.csv``. The texts are plain:
whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dawson.reporting.notes import grid_size, provenance, reading_notes
from dawson.reporting.wording import (
    NO_CONCLUSION,
    NO_REGIONS,
    NONE,
    OUT_OF_REACH,
    REGIONS,
    count,
    ml,
    mm,
    sentence,
    title,
)
from dawson.results.read import Result

ORDER = ("fail", "warn", "pass")


@dataclass(frozen=True)
class Line:
    """One check of quality, or a warning: what it is about, pass, warn or fail, and one sentence."""

    name: str
    status: str
    words: str


@dataclass(frozen=True)
class Figure:
    """A key figure: what it is, the value with its unit, and what it needs beside it."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Table:
    """Heads and rows of text; the first ``left`` columns are words, the others figures."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int


@dataclass(frozen=True)
class Facts:
    """The content of a report from top to bottom.

    ``status`` is pass, warn or fail, ``verdict`` the same in words. ``quality`` begins with the worst.
    ``regions`` is None where the model knows no anatomy; ``regions_notes`` hold the rules in any case.
    ``lesions`` has one row a lesion, in the order of ``Result.lesions``. ``notes`` say how to read the figures,
    ``provenance`` where they come from; both are pairs of a term and its text.
    """

    title: str
    subtitles: tuple[str, ...]
    status: str
    verdict: str
    quality: tuple[Line, ...]
    figures: tuple[Figure, ...]
    regions: Table | None
    regions_notes: tuple[str, ...]
    lesions: Table
    lesions_note: str
    notes: tuple[tuple[str, str], ...]
    provenance: tuple[tuple[str, str], ...]
    notice: str


def facts(result: Result) -> Facts:
    """All that a report on ``result`` says, in words and formatted figures; reads no volume."""
    summary = result.summary
    quality = _quality(summary)
    used = " + ".join(s.upper() for s in summary["sequences"])
    reference = summary["inputs"].get(summary["reference"])
    grid = f", {grid_size(reference)}" if reference else ""
    return Facts(
        title="Multiple sclerosis lesions on brain MRI",
        subtitles=(
            f"One visit, measured on {used}",
            f"All results lie on the {summary['reference'].upper()}{grid}",
        ),
        status=summary["quality"]["status"],
        verdict=_verdict(summary["quality"]["status"], quality),
        quality=quality,
        figures=tuple(_figures(result)),
        regions=_regions(result),
        regions_notes=_regions_notes(summary),
        lesions=_lesions(result),
        lesions_note=_lesions_note(summary),
        notes=tuple(reading_notes(summary)),
        provenance=tuple(provenance(summary)),
        notice=summary["notice"],
    )


def _quality(summary: Mapping[str, Any]) -> tuple[Line, ...]:
    checks = [Line(title(c["name"]), c["status"], c["words"]) for c in summary["quality"]["checks"]]
    known = {line.words for line in checks}
    checks += [Line("Noticed", "warn", sentence(text)) for text in summary["warnings"] if text not in known]
    return tuple(sorted(checks, key=lambda line: ORDER.index(line.status)))  # stable: else in the order given


def _verdict(status: str, quality: tuple[Line, ...]) -> str:
    failed, warned = (sum(line.status == kind for line in quality) for kind in ("fail", "warn"))
    if status == "fail":
        return f"Quality control failed ({count(failed, 'check')}): these results must not be used"
    if warned:
        return f"Quality control passed with {count(warned, 'warning')}"
    return f"Quality control passed ({count(len(quality), 'check')})"


def _figures(result: Result) -> Iterable[Figure]:
    summary = result.summary
    rule = summary["rule"]
    least = rule["minimum_lesion_mm3"]
    small = f", each of {least:g} mm³ or more" if least else ""
    yield Figure("Lesions", str(summary["lesion_count"]), f"{rule['connectivity']}-connected{small}")
    yield Figure("Lesions ≥ 3 mm", str(summary["count_long_axis_3mm"]), "by their long axis")
    interval = summary["load_interval"]
    note = "no interval: the result holds none"
    if interval is not None:
        note = f"between {ml(interval['low_ml'])} and {ml(interval['high_ml'])}"
        if coverage := interval["coverage"]:
            scans = count(coverage["cases"], "labelled scan")
            note += f"; such an interval held the truth in {coverage['inside']} of {scans} with these sequences"
    yield Figure("Lesion load", ml(summary["lesion_load_ml"]), note)
    yield _largest(result)
    volumes = summary["volumes"]
    if volumes is None:
        return
    percent = volumes["load_percent_of_brain"]
    yield Figure("Load in the brain", NONE if percent is None else f"{percent:.2f} %", "lesion load by brain volume")
    yield Figure("Brain", ml(volumes["brain_ml"]), "parenchyma, lesions included")
    yield Figure("Ventricles", ml(volumes["ventricles_ml"]), "all four, as far as found")
    yield Figure("Intracranial", ml(volumes["intracranial_ml"]), "brain and fluid, as far as found")


def _largest(result: Result) -> Figure:
    if not result.lesions:
        return Figure("Largest lesion", NONE, "none was found")
    largest = max(result.lesions, key=lambda lesion: lesion.volume_ml)
    return Figure("Largest lesion", ml(largest.volume_ml), f"{mm(largest.long_axis_mm)} mm along its long axis")


def _regions(result: Result) -> Table | None:
    regions = result.summary["regions"]
    if regions is None:
        return None
    rows = [(REGIONS[name], *_row(regions[name])) for name in REGIONS]
    whole = {
        "count": result.summary["lesion_count"],
        "count_long_axis_3mm": result.summary["count_long_axis_3mm"],
        "volume_ml": result.summary["lesion_load_ml"],
        "largest_long_axis_mm": max((lesion.long_axis_mm for lesion in result.lesions), default=None),
    }
    rows.append(("All", *_row(whole)))
    return Table(("Region", "Lesions", "≥ 3 mm", "Volume (ml)", "Largest long axis (mm)"), tuple(rows), 1)


def _row(region: Mapping[str, Any]) -> tuple[str, ...]:
    longest = region["largest_long_axis_mm"]
    return (
        str(region["count"]),
        str(region["count_long_axis_3mm"]),
        f"{region['volume_ml']:.3f}",
        mm(longest) if longest and region["count"] else NONE,
    )


def _regions_notes(summary: Mapping[str, Any]) -> tuple[str, ...]:
    rules = summary["region_rules"] or ""
    if summary["regions"] is None:
        return (NO_REGIONS, OUT_OF_REACH)
    reach = () if "spinal cord" in rules.lower() else (OUT_OF_REACH,)
    return (*((rules,) if rules else ()), *reach, NO_CONCLUSION)


def _lesions(result: Result) -> Table:
    words = ("Lesion", "Region", "Position", "Confidence")
    figures = ("Volume (ml)", "Long axis (mm)", "Mean probability", "Peak probability", "Centre x, y, z (mm)")
    rows = [
        (
            str(lesion.id),
            (lesion.region or NONE).capitalize(),
            lesion.position or lesion.side or NONE,
            lesion.confidence or NONE,
            f"{lesion.volume_ml:.3f}",
            mm(lesion.long_axis_mm),
            f"{lesion.mean_probability:.2f}",
            f"{lesion.peak_probability:.2f}",
            ", ".join(f"{round(place)}" for place in lesion.centroid),  # an integer: there is no -0 then
        )
        for lesion in result.lesions
    ]
    return Table(words + figures, tuple(rows), len(words))


def _lesions_note(summary: Mapping[str, Any]) -> str:
    if not summary["lesion_count"]:
        return "No lesion was found. That does not mean that there is none."
    classes = summary["confidence"]
    if classes is None:
        return ""
    parts = []
    for name, group in classes.items():
        share = group["true_share"]
        measured = (
            "not measured yet"
            if share is None
            else f"{share * 100:.0f} % of such lesions were true"
            + (
                f" (of {group['measured_on']:.0f} on labelled scans with these sequences)"
                if group["measured_on"] is not None
                else ""
            )
        )
        parts.append(f"{name}: {count(group['count'], 'lesion')} here, {measured}")
    return f"Confidence. {'; '.join(parts)}."
