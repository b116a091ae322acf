"""Lattices cropped, padded and turned: no voxel leaves its place in the world."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from dawson.core.grid import Grid


@st.composite
def grids(draw: st.DrawFn) -> Grid:
    """Any orientation, turned, with unequal spacings."""
    shape = tuple(draw(st.integers(1, 9)) for _ in range(3))
    signs = np.array([draw(st.sampled_from((-1, 1))) for _ in range(3)])
    axes = np.eye(3)[draw(st.permutations(range(3)))] * signs[:, None]
    turn = Rotation.from_rotvec([draw(st.floats(-20, 20)) for _ in range(3)], degrees=True).as_matrix()
    affine = np.eye(4)
    affine[:3, :3] = turn @ axes * [draw(st.floats(0.5, 6.0)) for _ in range(3)]
    affine[:3, 3] = [draw(st.floats(-90, 90)) for _ in range(3)]
    return Grid((shape[0], shape[1], shape[2]), affine)


def places(grid: Grid) -> np.ndarray:
    """World coordinates (i, j, k, 3) of all voxels."""
    return grid.to_world(np.moveaxis(np.indices(grid.shape), 0, -1).astype(float))


@given(grids(), st.data())
def test_a_crop_holds_the_voxels_that_its_slices_take_from_an_array(grid: Grid, data: st.DataObject) -> None:
    ends = st.one_of(st.none(), st.integers(-10, 10))
    box = tuple(slice(data.draw(ends), data.draw(ends)) for _ in range(3))
    world = places(grid)[box]
    cropped = grid.crop(box)
    assert cropped.shape == world.shape[:3]
    assert np.allclose(places(cropped), world, atol=1e-9)
    assert cropped.spacing == grid.spacing


@given(grids(), st.tuples(*[st.tuples(st.integers(0, 4), st.integers(0, 4))] * 3))
def test_what_is_padded_crops_back(grid: Grid, widths: tuple[tuple[int, int], ...]) -> None:
    padded = grid.pad(widths)
    assert padded.shape == np.pad(np.zeros(grid.shape), widths).shape
    back = padded.crop([slice(before, before + n) for (before, _), n in zip(widths, grid.shape, strict=True)])
    assert back.same_as(grid, tolerance=1e-9)


@given(grids())
def test_canonical_holds_the_same_voxels_along_right_anterior_superior(grid: Grid) -> None:
    turned = grid.canonical()
    assert turned.orientation == "RAS"
    assert sorted(turned.shape) == sorted(grid.shape)
    # Every voxel of the one is a voxel of the other, and none is left.
    index = np.rint(turned.to_index(places(grid))).reshape(-1, 3)
    assert np.allclose(turned.to_world(index), places(grid).reshape(-1, 3), atol=1e-9)
    assert len(np.unique(index, axis=0)) == np.prod(turned.shape)
    assert turned.canonical().same_as(turned)


def test_a_crop_that_would_leave_out_voxels_is_refused() -> None:
    with pytest.raises(ValueError, match="steps of 1"):
        Grid((4, 4, 4), np.eye(4)).crop((slice(0, 4, 2), slice(None), slice(None)))
