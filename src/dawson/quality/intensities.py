"""Checks of what the voxels of each scan hold: noise, clipping, few grey levels, contrast of the sequence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.result import Check
from dawson.core.study import Modality

LEAST_SNR = 8.0
"""Of white matter. Training goes to a noise of about a tenth of the brain's median; below 8 lesions drown."""
LEAST_PAIRS = 500  # of neighbours in white matter, or noise is not told

MOST_CLIPPED = 0.005  # share of the brain at the scan's highest value: in that of one scanner there are single voxels
LEAST_LEVELS, NO_SCAN_LEVELS = 64, 12  # distinct values within the brain; scans have hundreds
SAMPLE = 2**15  # voxels, which show as many distinct values as matter
MOST_NEGATIVE = 0.05  # share of the brain below zero

LEAST_FLUID = 300  # voxels of ventricles, or contrast is not told
REVERSED = 1.15
"""Fluid brighter than white matter by this on FLAIR or T1, or darker on T2, is no such sequence. Incomplete
suppression of fluid, or partial volume in thin ventricles, stays on the right side."""

MAD_TO_SIGMA = 1.4826  # of a normal distribution


@dataclass(frozen=True, eq=False)
class View:
    """A scan around the brain and, on its own voxels (i, j, k), parenchyma, white matter and ventricles.

    ``voxels`` have a background of zero, ``spacing`` is theirs in mm; ``highest`` is the highest value of all the scan.
    """

    modality: Modality
    voxels: Image
    spacing: tuple[float, float, float]
    highest: float
    brain: Mask
    white: Mask
    fluid: Mask

    @property
    def name(self) -> str:
        """The sequence, as people write it."""
        return self.modality.upper()


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


def check_noise(views: Iterable[View]) -> Check:
    """Signal-to-noise ratio of white matter, scan by scan."""
    figures: dict[str, float | str | None] = {}
    noisy, told = [], []
    for view in views:
        ratio = signal_to_noise(view.voxels, view.white, view.spacing)
        figures[f"{view.modality.value}_snr"] = None if ratio is None or np.isinf(ratio) else round(ratio, 1)
        if ratio is None or np.isinf(ratio):
            continue
        told.append(f"{view.name} {ratio:.0f}")
        if ratio < LEAST_SNR:
            noisy.append(f"{view.name} ({ratio:.1f})")
    if noisy:
        words = (
            f"The signal-to-noise ratio of white matter is below {LEAST_SNR:g} in {' and '.join(noisy)}: faint lesions "
            "may be missed and noise be taken for lesions."
        )
        return Check("noise", "warn", words, figures)
    words = f"Signal-to-noise ratio of white matter: {', '.join(told)}." if told else "There was no noise to measure."
    return Check("noise", "pass", words, figures)


def check_intensities(views: Iterable[View]) -> Check:
    """Clipping at the top, few grey levels and values below zero, within the brain of each scan."""
    figures: dict[str, float | str | None] = {}
    status, odd = "pass", []
    for view in views:
        name, inside = view.modality.value, view.voxels[view.brain]
        if not inside.size:
            continue
        clipped, below = float(np.mean(inside >= view.highest)), float(np.mean(inside < 0))
        levels = _levels(inside)
        figures |= {f"{name}_clipped": round(clipped, 5), f"{name}_levels": levels, f"{name}_negative": round(below, 4)}
        if levels < NO_SCAN_LEVELS:
            status = "fail"
            odd.append(f"{view.name} has only {levels} different values within the brain, so it is no scan")
        elif levels < LEAST_LEVELS:
            odd.append(f"{view.name} has only {levels} different values within the brain: faint lesions may be lost")
        elif clipped > MOST_CLIPPED:
            odd.append(f"{clipped:.1%} of the brain on {view.name} has the highest value there is: it was clipped")
        if below > MOST_NEGATIVE:
            odd.append(f"{below:.0%} of the brain on {view.name} is below zero: it was rescaled")
    if odd:
        return Check("intensities", "fail" if status == "fail" else "warn", f"{'; '.join(odd)}.", figures)
    return Check("intensities", "pass", "Nothing in the brain is clipped, below zero or coarsely graded.", figures)


def _levels(values: Image) -> int:
    """The number of distinct values, counted in all of them only where a sample has few."""
    sampled = int(np.unique(values[:: max(values.size // SAMPLE, 1)]).size)
    return sampled if sampled >= LEAST_LEVELS else int(np.unique(values).size)


def check_contrast(views: Iterable[View]) -> Check:
    """Whether fluid and white matter look as they do on the sequence that each scan was given as."""
    figures: dict[str, float | str | None] = {}
    wrong = []
    for view in views:
        if np.count_nonzero(view.fluid) < LEAST_FLUID or not view.white.any():
            continue
        white = float(np.median(view.voxels[view.white]))
        if white <= 0:
            continue
        ratio = float(np.median(view.voxels[view.fluid])) / white
        figures[f"{view.modality.value}_fluid_to_white_matter"] = round(ratio, 3)
        bright = view.modality is Modality.T2
        if (ratio < 1 / REVERSED) if bright else (ratio > REVERSED):
            other = "darker" if bright else "brighter"
            wrong.append(f"on {view.name} fluid is {other} than white matter, as on no {view.name}")
    if wrong:
        words = f"{'; '.join(wrong)}: was a scan given as another sequence?"
        return Check("contrast", "fail", words[:1].upper() + words[1:], figures)
    return Check("contrast", "pass", "Fluid and white matter look as they do on the sequences named.", figures)
