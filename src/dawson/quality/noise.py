"""Check of the noise of each scan."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.result import Check
from dawson.quality.evidence import ScanEvidence

LEAST_SNR = 8.0
"""Of white matter. Training goes to a noise of about a tenth of the brain's median; below 8 lesions drown."""
LEAST_PAIRS = 500  # of neighbours in white matter, or noise is not measured
MAD_TO_SIGMA = 1.4826  # of a normal distribution


def signal_to_noise(voxels: Image, white: Mask, spacing: tuple[float, float, float]) -> float | None:
    """The median of white matter by its noise, from differences of neighbours along the finest axis.

    Half the squared differences are variance; their median absolute deviation is robust to lesions and edges.
    None where there are too few neighbours, infinite where no two differ.
    """
    axis = int(np.argmin(spacing))
    ahead: list[slice] = [slice(None)] * 3
    behind = ahead.copy()
    ahead[axis], behind[axis] = slice(1, None), slice(None, -1)
    both = white[tuple(ahead)] & white[tuple(behind)]
    steps = voxels[tuple(ahead)][both] - voxels[tuple(behind)][both]
    if steps.size < LEAST_PAIRS:
        return None
    noise = MAD_TO_SIGMA * float(np.median(np.abs(steps))) / 2**0.5
    level = float(np.median(voxels[white]))
    return level / noise if noise > 0 else float("inf")


def check_noise(scans: Iterable[ScanEvidence]) -> Check:
    """Signal-to-noise ratio of white matter, scan by scan."""
    figures: dict[str, float | str | None] = {}
    noisy, ratios = [], []
    for scan in scans:
        ratio = signal_to_noise(scan.voxels, scan.white, scan.spacing)
        figures[f"{scan.modality.value}_snr"] = None if ratio is None or np.isinf(ratio) else round(ratio, 1)
        if ratio is None or np.isinf(ratio):
            continue
        ratios.append(f"{scan.name} {ratio:.0f}")
        if ratio < LEAST_SNR:
            noisy.append(f"{scan.name} ({ratio:.1f})")
    if noisy:
        words = (
            f"The signal-to-noise ratio of white matter is below {LEAST_SNR:g} in {' and '.join(noisy)}: faint lesions "
            "may be missed and noise be taken for lesions."
        )
        return Check("noise", "warn", words, figures)
    words = (
        f"Signal-to-noise ratio of white matter: {', '.join(ratios)}." if ratios else "There was no noise to measure."
    )
    return Check("noise", "pass", words, figures)
