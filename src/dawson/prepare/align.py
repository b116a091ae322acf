# mypy: allow-untyped-calls
"""Bring the sequences of one visit together: rigid registration by mutual information, when it is needed.

Scans are compared as :class:`View` s: cropped to the head, on a 2 mm isotropic lattice, intensities
clipped. There ITK's world is simply ours (RAS mm); it never sees an LPS coordinate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 (its own documentation calls it so)
from numpy.typing import NDArray

from dawson.prepare.grid import (
    THREADS,
    canonical_grid,
    foreground_threshold,
    head_box,
    resample,
    working_grid,
)
from dawson.study import Grid, Mask, Scan, Volume

Matrix = NDArray[np.float64]

VIEW_MM = 2.0
SEED = 20
PROBE_MM = 1.0
PROBE_DEGREES = 1.0
GAIN = 0.005  # what registration must win, as a share of the mutual information it started from
MAX_MM, MAX_DEGREES = 40.0, 25.0  # a patient moves less between two sequences of one visit
ARM_MM = 60.0  # of a rotation at the brain's surface: what makes millimetres of radians

# From coarse to fine: shrink factor, smoothing (sigma in mm), sample points, histogram bins, first
# step of a line search and its tolerance (mm, or radians times ARM_MM).
LEVELS = (
    (3, 4.0, 6_000, 24, 4.0, 0.2),
    (2, 2.0, 10_000, 32, 1.0, 0.1),
    (1, 1.0, 20_000, 32, 0.5, 0.02),
)


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a moving scan lies to the reference.

    ``matrix`` (4, 4) maps reference RAS mm to moving RAS mm, as :func:`dawson.prepare.grid.resample`
    takes it. ``method`` is one of ``"identity: same grid"``, ``"headers agree"``, ``"headers kept"``
    and ``"rigid, mutual information"``; ``note`` says why in words. The similarities are mutual
    information in nats by the headers alone and by ``matrix``.
    """

    matrix: Matrix
    method: str
    similarity_before: float
    similarity_after: float
    note: str
    warnings: tuple[str, ...] = field(default=())


@dataclass(frozen=True, eq=False)
class _View:
    voxels: Volume
    grid: Grid
    head: Mask


def align(moving: Scan, reference: Scan) -> Alignment:
    """Find the rigid motion (six degrees of freedom) between two scans of one head.

    Two scans on one lattice (whatever their array order) are taken to be aligned already when no
    single step of 1 mm or 1 degree, along or about any axis, raises their mutual information: were
    they more than about half of that apart, one of the twelve steps would. They are then left alone.

    Otherwise the headers are the start of a registration in three resolutions: Mattes' mutual
    information (Mattes et al., IEEE Trans. Med. Imaging 22, 2003) over some ten thousand points
    inside the head, climbed with Powell's method. The scan that shows less of the head, such as one
    without its skull, supplies the points. The result is accepted only if it raises mutual
    information by 0.5 % and moves the head by less than 40 mm and 25 degrees; else the headers stand.

    Reruns are bit-identical: the sample is seeded and ITK runs in one thread, because its sums
    depend on the order in which threads finish.
    """
    one, other = _view(moving), _view(reference)
    swap = np.count_nonzero(one.head) < LESS * np.count_nonzero(other.head)
    fixed, floating = (one, other) if swap else (other, one)
    compare = _Comparison(fixed, floating)
    ...
