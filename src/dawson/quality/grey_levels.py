"""Check of clipping, few grey levels and values below zero in each scan."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dawson.core.arrays import Image
from dawson.core.result import Check
from dawson.quality.evidence import ScanEvidence

MOST_CLIPPED = 0.005  # share of the brain at the scan's highest value: in that of one scanner there are single voxels
LEAST_LEVELS, NO_SCAN_LEVELS = 64, 12  # distinct values within the brain; scans have hundreds
SAMPLE = 2**15  # voxels, which show as many distinct values as matter
MOST_NEGATIVE = 0.05  # share of the brain below zero


def check_grey_levels(scans: Iterable[ScanEvidence]) -> Check:
    """Clipping at the top, few grey levels and values below zero, within the brain of each scan."""
    figures: dict[str, float | str | None] = {}
    status, findings = "pass", []
    for scan in scans:
        name, inside = scan.modality.value, scan.voxels[scan.brain]
        if not inside.size:
            continue
        clipped, below = float(np.mean(inside >= scan.highest)), float(np.mean(inside < 0))
        levels = _levels(inside)
        figures |= {f"{name}_clipped": round(clipped, 5), f"{name}_levels": levels, f"{name}_negative": round(below, 4)}
        if levels < NO_SCAN_LEVELS:
            status = "fail"
            findings.append(f"{scan.name} has only {levels} different values within the brain, so it is no scan")
        elif levels < LEAST_LEVELS:
            findings.append(
                f"{scan.name} has only {levels} different values within the brain: faint lesions may be lost"
            )
        elif clipped > MOST_CLIPPED:
            findings.append(f"{clipped:.1%} of the brain on {scan.name} has the highest value there is: it was clipped")
        if below > MOST_NEGATIVE:
            findings.append(f"{below:.0%} of the brain on {scan.name} is below zero: it was rescaled")
    if findings:
        return Check("intensities", "fail" if status == "fail" else "warn", f"{'; '.join(findings)}.", figures)
    return Check("intensities", "pass", "Nothing in the brain is clipped, below zero or coarsely graded.", figures)


def _levels(values: Image) -> int:
    """The number of distinct values, counted in all of them only where a sample has few."""
    sampled = int(np.unique(values[:: max(values.size // SAMPLE, 1)]).size)
    return sampled if sampled >= LEAST_LEVELS else int(np.unique(values).size)
