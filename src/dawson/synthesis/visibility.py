"""Which implanted lesions anybody could see: a truth that no rater would draw teaches hallucination.

A generator knows where it put lesions, a rater what stands out. Small and faint ones drown in noise and between bright
neighbours, and a network told to find them learns to call a lesion what is hardly brighter than its surroundings.
Few real lesions are like that, many drawn ones were (docs/development/training-log.md, run 13, measured by
tools/studies/at_home.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from dawson.core.arrays import UNSURE, Labels, Mask
from dawson.core.study import Modality
from dawson.preparation.single_volume import MAD_TO_SIGMA
from dawson.synthesis.scanner.fields import along_axes
from dawson.synthesis.scanner.slices import Acquisition
from dawson.synthesis.tissues import PARENCHYMA, Anatomy

RATED = (Modality.FLAIR, Modality.T2, Modality.T1)  # what raters draw on, if there is no better
NOT_SEEN, DOUBTFUL = 1.0, 1.75  # contrasts below which nobody marks a lesion, and below which some would not
SHELL = (1.5, 4.5)  # mm from a lesion within which its surroundings lie
ENOUGH = 10  # voxels of a tissue around, below which it is no yardstick
SMALL, LARGE = 100, 3000  # voxels, below which a faint lesion is overlooked, and from which on one is always seen
UPPER = 0.6745  # of a standard deviation: the upper quartile of noise
FLOOR = 0.01  # smallest standard deviation of surroundings, relative to the brain's median


def seen_by_raters(images: Tensor, lesion: Tensor, anatomy: Tensor, *, overlook: bool = True) -> Tensor:
    """Labels (n, n, n) uint8 of lesions: 1, UNSURE where few would mark them, 0 where nobody would.

    ``images`` (3, n, n, n) are FLAIR, T1, T2, zero where absent; ``lesion`` (n, n, n) is 1 in lesions, UNSURE where it
    was that already; ``anatomy`` (n, n, n) of :class:`dawson.synthesis.tissues.Anatomy`. Each 26-connected lesion is
    judged by the sequence that raters draw on: FLAIR, else T2; where there is a T1 alone, by that, but never further
    than UNSURE. Nothing is overlooked (0) that another sequence shows, that is not small, or that goes on beyond the
    window; nor where ``overlook`` is off. What has :data:`LARGE` voxels is seen. Around an UNSURE lesion its blurred
    rim is UNSURE too. Voxels are taken to be of 1 mm.
    """
    channels = list(Modality)
    shown = [(s, images[channels.index(s)].numpy()) for s in RATED if bool(images[channels.index(s)].any())]
    labels = lesion.to(torch.uint8).clone()
    if not shown or not bool((labels == 1).any()):
        return labels
    marked, tissue = labels.numpy(), anatomy.numpy()
    numbers, _ = ndimage.label(marked == 1, np.ones((3, 3, 3)))
    around = np.where(marked == 0, tissue, int(Anatomy.OUTSIDE))
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        wide = tuple(slice(max(part.start - 5, 0), part.stop + 5) for part in box)
        voxels = numbers[wide] == number
        if voxels.sum() >= LARGE:
            continue
        shell = surroundings(voxels, around[wide])
        contrasts = [_stands_out(image[wide], s, voxels, shell) for s, image in shown]
        by_t1 = shown[0][0] is Modality.T1
        if contrasts[0] >= (NOT_SEEN if by_t1 else DOUBTFUL):
            continue
        clipped = any(part.start == 0 or part.stop == side for part, side in zip(box, marked.shape, strict=True))
        if overlook and not by_t1 and max(contrasts) < NOT_SEEN and voxels.sum() < SMALL and not clipped:
            marked[wide][voxels] = 0
        else:
            marked[wide][voxels | (ndimage.binary_dilation(voxels) & (marked[wide] == 0))] = UNSURE
    return labels


def surroundings(lesion: Mask, tissue: Labels, spacing: Sequence[float] = (1.0, 1.0, 1.0)) -> Labels:
    """Classes (i, j, k) of the parenchyma around a lesion, 0 elsewhere.

    ``lesion`` and ``tissue`` (i, j, k) are cut out around the lesion, :data:`SHELL` and ``spacing`` are in mm;
    ``tissue`` is Anatomy.OUTSIDE in other lesions.
    """
    away = ndimage.distance_transform_edt(~lesion, sampling=spacing)
    shell = (away >= SHELL[0]) & (away <= SHELL[1]) & np.isin(tissue, PARENCHYMA)
    return np.where(shell, tissue, np.uint8(Anatomy.OUTSIDE))


def contrast(image: NDArray[np.float32], lesion: Mask, shell: Labels) -> float:
    """How far a lesion stands out from what is around it, in robust standard deviations of that; nan without any.

    It is compared with the tissue that most of ``shell`` is of (see :func:`surroundings`): the spread of white matter
    and cortex together would be that of anatomy. The median of the lesion counts, or its upper quartile less what
    noise adds to that: a lesion that is fluid inside has a bright rim only.
    """
    sizes = np.bincount(shell.ravel(), minlength=len(Anatomy))
    sizes[Anatomy.OUTSIDE] = 0
    if sizes.max() < ENOUGH:
        return float("nan")
    beside = image[shell == sizes.argmax()]
    level = float(np.median(beside))
    spread = max(MAD_TO_SIGMA * float(np.median(np.abs(beside - level))), FLOOR)
    middle, upper = np.percentile(image[lesion], (50, 75))
    return max(float(middle) - level, float(upper) - level - UPPER * spread) / spread


def _stands_out(image: NDArray[np.float32], modality: Modality, lesion: Mask, shell: Labels) -> float:
    """Contrast, dark for bright on T1; infinite where nothing can be compared."""
    found = contrast(-image if modality is Modality.T1 else image, lesion, shell)
    return float("inf") if np.isnan(found) else found


def rater_outline(fraction: Tensor, acquisition: Acquisition, border: float) -> Tensor:
    """Lesion mask (n, n, n) as a rater would draw it on what the scanner shows of ``fraction``.

    Borders are drawn at a share (``border``) of the lesion's own height: of a full voxel for all but the smallest, and
    of the faded peak for those that blur and thick slices have dimmed; what is dimmed to less than a
    quarter nobody marks. Raters draw on slices: so do we, and what lies between two slices is lesion as far as the
    outlines on both, interpolated, say so.
    """
    shown = along_axes(fraction, acquisition.acquire)
    peak = shown[None]
    for axis, between in enumerate(acquisition.interpolate):
        kernel = [1, 1, 1]
        kernel[axis] = 5 if between is None else 3  # voxels near by, or the slices on either side
        peak = functional.max_pool3d(peak, kernel, 1, [side // 2 for side in kernel])
    drawn = (shown >= border * peak[0]) & (peak[0] > 0.25)
    return along_axes(drawn.float(), acquisition.interpolate) >= 0.5
