"""Geometry that must hold for any scan: random orientations, oblique, anisotropic and sheared lattices."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dawson.core.arrays import bounding_box
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.preparation.head import head_box
from dawson.preparation.resample import bring_back, reorient, resample, working_grid

ORIENTATIONS = [
    np.array(signs)[:, None] * np.eye(3)[list(order)]
    for order in permutations(range(3))
    for signs in product((1, -1), repeat=3)
]


def rotation(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    """About an axis, by the length of the vector in degrees (Rodrigues)."""
    angle = np.deg2rad(np.linalg.norm(degrees))
    if angle < 1e-12:
        return np.eye(3)
    x, y, z = degrees / np.linalg.norm(degrees)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def centred(shape: tuple[int, ...], directions: NDArray[np.float64], centre: NDArray[np.float64]) -> Grid:
    affine = np.eye(4)
    affine[:3, :3] = directions
    affine[:3, 3] = centre - directions @ ((np.array(shape) - 1) / 2)
    return Grid(shape=(shape[0], shape[1], shape[2]), affine=affine)


@st.composite
def grids(draw: st.DrawFn, *, shear: float = 0.0, tilt: float = 40.0, sides: tuple[int, int] = (2, 9)) -> Grid:
    """Any of the 48 orientations, rotated, with unequal spacings and, where asked for, shear."""
    shape = tuple(draw(st.integers(*sides)) for _ in range(3))
    spacing = np.array([draw(st.floats(0.5, 6.0)) for _ in range(3)])
    turn = np.array([draw(st.floats(-tilt / 2, tilt / 2)) for _ in range(3)])
    slant = np.eye(3) + np.triu([[draw(st.floats(-shear, shear)) for _ in range(3)] for _ in range(3)], 1)
    centre = np.array([draw(st.floats(-80, 80)) for _ in range(3)])
    return centred(shape, rotation(turn) @ slant @ draw(st.sampled_from(ORIENTATIONS)) * spacing, centre)


def numbered(grid: Grid) -> NDArray[np.int32]:
    return np.arange(np.prod(grid.shape), dtype=np.int32).reshape(grid.shape)


def every_index(grid: Grid) -> NDArray[np.float64]:
    return np.argwhere(np.ones(grid.shape, dtype=bool)).astype(float)


# --- orientation -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(grids(shear=0.2))
def test_canonical_axes_run_to_right_anterior_superior(grid: Grid) -> None:
    assert grid.canonical().orientation == "RAS"


@pytest.mark.parametrize("directions", ORIENTATIONS)
def test_canonical_of_every_upright_orientation_is_diagonal(directions: NDArray[np.float64]) -> None:
    canonical = centred((3, 4, 5), directions * (0.8, 0.9, 4.0), np.zeros(3)).canonical()
    columns = canonical.affine[:3, :3]
    assert np.allclose(columns, np.diag(np.diag(columns)))
    assert np.diag(columns).min() > 0


@settings(deadline=None, max_examples=40)
@given(grids(shear=0.2))
def test_reorient_keeps_every_voxel_in_its_place(grid: Grid) -> None:
    canonical = grid.canonical()
    voxels = numbered(grid)
    turned = reorient(voxels, grid, canonical)
    assert np.shares_memory(turned, voxels)
    index = np.rint(grid.to_index(canonical.to_world(every_index(canonical)))).astype(int)
    assert np.array_equal(turned.ravel(), voxels[tuple(index.T)])
    assert np.array_equal(reorient(turned, canonical, grid), voxels)


def test_reorient_refuses_another_lattice() -> None:
    grid = centred((4, 5, 6), np.eye(3), np.zeros(3))
    shifted = centred((4, 5, 6), np.eye(3), np.array([0.0, 0.5, 0.0]))
    skewed = centred((4, 5, 6), rotation(np.array([0, 0, 45.0])), np.zeros(3))
    for other in (shifted, skewed, centred((4, 5, 7), np.eye(3), np.zeros(3))):
        with pytest.raises(InputError, match="not orientations of one lattice"):
            reorient(numbered(grid), grid, other)


def test_arrays_must_lie_on_their_grid() -> None:
    grid = centred((4, 5, 6), np.eye(3), np.zeros(3))
    for misuse in (
        lambda a: reorient(a, grid, grid),
        lambda a: resample(a, grid, grid, interpolation="linear"),
    ):
        with pytest.raises(InputError, match=r"\(6, 5, 4\)"):
            misuse(np.zeros((6, 5, 4), dtype=np.float32))


# --- the working lattice -----------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(grids(), st.floats(0.7, 3.0), st.floats(0, 10))
def test_working_grid_covers_the_scan_along_its_own_axes(grid: Grid, spacing: float, margin: float) -> None:
    work = working_grid(grid, spacing=spacing, margin_mm=margin)
    assert np.allclose(work.spacing, spacing)
    canonical = grid.canonical()
    axes = work.affine[:3, :3] / spacing
    assert np.allclose(axes, canonical.affine[:3, :3] / canonical.spacing)  # parallel: slices stay slices
    faces = np.array(list(product(*[(-0.5, n - 0.5) for n in grid.shape])))
    index = work.to_index(grid.to_world(faces))
    need = margin / spacing - 1e-3
    before, behind = index.min(axis=0) + 0.5, np.array(work.shape) - 0.5 - index.max(axis=0)
    assert (before >= need).all()
    assert (behind >= need).all()
    assert (before + behind <= 2 * margin / spacing + 1).all()  # and nothing to waste


@settings(deadline=None, max_examples=40)
@given(grids(shear=0.15))
def test_working_grid_of_a_sheared_scan_is_isotropic_and_covers_it(grid: Grid) -> None:
    work = working_grid(grid, spacing=1.0)
    assert np.allclose(work.affine[:3, :3].T @ work.affine[:3, :3], np.eye(3))
    faces = np.array(list(product(*[(-0.5, n - 0.5) for n in grid.shape])))
    index = work.to_index(grid.to_world(faces))
    assert index.min() >= -0.5 - 1e-3
    assert (index.max(axis=0) <= np.array(work.shape) - 0.5 + 1e-3).all()


def test_working_grid_keeps_voxel_centres_where_it_can() -> None:
    grid = centred((10, 11, 12), ORIENTATIONS[29], np.array([3.0, -2.0, 7.0]))
    work = working_grid(grid, spacing=1.0, margin_mm=2.0)
    assert sorted(work.shape) == [14, 15, 16]
    offsets = work.to_index(grid.to_world(every_index(grid)))
    assert np.allclose(offsets, np.rint(offsets))
    mask = numbered(grid) % 7 == 0
    there = resample(mask, grid, work, interpolation="nearest")
    assert np.array_equal(resample(there, work, grid, interpolation="nearest"), mask)


def test_working_grid_of_a_box_is_the_box() -> None:
    grid = centred((40, 30, 20), np.diag([-1.0, 1.0, 3.0]), np.zeros(3))
    work = working_grid(grid, spacing=1.0, box=(np.array([10, 5, 2]), np.array([20, 25, 8])))
    assert work.shape == (10, 20, 18)
    middle = grid.to_world(np.array([14.5, 14.5, 4.5]))
    assert np.allclose(work.to_world((np.array(work.shape) - 1) / 2), middle)


def test_a_bounding_box_and_its_margin_stay_within_the_array() -> None:
    mask, other = np.zeros((9, 8, 7), dtype=bool), np.zeros((9, 8, 7), dtype=bool)
    mask[4, 0, 3], other[6, 2, 6] = True, True
    assert bounding_box(mask, other) == np.s_[4:7, 0:3, 3:7]
    assert bounding_box(mask, other, margin=2) == np.s_[2:9, 0:5, 1:7]
    assert bounding_box(np.zeros_like(mask), margin=2) == np.s_[0:0, 0:0, 0:0]


# --- resampling --------------------------------------------------------------------------------------


def trilinear(voxels: NDArray[Any], index: NDArray[np.float64], outside: float) -> NDArray[np.float64]:
    """The definition, one corner at a time: edges carried on for half a voxel, ``outside`` beyond."""
    last = np.array(voxels.shape) - 1
    near = np.clip(index, 0, last)
    base = np.minimum(np.floor(near).astype(int), np.maximum(last - 1, 0))
    value = np.zeros(len(index))
    for corner in product((0, 1), repeat=3):
        weight = np.prod(np.where(corner, near - base, 1 - (near - base)), axis=1)
        value += weight * voxels[tuple(np.minimum(base + corner, last).T)]
    return np.where(((index >= -0.5) & (index < last + 0.5)).all(axis=1), value, outside)


@settings(deadline=None, max_examples=40)
@given(grids(shear=0.3), grids(shear=0.3), st.integers(0, 2**32 - 1))
def test_resample_is_trilinear_interpolation_for_any_affine(source: Grid, target: Grid, seed: int) -> None:
    rng = np.random.default_rng(seed)
    voxels = rng.normal(size=source.shape).astype(np.float32)
    between = np.eye(4)
    between[:3, :3] = rotation(rng.normal(0, 10, 3))
    between[:3, 3] = source.to_world((np.array(source.shape) - 1) / 2) - between[:3, :3] @ target.to_world(
        (np.array(target.shape) - 1) / 2
    )
    index = source.to_index(target.to_world(every_index(target)) @ between[:3, :3].T + between[:3, 3])
    got = resample(voxels, source, target, transform=between, interpolation="linear", outside=-9.0)
    expected = trilinear(voxels, index, -9.0)
    on_face = (np.abs(np.abs(index - (np.array(source.shape) - 1) / 2) - np.array(source.shape) / 2) < 1e-6).any(
        axis=1
    )  # in or out is a matter of rounding there
    assert got.dtype == np.float32
    assert np.abs(got.ravel() - expected)[~on_face].max(initial=0) < 1e-4


@settings(deadline=None, max_examples=25)
@given(grids(shear=0.3), st.sampled_from([np.bool_, np.uint8, np.int16, np.int32, np.float32]))
def test_resample_to_the_same_grid_changes_nothing(grid: Grid, dtype: type) -> None:
    voxels = (numbered(grid) % 200).astype(dtype)
    same = resample(voxels, grid, grid, interpolation="nearest")
    assert same.dtype == voxels.dtype
    assert np.array_equal(same, voxels)
    assert np.allclose(resample(voxels, grid, grid, interpolation="linear"), voxels, atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(grids(shear=0.3))
def test_resample_to_the_canonical_grid_is_reorient(grid: Grid) -> None:
    voxels = numbered(grid).astype(np.float32)
    canonical = grid.canonical()
    turned = resample(voxels, grid, canonical, interpolation="nearest")
    assert np.array_equal(turned, reorient(voxels, grid, canonical))


def test_half_a_voxel_beyond_the_edge_is_carried_on_and_no_more() -> None:
    source = centred((2, 2, 2), np.eye(3), np.full(3, 0.5))  # voxel centres at 0 and 1
    voxels = np.full(source.shape, 5.0, dtype=np.float32)
    for x, expected in ((-0.51, -1.0), (-0.49, 5.0), (1.49, 5.0), (1.51, -1.0)):
        probe = centred((1, 1, 1), np.eye(3), np.array([x, 0.0, 0.0]))
        assert resample(voxels, source, probe, interpolation="linear", outside=-1.0).item() == expected


def test_masks_become_coverage_when_interpolated() -> None:
    source = centred((2, 1, 1), np.eye(3), np.array([0.5, 0.0, 0.0]))
    probe = centred((1, 1, 1), np.eye(3), np.array([0.25, 0.0, 0.0]))
    half = resample(np.array([True, False]).reshape(2, 1, 1), source, probe, interpolation="linear")
    assert half.item() == pytest.approx(0.75)


@settings(deadline=None, max_examples=20)
@given(grids(shear=0.05, sides=(20, 24)), st.floats(0.8, 1.5), st.integers(0, 2**32 - 1))
def test_a_mask_prepared_and_brought_back_is_the_same_mask(grid: Grid, finest: float, seed: int) -> None:
    """The bound: only voxels within one diagonal of the coarser lattice's voxel of the surface may change."""
    rng = np.random.default_rng(seed)
    spacing = finest * min(grid.spacing)
    diagonal = float(np.linalg.norm([max(s, spacing) for s in grid.spacing]))
    reach = (min(n * s for n, s in zip(grid.shape, grid.spacing, strict=True))) / 2
    radius = reach * rng.uniform(0.4, 0.7)
    centre = grid.to_world((np.array(grid.shape) - 1) / 2 + rng.uniform(-1, 1, 3))
    distance = np.linalg.norm(grid.to_world(every_index(grid)) - centre, axis=1).reshape(grid.shape) - radius
    mask = distance < 0

    lo, hi = np.argwhere(mask).min(axis=0) - 2, np.argwhere(mask).max(axis=0) + 3
    work = working_grid(grid, spacing=spacing, box=(np.maximum(lo, 0), np.minimum(hi, grid.shape)))
    prepared = resample(mask, grid, work, interpolation="linear")
    back = resample(prepared, work, grid, interpolation="linear") >= 0.5
    assert np.abs(distance[back != mask]).max(initial=0) <= diagonal

    def centroid(weights: NDArray[Any], on: Grid) -> NDArray[np.float64]:
        return np.average(on.to_world(every_index(on)), axis=0, weights=weights.ravel())

    home = centroid(mask, grid)
    assert np.linalg.norm(centroid(prepared, work) - home) < 0.1 * diagonal
    assert np.linalg.norm(centroid(back, grid) - home) < 0.1 * diagonal


