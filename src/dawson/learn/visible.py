"""Which implanted lesions anybody could see: a truth that no rater would draw teaches hallucination.

A generator knows where it put lesions, a rater what stands out. Small and faint ones drown in noise and between bright
neighbours, and a network told to find them learns to call a lesion what is hardly brighter than its surroundings.
Few real lesions are like that, many drawn ones were (docs/training-log.md, run 13; benchmarks/at_home.py).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from dawson.learn.loss import UNSURE
from dawson.learn.tissues import PARENCHYMA
from dawson.study import Sequence

NOT_SEEN, DOUBTFUL = 1.0, 1.75  # contrasts below which nobody marks a lesion, and not everybody
SHELL = (1.5, 4.5)  # voxels from a lesion within which its surroundings lie
ENOUGH = 10  # voxels of surroundings, below which they tell nothing
LARGE = 3000  # voxels, from which on a lesion is seen, whatever its contrast
UPPER = 0.6745  # of a standard deviation: the upper quartile of noise
FLOOR = 0.01  # smallest standard deviation of surroundings, relative to the brain's median


def seen_by_raters(images: Tensor, lesion: Tensor, anatomy: Tensor) -> Tensor:
    """Labels (n, n, n) uint8 of lesions: 1, UNSURE where few would mark them, 0 where nobody would.

    ``images`` (3, n, n, n) are FLAIR, T1, T2, zero where absent; ``lesion`` (n, n, n) is 1 in lesions, UNSURE where it
    was that already; ``anatomy`` (n, n, n) of :class:`dawson.learn.tissues.Anatomy`. Each 26-connected lesion is
    judged by the sequence that shows it best of FLAIR and T2; where there is a T1 alone, on which raters never
    draw, all stays.
    """
    shown = [images[c].numpy() for c, s in enumerate(Sequence) if s is not Sequence.T1 and bool(images[c].any())]
    labels = lesion.to(torch.uint8).clone()
    if not shown or not bool((labels == 1).any()):
        return labels
    marked = labels.numpy()
    numbers, _ = ndimage.label(marked == 1, np.ones((3, 3, 3)))
    around = np.isin(anatomy.numpy(), PARENCHYMA) & (marked == 0)
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        wide = tuple(slice(max(part.start - 5, 0), part.stop + 5) for part in box)
        own = numbers[wide] == number
        if own.sum() >= LARGE:
            continue
        away = ndimage.distance_transform_edt(~own)
        shell = around[wide] & (away >= SHELL[0]) & (away <= SHELL[1])
        if shell.sum() < ENOUGH:
            continue
        best = max(contrast(image[wide], own, shell) for image in shown)
        if best < DOUBTFUL:
            marked[wide][own] = 0 if best < NOT_SEEN else UNSURE
    return labels


def contrast(image: NDArray[np.float32], own: NDArray[np.bool_], shell: NDArray[np.bool_]) -> float:
    """How far a lesion stands out from its surroundings, in robust standard deviations of these.

    The median of the lesion counts, or its upper quartile less what noise adds to that: a lesion that is fluid inside
    has a bright rim only.
    """
    inside, level = image[own], float(np.median(image[shell]))
    spread = max(1.4826 * float(np.median(np.abs(image[shell] - level))), FLOOR)
    middle, upper = np.percentile(inside, (50, 75))
    return max(float(middle) - level, float(upper) - level - UPPER * spread) / spread
