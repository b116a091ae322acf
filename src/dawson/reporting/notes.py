"""The notes below a report: how to read its figures, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dawson.core.names import LESION_TABLE
from dawson.reporting.wording import NONE, sentence, title

CONVENTION = (
    "Pictures and viewer are in radiological convention: the patient's right is on the viewer's left. Lesions are "
    "outlined in orange just outside of their border. Coordinates are millimetres to the patient's right (x), to "
    "the front (y) and up (z), in the scanner's own frame."
)
METHODS = {"load_ml": "Lesion load", "load_percent_of_brain": "Load in the brain"}


def reading_notes(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """How to read the figures: pairs of a term and its text."""
    yield "Pictures", CONVENTION
    if summary["regions"] is not None and summary["position_rules"]:
        yield "Position", sentence(summary["position_rules"])
    yield (
        "Rounding",
        f"Figures are rounded one by one, so that sums may differ in the last digit; {LESION_TABLE} has more digits.",
    )
    yield "Long axis", "The greatest distance between two points of a lesion, in millimetres, in any direction."
    if interval := summary["load_interval"]:
        yield "Interval of the load", sentence(interval["method"])
    for name, group in (summary["confidence"] or {}).items():
        yield f"Confidence {name}", sentence(group["rule"])
    for name, method in (summary["volumes"] or {"methods": {}})["methods"].items():
        yield METHODS.get(name, title(name.removesuffix("_ml"))), sentence(method)
    if summary["display"]["window"]:
        yield "Grey values", sentence(summary["display"]["window"])


def provenance(summary: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """What the figures were made from, by what, by which rule: pairs of a term and its text."""
    for name, scan in summary["inputs"].items():
        yield f"{name.upper()} scan", f"{grid_size(scan)}, {scan['orientation']}; SHA-256 {scan['sha256'] or 'unknown'}"
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
    sources = [f"{e['what']} ({e['source']})" if "source" in e else str(e["what"]) for e in entries if _is_data(e)]
    return "; ".join(sources)


def _is_data(entry: Any) -> bool:
    return isinstance(entry, Mapping) and "what" in entry


def grid_size(scan: Mapping[str, Any]) -> str:
    """Voxels and their size, of an input's entry in the summary."""
    shape = " × ".join(str(n) for n in scan["shape"])
    return f"{shape} voxels of {' × '.join(f'{edge:.2f}' for edge in scan['spacing_mm'])} mm"
