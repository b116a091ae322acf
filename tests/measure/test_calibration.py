"""Probabilities moved by log-odds: monotone, invertible, and only where asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawson.measure.calibration import shift_odds


@given(st.floats(-3, 3), st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30))
def test_order_and_ends_stay_and_the_way_back_is_the_identity(shift: float, values: list[float]) -> None:
    before = np.sort(np.array(values, np.float32))
    after = shift_odds(before, shift)
    assert after.dtype == np.float32
    assert (np.diff(after) >= 0).all() and after.min() >= 0 and after.max() <= 1
    assert np.array_equal(after == 0, before == 0) or before[before > 0].min() < 1e-30
    assert np.allclose(shift_odds(after, -shift), before, atol=1e-5)


@pytest.mark.parametrize("threshold", [0.1, 0.25, 0.7])
def test_it_is_another_threshold_by_another_name(threshold: float) -> None:
    before = np.linspace(0, 1, 2001, dtype=np.float32)
    moved = np.log(threshold / (1 - threshold)) - 1.1
    assert np.array_equal(shift_odds(before, 1.1) > threshold, before > 1 / (1 + np.exp(-moved)))


def test_no_shift_is_no_change() -> None:
    before = np.array([0.2, 0.9], np.float32)
    assert shift_odds(before, 0.0) is before
