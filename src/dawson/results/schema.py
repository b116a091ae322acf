"""What the summary of a result must hold before a report is made of it: names and types, nothing else.

A specification is a type, a set of allowed words, a tuple of specifications of which one must fit, a dict of
required fields with a specification each (further fields are welcome), :class:`Each` for a mapping whose keys
are free, or a list of one specification for a list of any length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Each:
    """A mapping of any keys to values of one specification."""

    of: Any


NUMBER = (int, float)
MAYBE = (int, float, type(None))
TEXT = (str, type(None))
STATUS = frozenset({"pass", "warn", "fail"})

REGION = {"count": int, "count_long_axis_3mm": int, "volume_ml": NUMBER, "largest_long_axis_mm": MAYBE}

SUMMARY: dict[str, Any] = {
    "notice": str,
    "lesion_count": int,
    "count_long_axis_3mm": int,
    "lesion_load_ml": NUMBER,
    "reference": str,
    "sequences": [str],
    "inputs": Each({"sha256": TEXT, "shape": [int], "spacing_mm": [NUMBER], "orientation": str}),
    "alignment": Each(str),
    "model": {"name": str, "version": (str, int, float, type(None)), "sha256": TEXT},
    "rule": {
        "threshold": MAYBE,
        "peak": MAYBE,
        "minimum_lesion_mm3": MAYBE,
        "connectivity": int,
    },
    "versions": Each(str),
    "warnings": [str],
    "regions": (
        dict.fromkeys(("periventricular", "juxtacortical", "infratentorial", "deep"), REGION),
        type(None),
    ),
    "region_rules": TEXT,
    "position_rules": TEXT,
    "volumes": (
        {
            "brain_ml": MAYBE,
            "ventricles_ml": MAYBE,
            "intracranial_ml": MAYBE,
            "load_percent_of_brain": MAYBE,
            "methods": Each(str),
        },
        type(None),
    ),
    "load_interval": (
        {
            "low_ml": NUMBER,
            "high_ml": NUMBER,
            "method": str,
            "coverage": ({"inside": int, "cases": int}, type(None)),
        },
        type(None),
    ),
    "confidence": (Each({"rule": str, "count": int, "true_share": MAYBE, "measured_on": MAYBE}), type(None)),
    "quality": {"status": STATUS, "checks": [{"name": str, "status": STATUS, "words": str}]},
    "display": {"sequences": [str], "window": str},
}
"""``summary.json``, as far as a report needs it."""


def misfit(value: Any, wanted: Any, name: str = "") -> str | None:
    """The first field that is missing or of another kind, in words; None where all is as specified."""
    if isinstance(wanted, Each):
        wanted = dict.fromkeys(value, wanted.of) if isinstance(value, Mapping) else {}
    if isinstance(wanted, dict):
        if not isinstance(value, Mapping):
            return f"{name or 'it'} is no table"
        for field, kind in wanted.items():
            inner = f"{name}.{field}" if name else str(field)
            if field not in value:
                return f"{inner} is missing"
            if (found := misfit(value[field], kind, inner)) is not None:
                return found
        return None
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return f"{name} is no list"
        return next((found for item in value if (found := misfit(item, wanted[0], name)) is not None), None)
    if isinstance(wanted, tuple):
        tried = [misfit(value, kind, name) for kind in wanted]
        return None if None in tried else tried[0]
    if isinstance(wanted, frozenset):
        return None if isinstance(value, str) and value in wanted else f"{name} is none of {', '.join(sorted(wanted))}"
    if isinstance(value, bool) or not isinstance(value, wanted):
        return f"{name} is of another kind"
    if isinstance(value, float) and not math.isfinite(value):
        return f"{name} is no finite number"
    return None
