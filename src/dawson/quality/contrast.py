"""Check whether each scan has the contrast of the sequence that it was given as."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dawson.core.result import Check
from dawson.core.study import Modality
from dawson.quality.evidence import ScanEvidence

LEAST_FLUID = 300  # voxels of ventricles, or contrast is not judged
REVERSED = 1.15
"""Fluid brighter than white matter by this on FLAIR or T1, or darker on T2, is no such sequence. Incomplete
suppression of fluid, or partial volume in thin ventricles, stays on the right side."""


def check_contrast(scans: Iterable[ScanEvidence]) -> Check:
    """Whether fluid and white matter look as they do on the sequence that each scan was given as."""
    figures: dict[str, float | str | None] = {}
    wrong = []
    for scan in scans:
        if np.count_nonzero(scan.fluid) < LEAST_FLUID or not scan.white.any():
            continue
        white = float(np.median(scan.voxels[scan.white]))
        if white <= 0:
            continue
        ratio = float(np.median(scan.voxels[scan.fluid])) / white
        figures[f"{scan.modality.value}_fluid_to_white_matter"] = round(ratio, 3)
        bright = scan.modality is Modality.T2
        if (ratio < 1 / REVERSED) if bright else (ratio > REVERSED):
            other = "darker" if bright else "brighter"
            wrong.append(f"on {scan.name} fluid is {other} than white matter, as on no {scan.name}")
    if wrong:
        words = f"{'; '.join(wrong)}: was a scan given as another sequence?"
        return Check("contrast", "fail", words[:1].upper() + words[1:], figures)
    return Check("contrast", "pass", "Fluid and white matter look as they do on the sequences named.", figures)