# --- finding the head --------------------------------------------------------------------------------


def ellipsoid(grid: Grid, centre: tuple[float, ...], radii: tuple[float, ...]) -> NDArray[np.bool_]:
    world = grid.to_world(every_index(grid)) - np.array(centre)
    return (np.square(world / np.array(radii)).sum(axis=1) < 1).reshape(grid.shape)


def scanner(shape: tuple[int, int, int], *, orientation: int, spacing: tuple[float, ...]) -> Grid:
    return centred(shape, rotation(np.array([6.0, -4.0, 3.0])) @ ORIENTATIONS[orientation] * spacing, np.zeros(3))


@pytest.mark.parametrize("orientation", [0, 11, 29, 42])
def test_head_box_of_a_stripped_brain_holds_the_brain_tightly(orientation: int) -> None:
    grid = scanner((64, 66, 62), orientation=orientation, spacing=(3.0, 3.0, 3.0))
    rng = np.random.default_rng(3)
    brain = ellipsoid(grid, (5, -10, 8), (66, 82, 62))
    voxels = np.where(brain, rng.normal(100, 15, grid.shape), rng.normal(-1, 2, grid.shape)).astype(np.float32)
    lo, hi = head_box(voxels, grid)
    where = np.argwhere(brain)
    assert (lo <= where.min(axis=0)).all()
    assert (hi > where.max(axis=0)).all()
    assert ((where.min(axis=0) - lo) * 3 <= 12).all()
    assert ((hi - 1 - where.max(axis=0)) * 3 <= 12).all()


