"""What real visits teach beside their lesions."""

from __future__ import annotations

import numpy as np

from dawson.core.arrays import UNSURE
from dawson.synthesis.tissues import Anatomy
from dawson.training.prepared_cases import anatomy_around


def test_lesions_do_not_teach_that_white_matter_is_deep_grey() -> None:
    found = np.array([Anatomy.DEEP_GREY, Anatomy.DEEP_GREY, Anatomy.DEEP_GREY, Anatomy.CORTEX], np.uint8)
    lesion = np.array([0, 1, UNSURE, 1], np.uint8)
    taught = anatomy_around(lesion, found)
    assert taught.tolist() == [Anatomy.DEEP_GREY, Anatomy.WHITE_MATTER, Anatomy.DEEP_GREY, Anatomy.CORTEX]
    assert taught.dtype == np.uint8
