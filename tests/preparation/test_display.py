"""Scans for pictures: on the reference's grid, where alignment puts them, in the window that is told."""

from __future__ import annotations

import numpy as np
import pytest

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan, Study
from dawson.preparation.display import show, windowed


def scan(modality, voxels, affine=None):
    affine = np.eye(4) if affine is None else affine
    return Scan(modality, voxels.astype(np.float32), Grid(shape=voxels.shape, affine=affine))


def test_a_moved_and_mirrored_scan_comes_to_the_reference():
    voxels = np.zeros((12, 10, 8))
    voxels[3:9, 2:8, 2:6] = 100
    voxels[4, 3, 3] = 50
    mirrored = np.diag([-1.0, 1.0, 1.0, 1.0])
    mirrored[0, 3] = 11 + 2  # and 2 mm farther right
    moved = np.eye(4)
    moved[0, 3] = 2.0
    flair, t1 = scan(Modality.FLAIR, voxels), scan(Modality.T1, voxels[::-1], mirrored)
    study = Study({Modality.FLAIR: flair, Modality.T1: t1})
    shown = show(study, study.modalities, {Modality.T1: moved}, voxels > 0)
    assert list(shown) == [Modality.FLAIR, Modality.T1]
    assert np.array_equal(shown[Modality.T1], shown[Modality.FLAIR])
    assert shown[Modality.FLAIR].dtype == np.uint8


def test_the_reference_is_shown_though_it_was_not_used():
    voxels = np.random.default_rng(0).random((6, 6, 6))
    study = Study({s: scan(s, voxels) for s in (Modality.FLAIR, Modality.T1, Modality.T2)})
    shown = show(study, (Modality.T2,), {}, np.ones(voxels.shape, bool))
    assert list(shown) == [Modality.FLAIR, Modality.T2]


@pytest.mark.parametrize("offset", [0.0, -60.0])
def test_the_window(offset):
    brain = np.zeros((20, 20, 20), bool)
    brain[5:15, 5:15, 5:15] = True
    voxels = np.where(brain, np.random.default_rng(1).uniform(40, 100, brain.shape), 5000).astype(np.float32)
    voxels[0] = 0  # scalp is white, air black, whatever they are
    grey = windowed(voxels + np.float32(offset), brain)
    assert grey.min() == 0
    assert grey.max() == 255
    assert 210 < grey[brain].max() < 232  # 255 / 1.15
    assert grey[0].max() == 0
    assert np.all(np.diff(grey[brain][np.argsort(voxels[brain])].astype(int)) >= 0)


def test_an_empty_brain_and_a_flat_scan_do_no_harm():
    assert windowed(np.ones((4, 4, 4), np.float32), np.zeros((4, 4, 4), bool)).dtype == np.uint8
