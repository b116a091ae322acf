"""One brain is kept; scalp, neck and second heads that a network took for brain are not."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from dawson.preparation.brain import _ball, find_brain


@pytest.fixture
def radius() -> np.ndarray:
    """Distance in voxels from the middle of a 90-voxel cube."""
    axes = np.meshgrid(*[np.arange(90) - 44.5] * 3, indexing="ij")
    return np.sqrt(sum(axis**2 for axis in axes))


def test_cortex_and_fluid_on_the_brain_stay_and_scalp_goes(radius: np.ndarray) -> None:
    core, cortex = radius < 25, (radius >= 25) & (radius < 30)
    scalp = (radius > 38) & (radius < 42)
    found = find_brain(core | cortex | scalp, core, spacing=1.0)
    assert np.array_equal(found, core | cortex)


def test_scalp_with_specks_of_core_still_goes(radius: np.ndarray) -> None:
    core, scalp = radius < 25, (radius > 38) & (radius < 42)
    specks = scalp & (np.random.default_rng(0).random(radius.shape) < 0.3)
    assert not find_brain(core | scalp, core | specks, spacing=1.0)[scalp].any()


def test_a_thin_bridge_does_not_join_a_second_piece_far_off() -> None:
    axes = np.meshgrid(*[np.arange(90) - 44.5, np.arange(90) - 44.5, np.arange(140) - 110.0], indexing="ij")
    core = np.sqrt(sum(axis**2 for axis in axes)) < 20
    neck, bridge = np.zeros_like(core), np.zeros_like(core)
    neck[40:50, 40:50, :50] = True
    bridge[44:46, 44:46, 45:95] = True
    everything = core | neck | bridge
    found = find_brain(everything, everything, spacing=1.0)
    assert found[core].all()
    assert not found[neck].any()


@pytest.mark.parametrize("spacing", [1.0, 1.5])
def test_gyri_stay_whose_white_matter_is_a_thin_blade(spacing: float) -> None:
    """White matter in a gyrus is one to three voxels wide: cutting bridges cuts it too, but not the cortex on it."""
    core = np.zeros((80, 80, 80), bool)
    core[20:60, 20:60, 10:45] = True
    blade = np.zeros_like(core)
    blade[39:41, 25:55, 45 : 45 + round(15 / spacing)] = True
    gyrus = np.zeros_like(core)
    gyrus[36:44, 22:58, 45 : 45 + round(18 / spacing)] = True
    found = find_brain(core | blade | gyrus, core | blade, spacing=spacing)
    assert found[blade].all()
    assert found[gyrus].all()


def test_the_spacing_is_honoured(radius: np.ndarray) -> None:
    core, shell = radius < 20, (radius >= 26) & (radius < 28)
    assert find_brain(core | shell, core, spacing=1.0)[shell].any()
    assert not find_brain(core | shell, core, spacing=2.0)[shell].any()


def test_no_core_no_brain(radius: np.ndarray) -> None:
    nothing = np.zeros(radius.shape, dtype=bool)
    assert not find_brain(radius < 20, nothing, spacing=1.0).any()
    assert not find_brain(nothing, nothing, spacing=1.0).any()


def test_in_coarse_voxels_thin_white_matter_still_holds_the_brain_together() -> None:
    """At 4 mm white matter is one voxel wide in places: nothing may be cut there."""
    core = np.zeros((30, 30, 30), bool)
    core[5:25, 15, 15] = core[15, 5:25, 15] = True
    brain = core.copy()
    brain[4:26, 4:26, 13:18] = True
    far = np.zeros_like(core)
    far[:, :, 27:] = True
    found = find_brain(brain | far, core, spacing=4.0)
    assert found[core].all()
    assert not found[far].any()


def test_the_middle_of_wide_ventricles_is_brain(radius: np.ndarray) -> None:
    """Fluid farther from white matter than cortex ever is, but enclosed by what is not; fluid outside stays out."""
    inside, head = radius < 24, radius < 40
    core = inside & (radius >= 14)
    found = find_brain(head, core, spacing=1.0)
    assert found[radius < 30].all()
    assert not found[radius > 34].any()


@pytest.mark.parametrize("radius", range(5))
def test_erosion_is_that_of_itk(radius: int) -> None:
    """Also at the sides of the array, beyond which nothing is outside."""
    mask = np.random.default_rng(radius).random((24, 20, 16)) > 0.02 / (1 + radius**2)
    wanted = sitk.BinaryErode(sitk.GetImageFromArray(mask.astype(np.uint8)), [radius] * 3, sitk.sitkBall)
    found = ndimage.binary_erosion(mask, _ball(radius), border_value=1)
    assert np.array_equal(found, sitk.GetArrayFromImage(wanted).astype(bool))
    assert 0 < np.count_nonzero(found) < mask.size


def test_room_around_the_head_changes_nothing() -> None:
    rng = np.random.default_rng(3)
    core = sitk.GetArrayFromImage(sitk.DiscreteGaussian(sitk.GetImageFromArray(rng.random((60, 50, 40))), 9.0)) > 0.5
    candidates = core | (rng.random(core.shape) < 0.3)
    alone = find_brain(candidates, core, spacing=1.0)
    padded = find_brain(np.pad(candidates, 7), np.pad(core, 7), spacing=1.0)
    assert alone.any()
    assert np.array_equal(alone, padded[7:-7, 7:-7, 7:-7])
