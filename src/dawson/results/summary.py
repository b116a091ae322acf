"""The summary of one result: what was found, in what, by what, and what was noticed."""

from __future__ import annotations

import hashlib
import json
import math
import platform
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dawson.core.grid import Grid
from dawson.core.result import Segmentation
from dawson.core.study import Scan
from dawson.core.version import dawson_version
from dawson.measurement.lesions import CONNECTIVITY
from dawson.measurement.region_figures import count_long
from dawson.nifti.formats import ENDINGS
from dawson.preparation.display import WINDOW
from dawson.results.findings import findings, quality
from dawson.results.schema import plain, validate

NOTICE = (
    "dawson is research software and not a medical device; "
    "it must not be used for diagnosis or for decisions about treatment."
)

SCHEMA = 1
"""Raised when a field changes its meaning; fields that are added do not raise it."""

LIBRARIES = ("numpy", "nibabel", "SimpleITK", "openvino", "pillow")

NO_PART = ("evaluation", "reporting", "searching", "synthesis", "training")  # rooms that no result hangs on

RULE = ("threshold", "peak", "minimum_lesion_mm3")
"""What the model says of how its map becomes lesions; the connectivity is dawson's own."""


def summarise(segmentation: Segmentation) -> dict[str, Any]:
    """Everything about a result that is not a voxel, ready for JSON: plain types, no NaN, no infinity.

    Inputs are named by sequence, SHA-256 and geometry. Names and folders of files are left out on purpose,
    from warnings too: they often name the patient, a summary is passed on more freely than a scan, and the
    hash says which file it was to whoever has it.
    """
    study, card = segmentation.study, segmentation.model
    volumes = [lesion.volume_ml for lesion in segmentation.table]
    displayed = tuple(segmentation.display) or (study.reference.modality,)
    warnings = dict.fromkeys((*study.warnings, *segmentation.warnings))  # each once, in order
    summary = {
        "schema": SCHEMA,
        "notice": NOTICE,
        "lesion_count": len(volumes),
        "count_long_axis_3mm": count_long(segmentation.table),
        "lesion_load_ml": round(segmentation.load_ml, 6),
        "largest_lesion_ml": round(max(volumes, default=0.0), 6),
        **findings(segmentation),
        "reference": study.reference.modality.value,
        "sequences": [modality.value for modality in segmentation.used],
        "inputs": {scan.modality.value: _input(scan) for scan in study},
        "alignment": {s.value: _anonymous(text, segmentation) for s, text in segmentation.alignment.items()},
        "model": {field: value for field, value in card.items() if field not in RULE},
        "rule": {**{field: card.get(field) for field in RULE}, "connectivity": CONNECTIVITY},
        "seconds": {step: round(float(taken), 3) for step, taken in segmentation.seconds.items()},
        "versions": versions(),
        "quality": quality(segmentation.quality),
        "display": {"sequences": [modality.value for modality in displayed], "window": WINDOW},
        "warnings": [_anonymous(text, segmentation) for text in warnings],
    }
    return plain(validate(_as_json(summary)))


def to_json(summary: Mapping[str, Any], *, ascii_only: bool = False) -> str:
    """Strictly valid JSON, indented, with a final line feed; NaN raises ValueError rather than slip in."""
    return json.dumps(summary, indent=2, allow_nan=False, ensure_ascii=ascii_only) + "\n"


def versions() -> dict[str, str]:
    """Versions of dawson, Python and the libraries that take part; one that is not installed is left out.

    ``code`` tells results of one version apart that were made while dawson was being changed.
    """
    found = {"dawson": dawson_version(), "code": code_hash(), "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


@cache
def code_hash(parts: tuple[str, ...] = ()) -> str:
    """The first 12 digits of a SHA-256 of all sources that results hang on; see :data:`NO_PART`.

    Where ``parts`` are given, rooms or files such as ``("nifti", "model/card.py")``, of these alone.
    """
    root = Path(__file__).parents[1]
    files = {file.relative_to(root): file for file in root.rglob("*.py")}
    digest = hashlib.sha256()
    for name in sorted(files):
        wanted = any(name.is_relative_to(part) for part in parts) if parts else name.parts[0] not in NO_PART
        if wanted:
            digest.update(name.as_posix().encode() + files[name].read_bytes())
    return digest.hexdigest()[:12]


def _input(scan: Scan) -> dict[str, Any]:
    return {"sha256": scan.sha256, **_geometry(scan.grid)}


def _geometry(grid: Grid) -> dict[str, Any]:
    return {
        "shape": list(grid.shape),
        "spacing_mm": [round(edge, 6) for edge in grid.spacing],
        "orientation": grid.orientation,
        "affine": grid.affine.tolist(),
    }


def _anonymous(text: str, segmentation: Segmentation) -> str:
    """A text without the names of the input files, of scans that lie beside them, and of their folders."""
    files = {scan.file: scan.modality.value for scan in segmentation.study if scan.file is not None}
    for file, modality in files.items():
        for name in (str(file.absolute()), str(file), file.name):
            text = text.replace(name, f"the {modality} scan")
    for folder in {file.absolute().parent for file in files}:
        beside = [entry.name for entry in folder.glob("*") if any(e in entry.name.lower() for e in ENDINGS)]
        for name in sorted(beside, key=len, reverse=True):  # a longer name may end in a shorter one
            text = text.replace(name, "another scan")
        if folder != folder.parent:
            text = text.replace(str(folder), "their folder")
    return text


def _as_json(value: Any) -> Any:
    """The same value in types that JSON has; what is not a number becomes null."""
    if isinstance(value, np.generic | np.ndarray):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, bool | int | float) or type(value) is str:
        return value
    if isinstance(value, Mapping):
        return {str(key): _as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(inner) for inner in value]
    return value.name if isinstance(value, Path) else str(value)
