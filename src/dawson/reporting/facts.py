"""What a report says, as plain text: said once, for the page and for the PDF.

Every figure is formatted here and only here, from ``summary.json`` and ``lesions.csv``. The texts are plain:
whoever shows them escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dawson.results.read import Result

REGIONS = {
    "periventricular": "Periventricular",
    "juxtacortical": "Juxtacortical or cortical",
    "infratentorial": "Infratentorial",
    "deep": "Deep white matter",
}
STATUS = {"pass": "Passed", "warn": "Warning", "fail": "Failed"}
SIGN = {"pass": "✓", "warn": "!", "fail": "✕"}  # beside the word: colour alone tells nobody who cannot see it
ORDER = ("fail", "warn", "pass")
OUT_OF_REACH = "The spinal cord and the optic nerves lie outside of a brain MRI's reach."
NO_REGIONS = "This model knows no anatomy, so its lesions are not told by region."
NO_CONCLUSION = "Regions are given by number; what follows from them is for a physician to say."
CONVENTION = (
    "Pictures and viewer are in radiological convention: the patient's right is on the viewer's left. Lesions are "
    "outlined in orange just outside of their border. Coordinates are millimetres to the patient's right (x), to "
    "the front (y) and up (z), in the scanner's own frame."
)
METHODS = {"load_ml": "Lesion load", "load_percent_of_brain": "Load in the brain"}
LONG_AXIS_MM = 3.0  # as in the name of the field count_long_axis_3mm
NONE = "–"


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
    grid = f", {_lattice(reference)}" if reference else ""
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
        notes=tuple(_notes(summary)),
        provenance=tuple(_provenance(summary)),
        notice=summary["notice"],
    )


def ml(value: float | None) -> str:
    """A volume in ml with the digits that it deserves: three significant ones, at most three decimals."""
    if value is None:
        return NONE
    digits = 3 if abs(value) < 1 else 2 if abs(value) < 10 else 1 if abs(value) < 100 else 0
    return f"{value:.{digits}f} ml"


def mm(length: float) -> str:
    """A length in mm with one decimal; with two where rounding would lift it to the 3 mm that are counted by."""
    return f"{length:.2f}" if length < LONG_AXIS_MM <= round(length, 1) else f"{length:.1f}"


def count(number: int, noun: str) -> str:
    """``1 lesion``, ``2 lesions``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _quality(summary: Mapping[str, Any]) -> tuple[Line, ...]:
    checks = [Line(_title(c["name"]), c["status"], c["words"]) for c in summary["quality"]["checks"]]
    told = {line.words for line in checks}
    checks += [Line("Noticed", "warn", sentence(text)) for text in summary["warnings"] if text not in told]
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
    told = []
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
        told.append(f"{name}: {count(group['count'], 'lesion')} here, {measured}")
    return f"Confidence. {'; '.join(told)}."


def _notes(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield "Pictures", CONVENTION
    if summary["regions"] is not None and summary["position_rules"]:
        yield "Position", sentence(summary["position_rules"])
    yield (
        "Rounding",
        "Figures are rounded one by one, so that sums may differ in the last digit; lesions.csv has more digits.",
    )
    yield "Long axis", "The greatest distance between two points of a lesion, in millimetres, in any direction."
    if interval := summary["load_interval"]:
        yield "Interval of the load", sentence(interval["method"])
    for name, group in (summary["confidence"] or {}).items():
        yield f"Confidence {name}", sentence(group["rule"])
    for name, method in (summary["volumes"] or {"methods": {}})["methods"].items():
        yield METHODS.get(name, _title(name.removesuffix("_ml"))), sentence(method)
    if summary["display"]["window"]:
        yield "Grey values", sentence(summary["display"]["window"])


def _provenance(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for name, scan in summary["inputs"].items():
        yield f"{name.upper()} scan", f"{_lattice(scan)}, {scan['orientation']}; SHA-256 {scan['sha256'] or 'unknown'}"
    for name, text in summary["alignment"].items():
        yield f"{name.upper()} alignment", sentence(text)
    model = summary["model"]
    version = f", version {model['version']}" if model["version"] is not None else ""
    computed = f"; computed in {model['precision']}" if model.get("precision") else ""
    yield "Model", f"{model['name']}{version}; SHA-256 {model['sha256'] or 'unknown'}{computed}"
    yield "Measured accuracy", _accuracy(model, summary["sequences"])
    if trained := _trained_on(model):
        yield "Trained on", trained
    rule = summary["rule"]
    threshold = NONE if rule["threshold"] is None else f"{rule['threshold']:g}"
    least = "0" if rule["minimum_lesion_mm3"] is None else f"{rule['minimum_lesion_mm3']:g}"
    faint = f", and those that reach {rule['peak']:g} nowhere" if (rule["peak"] or 0) > (rule["threshold"] or 0) else ""
    yield (
        "Thresholds",
        f"A voxel is lesion where its probability is {threshold} or more; lesions are "
        f"{rule['connectivity']}-connected; those under {least} mm³{faint} are left out.",
    )
    yield "Software", ", ".join(f"{name} {version}" for name, version in summary["versions"].items())
    yield "To repeat it", _repeat(summary)


def _repeat(summary: Mapping[str, Any]) -> str:
    scans = " ".join(f"--{name} {name.upper()}.nii.gz" for name in summary["inputs"])
    return (
        f"dawson segment {scans} -o OUT, with the scans of these hashes, this model and these versions, gives the "
        "same files on the same machine; dawson report OUT makes this report again from them."
    )


def _accuracy(model: Mapping[str, Any], used: list[str]) -> str:
    """Measured figures of the model for just these inputs; the card is free in form, so each part is checked."""
    accuracy = model.get("accuracy")
    means = accuracy.get("mean") if isinstance(accuracy, Mapping) else None
    if not isinstance(accuracy, Mapping) or not isinstance(means, Mapping):
        return "not measured"
    mean = next((means[key] for key in ("+".join(used), "all") if isinstance(means.get(key), Mapping)), None)
    if mean is None or ("+".join(used) not in means and len(used) < 3):
        return f"not measured on {' + '.join(s.upper() for s in used)}"
    names = {"dice": "Dice", "f1": "lesion F1"}
    parts = [f"{text} {mean[key]:.2f}" for key, text in names.items() if isinstance(mean.get(key), int | float)]
    on = f", on {accuracy['on']}" if isinstance(accuracy.get("on"), str) else ""
    return f"mean {', '.join(parts)} from {' + '.join(s.upper() for s in used)}{on}"


def _trained_on(model: Mapping[str, Any]) -> str:
    data = model.get("trained_on")
    entries = data if isinstance(data, list) else []
    told = [f"{e['what']} ({e['source']})" if "source" in e else str(e["what"]) for e in entries if _is_data(e)]
    return "; ".join(told)


def _is_data(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "what" in entry


def _lattice(scan: Mapping[str, Any]) -> str:
    shape = " × ".join(str(n) for n in scan["shape"])
    return f"{shape} voxels of {' × '.join(f'{edge:.2f}' for edge in scan['spacing_mm'])} mm"


def sentence(text: str) -> str:
    """With a capital (where the first word is no name such as "pH") and a full stop."""
    first = text.split(" ", 1)[0]
    text = text[:1].upper() + text[1:] if first.islower() else text
    return text if text.endswith((".", "!", "?")) or not text else f"{text}."


def _title(name: str) -> str:
    words = name.replace("_", " ").replace("-", " ")
    return words[:1].upper() + words[1:]
