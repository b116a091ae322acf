"""Windows cover every voxel once in sum, whoever computes them."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.model.windows import argmax_anatomy, run_windows, window_starts
from dawson.synthesis.tissues import Anatomy

OUTPUTS = 1 + len(Anatomy)


@given(st.integers(1, 300), st.integers(8, 96), st.floats(0, 0.8))
def test_windows_reach_from_end_to_end_without_gaps(length: int, window: int, overlap: float) -> None:
    starts = window_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(length - window, 0)
    assert all(b - a <= max(window * (1 - overlap), 1) + 1 for a, b in itertools.pairwise(starts))


@settings(max_examples=25, deadline=None)
@given(st.tuples(*[st.integers(3, 40)] * 3), st.floats(0, 0.7))
def test_blending_gives_back_what_every_window_agrees_on(shape: tuple[int, int, int], overlap: float) -> None:
    images = np.random.default_rng(0).random((3, *shape), dtype=np.float32) + 0.1

    def infer(part: np.ndarray) -> np.ndarray:
        return np.repeat(part[:1], OUTPUTS, axis=0)

    scores, _ = run_windows(infer, images, window=16, overlap=overlap, outputs=OUTPUTS)
    assert scores.shape == (OUTPUTS, *shape)
    assert np.allclose(scores[4], images[0], atol=1e-4)


def test_windows_side_by_side_give_the_same_and_stop_where_one_fails() -> None:
    images = np.random.default_rng(0).random((3, 40, 30, 20), dtype=np.float32)
    calls = []

    def infer(part: np.ndarray) -> np.ndarray:
        calls.append(1)
        time.sleep(0.01 * (len(calls) % 3))  # in another order than they began
        scores = np.repeat(part[:1] ** 2, OUTPUTS, axis=0)
        scores[1 + int(1000 * part.sum()) % (OUTPUTS - 1)] = 2.0  # a class for each window
        return scores

    settings = {"window": 16, "overlap": 0.25, "outputs": OUTPUTS, "classes": np.ones(OUTPUTS - 1)}
    one, two = (run_windows(infer, images, **settings, at_once=n) for n in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert len(np.unique(one[1])) > 2

    def fail(part: np.ndarray) -> np.ndarray:
        calls.append(1)
        time.sleep(0.05)
        raise MemoryError

    calls.clear()
    with pytest.raises(MemoryError):
        run_windows(fail, images, **settings, at_once=2)
    assert len(calls) < 5  # of 18


def test_windows_without_anything_wanted_are_skipped() -> None:
    images = np.ones((3, 32, 16, 16), dtype=np.float32)
    wanted = np.zeros((32, 16, 16), dtype=bool)
    wanted[20:] = True
    calls = []

    def infer(part: np.ndarray) -> np.ndarray:
        calls.append(1)
        scores = np.ones((OUTPUTS, 16, 16, 16), dtype=np.float32)
        scores[4] = 2.0
        return scores

    scores, labels = run_windows(infer, images, window=16, overlap=0, classes=np.ones(OUTPUTS - 1), wanted=wanted)
    assert len(calls) == 1
    assert scores[0, :16].max() == 0
    assert labels[:16].max() == 0
    assert (labels[16:] == 3).all()


def test_a_voxel_has_the_anatomy_that_the_window_around_it_finds() -> None:
    """Each window finds a class of its own, so that it is seen whose word counts; lesions are blended."""
    asked: list[int] = []

    def infer(part: np.ndarray) -> np.ndarray:
        asked.append(len(asked))
        scores = np.zeros((OUTPUTS, 16, 16, 16), np.float32)
        scores[0] = asked[-1] / 2
        scores[1 + asked[-1]] = 1.0
        return scores

    images = np.ones((3, 40, 16, 16), np.float32)
    scores, labels = run_windows(infer, images, window=16, overlap=0.25, classes=np.ones(OUTPUTS - 1))
    assert asked == [0, 1, 2]  # from 0, 12 and 24 on
    assert (labels[:14] == 0).all()
    assert (labels[14:26] == 1).all()
    assert (labels[26:] == 2).all()
    assert (scores[0, :12] == 0).all()
    assert np.allclose(scores[0, 16:24], 0.5)
    assert (np.diff(scores[0, 11:17, 8, 8]) > 0).all()
    asked.clear()
    assert run_windows(infer, images, window=16, overlap=0.25)[1].max() == 0  # nobody asked for it


@pytest.mark.parametrize("weights", [(1.0,) * 4, (0.5, 1.0, 3.0, 1.0)])
def test_the_most_probable_anatomy_is_numpys(weights: tuple[float, ...]) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (5, 9, 8, 7)).astype(np.float32)  # with many equals
    wanted = (scores[1:] / np.array(weights, np.float32)[:, None, None, None]).argmax(axis=0)
    assert np.array_equal(argmax_anatomy(scores, weights), wanted)
