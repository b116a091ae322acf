"""``cohort.csv``: one row a visit, every figure from its ``summary.json``, so that row, page and PDF say the same."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dawson.core.tables import table_text
from dawson.reporting.cohort.visits import Visit, short_hash, visit_warnings
from dawson.reporting.wording import REGIONS

SEQUENCES = ("flair", "t1", "t2")
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
    rows = (_row(visit) for visit in visits)
    return table_text([COLUMNS, *([_one_line(row[name]) for name in COLUMNS] for row in rows)])


def _one_line(value: object) -> object:
    return " ".join(value.split()) if isinstance(value, str) else value


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
    row["warnings"] = " | ".join(visit_warnings(visit))
    row |= {"model": model["name"], "model_version": model["version"], "model_sha256": short_hash(model["sha256"])}
    row["computed_in"] = model.get("precision")
    row |= {name: rule[name] for name in RULE}
    row["dawson"] = summary["versions"].get("dawson")
    for modality in SEQUENCES:
        row[f"{modality}_sha256"] = short_hash(summary["inputs"].get(modality, {}).get("sha256"))
    row["report"] = visit.link
    return row
