"""Scales: what is found must not depend on a scanner's units, on lesions or on standardisation."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.preparation.intensity import CEILING, brain_median, from_zero, normalise, rough_scale


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


def test_the_rough_scale_is_of_tissue_whatever_the_amount_of_air(scan: np.ndarray) -> None:
    stripped = np.where(np.abs(scan - 100) < 20, scan, 0).astype(np.float32)
    assert rough_scale(stripped) == pytest.approx(100, rel=0.1)
    assert rough_scale(scan * 7) == pytest.approx(7 * rough_scale(scan), rel=1e-5)
    air = np.abs(np.random.default_rng(1).normal(0, 3, (60, 60, 60))).astype(np.float32)
    air[10:50, 10:50, 10:50] += scan
    assert rough_scale(air) == pytest.approx(rough_scale(scan), rel=0.2)
    assert rough_scale(np.zeros((4, 4, 4), np.float32)) == 1.0


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


def test_a_brain_of_both_signs_on_zero_starts_at_its_darkest(scan: np.ndarray) -> None:
    """Fluid of 5, tissue of 100: standardised within the mask and back, all but the scale is as it was."""
    brain = np.abs(scan - 100) < 20
    across = np.indices(scan.shape)[0]
    fluid = brain & (across < 8)
    plain = np.where(fluid, 5, np.where(brain, scan * np.where(across < 20, 0.8, 1), 0)).astype(np.float32)
    inside = plain[brain]
    back, warning = from_zero(np.where(brain, (plain - inside.mean()) / inside.std(), 0).astype(np.float32))
    assert warning is not None
    assert "a guess" in warning
    assert back.dtype == np.float32
    assert not back[~brain].any() and not back[fluid].any()
    tissue = brain & ~fluid
    assert np.allclose(back[tissue] * inside.std(), plain[tissue] - 5, atol=1e-3)


def test_both_signs_without_any_background_are_warned_of(scan: np.ndarray) -> None:
    voxels = (scan + np.random.default_rng(2).normal(0, 1, scan.shape) - 100).astype(np.float32)
    same, warning = from_zero(voxels)
    assert warning is not None
    assert "before it was standardised" in warning
    assert np.array_equal(same, voxels)
