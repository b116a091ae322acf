"""Registration: known motions are found, aligned scans are left alone, and nothing is made worse."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import SimpleITK as sitk

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan
from dawson.nifti.scan import read_scan
from dawson.preparation.register import Alignment, align
from dawson.preparation.resample import resample

room = sys.modules["dawson.preparation.register"]  # the module, whatever the package lets "align" mean
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


def head(modality: Modality, levels: list[float], motion: np.ndarray | None = None, *, seed: int = 0) -> Scan:
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
    return Scan(modality, (np.array(levels)[field(world)] + noise).clip(0).astype(np.float32), grid)


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


def test_a_small_motion_on_one_grid_is_found() -> None:
    """One grid does not prove that the patient lay still."""
    wanted = motion((0, 0, 2), (2, 0, -1))
    found = align(head(Modality.T1, T1, wanted, seed=1), head(Modality.FLAIR, FLAIR))
    assert found.method == "rigid, mutual information"
    assert error(found.matrix, wanted) < 0.5
    assert not found.warnings


def test_a_large_motion_is_found_undone_and_remarked_on_twice_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = motion((6, -5, 4), (-7, 8, 5))
    reference, moving = head(Modality.FLAIR, FLAIR), head(Modality.T1, T1, wanted, seed=1)
    runs = []
    for threads in ("1", "4"):
        monkeypatch.setenv("DAWSON_THREADS", threads)
        runs.append(align(moving, reference))
    found, again = runs
    assert np.array_equal(found.matrix, again.matrix)  # reruns are identical to the bit, on any number of cores
    assert found.similarity_after == again.similarity_after > found.similarity_before
    assert error(found.matrix, wanted) < 0.5
    assert "look whether" in found.warnings[0]
    there = resample(moving.voxels, moving.grid, reference.grid, transform=found.matrix, interpolation="linear")
    still = head(Modality.T1, T1, seed=2).voxels
    assert np.corrcoef(there.ravel(), still.ravel())[0, 1] > 0.95


def test_scans_on_one_grid_that_lie_on_each_other_are_left_alone() -> None:
    found = align(head(Modality.T1, T1, seed=1), head(Modality.FLAIR, FLAIR))
    assert found.method == "identity: same grid"
    assert np.array_equal(found.matrix, np.eye(4))
    assert not found.warnings


def test_the_order_of_axes_does_not_hide_that_the_grid_is_one() -> None:
    moving = head(Modality.T1, T1, seed=1)
    affine = moving.grid.affine @ np.diag([-1.0, 1.0, 1.0, 1.0])
    affine[:3, 3] = moving.grid.to_world(np.array([SHAPE[0] - 1, 0, 0]))
    turned = replace(moving, voxels=moving.voxels[::-1].copy(), grid=Grid(SHAPE, affine))
    assert align(turned, head(Modality.FLAIR, FLAIR)).method == "identity: same grid"


def test_a_scan_of_thick_oblique_slices_on_another_grid_is_brought_back() -> None:
    """Slices of 6 mm, turned by 12 degrees against the reference, ending within the head: nothing to do but that."""
    still, wanted = head(Modality.T1, T1, seed=1), motion((3, -4, 2), (5, -4, 6))
    turned = motion((12, 3, 0), (4, 6, 8)) @ np.diag([1.5, -1.5, 6.0, 1.0])
    turned[:3, 3] = (motion((12, 3, 0), (4, 6, 8)) @ np.array([-75.0, 90.0, -57.0, 1.0]))[:3]
    slices = Grid((100, 120, 20), turned)
    voxels = resample(still.voxels, still.grid, slices, interpolation="linear")
    moving = Scan(Modality.T1, voxels, Grid(slices.shape, wanted @ turned))
    found = align(moving, head(Modality.FLAIR, FLAIR))
    assert found.method == "rigid, mutual information"
    assert error(found.matrix, wanted) < 0.5


@pytest.mark.parametrize("stripped", ["moving", "reference"])
def test_a_skull_in_only_one_of_the_two_does_not_mislead(stripped: str) -> None:
    wanted = motion((3, -4, 2), (5, -4, 6))
    bare = [0, 0, 0]  # neither scalp nor skull
    moving = head(Modality.T1, bare + T1[3:] if stripped == "moving" else T1, wanted, seed=1)
    reference = head(Modality.FLAIR, bare + FLAIR[3:] if stripped == "reference" else FLAIR)
    assert error(align(moving, reference).matrix, wanted) < 0.5


@pytest.mark.parametrize(
    ("proposed", "reason"),
    [((0, 0, 0, 30, 30, 0), "implausible motion of 42.4 mm"), ((0, 30, 0, 0, 0, 0), "30.0 degrees")],
)
def test_an_implausible_motion_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, proposed: tuple[float, ...], reason: str
) -> None:
    monkeypatch.setattr(room, "_search", lambda *_: np.zeros(6))
    monkeypatch.setattr(room, "_climb", lambda *_: np.array(proposed, dtype=float))
    _headers_stand(align(head(Modality.T1, T1, motion((0, 0, 0), (5, 0, 0))), head(Modality.FLAIR, FLAIR)), reason)


def test_a_motion_that_makes_it_worse_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_search", lambda *_: np.zeros(6))
    monkeypatch.setattr(room, "_climb", lambda *_: np.array([0.0, 0.0, 0.0, 9.0, 0.0, 0.0]))
    _headers_stand(
        align(head(Modality.T1, T1, motion((0, 0, 0), (-2, 0, 0))), head(Modality.FLAIR, FLAIR)), "does not improve"
    )


def _headers_stand(found: Alignment, reason: str) -> None:
    assert found.method == "headers kept"
    assert np.array_equal(found.matrix, np.eye(4))
    assert found.similarity_after == found.similarity_before
    assert reason in found.warnings[0]


def test_headers_that_agree_within_half_a_voxel_are_not_touched() -> None:
    moving = head(Modality.T1, T1, seed=1)
    trimmed = replace(moving, voxels=moving.voxels[:-1], grid=Grid((79, 96, 80), moving.grid.affine))
    found = align(trimmed, head(Modality.FLAIR, FLAIR))
    assert found.method == "headers agree"
    assert np.array_equal(found.matrix, np.eye(4))
    assert not found.warnings


def test_scans_far_apart_keep_their_headers_and_warn() -> None:
    moving = head(Modality.T1, T1, seed=1)
    affine = moving.grid.affine.copy()
    affine[:3, 3] += 500
    found = align(replace(moving, grid=Grid(SHAPE, affine)), head(Modality.FLAIR, FLAIR))
    assert np.array_equal(found.matrix, np.eye(4))
    assert found.method == "headers kept"
    assert "look whether" in found.warnings[0]


@pytest.fixture(scope="module")
def yardstick() -> ModuleType:
    return importlib.import_module("tools.studies.alignment")


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
    found = align(read_scan(folder / "T1.nii.gz", Modality.T1), read_scan(folder / "FLAIR.nii.gz", Modality.FLAIR))
    moved = np.linalg.norm(INSIDE @ (found.matrix - np.eye(4))[:3, :3].T + found.matrix[:3, 3], axis=1)
    assert np.median(moved) < 1.0
