"""Lesion by lesion: which lesions of two masks found one another, under a named rule.

``any``: a lesion counts as found where it shares a voxel with a lesion of the other mask.

``iou-T``: where its intersection over union with a single lesion of the other mask reaches T. From T = 0.5
on, that lesion is the only one; below, two lesions may have found the same one.

``msseg``: the rule of animaSegPerfAnalyzer (Commowick et al., Scientific Reports 8:13650, 2018), on 6-connected
lesions of more than 3 mm³, whatever the settings say. A lesion counts as found where (1) lesions of the other
mask cover more than alpha = 10 % of it, and (2) of those, taken by falling overlap until they make up
gamma = 65 % of all the overlap, none lies for more than beta = 70 % of itself outside every lesion of this
mask. Ratios are compared exactly, in whole voxels. Where two contributors overlap equally, which the paper
leaves open, the one that lies less outside is taken first.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from dawson.core.arrays import Mask
from dawson.evaluation.settings import MSSEG, Settings, threshold_of
from dawson.measurement.lesions import VOLUME_TOLERANCE

MSSEG_CONNECTIVITY = 6
MSSEG_ABOVE_MM3 = 3.0
ALPHA, BETA, GAMMA = 10, 70, 65
"""Thresholds of the msseg rule in percent."""

STEPS = {6: 1, 18: 2, 26: 3}
"""By connectivity: along how many axes at once one step leads from a voxel to a neighbour."""

Counts = NDArray[np.int64]
Numbers = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Lesions:
    """A mask cut into lesions: ``labels`` (i, j, k), 0 outside, 1..n inside; ``voxels`` (n,) of each."""

    labels: Numbers
    voxels: Counts


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Pairs of lesions that share voxels: numbers from 0 in either mask and how many; and all lesions' sizes."""

    first: Counts
    second: Counts
    shared: Counts
    first_voxels: Counts
    second_voxels: Counts

    def turned(self) -> Overlaps:
        """The same with the two masks exchanged."""
        return Overlaps(self.second, self.first, self.shared, self.second_voxels, self.first_voxels)


class Cut(NamedTuple):
    """What counts as a lesion: connectivity 6, 18 or 26 and the smallest number of voxels."""

    connectivity: int
    smallest: int

    def cut(self, mask: Mask) -> Lesions:
        """The lesions of a mask (i, j, k), in the order of their first voxels."""
        labels = components(mask, self.connectivity)
        voxels = np.bincount(labels[mask], minlength=1)[1:].astype(np.int64)
        keep = voxels >= self.smallest
        if not keep.all():
            renumber = np.zeros(len(voxels) + 1, dtype=np.int32)
            renumber[1:][keep] = np.arange(1, np.count_nonzero(keep) + 1)
            labels = renumber[labels]
        return Lesions(labels, voxels[keep])


def cut_for(rule: str, settings: Settings, voxel_mm3: float) -> Cut:
    """What counts as a lesion under a rule, on voxels of ``voxel_mm3``.

    The relative slack of :data:`dawson.measurement.lesions.VOLUME_TOLERANCE` makes 3 voxels of about 1 mm³ neither
    less nor more than 3 mm³.
    """
    if rule == MSSEG:
        return Cut(MSSEG_CONNECTIVITY, int(MSSEG_ABOVE_MM3 * (1.0 + VOLUME_TOLERANCE) / voxel_mm3) + 1)
    return Cut(settings.connectivity, int(np.ceil(settings.minimum_mm3 * (1.0 - VOLUME_TOLERANCE) / voxel_mm3)))


def components(mask: Mask, connectivity: int) -> Numbers:
    """Number from 1 of each connected component of a mask (i, j, k), in the order of first voxels; 0 outside."""
    neighbours = ndimage.generate_binary_structure(3, STEPS[connectivity])
    labels = np.zeros(mask.shape, dtype=np.int32)
    ndimage.label(mask, neighbours, output=labels)
    return labels


def overlaps(first: Lesions, second: Lesions) -> Overlaps:
    """Which lesions of two masks on one grid share voxels, and how many."""
    both = (first.labels > 0) & (second.labels > 0)
    width = len(second.voxels) + 1
    pair, shared = np.unique(first.labels[both].astype(np.int64) * width + second.labels[both], return_counts=True)
    return Overlaps(pair // width - 1, pair % width - 1, shared.astype(np.int64), first.voxels, second.voxels)


def match(overlap: Overlaps, rule: str) -> tuple[Mask, Mask]:
    """Which lesions of the first mask (n,) and of the second (m,) count as found under a rule.

    Raises:
        UsageError: no such rule.
    """
    threshold = threshold_of(rule)
    find: Callable[[Overlaps], Mask] = _found_msseg if rule == MSSEG else lambda o: _found_alone(o, threshold)
    return find(overlap), find(overlap.turned())


def _found_alone(overlap: Overlaps, threshold: float | None) -> Mask:
    found = np.zeros(len(overlap.first_voxels), dtype=bool)
    union = overlap.first_voxels[overlap.first] + overlap.second_voxels[overlap.second] - overlap.shared
    enough = np.ones(len(union), dtype=bool) if threshold is None else overlap.shared / union >= threshold
    found[overlap.first[enough]] = True
    return found


def _found_msseg(overlap: Overlaps) -> Mask:
    count = len(overlap.first_voxels)
    covered = _total(overlap.first, overlap.shared, count)
    inside = _total(overlap.second, overlap.shared, len(overlap.second_voxels))
    outside = (overlap.second_voxels - inside)[overlap.second]
    size = overlap.second_voxels[overlap.second]
    order = np.lexsort((outside / size, -overlap.shared, overlap.first))
    of, shared, outside, size = overlap.first[order], overlap.shared[order], outside[order], size[order]
    # Overlap of the same lesion that was looked at before each contributor: the loop ends at gamma.
    before = np.cumsum(shared) - shared
    starts = np.searchsorted(of, of, side="left")
    before = before - before[starts]
    too_far = (100 * before < GAMMA * covered[of]) & (100 * outside > BETA * size)
    spoilt = np.zeros(count, dtype=bool)
    spoilt[of[too_far]] = True
    found: Mask = (100 * covered > ALPHA * overlap.first_voxels) & ~spoilt
    return found


def _total(number: Counts, amount: Counts, count: int) -> Counts:
    total = np.zeros(count, dtype=np.int64)
    np.add.at(total, number, amount)
    return total


def ratio(part: float, whole: float) -> float | None:
    """A share, None of nothing."""
    return part / whole if whole else None


def detection(found: NDArray[Any], right: NDArray[Any]) -> tuple[float | None, float | None, float]:
    """Lesion recall, precision and F1 from which truth lesions (n,) and predicted lesions (m,) were found."""
    return detection_of(int(found.sum()), len(found), int(right.sum()), len(right))


def detection_of(found: int, lesions: int, right: int, predicted: int) -> tuple[float | None, float | None, float]:
    """Lesion recall, precision and F1 (their harmonic mean) from counts, by the policy for empty masks."""
    if lesions == predicted == 0:
        return 1.0, 1.0, 1.0
    recall, precision = ratio(found, lesions), ratio(right, predicted)
    if not recall or not precision:
        return recall, precision, 0.0
    return recall, precision, 2.0 * recall * precision / (recall + precision)
