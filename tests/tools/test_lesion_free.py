"""What is counted on drawn heads: the confusion of classes, and Dice from it."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest


def test_the_confusion_of_classes(script: Callable[[str], ModuleType]) -> None:
    lesion_free = script("studies.lesion_free")
    truth, found = np.array([0, 1, 1, 3, 3, 3]), np.array([0, 1, 3, 3, 3, 1])
    table = lesion_free.taken(truth, found)
    assert table[1, 3] == 1 and table[3, 1] == 1 and table[3, 3] == 2 and table.sum() == truth.size
    assert lesion_free.dice_of(table, [1]) == pytest.approx(2 / 4)
    assert lesion_free.dice_of(table, [1, 3]) == pytest.approx(1.0)
    assert math.isclose(lesion_free.dice_of(table, [3]), 4 / 6)