def test_head_box_of_a_thick_sliced_noisy_head_with_bright_fat_holds_the_head() -> None:
    grid = scanner((120, 120, 22), orientation=7, spacing=(2.0, 2.0, 6.5))
    rng = np.random.default_rng(4)
    skin, brain = ellipsoid(grid, (0, 0, 0), (80, 100, 75)), ellipsoid(grid, (0, 5, 0), (66, 82, 60))
    clean = np.where(brain, 300.0, np.where(skin, 900.0, 0.0))
    noise = rng.normal(0, 60, (2, *grid.shape))
    voxels = np.hypot(clean + noise[0], noise[1]).astype(np.float32)  # air noise is Rician, never zero
    lo, hi = head_box(voxels, grid)
    where = np.argwhere(skin)
    assert (lo <= where.min(axis=0)).all()
    assert (hi > where.max(axis=0)).all()
    assert np.prod(hi - lo) < 0.75 * voxels.size


@pytest.mark.parametrize("orientation", [0, 19, 46])
def test_head_box_leaves_the_neck_out_and_keeps_the_brain(orientation: int) -> None:
    shape = tuple(np.abs(ORIENTATIONS[orientation].T @ (55, 60, 82)).astype(int).tolist())
    grid = scanner(shape, orientation=orientation, spacing=(4.0, 4.0, 4.0))
    brain = ellipsoid(grid, (0, 5, 80), (66, 82, 62))
    head = ellipsoid(grid, (0, 0, 60), (80, 100, 95)) | ellipsoid(grid, (0, -10, -100), (60, 60, 150))
    voxels = (np.where(brain, 200.0, np.where(head, 400.0, 0.0)) + 5.0).astype(np.float32)
    lo, hi = head_box(voxels, grid)
    inside = np.zeros(grid.shape, dtype=bool)
    inside[tuple(slice(a, b) for a, b in zip(lo, hi, strict=True))] = True
    assert inside[brain].all()
    superior = int(np.abs(grid.affine[2, :3]).argmax())
    assert (hi - lo)[superior] * 4.0 <= 234
    assert np.ptp(np.argwhere(head)[:, superior]) * 4.0 > 260  # there was a neck to cut


