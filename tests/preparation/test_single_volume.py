"""A scan by itself, whole: where the lattice lies, and what the contrast kernel is and does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan
from dawson.preparation.resample import resample
from dawson.preparation.single_volume import Kernel, contrast_kernel, gaussian, prepare_volume, smooth, volume_grid
from dawson.recipe import SingleVolume

SETTINGS = SingleVolume(shape=(48, 48, 32), spacing_mm=(4.0, 4.0, 5.0), blur_mm=2.0, kernel_mm=6.0)


def scan_of(voxels: np.ndarray, affine: np.ndarray) -> Scan:
    return Scan(Modality.FLAIR, voxels.astype(np.float32), Grid(voxels.shape, affine))


@pytest.fixture(scope="module")
def head_scan(tmp_path_factory: pytest.TempPathFactory, write_head) -> Scan:
    return read_scan(write_head(tmp_path_factory.mktemp("scan") / "FLAIR.nii.gz"), Modality.FLAIR)


def test_the_lattice_is_what_the_recipe_says_and_holds_the_head(head_scan: Scan) -> None:
    prepared = prepare_volume(head_scan, SETTINGS)
    assert prepared.voxels.shape == prepared.grid.shape == SETTINGS.shape
    assert prepared.grid.spacing == pytest.approx(SETTINGS.spacing_mm)
    assert prepared.grid.orientation == "RAS"
    assert prepared.voxels.min() >= 0 and prepared.voxels.max() <= 1
    brain = (head_scan.voxels > 300) & (head_scan.voxels < 500)
    kept = resample(np.ones(SETTINGS.shape, bool), prepared.grid, head_scan.grid, interpolation="nearest")
    assert kept[brain].mean() > 0.9


@given(
    flips=st.tuples(*[st.booleans()] * 3),
    order=st.permutations([0, 1, 2]),
)
def test_the_order_in_which_a_scan_is_stored_changes_nothing(flips, order, head) -> None:
    voxels = head()
    affine = np.diag([8.0, 8.0, 7.0, 1.0])
    affine[:3, 3] = (-92.0, -108.0, -80.0)
    first = prepare_volume(scan_of(voxels, affine), SETTINGS)
    turn = np.zeros((4, 4))
    turn[3, 3] = 1
    turned = voxels.transpose(order)
    for new, old in enumerate(order):
        turn[old, new] = -1 if flips[new] else 1
        turn[old, 3] = voxels.shape[old] - 1 if flips[new] else 0
        if flips[new]:
            turned = np.flip(turned, new)
    second = prepare_volume(scan_of(np.ascontiguousarray(turned), affine @ turn), SETTINGS)
    assert second.grid.same_as(first.grid)
    assert np.abs(first.voxels - second.voxels).max() < 2e-3


def test_the_top_of_the_head_is_inside_and_the_lattice_is_centred(head_scan: Scan) -> None:
    grid = volume_grid(head_scan, SETTINGS)
    crown = grid.to_world(np.array([(grid.shape[0] - 1) / 2, (grid.shape[1] - 1) / 2, grid.shape[2] - 0.5]))
    inside = head_scan.grid.to_world(np.argwhere(head_scan.voxels > 350).astype(float))
    assert inside[:, 2].max() <= crown[2] <= inside[:, 2].max() + 20
    assert abs(crown[0] - (inside[:, 0].min() + inside[:, 0].max()) / 2) < 10


def test_the_kernel_is_what_is_applied() -> None:
    """Explicit convolution with the kernel's weights gives the same as the two passes of the code."""
    rng = np.random.default_rng(0)
    voxels = smooth(rng.random((24, 24, 20)).astype(np.float32), (1.0, 1.0, 1.0))
    kernel = Kernel((1.0, 1.0, 3.0), 0.7, noise=0.01, contrast=0.1)
    assert kernel.weights.sum() == pytest.approx(1.0)
    applied = voxels + np.float32(kernel.amount) * (voxels - smooth(voxels, kernel.widths))
    sides = kernel.weights.shape
    padded = np.pad(voxels.astype(np.float64), [(s // 2, s // 2) for s in sides], mode="edge")
    explicit = np.zeros(voxels.shape)
    for place in np.ndindex(*sides):
        window = tuple(slice(p, p + n) for p, n in zip(place, voxels.shape, strict=True))
        explicit += kernel.weights[place] * padded[window]
    assert np.abs(applied - explicit).max() < 1e-5


def test_the_kernel_follows_voxel_size_noise_and_contrast() -> None:
    rng = np.random.default_rng(0)
    axes = np.meshgrid(*[np.linspace(-1, 1, 40)] * 3, indexing="ij")
    radius = np.sqrt(sum(a**2 for a in axes))
    clean = np.select([radius < 0.6, radius < 0.8], [0.8, 0.5], 0.0).astype(np.float32)
    settings = SingleVolume(spacing_mm=(1.0, 1.0, 1.0), kernel_mm=2.0)
    amounts = []
    for noise in (0.0, 0.01, 0.03, 0.2):
        noisy = clean + rng.normal(0, noise, clean.shape).astype(np.float32)
        amounts.append(contrast_kernel(noisy, (1.0, 1.0, 1.0), settings).amount)
    assert amounts == sorted(amounts, reverse=True)
    assert amounts[0] == pytest.approx(1.0, abs=0.01)
    assert amounts[-1] == 0.0
    thick = contrast_kernel(clean, (0.5, 1.0, 6.0), settings)
    assert thick.widths == (2.0, 2.0, 6.0)


def test_a_gaussian_sums_to_one_and_smoothing_keeps_a_constant() -> None:
    assert gaussian(1.7).sum() == pytest.approx(1.0)
    flat = np.full((9, 8, 7), 0.3, dtype=np.float32)
    assert np.allclose(smooth(flat, (2.0, 0.0, 1.0)), flat)


def test_one_grey_is_refused(tmp_path: Path) -> None:
    affine = np.diag([8.0, 8.0, 8.0, 1.0])
    with pytest.raises(InputError, match="one grey"):
        prepare_volume(scan_of(np.full((24, 24, 24), 5.0), affine), SETTINGS)
