"""Whether a result folder holds what a model would find again: then it is taken up instead of computed anew."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP, SUMMARY
from dawson.core.study import Modality
from dawson.model.card import Model, sha256
from dawson.preparation.locator import about_locator
from dawson.results.summary import RULE, code_hash

WHICH = ("name", "version", "sha256", "int8_sha256")  # of a model, as results name it
FITTED = ("calibration", "anatomy_weights")  # of a card, and so of results: they change without the weights


def is_current(folder: Path, files: Mapping[Modality, Path], model: Model) -> bool:
    """Whether ``folder`` holds the result of this model, its rule and this code from these files (by sequence)."""
    try:
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        made_from = {name: scan["sha256"] for name, scan in summary["inputs"].items()}
        identity = {field: summary["model"].get(field) for field in WHICH}
        locator = summary["model"].get("locator")
        fitted = {field: summary["model"].get(field) for field in FITTED}
        rule, code = summary["rule"], summary["versions"]["code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    from dawson.model.engine import precision  # noqa: PLC0415 (imports OpenVINO, which not every evaluation needs)

    if summary["model"].get("precision") != precision(model):
        return False
    wanted: dict[str, Any] = {field: model.summary[field] for field in identity}
    same_rule = all(rule.get(field) == model.summary[field] for field in RULE)
    if not (identity == wanted and same_rule and code == code_hash()):
        return False
    if fitted != json.loads(json.dumps({field: model.summary[field] for field in FITTED})):
        return False
    if locator != (about_locator() if model.recipe.volume is None else None):
        return False
    if not all((folder / name).is_file() for name in (LESION_MASK, PROBABILITY_MAP, ANATOMY_MAP)):
        return False
    return made_from.keys() == set(files) and all(made_from[s] == _hash(file) for s, file in files.items())


def _hash(file: Path) -> str:
    try:
        return sha256(file)
    except OSError:
        return ""  # reading it will say why
