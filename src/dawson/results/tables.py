"""Small tables as text: the lesions of a study, and what the anatomy labels mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dawson.core.result import Lesion
from dawson.core.tables import table_text

LESION_COLUMNS = (
    "id",
    "region",
    "side",
    "position",
    "volume_ml",
    "long_axis_mm",
    "centroid_x_mm",
    "centroid_y_mm",
    "centroid_z_mm",
    "mean_probability",
    "peak_probability",
    "confidence",
)


def lesions_csv(lesions: Iterable[Lesion]) -> str:
    """One row a lesion, largest first, under :data:`LESION_COLUMNS`; only the names where there is none.

    Volumes in ml with six decimals (1 mm³ is 0.001 ml, and the sum should still be the load), lengths
    and centroids (RAS+) in mm with two, probabilities with four. What is not known is left empty. Lines end
    in a line feed.
    """
    rows = [
        (
            lesion.id,
            lesion.region,
            lesion.side,
            lesion.position,
            f"{lesion.volume_ml:.6f}",
            f"{lesion.long_axis_mm:.2f}",
            *(f"{place:.2f}" for place in lesion.centroid),
            f"{lesion.mean_probability:.4f}",
            f"{lesion.peak_probability:.4f}",
            lesion.confidence,
        )
        for lesion in lesions
    ]
    return table_text([LESION_COLUMNS, *rows])


def anatomy_tsv(names: Mapping[int, str]) -> str:
    """The values of the anatomy labels and their names, as BIDS has it for a ``_dseg.tsv``: index, name."""
    return table_text([("index", "name"), *sorted(names.items())], delimiter="\t")
