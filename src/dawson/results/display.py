"""The scans for pictures and viewers as one 4-D volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dawson.core.result import Segmentation
from dawson.core.study import Modality
from dawson.preparation.display import windowed


def displayed(segmentation: Segmentation) -> dict[Modality, NDArray[np.uint8]]:
    """Each sequence to show, uint8 (i, j, k), the reference first; the reference alone where no more was kept."""
    if segmentation.display:
        return dict(segmentation.display)
    reference = segmentation.study.reference
    return {reference.modality: windowed(reference.voxels, segmentation.anatomy > 0)}