def test_head_box_of_an_even_image_is_everything() -> None:
    grid = centred((12, 10, 8), np.eye(3), np.zeros(3))
    lo, hi = head_box(np.full(grid.shape, 7.0, dtype=np.float32), grid)
    assert lo.tolist() == [0, 0, 0]
    assert hi.tolist() == [12, 10, 8]


def peaked(value: float, around: float) -> tuple[NDArray[np.float32], Grid]:
    """A blob of 4 voxels a side, with one surer voxel in it."""
    probability = np.zeros((16, 16, 16), np.float32)
    probability[6:10, 6:10, 6:10] = around
    probability[7, 8, 7] = value
    return probability, Grid((16, 16, 16), np.eye(4))


@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5, (0.5, 0.5, 0.0), (0.4, 0.1, 0.3)])
@pytest.mark.parametrize("voxel", [0.5, 1.0, (0.9, 0.9, 1.2)])
def test_no_lattice_loses_a_peak_and_none_gains_lesion(offset: float, voxel: float) -> None:
    probability, source = peaked(0.9, 0.45)
    affine = np.eye(4)
    affine[:3, :3] *= voxel
    affine[:3, 3] = np.ones(3) * 3 + offset
    target = Grid((18, 18, 18), affine)
    brought = bring_back(probability, source, target, threshold=0.3, peak=0.7)
    plain = resample(probability, source, target, interpolation="linear")
    assert np.array_equal(brought >= 0.3, plain >= 0.3)
    assert brought.max() == pytest.approx(0.9)
    assert np.count_nonzero(brought != plain) <= 1


