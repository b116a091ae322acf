"""The measured part of a summary: regions, volumes, the interval of the load, confidence and quality."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from dawson.core.result import Check, Segmentation
from dawson.measurement import interval as intervals
from dawson.measurement.confidence import CLASSES
from dawson.measurement.position import POSITION_RULES
from dawson.measurement.region_figures import by_region
from dawson.measurement.regions import RULES
from dawson.measurement.volumes import METHODS
from dawson.quality.run import worst


def findings(segmentation: Segmentation) -> dict[str, Any]:
    """The fields ``regions``, ``region_rules``, ``position_rules``, ``volumes``, ``load_interval``, ``confidence``.

    Volumes in ml and lengths in mm with as many decimals as in the table of lesions, so that sums agree.
    """
    known = segmentation.volumes is not None
    return {
        "regions": _regions(segmentation) if known else None,
        "region_rules": RULES,
        "position_rules": POSITION_RULES,
        "volumes": _volumes(segmentation) if known else None,
        "load_interval": _interval(segmentation),
        "confidence": _confidence(segmentation),
    }


def quality(checks: Iterable[Check]) -> dict[str, Any]:
    """The field ``quality``: the worst status of all checks, and each of them."""
    checks = tuple(checks)
    return {"status": worst(checks), "checks": [asdict(check) for check in checks]}


def _regions(segmentation: Segmentation) -> dict[str, Any]:
    regions = {}
    for region, figures in by_region(segmentation.table).items():
        longest = figures.largest_long_axis_mm
        regions[region] = asdict(figures) | {
            "volume_ml": round(figures.volume_ml, 6),
            "largest_long_axis_mm": None if longest is None else round(longest, 2),
        }
    return regions


def _volumes(segmentation: Segmentation) -> dict[str, Any] | None:
    volumes = segmentation.volumes
    if volumes is None:
        return None
    percent = 100.0 * segmentation.load_ml / volumes.brain_ml if volumes.brain_ml else None
    return {
        **{name: None if ml is None else round(ml, 3) for name, ml in asdict(volumes).items()},
        "load_percent_of_brain": None if percent is None else round(percent, 4),
        "methods": dict(METHODS),
    }


def _interval(segmentation: Segmentation) -> dict[str, Any] | None:
    found = segmentation.interval
    if found is None:
        return None
    return {
        "low_ml": round(found.low_ml, 6),
        "high_ml": round(found.high_ml, 6),
        "method": intervals.method(found, segmentation.model.get("threshold")),
        "coverage": None if found.coverage is None else dict(found.coverage),
    }


def _confidence(segmentation: Segmentation) -> dict[str, Any]:
    counts = Counter(lesion.confidence for lesion in segmentation.table)
    measured = segmentation.confidence
    return {
        name: {
            "rule": rule,
            "count": counts[name],
            "true_share": measured.get(name, {}).get("true_share"),
            "measured_on": measured.get(name, {}).get("lesions"),
        }
        for name, rule in CLASSES.items()
    }
