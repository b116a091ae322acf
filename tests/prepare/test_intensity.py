"""Scales: what is found must not depend on a scanner's units, on lesions or on standardisation."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.prepare.intensity import CEILING, brain_median, first_guess, from_zero, normalise


@pytest.fixture
def scan() -> np.ndarray:
    """Air, bright scalp, brain of 100 with noise (float32)."""
    rng = np.random.default_rng(0)
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij")))
    voxels = np.where(radius < 0.95, 260.0, 0.0)
    voxels[radius < 0.85] = 8.0
    voxels[radius < 0.78] = 100.0
    voxels[voxels > 0] += rng.normal(0, 4, int((voxels > 0).sum()))
    return np.maximum(voxels, 0).astype(np.float32)


@pytest.mark.parametrize("gain", [0.001, 1.0, 250.0])
def test_the_unit_of_the_scanner_is_no_matter(scan: np.ndarray, gain: float) -> None:
    brain = np.abs(scan - 100) < 20
    there = normalise(scan * np.float32(gain), brain_median(scan * np.float32(gain), brain))
    assert np.allclose(there, normalise(scan, brain_median(scan, brain)), atol=1e-4)
    assert float(np.median(there[brain])) == pytest.approx(1.0, abs=1e-3)


def test_the_first_guess_is_about_the_brain(scan: np.ndarray) -> None:
    assert first_guess(scan) == pytest.approx(100, rel=0.5)
    stripped = np.where(np.abs(scan - 100) < 20, scan, 0).astype(np.float32)
    assert first_guess(stripped) == pytest.approx(100, rel=0.1)
    assert first_guess(np.zeros((4, 4, 4), np.float32)) == 1.0


def test_what_is_bright_is_cut_off_and_zero_stays(scan: np.ndarray) -> None:
    scaled = normalise(scan * 3, 100.0)
    assert scaled.max() == CEILING
    assert scaled[0, 0, 0] == 0
    assert scaled.dtype == np.float32


def test_magnitude_images_are_left_alone(scan: np.ndarray) -> None:
    for voxels in (scan, scan - 2 * (scan > 200) * (scan < 201)):
        same, warning = from_zero(voxels.astype(np.float32))
        assert warning is None
        assert np.array_equal(same, voxels)


def test_a_standardised_scan_gets_its_background_back(scan: np.ndarray) -> None:
    standard = ((scan - scan.mean()) / scan.std()).astype(np.float32)
    back, warning = from_zero(standard)
    assert warning is not None
    assert np.allclose(back * scan.std(), scan, atol=1e-2)


def test_a_brain_of_both_signs_on_zero_is_warned_of(scan: np.ndarray) -> None:
    brain = np.abs(scan - 100) < 20
    voxels = np.where(brain, scan - 100, 0).astype(np.float32)
    same, warning = from_zero(voxels)
    assert warning is not None
    assert "standardised" in warning
    assert np.array_equal(same, voxels)
