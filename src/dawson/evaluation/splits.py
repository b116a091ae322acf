"""The patients of one set of a ``split.tsv``, so that a model is judged on those that it never saw."""

from __future__ import annotations

import csv
from pathlib import Path

from dawson.core.errors import InputError, UsageError

UNUSED = "unused"  # volumes that no set was given; nothing is learned from them


def patients_of(split: Path, set_name: str) -> frozenset[str]:
    """The patients of one set. The table has the columns patient and set, and further ones.

    Raises:
        InputError: the file cannot be read, or lacks a column.
        UsageError: there is no such set, or one of its patients is in another set too.
    """
    try:
        with split.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text"
        raise InputError(f"the split cannot be read ({reason})", remedy="check the path", file=split) from error
    if not rows or not {"patient", "set"} <= rows[0].keys():
        raise InputError(
            "this is no split: it lacks the columns patient and set", remedy="give a split.tsv", file=split
        )
    sets: dict[str, set[str]] = {}
    for row in rows:
        sets.setdefault(row["set"], set()).add(row["patient"])
    if set_name not in sets:
        raise UsageError(f"there is no set {set_name!r}", remedy=f"name one of {', '.join(sorted(sets))}", file=split)
    for other, patients in sets.items():
        both = patients & sets[set_name]
        if other not in (set_name, UNUSED) and both:
            raise UsageError(
                f"patient {min(both)} is in the sets {set_name} and {other}: the model may have learned from its scans",
                remedy="make the split again",
                file=split,
            )
    return frozenset(sets[set_name])
