"""Check whether each scan has the contrast of the sequence that it was given as.

A T1 that is given as a FLAIR shows no lesion to a network that looks for bright ones: the most silent of wrong answers.
What tells sequences apart is how grey matter and fluid compare with white matter (medians, lesions left out), on the
anatomy that the network itself has found. The limits lie between what was measured of 25 FLAIR scans (three cohorts,
slices of 1 to 7 mm) and of 20 T1 and 15 T2 scans of the same visits that were given as a FLAIR by themselves:

    over white matter       FLAIR          T1 as FLAIR    T2 as FLAIR
    cortex                  1.07 - 1.24    0.90 - 0.98    1.29 - 1.72
    ventricles              0.14 - 0.66    0.18 - 0.63    0.89 - 1.17

A FLAIR given as a T1, alone, is not told: its cortex, as the network finds it there, is as bright as that of some T1.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dawson.core.arrays import Mask
from dawson.core.result import Check
from dawson.core.study import Modality
from dawson.quality.evidence import ScanEvidence

LEAST_VOXELS = 300  # of ventricles or cortex, or they are not judged
REVERSED = 1.15
"""Fluid brighter than white matter by this on FLAIR or T1, or darker on T2, is no such sequence. Incomplete
suppression of fluid, or partial volume in thin ventricles, stays on the right side."""
GREY_ON_FLAIR = (1.0, 1.03)  # cortex over white matter: below, no FLAIR; below, worth a look
LIKE_T2 = (0.8, 1.26)  # ventricles and cortex over white matter: above both, no FLAIR
GREY_ON_T1 = 1.02  # cortex over white matter: above, no T1


def check_contrast(scans: Iterable[ScanEvidence]) -> Check:
    """Whether fluid, cortex and white matter look as they do on the sequence that each scan was given as."""
    figures: dict[str, float | str | None] = {}
    wrong: list[str] = []
    doubtful: list[str] = []
    for scan in scans:
        white = float(np.median(scan.voxels[scan.white])) if scan.white.any() else 0.0
        if white <= 0:
            continue
        fluid, grey = _median(scan, scan.fluid, white), _median(scan, scan.cortex, white)
        for name, ratio in (("fluid", fluid), ("cortex", grey)):
            if ratio is not None:
                figures[f"{scan.modality.value}_{name}_to_white_matter"] = round(ratio, 3)
        finding, certain = _judge(scan.modality, fluid, grey)
        if finding:
            (wrong if certain else doubtful).append(f"on {scan.name} {finding}")
    if wrong:
        words = f"{_sentence(wrong)}: was a scan given as another sequence?"
        return Check("contrast", "fail", words, figures)
    if doubtful:
        words = f"{_sentence(doubtful)}: look whether a scan was given as another sequence."
        return Check("contrast", "warn", words, figures)
    return Check("contrast", "pass", "Fluid, cortex and white matter look as they do on the sequences named.", figures)


def _median(scan: ScanEvidence, mask: Mask, white: float) -> float | None:
    """The median within a mask over that of white matter; None where the mask is too small to tell."""
    return float(np.median(scan.voxels[mask])) / white if np.count_nonzero(mask) >= LEAST_VOXELS else None


def _judge(modality: Modality, fluid: float | None, grey: float | None) -> tuple[str, bool]:
    """What does not fit a sequence, and whether that is certain; an empty text where all fits."""
    if modality is Modality.T2:
        if fluid is not None and fluid < 1 / REVERSED:
            return "fluid is darker than white matter, as on no T2", True
        return "", False
    if fluid is not None and fluid > REVERSED:
        return f"fluid is brighter than white matter, as on no {modality.upper()}", True
    if modality is Modality.T1:
        if grey is not None and grey > GREY_ON_T1:
            return "cortex is brighter than white matter, as on no T1", True
        return "", False
    if fluid is not None and grey is not None and fluid > LIKE_T2[0] and grey > LIKE_T2[1]:
        return "fluid is not dark and cortex far brighter than white matter, as on a T2", True
    if grey is not None and grey < GREY_ON_FLAIR[1]:
        certain = grey < GREY_ON_FLAIR[0]
        degree = "darker than" if certain else "hardly brighter than"
        return f"cortex is {degree} white matter, as on a T1", certain
    return "", False


def _sentence(findings: list[str]) -> str:
    text = "; ".join(findings)
    return text[:1].upper() + text[1:]
