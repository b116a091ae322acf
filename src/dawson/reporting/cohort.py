"""Many results side by side: a table for programs, and the page that :mod:`dawson.reporting.cohort_page` makes.

Every figure is read from the ``summary.json`` of each visit; nothing is computed anew, so that a visit's row,
page and PDF say the same.
"""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dawson.core.errors import UsageError
from dawson.core.files import publish, save, staging
from dawson.core.names import COHORT_PAGE, COHORT_TABLE, REPORT_PAGE
from dawson.reporting.facts import REGIONS, count
from dawson.results.read import read_result

ELSEWHERE = "choose another folder with --cohort"
PREFIX = 12  # hexadecimal digits of a hash: enough to tell files apart, and it still fits a cell
SEQUENCES = ("flair", "t1", "t2")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is run by spreadsheet programs


@dataclass(frozen=True)
class Visit:
    """One result in a cohort: what it is called there, its summary, and a link to its report where it has one."""

    name: str
    summary: Mapping[str, Any]
    link: str | None


def cohort(outs: Iterable[Path | str], target: Path | str, *, left_out: Iterable[str] = ()) -> tuple[Path, Path]:
    """Write ``cohort.csv`` and ``cohort.html`` of many results into the folder ``target``, made where missing.

    One row a visit, in the order of ``outs``; a folder given twice counts once. ``left_out`` are sentences about
    visits that could not be read, which the page tells. A table of that name that dawson did not write is
    not replaced.

    Returns both files. Raises :class:`InputError` for a folder that holds no result (see
    :func:`~dawson.results.read.read_result`), and :class:`UsageError` where there is none at all or
    ``target`` cannot be written to.
    """
    from dawson.reporting.cohort_page import cohort_page  # noqa: PLC0415 (it builds on the visits of this module)

    target = check_target(target)
    visits = gather(outs, target)
    content = {COHORT_TABLE: cohort_csv(visits).encode(), COHORT_PAGE: cohort_page(visits, tuple(left_out)).encode()}
    with staging(target, elsewhere=ELSEWHERE) as folder:
        for name, data in content.items():
            save(folder / name, data)
        publish(folder, target, list(content))
    return target / COHORT_TABLE, target / COHORT_PAGE


def check_target(target: Path | str) -> Path:
    """Refuse a folder for the cohort that cannot be used, before any work is done. Nothing is created."""
    target = Path(target)
    if target.exists() and not target.is_dir():
        raise UsageError("the folder for the cohort is a file", remedy=ELSEWHERE, file=target)
    file = target / COHORT_TABLE
    try:
        foreign = file.exists() and not file.read_bytes().startswith(f"{COLUMNS[0]},{COLUMNS[1]},".encode())
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UsageError(
            f"the folder for the cohort cannot be used ({reason})", remedy=ELSEWHERE, file=target
        ) from error
    if foreign:
        raise UsageError(f"there is a {COHORT_TABLE} that dawson did not write", remedy=ELSEWHERE, file=target)
    return target


def gather(outs: Iterable[Path | str], target: Path) -> tuple[Visit, ...]:
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


def _row(visit: Visit) -> dict[str, Any]:
    """All columns of one visit."""
    summary = visit.summary
    interval, volumes = summary["load_interval"] or {}, summary["volumes"] or {}
    model, rule = summary["model"], summary["rule"]
    row: dict[str, Any] = {
        "visit": visit.name,
        "quality": summary["quality"]["status"],
        "lesion_count": summary["lesion_count"],
        "count_long_axis_3mm": summary["count_long_axis_3mm"],
        "lesion_load_ml": summary["lesion_load_ml"],
        "load_low_ml": interval.get("low_ml"),
        "load_high_ml": interval.get("high_ml"),
    }
    for name in ("load_percent_of_brain", "brain_ml", "ventricles_ml", "intracranial_ml"):
        row[name] = volumes.get(name)
    for region in REGIONS:
        found = (summary["regions"] or {}).get(region, {})
        for figure in ("count", "count_long_axis_3mm", "volume_ml", "largest_long_axis_mm"):
            row[f"{region}_{figure}"] = found.get(figure)
    row["sequences"] = "+".join(summary["sequences"])
    row["reference"] = summary["reference"]
    row["warnings"] = " | ".join(noticed(visit))
    row |= {"model": model["name"], "model_version": model["version"], "model_sha256": _short(model["sha256"])}
    row["computed_in"] = model.get("precision")
    row |= {name: rule[name] for name in RULE}
    row["dawson"] = summary["versions"].get("dawson")
    for modality in SEQUENCES:
        row[f"{modality}_sha256"] = _short(summary["inputs"].get(modality, {}).get("sha256"))
    row["report"] = visit.link
    return row


RULE = ("threshold", "peak", "minimum_lesion_mm3", "connectivity")
COLUMNS = (
    *("visit", "quality", "lesion_count", "count_long_axis_3mm", "lesion_load_ml", "load_low_ml", "load_high_ml"),
    *("load_percent_of_brain", "brain_ml", "ventricles_ml", "intracranial_ml"),
    *(
        f"{region}_{figure}"
        for region in REGIONS
        for figure in ("count", "count_long_axis_3mm", "volume_ml", "largest_long_axis_mm")
    ),
    *("sequences", "reference", "warnings", "model", "model_version", "model_sha256", "computed_in"),
    *(*RULE, "dawson", *(f"{modality}_sha256" for modality in SEQUENCES), "report"),
)
"""The columns of ``cohort.csv``: named as in ``summary.json``, hashes cut to twelve digits, empty where unknown."""


def cohort_csv(visits: Iterable[Visit]) -> str:
    """One row a visit under :data:`COLUMNS`. Text that a spreadsheet would run as a formula gets an apostrophe."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in _row(visit).items()} for visit in visits)
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str):
        line = " ".join(value.split())
        return f"'{line}" if value.startswith(FORMULA) or line.startswith(FORMULA) else line
    return value


def _short(digest: str | None) -> str | None:
    return None if digest is None else digest[:PREFIX]


def noticed(visit: Visit) -> list[str]:
    """Everything that the visit's quality control and its run warned of, failures first, each once."""
    checks = visit.summary["quality"]["checks"]
    told = [check["words"] for status in ("fail", "warn") for check in checks if check["status"] == status]
    return list(dict.fromkeys((*told, *visit.summary["warnings"])))


def remarks(visits: Sequence[Visit]) -> list[str]:
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
    told = []
    for what, (why, of) in unequal.items():
        groups = Counter(of(visit.summary) for visit in visits)
        if len(groups) > 1:
            parts = "; ".join(f"{name} ({count(number, 'visit')})" for name, number in groups.most_common())
            told.append(f"This cohort mixes {len(groups)} {what}: {parts}; {why}.")
    return told + _repeated(visits)


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
    beside = f" with {locator['name']} {locator['version']} [{_short(locator['sha256'])}]" if locator else ""
    return f"{model['name']}{version} [{_short(model['sha256']) or 'unknown'}]{beside}"


def _rule(summary: Mapping[str, Any]) -> str:
    rule = summary["rule"]
    least = f"peak {rule['peak']}, minimum {rule['minimum_lesion_mm3']} mm³"
    return f"threshold {rule['threshold']}, {least}, {rule['connectivity']}-connected"
