"""The visits of a cohort: what each is called, what was warned of, and what makes them hard to compare."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dawson.core.errors import UsageError
from dawson.core.names import REPORT_PAGE
from dawson.reporting.wording import count
from dawson.results.read import read_result

PREFIX = 12  # hexadecimal digits of a hash: enough to tell files apart, and it still fits a cell


@dataclass(frozen=True)
class Visit:
    """One result in a cohort: what it is called there, its summary, and a link to its report where it has one."""

    name: str
    summary: Mapping[str, Any]
    link: str | None


def gather_visits(outs: Iterable[Path | str], target: Path) -> tuple[Visit, ...]:
    """The visits in the order given, each once, with links relative to ``target``."""
    folders = list(dict.fromkeys(Path(out).resolve() for out in outs))
    if not folders:
        raise UsageError("there is no result for the cohort", remedy="name the folders that `dawson segment` wrote")
    return tuple(
        Visit(name, read_result(folder).summary, _link(folder / REPORT_PAGE, target))
        for name, folder in zip(_names(folders), folders, strict=True)
    )


def _names(folders: Sequence[Path]) -> list[str]:
    """Folder names where each is unique, else as much of the paths as tells them apart."""
    names = [folder.name for folder in folders]
    if len(set(names)) < len(names):
        shared = os.path.commonpath([str(folder.parent) for folder in folders])
        names = [folder.relative_to(shared).as_posix() for folder in folders]
    return [os.fsencode(name).decode("utf-8", "replace") for name in names]  # a name need not be valid text


def _link(file: Path, target: Path) -> str | None:
    if not file.is_file():
        return None
    try:
        return quote(os.fsencode(Path(os.path.relpath(file, target.resolve())).as_posix()))
    except ValueError:  # another drive, to which no relative path leads
        return file.as_uri()


def short_hash(digest: str | None) -> str | None:
    """The first twelve digits of a hash; None stays None."""
    return None if digest is None else digest[:PREFIX]


def visit_warnings(visit: Visit) -> list[str]:
    """Everything that the visit's quality control and its run warned of, failures first, each once."""
    checks = visit.summary["quality"]["checks"]
    sentences = [check["words"] for status in ("fail", "warn") for check in checks if check["status"] == status]
    return list(dict.fromkeys((*sentences, *visit.summary["warnings"])))


def comparability_warnings(visits: Sequence[Visit]) -> list[str]:
    """What makes the visits of one cohort hard to compare: mixed models, precisions, rules, versions, inputs, scans."""
    unequal = {
        "models": ("figures of different models cannot be compared", _model),
        "precisions": (
            "loads computed in int8 are a few per cent higher than in f32: set DAWSON_PRECISION and make them again",
            lambda s: str(s["model"].get("precision") or "unknown"),
        ),
        "rules for what is a lesion": ("counts and loads cannot be compared", _rule),
        "versions of dawson": ("make all results with one", lambda s: str(s["versions"].get("dawson", "unknown"))),
        "sets of sequences": (
            "the model does not find the same lesions from each",
            lambda s: "+".join(name.upper() for name in s["sequences"]),
        ),
    }
    warnings = []
    for what, (why, of) in unequal.items():
        groups = Counter(of(visit.summary) for visit in visits)
        if len(groups) > 1:
            parts = "; ".join(f"{name} ({count(number, 'visit')})" for name, number in groups.most_common())
            warnings.append(f"This cohort mixes {len(groups)} {what}: {parts}; {why}.")
    return warnings + _repeated(visits)


def _repeated(visits: Sequence[Visit]) -> list[str]:
    """Visits that share a scan: likely one visit under two names."""
    owners: dict[tuple[str, str], list[str]] = {}
    for visit in visits:
        for modality, scan in visit.summary["inputs"].items():
            if scan["sha256"]:
                owners.setdefault((modality, scan["sha256"]), []).append(visit.name)
    same: dict[tuple[str, ...], list[str]] = {}
    for (modality, _), names in owners.items():
        if len(names) > 1:
            same.setdefault(tuple(names), []).append(modality.upper())
    return [
        f"{' and '.join(names)} were made from the same {' and '.join(modalities)} file."
        for names, modalities in same.items()
    ]


def _model(summary: Mapping[str, Any]) -> str:
    model = summary["model"]
    version = "" if model["version"] is None else f" {model['version']}"
    locator = model.get("locator")
    beside = f" with {locator['name']} {locator['version']} [{short_hash(locator['sha256'])}]" if locator else ""
    return f"{model['name']}{version} [{short_hash(model['sha256']) or 'unknown'}]{beside}"


def _rule(summary: Mapping[str, Any]) -> str:
    rule = summary["rule"]
    least = f"peak {rule['peak']}, minimum {rule['minimum_lesion_mm3']} mm³"
    return f"threshold {rule['threshold']}, {least}, {rule['connectivity']}-connected"
