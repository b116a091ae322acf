"""Probabilities with other log-odds: monotone, invertible, and only where asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawson.model.calibration import calibrate

PROBABILITIES = st.lists(st.sampled_from([0.0, 1.0]) | st.floats(0.0078125, 0.9921875, width=32), min_size=2)


@given(st.floats(0.4, 2.5), st.floats(-3, 3), PROBABILITIES)
def test_order_and_ends_stay_and_the_way_back_is_the_identity(slope: float, offset: float, values: list[float]) -> None:
    before = np.sort(np.array(values, np.float32))
    after = calibrate(before, slope, offset)
    assert after.dtype == np.float32
    assert (np.diff(after) >= 0).all() and after.min() >= 0 and after.max() <= 1
    assert (after[before == 0] == 0).all() and (after[before == 1] == 1).all()
    assert np.allclose(calibrate(after, 1 / slope, -offset / slope), before, atol=0.01)


@pytest.mark.parametrize(("slope", "offset"), [(0.4, -0.5), (1.8, 3.1)])
def test_log_odds_are_scaled_and_moved(slope: float, offset: float) -> None:
    before = np.linspace(0.01, 0.99, 99, dtype=np.float32)
    after = calibrate(before, slope, offset).astype(np.float64)
    odds = np.log(before.astype(np.float64) / (1 - before.astype(np.float64)))
    assert np.allclose(np.log(after / (1 - after)), slope * odds + offset, atol=1e-2)


def test_no_change_is_no_copy() -> None:
    before = np.array([0.2, 0.9], np.float32)
    assert calibrate(before, 1.0, 0.0) is before
