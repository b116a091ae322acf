"""Side and place of lesions in an egg-shaped brain, wherever it lies and however it is stored."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.core.grid import Grid
from dawson.measurement.brain_frame import Midplane, find_frame
from dawson.measurement.position import describe_position

HALF = np.array([65.0, 80.0, 60.0])  # half the brain's width, length and height in mm


def turn_about_z(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]])


def turn_about_y(degrees):
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def lattice(spacing=(2.0, 2.0, 3.0), signs=(1, 1, 1), turn=None):
    """A grid of 220 mm a side around the world's origin."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(np.multiply(spacing, signs))
    shape = tuple(int(220 // step) for step in spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return Grid(shape=shape, affine=affine)


def brain_on(grid, *, centre=(0, 0, 0), turn=None):
    world = grid.to_world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1))
    own = (world - centre) @ (np.eye(3) if turn is None else turn)
    brain = (((own / HALF) ** 2).sum(axis=-1) < 1) & ~((own[..., 2] < -20) & (own[..., 1] > 30))
    ventricles = (np.abs(np.abs(own) - (14, 10, 12)) / (8, 26, 9)).max(axis=-1) < 1
    labels = np.where(ventricles, 1, np.where(((own / HALF) ** 2).sum(axis=-1) < 0.8, 5, 3))
    return (brain * labels).astype(np.uint8)


def at(grid, *places):
    return np.rint(grid.to_index(np.array(places, dtype=float))).astype(int)


@pytest.mark.parametrize("spacing", [(2, 2, 3), (0.9, 0.9, 6.5), (5, 1.5, 1.5)])
@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, 1, 1), (-1, -1, 1)])
def test_left_is_left_in_every_order_of_storage(spacing, signs):
    grid = lattice(spacing, signs)
    frame = find_frame(brain_on(grid, centre=(9, -4, 3)), grid)
    assert describe_position(at(grid, (-21, -4, 3)), grid, frame)[0] == "left"
    assert describe_position(at(grid, (39, -4, 3)), grid, frame)[0] == "right"
    assert describe_position(at(grid, (9, -4, 3)), grid, frame)[0] == "midline"


@pytest.mark.parametrize("tilt", [turn_about_z(8), turn_about_y(-8)])
@pytest.mark.parametrize("grid", [lattice(), lattice((0.9, 0.9, 6.5)), lattice(turn=turn_about_y(10))])
def test_the_plane_follows_a_tilted_head(tilt, grid):
    frame = find_frame(brain_on(grid, centre=(5, 0, 0), turn=tilt), grid)
    normal = np.array([1, -frame.plane.b, -frame.plane.c])
    normal /= np.linalg.norm(normal)
    assert np.rad2deg(np.arccos(normal @ tilt[:, 0])) < 2
    assert abs(frame.plane.distance(np.array([5.0, 0, 0]))) < 1


def test_words():
    grid = lattice()
    frame = find_frame(brain_on(grid), grid)
    assert describe_position(at(grid, (-30, 50, 40)), grid, frame) == ("left", "left, anterior third, upper third")
    assert describe_position(at(grid, (30, -50, -40)), grid, frame) == ("right", "right, posterior third, lower third")
    assert describe_position(at(grid, (0, 0, 0)), grid, frame) == ("midline", "midline, central third, middle height")


def test_near_the_middle_and_across_it():
    grid = lattice((1.0, 2.0, 3.0))
    frame = find_frame(brain_on(grid), grid)

    def side(*x):
        return describe_position(at(grid, *[(place, 0, 0) for place in x]), grid, frame)[0]

    assert side(2.0) == "midline"
    assert side(-4.5) == "left"
    assert side(4.5) == "right"
    assert side(*range(-8, 30)) == "midline"  # both sides of it
    assert side(*range(-4, 60)) == "right"  # hardly reaches over


def test_far_outside_of_the_brain_is_still_told():
    grid = lattice()
    frame = find_frame(brain_on(grid), grid)
    assert describe_position(at(grid, (100, 100, 100)), grid, frame)[1] == "right, anterior third, upper third"


def test_one_bulging_gyrus_does_not_move_the_middle():
    grid = lattice()
    brain = brain_on(grid)
    world = grid.to_world(np.argwhere(np.ones(grid.shape, bool)).astype(float)).reshape(*grid.shape, 3)
    brain[np.abs(world - (72, 0, 0)).max(axis=-1) < 9] = 3
    assert abs(find_frame(brain, grid).plane.distance(np.zeros(3))) < 0.5


def test_no_brain_no_frame():
    grid = lattice()
    assert find_frame(np.zeros(grid.shape, np.uint8), grid) is None


def test_distance_is_perpendicular():
    plane = Midplane(a=1.0, b=0.75, c=0.0)
    assert plane.distance(np.array([[1.0, 0, 0], [3.5, 0, 0]])) == pytest.approx([0.0, 2.0])
