"""What is found: lesions, volumes, checks, and the segmentation that holds them all. All of it is frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.grid import Grid
from dawson.core.study import Modality, Study

REGIONS = ("periventricular", "juxtacortical", "infratentorial", "deep")
"""Where lesions are counted apart, as the McDonald criteria have it."""


@dataclass(frozen=True)
class Lesion:
    """One connected lesion (26-connected), measured on the reference grid."""

    id: int
    volume_ml: float
    long_axis_mm: float
    centroid: tuple[float, float, float]
    """RAS+ mm."""
    mean_probability: float
    peak_probability: float
    region: str | None = None
    """One of :data:`REGIONS`; None where the model knows no anatomy."""
    side: str | None = None
    """``"left"``, ``"right"`` or ``"midline"``, the patient's."""
    position: str | None = None
    """In words, such as ``"left, anterior third, upper third"`` of the brain."""
    confidence: str | None = None
    """``"high"``, ``"medium"`` or ``"low"``: see :mod:`dawson.measurement.confidence`."""


@dataclass(frozen=True)
class Volumes:
    """Volumes in ml of what a scan shows; None where the model does not tell that anatomy apart."""

    brain_ml: float
    ventricles_ml: float | None
    intracranial_ml: float


@dataclass(frozen=True)
class LoadInterval:
    """The lesion load in ml at two further thresholds: ``low_ml`` at the higher, ``high_ml`` at the lower.

    ``coverage`` is what was measured of it from these sequences, as ``{"inside": 5, "cases": 7}``, or None.
    """

    low_ml: float
    high_ml: float
    lower_threshold: float
    higher_threshold: float
    coverage: Mapping[str, int] | None = None


@dataclass(frozen=True)
class Check:
    """One thing that was looked at before a result may be believed.

    ``status`` is ``"pass"``, ``"warn"`` or ``"fail"`` (the result must not be used); ``words`` is one plain
    sentence on what was found and what it means; ``figures`` are the numbers behind it.
    """

    name: str
    status: str
    words: str
    figures: Mapping[str, float | str | None] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Segmentation:
    """What dawson found in one study, on the grid of the reference scan.

    ``used`` are the sequences that the network saw: those of the study less any that could not be used.
    ``lesions`` is a lesion mask; ``labels`` numbers its connected lesions as in ``table`` (0 elsewhere);
    ``probability`` is the lesion probability in [0, 1]; ``anatomy`` holds the coarse anatomy labels
    that ``anatomy_names`` explains. ``seconds`` are wall-clock times by step, ``model`` the card of the
    network that was used, ``alignment`` what was done to bring each further scan to the reference.
    ``display`` holds the scans for pictures, uint8 on the reference's grid, the reference first. ``volumes`` is
    None where the model knows no anatomy. ``confidence`` is what was measured of each confidence class
    from the sequences used, as ``{"high": {"true_share": 0.87, "lesions": 55}}``, empty where nothing was.
    """

    study: Study
    used: tuple[Modality, ...]
    lesions: Mask
    labels: NDArray[np.int32]
    probability: Image
    anatomy: Labels
    anatomy_names: Mapping[int, str]
    table: tuple[Lesion, ...]
    model: Mapping[str, Any]
    seconds: Mapping[str, float]
    alignment: Mapping[Modality, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    display: Mapping[Modality, NDArray[np.uint8]] = field(default_factory=dict)
    volumes: Volumes | None = None
    interval: LoadInterval | None = None
    confidence: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    quality: tuple[Check, ...] = ()

    @property
    def grid(self) -> Grid:
        """The grid of the reference scan, which every array here lies on."""
        return self.study.reference.grid

    @property
    def load_ml(self) -> float:
        """Lesion load: the volume of all lesions in ml."""
        return float(np.count_nonzero(self.lesions)) * self.grid.voxel_volume / 1000.0
