"""Registration: known motions are found, aligned scans are left alone, and nothing is made worse."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from dawson.prepare.align import align
from dawson.prepare.grid import resample
from dawson.read import read_scan
from dawson.study import Grid, Scan, Sequence

SHAPE = (80, 96, 80)  # of 2 mm


def field(points: np.ndarray) -> np.ndarray:
    """A head of 150 × 180 × 150 mm with folds, without any symmetry: tissue classes 0 to 4 at points (…, 3) in mm."""
    x, y, z = np.moveaxis(points, -1, 0)
    radius = np.sqrt((x / 70) ** 2 + (y / 85) ** 2 + (z / 70) ** 2)
    folds = np.sin(x / 9 + 0.7 * np.sin(y / 14)) * np.sin(y / 11 + 0.5) * np.sin(z / 8 - 0.3 * np.sin(x / 12))
    tissue = np.where(radius < 1.0, 1, 0)
    tissue[radius < 0.93] = 2
    tissue[(radius < 0.88) & (folds > -0.2)] = 3
    tissue[((x - 12) / 14) ** 2 + ((y + 8) / 26) ** 2 + ((z - 6) / 12) ** 2 < 1] = 4
    return tissue


def head(sequence: Sequence, levels: list[float], motion: np.ndarray | None = None, *, seed: int = 0) -> Scan:
    """The head as one sequence shows it, after ``motion`` (4, 4) of the patient."""
    affine = np.diag([-2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = [79, -95, -79]
    grid = Grid(SHAPE, affine)
    index = np.moveaxis(np.indices(SHAPE), 0, -1)
    world = grid.to_world(index)
    if motion is not None:
        back = np.linalg.inv(motion)
        world = world @ back[:3, :3].T + back[:3, 3]
    noise = np.random.default_rng(seed).normal(0, 6, SHAPE)
    return Scan(sequence, (np.array(levels)[field(world)] + noise).clip(0).astype(np.float32), grid)


def motion(degrees: tuple[float, float, float], mm: tuple[float, float, float]) -> np.ndarray:
    turn = sitk.Euler3DTransform((0.0, 0.0, 0.0), *np.deg2rad(degrees).tolist(), mm)
    matrix = np.eye(4)
    matrix[:3, :3] = np.array(turn.GetMatrix()).reshape(3, 3)
    matrix[:3, 3] = mm
    return matrix


FLAIR = [0, 250, 30, 150, 40]
T1 = [0, 400, 60, 220, 90]
INSIDE = np.array([[x, y, z] for x in (-40, 0, 40) for y in (-60, 0, 60) for z in (-40, 0, 40)], dtype=float)


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    difference = found - wanted
    return float(np.median(np.linalg.norm(INSIDE @ difference[:3, :3].T + difference[:3, 3], axis=1)))


@pytest.mark.parametrize(("degrees", "mm"), [((0.0, 0.0, 0.0), (4.0, 0.0, -3.0)), ((6.0, -5.0, 4.0), (-7.0, 8.0, 5.0))])
def test_a_known_motion_is_found(degrees: tuple[float, float, float], mm: tuple[float, float, float]) -> None:
    wanted = motion(degrees, mm)
    found = align(head(Sequence.T1, T1, wanted, seed=1), head(Sequence.FLAIR, FLAIR))
    assert found.method == "rigid, mutual information"
    assert found.similarity_after > found.similarity_before
    assert error(found.matrix, wanted) < 0.5


def test_the_result_brings_the_moving_scan_onto_the_reference() -> None:
    reference, moving = head(Sequence.FLAIR, FLAIR), head(Sequence.T1, T1, motion((3, 2, -4), (5, -6, 4)), seed=1)
    there = resample(
        moving.voxels, moving.grid, reference.grid, transform=align(moving, reference).matrix, interpolation="linear"
    )
    still = head(Sequence.T1, T1, seed=2).voxels
    assert np.corrcoef(there.ravel(), still.ravel())[0, 1] > 0.95


def test_reruns_are_identical_to_the_bit() -> None:
    reference, moving = head(Sequence.FLAIR, FLAIR), head(Sequence.T1, T1, motion((2, 0, 1), (3, 1, 0)), seed=1)
    assert np.array_equal(align(moving, reference).matrix, align(moving, reference).matrix)


def test_scans_on_one_grid_that_lie_on_each_other_are_left_alone() -> None:
    found = align(head(Sequence.T1, T1, seed=1), head(Sequence.FLAIR, FLAIR))
    assert found.method == "identity: same grid"
    assert np.array_equal(found.matrix, np.eye(4))
    assert not found.warnings


def test_the_order_of_axes_does_not_hide_that_the_grid_is_one() -> None:
    moving = head(Sequence.T1, T1, seed=1)
    affine = moving.grid.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = moving.grid.to_world(np.array([SHAPE[0] - 1, 0, 0]))
    turned = replace(moving, voxels=moving.voxels[::-1].copy(), grid=Grid(SHAPE, affine))
    assert align(turned, head(Sequence.FLAIR, FLAIR)).method == "identity: same grid"


def test_one_grid_does_not_prove_alignment() -> None:
    wanted = motion((0, 0, 3), (3, -2, 2))
    found = align(head(Sequence.T1, T1, wanted, seed=1), head(Sequence.FLAIR, FLAIR))
    assert error(found.matrix, wanted) < 0.5


def test_headers_stand_where_registration_finds_nothing() -> None:
    noise = np.random.default_rng(3).random(SHAPE).astype(np.float32) * 100
    noise *= field(head(Sequence.T1, T1).grid.to_world(np.moveaxis(np.indices(SHAPE), 0, -1))) > 0
    found = align(replace(head(Sequence.T1, T1), voxels=noise), head(Sequence.FLAIR, FLAIR))
    moved = np.linalg.norm(INSIDE @ (found.matrix - np.eye(4))[:3, :3].T + found.matrix[:3, 3], axis=1)
    assert found.method == "rigid, mutual information" or np.array_equal(found.matrix, np.eye(4))
    assert moved.max() < 40


def test_scans_far_apart_keep_their_headers_and_warn() -> None:
    moving = head(Sequence.T1, T1, seed=1)
    affine = moving.grid.affine.copy()
    affine[:3, 3] += 500
    found = align(replace(moving, grid=Grid(SHAPE, affine)), head(Sequence.FLAIR, FLAIR))
    assert np.array_equal(found.matrix, np.eye(4))
    assert found.method == "headers kept"
    assert "look whether" in found.warnings[0]


@pytest.fixture(scope="module")
def yardstick() -> ModuleType:
    file = Path(__file__).parents[2] / "benchmarks" / "alignment.py"
    spec = importlib.util.spec_from_file_location("alignment_benchmark", file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.realdata
@pytest.mark.parametrize("number", range(4))
def test_published_transforms_are_met(shared_data: Path, yardstick: ModuleType, number: int) -> None:
    _, scan, flair, wanted, points = list(yardstick.pairs(shared_data / "longitudinal" / "ljubljana-01"))[number]
    assert np.median(yardstick.errors(align(scan, flair).matrix, wanted, points)) <= 1.0
    turned, turn = yardstick.moved(scan, points)
    assert np.median(yardstick.errors(align(turned, flair).matrix, turn @ wanted, points)) <= 1.0


@pytest.mark.realdata
@pytest.mark.parametrize("case", ["ljubljana-26", "mslesseg-P14-T2", "tabriz-104252", "tabriz-105074"])
def test_scans_that_were_aligned_before_stay_in_place(shared_data: Path, case: str) -> None:
    folder = shared_data / "labelled" / case
    found = align(read_scan(folder / "T1.nii.gz", Sequence.T1), read_scan(folder / "FLAIR.nii.gz", Sequence.FLAIR))
    moved = np.linalg.norm(INSIDE @ (found.matrix - np.eye(4))[:3, :3].T + found.matrix[:3, 3], axis=1)
    assert np.median(moved) < 1.0
