"""The scans for pictures and viewers as one 4-D volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawson.measure.display import windowed
from dawson.study import Segmentation, Sequence


def displayed(segmentation: Segmentation) -> dict[Sequence, NDArray[np.uint8]]:
    """Each sequence to show, uint8 (i, j, k), the reference first; the reference alone where no more was kept."""
    if segmentation.display:
        return dict(segmentation.display)
    reference = segmentation.study.reference
    return {reference.sequence: windowed(reference.voxels, segmentation.anatomy > 0)}
