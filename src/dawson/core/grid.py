"""Where the voxels of an array lie in the patient.

A voxel array is indexed (i, j, k) as stored; the affine of its :class:`Grid` maps voxel centres to millimetres in RAS+
world coordinates (x to the patient's right, y to the front, z up), as NIfTI and nibabel have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Float

SAME_GRID_MM = 0.05
"""Corners of a mask's grid and a scan's that lie closer than this are the same: programs round a header's numbers."""


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

    def crop(self, box: Sequence[slice]) -> Grid:
        """The lattice of what ``array[box]`` holds: a slice an axis, in steps of 1; every voxel keeps its place.

        Raises ValueError for slices of another step, which leave out voxels.
        """
        sides = [side.indices(length) for side, length in zip(box, self.shape, strict=True)]
        if any(step != 1 for _, _, step in sides):
            raise ValueError("a crop takes voxels in steps of 1")
        i, j, k = (max(stop - start, 0) for start, stop, _ in sides)
        return Grid((i, j, k), self._starting_at([start for start, _, _ in sides]))

    def pad(self, widths: Sequence[tuple[int, int]]) -> Grid:
        """The lattice of ``numpy.pad(array, widths)``: voxels added before and after, an axis each."""
        i, j, k = (length + before + after for length, (before, after) in zip(self.shape, widths, strict=True))
        return Grid((i, j, k), self._starting_at([-before for before, _ in widths]))

    def canonical(self) -> Grid:
        """The same lattice with its axes permuted and flipped so that i, j, k run closest to R, A, S.

        Nothing is rotated: every voxel keeps its place in the world. Arrays follow with
        :func:`dawson.preparation.resample.reorient`.
        """
        from nibabel.orientations import inv_ornt_aff, io_orientation  # noqa: PLC0415 (as in orientation)

        orientation = io_orientation(self.affine)
        shape = np.empty(3, dtype=np.int64)
        shape[orientation[:, 0].astype(int)] = self.shape
        i, j, k = shape.tolist()
        return Grid(shape=(i, j, k), affine=self.affine @ inv_ornt_aff(orientation, self.shape))

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

    def _starting_at(self, index: Sequence[int]) -> NDArray[np.float64]:
        """The affine (4, 4) of a lattice whose first voxel is this one's at ``index``."""
        affine = self.affine.copy()
        affine[:3, 3] = self.to_world(np.array(index, dtype=np.float64))
        return affine


def _transformed(points: Float, affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 3) moved by an affine (4, 4)."""
    moved: NDArray[np.float64] = np.asarray(points, np.float64) @ affine[:3, :3].T + affine[:3, 3]
    return moved
