"""Surface distances: by hand, against all pairs of surface voxels, at edges and on anisotropic voxels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.evaluation.metrics.surface import measure_surfaces, surface, surface_distances

UNIT = (1.0, 1.0, 1.0)


def cube(low, high, shape=(16, 16, 16)):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(a, b) for a, b in zip(low, high, strict=True))] = True
    return mask


def surface_by_the_book(mask):
    """Voxels with a face neighbour outside, one by one."""
    outside = np.pad(mask, 1)
    steps = [step for axis in np.eye(3, dtype=int).tolist() for step in (axis, [-x for x in axis])]
    return np.array([v for v in np.argwhere(mask).tolist() if any(not outside[tuple(np.add(v, s) + 1)] for s in steps)])


def nearest(first, second, spacing):
    one, two = (surface_by_the_book(mask) * np.array(spacing) for mask in (first, second))
    return np.linalg.norm(one[:, None] - two[None], axis=-1).min(axis=1)


def test_two_single_voxels_on_anisotropic_voxels():
    first, second = cube((1, 1, 1), (2, 2, 2)), cube((4, 1, 3), (5, 2, 4))
    values = measure_surfaces(first, second, (0.5, 1.0, 3.0), tolerance_mm=1.0)
    distance = np.hypot(3 * 0.5, 2 * 3.0)
    assert values["hd95_mm"] == pytest.approx(distance, rel=1e-7)
    assert values["assd_mm"] == pytest.approx(distance, rel=1e-7)
    assert values["nsd"] == 0.0


def test_a_slab_shifted_by_one_voxel():
    first, second = cube((3, 2, 2), (4, 12, 12)), cube((5, 2, 2), (6, 12, 12))
    values = measure_surfaces(first, second, (0.6, 1.0, 1.0), tolerance_mm=1.2)
    assert values == {
        "hd95_mm": pytest.approx(1.2, rel=1e-6),
        "assd_mm": pytest.approx(1.2, rel=1e-6),
        "nsd": 1.0,  # 1.2 in float32 is a little more than 1.2
    }
    assert measure_surfaces(first, second, (0.6, 1.0, 1.0), tolerance_mm=1.19)["nsd"] == 0.0


def test_hd95_is_the_greater_of_two_directed_percentiles():
    first = cube((2, 2, 2), (3, 3, 12))  # ten voxels in a row
    second = first | cube((12, 2, 2), (13, 3, 3))  # and one of eleven 10 mm away
    forth, back = surface_distances(first, second, UNIT)
    assert forth.tolist() == [0.0] * 10
    assert sorted(back.tolist()) == [0.0] * 10 + [10.0]
    values = measure_surfaces(first, second, UNIT, tolerance_mm=1.0)
    assert values["hd95_mm"] == pytest.approx(5.0)  # linear interpolation, half way between 0 and 10
    assert values["assd_mm"] == pytest.approx(10 / 21)
    assert values["nsd"] == pytest.approx(20 / 21)


def test_empty_masks():
    none, some = np.zeros((4, 4, 4), dtype=bool), cube((1, 1, 1), (2, 2, 2), (4, 4, 4))
    assert measure_surfaces(none, none, UNIT, tolerance_mm=1.0) == {"hd95_mm": 0.0, "assd_mm": 0.0, "nsd": 1.0}
    for pair in ((none, some), (some, none)):
        assert measure_surfaces(*pair, UNIT, tolerance_mm=1.0) == {"hd95_mm": None, "assd_mm": None, "nsd": 0.0}
    nowhere = np.zeros((0, 0, 0), dtype=bool)
    assert measure_surfaces(nowhere, nowhere, UNIT, tolerance_mm=1.0)["nsd"] == 1.0


def test_a_mask_that_fills_its_box_has_a_surface_there():
    first, second = np.ones((3, 3, 3), dtype=bool), cube((1, 1, 1), (2, 2, 2), (3, 3, 3))
    forth, back = surface_distances(first, second, UNIT)
    assert len(forth) == 26
    assert back.tolist() == [1.0]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.02, 0.9),
    spacing=st.tuples(*[st.sampled_from([0.43, 1.0, 1.2, 6.5])] * 3),
)
def test_distances_are_those_of_all_pairs_of_surface_voxels(seed, share, spacing):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 5, 6, 4)) < share
    first[2, 2, 2] = second[3, 1, 0] = True
    assert (np.argwhere(surface(np.pad(first, 1))) - 1).tolist() == surface_by_the_book(first).tolist()
    forth, back = surface_distances(first, second, spacing)
    np.testing.assert_allclose(forth, nearest(first, second, spacing), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(back, nearest(second, first, spacing), rtol=1e-6, atol=1e-7)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_symmetry_bounds_flips_and_array_order(seed):
    rng = np.random.default_rng(seed)
    first, second = rng.random((2, 6, 5, 7)) < 0.3
    first[0, 0, 0] = second[5, 4, 6] = True
    spacing = (0.7, 1.0, 2.5)
    values = measure_surfaces(first, second, spacing, tolerance_mm=1.0)
    assert 0.0 <= values["nsd"] <= 1.0
    assert 0.0 <= values["assd_mm"] <= np.linalg.norm(np.array(first.shape) * spacing)
    changed = [
        measure_surfaces(second, first, spacing, tolerance_mm=1.0),
        measure_surfaces(np.flip(first, 1), np.flip(second, 1), spacing, tolerance_mm=1.0),
        measure_surfaces(first.transpose(2, 0, 1), second.transpose(2, 0, 1), (2.5, 0.7, 1.0), tolerance_mm=1.0),
        measure_surfaces(np.asfortranarray(first), np.asfortranarray(second), spacing, tolerance_mm=1.0),
    ]
    for other in changed:
        assert other == {name: pytest.approx(value, rel=1e-6, abs=1e-7) for name, value in values.items()}
    same = measure_surfaces(first, first.copy(), spacing, tolerance_mm=0.0)
    assert same == {"hd95_mm": 0.0, "assd_mm": 0.0, "nsd": 1.0}
