"""Volumes of brain, ventricles and all within the skull, by counting voxels of the model's anatomy."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from dawson.core.arrays import Labels, Mask
from dawson.core.grid import Grid
from dawson.core.result import Volumes
from dawson.measurement.anatomy import VENTRICLES, label_lookup

USUAL_BRAIN_ML = (800.0, 1800.0)  # parenchyma of adults with room to spare

METHODS: Mapping[str, str] = {
    "lesion_load_ml": "the number of lesion voxels times the volume of a voxel",
    "brain_ml": "voxels that the model labels as cortex, deep grey matter, white matter, cerebellum or brain-stem, and "
    "lesion voxels, times the volume of a voxel; what lies outside of the field of view is not counted",
    "ventricles_ml": "voxels that the model labels as ventricles, all four, without lesion voxels, times the volume of "
    "a voxel",
    "intracranial_ml": "brain, ventricles and the other fluid that the model found; on skull-stripped scans part of "
    "that fluid is cut away, so this is no total intracranial volume as other programs estimate it",
    "load_percent_of_brain": "the lesion load divided by the volume of the brain, in per cent",
}
"""How each volume comes about."""


def measure_volumes(
    anatomy: Labels, names: Mapping[int, str], lesions: Mask, grid: Grid, *, parenchyma: Collection[str]
) -> Volumes:
    """Volumes by :data:`METHODS`.

    Args:
        anatomy: (i, j, k) labels on ``grid``; 0 is outside.
        names: what the labels mean.
        lesions: (i, j, k) on ``grid``.
        grid: any.
        parenchyma: names of the labels that are brain.
    """
    ml = grid.voxel_volume / 1000.0
    every = np.bincount(anatomy.ravel(), minlength=256)
    under = np.bincount(anatomy[lesions], minlength=256)
    lesion, brain = int(under.sum()), label_lookup(names, parenchyma)
    ventricle = label_lookup(names, (VENTRICLES,))
    healthy = every - under
    return Volumes(
        brain_ml=float(healthy[brain].sum() + lesion) * ml,
        ventricles_ml=float(healthy[ventricle].sum()) * ml if ventricle.any() else None,
        intracranial_ml=float(healthy[1:].sum() + lesion) * ml,
    )