def test_on_its_own_lattice_nothing_changes() -> None:
    probability, grid = peaked(0.9, 0.45)
    assert np.array_equal(bring_back(probability, grid, grid, threshold=0.3, peak=0.7), probability)


def test_a_peak_between_two_slices_far_apart_is_in_neither() -> None:
    probability, source = peaked(0.9, 0.45)
    probability[6:10, 6:10, 2:13] = np.maximum(probability[6:10, 6:10, 2:13], 0.45)
    affine = np.diag([1.0, 1.0, 6.0, 1.0])
    affine[2, 3] = 4.0  # slices at 4 and 10: the peak, at 7, is 3 mm from both
    brought = bring_back(probability, source, Grid((16, 16, 2), affine), threshold=0.3, peak=0.7)
    assert np.count_nonzero(brought >= 0.3) == 32
    assert brought.max() < 0.7


@pytest.mark.parametrize("seed", range(6))
def test_rounding_in_headers_decides_nothing(seed: int) -> None:
    """Slices of 3 mm on a working lattice of 1 mm: every third plane is a slice, its neighbours just a voxel away."""
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * [1.0, 1.0, 3.0], rng.uniform(-90, 90, 3)
    target = Grid((12, 12, 6), affine.astype(np.float32).astype(np.float64))
    source = working_grid(target, spacing=1.0)
    probability = np.full(source.shape, 0.45, np.float32)
    probability[::2, ::3] = 0.9
    brought = bring_back(probability, source, target, threshold=0.3, peak=0.7)
    assert np.allclose(brought, resample(probability, source, target, interpolation="linear"), atol=1e-3)


def test_without_a_rule_for_peaks_nothing_is_raised() -> None:
    probability, source = peaked(0.9, 0.45)
    affine = np.eye(4)
    affine[:3, 3] = 0.5
    target = Grid((15, 15, 15), affine)
    brought = bring_back(probability, source, target, threshold=0.5, peak=0.0)
    assert np.array_equal(brought, resample(probability, source, target, interpolation="linear"))


def test_a_peak_that_borders_cut_off_makes_no_lesion() -> None:
    """Alone among zeros, half a voxel off: what interpolation leaves is below the threshold and stays so."""
    probability, source = peaked(0.9, 0.0)
    affine = np.eye(4)
    affine[:3, 3] = 0.5
    brought = bring_back(probability, source, Grid((15, 15, 15), affine), threshold=0.3, peak=0.7)
    assert brought.max() < 0.3
