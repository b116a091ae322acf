"""Windows cover every voxel once in sum, whoever computes them."""

from __future__ import annotations

import itertools
import time
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.learn.tissues import Anatomy
from dawson.network.windows import argmax_anatomy, run_model, run_windows, window_starts
from dawson.recipe import Prepare

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

    scores = run_windows(infer, images, window=16, overlap=overlap, outputs=OUTPUTS)
    assert scores.shape == (OUTPUTS, *shape)
    assert np.allclose(scores[4], images[0], atol=1e-4)


def test_windows_side_by_side_give_the_same_and_stop_where_one_fails() -> None:
    images = np.random.default_rng(0).random((3, 40, 30, 20), dtype=np.float32)
    calls = []

    def infer(part: np.ndarray) -> np.ndarray:
        calls.append(1)
        time.sleep(0.01 * (len(calls) % 3))  # in another order than they began
        return np.repeat(part[:1] ** 2, OUTPUTS, axis=0)

    settings = {"window": 16, "overlap": 0.25, "outputs": OUTPUTS}
    one, two = (run_windows(infer, images, **settings, at_once=n) for n in (1, 2))
    assert np.array_equal(one, two)

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
        return np.ones((OUTPUTS, 16, 16, 16), dtype=np.float32)

    scores = run_windows(infer, images, window=16, overlap=0, outputs=OUTPUTS, wanted=wanted)
    assert len(calls) == 1
    assert scores[0, :16].max() == 0
    assert argmax_anatomy(scores)[:16].max() == 0


def test_the_lesions_may_be_asked_for_alone() -> None:
    images = np.random.default_rng(0).random((3, 20, 20, 20), dtype=np.float32)
    model = SimpleNamespace(recipe=SimpleNamespace(prepare=Prepare(window=16)), anatomy_names=dict.fromkeys(range(8)))

    def infer(part: np.ndarray) -> np.ndarray:
        return np.stack([part[0] ** (1 + n) for n in range(OUTPUTS)])

    both, alone = (run_model(model, infer, images, lesions_only=only) for only in (False, True))
    assert both.shape == (OUTPUTS, 20, 20, 20)
    assert np.array_equal(alone, both[:1])


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 3.0, 1.0)])
def test_the_most_probable_anatomy_is_numpys(weights: tuple[float, ...] | None) -> None:
    scores = np.random.default_rng(0).integers(0, 4, (5, 9, 8, 7)).astype(np.float32)  # with many equals
    wanted = (scores[1:] / np.array(weights or (1.0,) * 4, np.float32)[:, None, None, None]).argmax(axis=0)
    assert np.array_equal(argmax_anatomy(scores, weights), wanted)
