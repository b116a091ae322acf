"""Check of how well the sequences of a visit lie on each other, independent of what the registration believed."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Mask, bounding_box
from dawson.core.grid import Grid
from dawson.core.result import Check
from dawson.core.study import Modality, Scan, Study
from dawson.preparation.register import Alignment, mutual_information
from dawson.preparation.resample import resample, working_grid

LATTICE_MM = 2.7  # odd, so that its points never coincide with voxels all over
PROBE_MM = 2.0  # shifts that are tried along x, y and z
FAR_MM = 2.0
"""A shift of this or more, by which two scans would match better, is worth a look: small lesions are 3 mm wide."""
LEAST_SHARED = 0.05  # nats of mutual information within the brain; scans of two heads share less

LATTICE_BRAIN = 1000  # points, or nothing can be said


def check_alignment(
    study: Study, used: tuple[Modality, ...], alignment: Mapping[Modality, Alignment], brain: Mask
) -> Check:
    """How far each further sequence is off the reference, and what moved it; ``brain`` (i, j, k) on the reference."""
    reference = study.reference
    figures: dict[str, float | str | None] = {}
    findings, shifts = [], []
    others = [s for s in used if s is not reference.modality]
    for modality in others:
        found = alignment.get(modality)
        matrix = np.eye(4) if found is None else found.matrix
        off, shared = residual(study.scans[modality], reference, brain, matrix)
        name = modality.value
        figures |= {f"{name}_off_mm": None if off is None else round(off, 2), f"{name}_shared_nats": round(shared, 3)}
        figures |= _motion(name, matrix)
        if off is not None and off >= FAR_MM:
            findings.append(f"{modality.upper()} is about {off:.0f} mm off the {reference.modality.upper()}")
        if shared < LEAST_SHARED:
            findings.append(f"{modality.upper()} has little in common with the {reference.modality.upper()}")
        if found is not None and found.warnings:
            findings.append(f"{modality.upper()}: {'; '.join(found.warnings)}")
        if off is not None:
            shifts.append(f"{modality.upper()} to {off:.1f} mm")
    if findings:
        words = f"{'; '.join(findings)}. Look whether the scans lie on each other and belong to one visit."
        return Check("alignment", "warn", words, figures)
    if not others:
        return Check("alignment", "pass", "There is one sequence only, so nothing to bring together.", figures)
    return Check("alignment", "pass", f"The sequences lie on each other: {', '.join(shifts)}.", figures)


def residual(moving: Scan, reference: Scan, brain: Mask, matrix: NDArray[np.float64]) -> tuple[float | None, float]:
    """By how many mm two scans are still off each other, and the mutual information of their brains in nats.

    A parabola is laid through the mutual information at shifts of 0 and ±2 mm along each of x, y and z; its peak is
    at most one such step away. None where too little of the brain is seen in both.

    Args:
        moving: the scan that was brought to the reference.
        reference: the other.
        brain: (i, j, k) on the reference's grid.
        matrix: (4, 4) from RAS mm of the reference to RAS mm of the moving scan.
    """
    lattice, inside = _lattice(brain, reference.grid)
    known = resample(reference.voxels, reference.grid, lattice, interpolation="linear")[inside]
    shifts = [np.zeros(3), *(sign * PROBE_MM * axis for axis in np.eye(3) for sign in (1, -1))]
    views = []
    for shift in shifts:
        moved = np.array(matrix, np.float64)
        moved[:3, 3] += matrix[:3, :3] @ shift
        views.append(
            resample(moving.voxels, moving.grid, lattice, transform=moved, interpolation="linear", outside=np.nan)[
                inside
            ]
        )
    common = np.isfinite(views).all(axis=0)
    if np.count_nonzero(common) < LATTICE_BRAIN:
        return None, 0.0
    here, *around = (mutual_information(_clipped(known[common]), _clipped(view[common])) for view in views)
    peak = []
    for up, down in zip(around[::2], around[1::2], strict=True):
        curve, slope = up + down - 2 * here, (up - down) / 2
        peak.append(float(np.clip(-slope / curve, -1, 1)) if curve < 0 else float(np.sign(slope)))
    return PROBE_MM * float(np.linalg.norm(peak)), here


def _lattice(brain: Mask, grid: Grid) -> tuple[Grid, Mask]:
    box = bounding_box(brain)
    corners = np.array([s.start for s in box]), np.array([s.stop for s in box])
    lattice = working_grid(grid, spacing=LATTICE_MM, box=corners)
    inside: Mask = resample(brain, grid, lattice, interpolation="nearest")
    return lattice, inside


def _clipped(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.clip(values, *np.percentile(values, (0.5, 99.5)))


def _motion(name: str, matrix: NDArray[np.float64]) -> dict[str, float]:
    angle = float(np.rad2deg(np.arccos(np.clip((np.trace(matrix[:3, :3]) - 1) / 2, -1, 1))))
    return {f"{name}_turned_degrees": round(angle, 2)}
