"""One case: every figure of a predicted mask against its truth, and what became of each lesion."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Float, Image, Labels, Mask, bounding_box
from dawson.core.errors import UsageError
from dawson.core.grid import Grid
from dawson.evaluation.metrics.columns import SIZES, columns_of, definitions_of
from dawson.evaluation.metrics.lesionwise import Lesions, cut_for, detection, match, overlaps, ratio
from dawson.evaluation.metrics.overlap import measure_overlap
from dawson.evaluation.metrics.surface import measure_surfaces
from dawson.evaluation.settings import Settings, suffix_of
from dawson.measurement.lesions import VOLUME_TOLERANCE

__all__ = ["COLUMNS", "DEFINITIONS", "CaseMetrics", "LesionOutcome", "Settings", "measure_case"]

COLUMNS: tuple[str, ...] = columns_of(Settings())
"""The columns of :attr:`CaseMetrics.values` in order, under the default settings."""

DEFINITIONS: Mapping[str, str] = MappingProxyType(definitions_of(Settings()))
"""What each of :data:`COLUMNS` means. For other settings: :func:`dawson.evaluation.metrics.columns.definitions_of`."""

NO_REGION = 0
"""The anatomy label that names no place: outside the brain."""


@dataclass(frozen=True)
class LesionOutcome:
    """What became of one lesion, under the rule of the settings.

    ``overlap`` is the share of its voxels that the other mask covers, ``peak_probability`` that of a
    predicted lesion where probabilities are at hand, ``centroid`` the mean of its voxel centres in RAS+ mm,
    ``region`` the anatomy that most of its voxels lie in (None where no anatomy is at hand or all of it lies
    outside).
    """

    volume_mm3: float
    matched: bool
    peak_probability: float | None
    overlap: float
    centroid: tuple[float, float, float]
    region: str | None


@dataclass(frozen=True, eq=False)
class CaseMetrics:
    """All figures of one case; ``values`` by column, None where the stated policy leaves one undefined.

    Lesions come largest first, equal ones from low to high x, y, z of their centroids.
    """

    values: Mapping[str, float | None]
    truth_lesions: tuple[LesionOutcome, ...]
    predicted_lesions: tuple[LesionOutcome, ...]


def measure_case(
    truth: Mask,
    prediction: Mask,
    grid: Grid,
    *,
    settings: Settings = Settings(),  # noqa: B008 (frozen, so one instance serves all calls)
    probability: Image | None = None,
    anatomy: Labels | None = None,
    anatomy_names: Mapping[int, str] | None = None,
) -> CaseMetrics:
    """Compare a predicted lesion mask with the truth.

    Args:
        truth: (i, j, k) bool on ``grid``.
        prediction: likewise.
        grid: where the voxels lie; any spacing and orientation, sheared axes not allowed for in distances.
        settings: what counts as a lesion and as found.
        probability: (i, j, k) in [0, 1], for the peak probability of each predicted lesion.
        anatomy: (i, j, k) labels, for the region of each lesion; 0 is outside.
        anatomy_names: names of the labels; a label without one is named by its number.

    Raises:
        UsageError: a mask that is not bool, or an array that is not on ``grid``.
    """
    _check(grid, {"truth": truth, "prediction": prediction}, {"probability map": probability, "anatomy": anatomy})
    values: dict[str, float | None] = dict.fromkeys(columns_of(settings))
    # Lesions fill a small part of the head: everything below works in the box that holds both masks.
    box = bounding_box(truth, prediction)
    corner = np.array([side.start for side in box], dtype=np.float64)
    truth, prediction = np.ascontiguousarray(truth[box]), np.ascontiguousarray(prediction[box])
    values |= measure_overlap(truth, prediction, grid, reference_rate=settings.reference_rate)
    if settings.surfaces:
        values |= measure_surfaces(truth, prediction, grid.spacing, tolerance_mm=settings.tolerance_mm)

    cuts: dict[tuple[int, int], tuple[Lesions, Lesions]] = {}

    def matched(rule: str) -> tuple[Lesions, Lesions, Mask, Mask]:
        how = cut_for(rule, settings, grid.voxel_volume)
        if how not in cuts:
            cuts[how] = how.cut(truth), how.cut(prediction)
        return *cuts[how], *match(overlaps(*cuts[how]), rule)

    for rule in settings.rules:
        _, _, found, right = matched(rule)
        recall, precision, f1 = detection(found, right)
        name = suffix_of(rule)
        values |= {
            f"lesion_recall_{name}": recall,
            f"lesion_precision_{name}": precision,
            f"lesion_f1_{name}": f1,
        }
    true, predicted, found, right = matched(settings.rule)
    values |= {
        "truth_lesions": float(len(found)),
        "predicted_lesions": float(len(right)),
        "true_positives": float(np.count_nonzero(found)),
        "false_negatives": float(np.count_nonzero(~found)),
        "false_positives": float(np.count_nonzero(~right)),
    }
    group = size_groups(true.voxels * grid.voxel_volume)
    for number, (name, *_) in enumerate(SIZES):
        of_size = found[group == number]
        values[f"recall_{name}"] = ratio(int(np.count_nonzero(of_size)), len(of_size))
        values[f"n_{name}"] = float(len(of_size))

    places = None if anatomy is None else anatomy[box]
    names = dict(anatomy_names or {})
    return CaseMetrics(
        values=MappingProxyType(values),
        truth_lesions=_outcomes(true, found, prediction, grid, corner, None, places, names),
        predicted_lesions=_outcomes(
            predicted, right, truth, grid, corner, None if probability is None else probability[box], places, names
        ),
    )


def size_groups(volumes_mm3: Float) -> NDArray[np.intp]:
    """Number of the group in :data:`dawson.evaluation.metrics.columns.SIZES` of each volume (n,) in mm³.

    Files hold float32: with the relative slack that lesions have elsewhere, ten voxels of 0.999998 mm³ are
    10 mm³ and a thousand of 1.000002 mm³ are not more than 1000.
    """
    starts = np.array([low for _, _, low, _ in SIZES[1:]])
    starts *= np.where(starts == SIZES[-1][2], 1.0 + VOLUME_TOLERANCE, 1.0 - VOLUME_TOLERANCE)
    return np.searchsorted(starts, volumes_mm3, side="right")


def _outcomes(
    lesions: Lesions,
    matched: Mask,
    other: Mask,
    grid: Grid,
    corner: NDArray[np.float64],
    probability: Image | None,
    anatomy: Labels | None,
    names: Mapping[int, str],
) -> tuple[LesionOutcome, ...]:
    """The fate of each lesion; all arrays (i, j, k) in the box whose first voxel is ``corner`` (3,)."""
    count = len(lesions.voxels)
    where = np.nonzero(lesions.labels)
    number = lesions.labels[where] - 1

    def total(weights: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(number, weights=weights, minlength=count).astype(np.float64)

    middle = np.stack([total(axis) for axis in where], axis=-1) / lesions.voxels[:, None] + corner
    centroid = grid.to_world(middle)
    covered = total(other[where]) / lesions.voxels
    peaks = None
    if probability is not None:
        peaks = np.full(count, -np.inf)
        np.maximum.at(peaks, number, probability[where])
    regions = _regions(number, count, None if anatomy is None else anatomy[where], names)
    outcomes = [
        LesionOutcome(
            volume_mm3=float(lesions.voxels[n] * grid.voxel_volume),
            matched=bool(matched[n]),
            peak_probability=None if peaks is None else float(peaks[n]),
            overlap=float(covered[n]),
            centroid=(float(centroid[n, 0]), float(centroid[n, 1]), float(centroid[n, 2])),
            region=regions[n],
        )
        for n in range(count)
    ]
    return tuple(sorted(outcomes, key=lambda o: (-o.volume_mm3, *(round(c, 3) for c in o.centroid))))


def _regions(
    number: NDArray[np.int32], count: int, anatomy: NDArray[np.uint8] | None, names: Mapping[int, str]
) -> list[str | None]:
    """Most frequent anatomy of each lesion, the lowest label where two are equally frequent."""
    if anatomy is None:
        return [None] * count
    table = np.zeros((count, 256), dtype=np.int64)
    np.add.at(table, (number, anatomy), 1)
    table[:, NO_REGION] = 0
    best = table.argmax(axis=1).tolist()
    return [None if label == NO_REGION else names.get(label, str(label)) for label in best]


def _check(grid: Grid, masks: Mapping[str, Mask], others: Mapping[str, NDArray[Any] | None]) -> None:
    for name, array in (*masks.items(), *others.items()):
        if array is not None and array.shape != grid.shape:
            raise UsageError(
                f"the {name} has shape {array.shape} and its grid {grid.shape}", remedy="give arrays on one grid"
            )
    for name, array in masks.items():
        if array.dtype != np.bool_:
            raise UsageError(f"the {name} is an array of {array.dtype}", remedy="give a mask of bool")
