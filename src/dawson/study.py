"""The nouns: sequences, grids, scans, studies and what a segmentation holds.

All of them are frozen. A voxel array is indexed (i, j, k) as stored; where index space lies in the
patient is told by the affine of its :class:`Grid`, which maps voxel centres to millimetres in RAS+
world coordinates (x to the patient's right, y to the front, z up), as NIfTI and nibabel have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Volume = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]

REGIONS = ("periventricular", "juxtacortical", "infratentorial", "deep")
"""Where lesions are counted apart, as the McDonald criteria have it."""


class Sequence(StrEnum):
    """An MRI sequence that dawson reads, in the order of the network's input channels."""

    FLAIR = "flair"
    T1 = "t1"
    T2 = "t2"


@dataclass(frozen=True, eq=False)
class Grid:
    """A regular voxel lattice in the patient.

    ``shape`` counts voxels along i, j, k; ``affine`` (4, 4) maps (i, j, k, 1) of a voxel centre to
    RAS+ millimetres.
    """

    shape: tuple[int, int, int]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        affine = np.array(self.affine, dtype=np.float64)  # a copy of our own, so that freezing it is safe
        affine.setflags(write=False)
        object.__setattr__(self, "affine", affine)
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))

    @cached_property
    def spacing(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j, k in mm."""
        i, j, k = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(i), float(j), float(k)

    @property
    def voxel_volume(self) -> float:
        """Volume of one voxel in mm³."""
        return float(abs(np.linalg.det(self.affine[:3, :3])))

    @property
    def orientation(self) -> str:
        """Axis codes such as ``"RAS"``: the anatomical direction in which i, j, k grow."""
        from nibabel.orientations import aff2axcodes  # noqa: PLC0415 (nibabel only where geometry is named)

        return "".join(str(code) for code in aff2axcodes(self.affine))

    def to_world(self, index: Float) -> NDArray[np.float64]:
        """World coordinates (..., 3) in RAS+ mm of voxel coordinates (..., 3)."""
        return _transformed(index, self.affine)

    def to_index(self, world: Float) -> NDArray[np.float64]:
        """Voxel coordinates (..., 3), not rounded, of world coordinates (..., 3) in RAS+ mm."""
        return _transformed(world, np.asarray(np.linalg.inv(self.affine), np.float64))

    def same_as(self, other: Grid, *, tolerance: float = 1e-3) -> bool:
        """Whether both lattices have one shape and all corners closer than ``tolerance`` mm."""
        if self.shape != other.shape:
            return False
        corners = np.array(np.meshgrid(*[(0, n - 1) for n in self.shape], indexing="ij")).reshape(3, -1).T
        return bool(np.abs(self.to_world(corners) - other.to_world(corners)).max() <= tolerance)


def _transformed(points: Float, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 3) moved by an affine (4, 4)."""
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ affine[:3, :3].T + affine[:3, 3]
    return moved


@dataclass(frozen=True, eq=False)
class Scan:
    """One volume of one sequence.

    ``voxels`` is float32 of ``grid.shape`` in the scanner's units, scl_slope applied and finite
    everywhere; ``missing`` marks voxels that were NaN or infinite in the file (None where there was
    none). ``header`` is the nibabel header that results written on this grid take their qform and
    sform from.
    """

    sequence: Sequence
    voxels: Volume
    grid: Grid
    file: Path | None = None
    sha256: str | None = None
    header: Any = None
    missing: Mask | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Study:
    """The scans of one visit of one patient: any non-empty subset of the sequences, at most one of each."""

    scans: Mapping[Sequence, Scan]

    @property
    def sequences(self) -> tuple[Sequence, ...]:
        """The sequences at hand, in the order FLAIR, T1, T2."""
        return tuple(s for s in Sequence if s in self.scans)

    @property
    def reference(self) -> Scan:
        """The scan whose grid results are written on: FLAIR where given, else T1, else T2."""
        return self.scans[self.sequences[0]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noticed while reading, scan by scan."""
        return tuple(f"{s.value}: {text}" for s in self.sequences for text in self.scans[s].warnings)

    def __iter__(self) -> Iterator[Scan]:
        return (self.scans[s] for s in self.sequences)


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
    """``"high"``, ``"medium"`` or ``"low"``: see :mod:`dawson.measure.confidence`."""


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
    used: tuple[Sequence, ...]
    lesions: Mask
    labels: NDArray[np.int32]
    probability: Volume
    anatomy: Labels
    anatomy_names: Mapping[int, str]
    table: tuple[Lesion, ...]
    model: Mapping[str, Any]
    seconds: Mapping[str, float]
    alignment: Mapping[Sequence, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    display: Mapping[Sequence, NDArray[np.uint8]] = field(default_factory=dict)
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
