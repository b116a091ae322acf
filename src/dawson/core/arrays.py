"""The arrays that rooms hand to one another, all of them indexed (i, j, k) as stored."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.floating[Any]]
Image = NDArray[np.float32]
Mask = NDArray[np.bool_]
Labels = NDArray[np.uint8]

UNSURE = 2
"""In lesion labels, where 1 is lesion: nobody knows. Losses and measures do not look there."""
