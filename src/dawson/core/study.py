"""What is read: the scans of one visit, each of one modality on its own grid. All of it is frozen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dawson.core.arrays import Image, Mask
from dawson.core.grid import Grid


class Modality(StrEnum):
    """An MRI sequence that dawson reads, in the order of the network's input channels."""

    FLAIR = "flair"
    T1 = "t1"
    T2 = "t2"


@dataclass(frozen=True, eq=False)
class Scan:
    """One volume of one sequence.

    ``voxels`` is float32 of ``grid.shape`` in the scanner's units, scl_slope applied and finite
    everywhere; ``missing`` marks voxels that were NaN, infinite or outliers in the file (None where
    there was none). ``header`` is the nibabel header that results written on this grid take their qform and
    sform from.
    """

    modality: Modality
    voxels: Image
    grid: Grid
    file: Path | None = None
    sha256: str | None = None
    header: Any = None
    missing: Mask | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Study:
    """The scans of one visit of one patient: any non-empty subset of the sequences, at most one of each.

    ``left_out`` says of scans that were given, but cannot be used, what was found in them.
    """

    scans: Mapping[Modality, Scan]
    left_out: Mapping[Modality, str] = field(default_factory=dict)

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The sequences at hand, in the order FLAIR, T1, T2."""
        return tuple(s for s in Modality if s in self.scans)

    @property
    def reference(self) -> Scan:
        """The scan whose grid results are written on: FLAIR where given, else T1, else T2."""
        return self.scans[self.modalities[0]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noticed while reading, scan by scan; first the scans that are not used."""
        left_out = tuple(
            f"{s.value}: left out, for this scan cannot be used: {why}" for s, why in self.left_out.items()
        )
        return left_out + tuple(f"{s.value}: {text}" for s in self.modalities for text in self.scans[s].warnings)

    def __iter__(self) -> Iterator[Scan]:
        return (self.scans[s] for s in self.modalities)
