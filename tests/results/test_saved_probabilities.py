"""Saved probabilities: the card's rule, applied to what is read back, gives the very lesions that were written."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.core.grid import Grid
from dawson.core.study import Modality, Scan
from dawson.measurement.lesions import find_lesions
from dawson.nifti.mask import read_probability
from dawson.nifti.write import PROBABILITY_STEPS, nifti_gz, round_probability

HALF_A_STEP = 0.5 / PROBABILITY_STEPS
limits = st.floats(0.05, 0.95)
edges = st.floats(0.5, 6.0)


def map_around(shape, rule, seed):
    """A map whose voxels lie where rounding matters: within half a step of the threshold, the peak, or anywhere."""
    rng = np.random.default_rng(seed)
    around = rng.choice([0.0, *rule], size=shape) + rng.uniform(-1.2, 1.2, shape) * HALF_A_STEP
    anywhere = rng.random(shape) < 0.2
    return np.clip(np.where(anywhere, rng.random(shape), around), 0, 1).astype(np.float32)


@given(
    shape=st.tuples(*[st.integers(2, 12)] * 3),
    spacing=st.tuples(edges, edges, edges),
    threshold=limits,
    peak=st.one_of(st.just(0.0), limits),
    minimum=st.sampled_from([0.0, 3.0, 20.0]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=200, deadline=None)
def test_the_rule_applied_to_the_file_gives_the_very_lesions(shape, spacing, threshold, peak, minimum, seed):
    probability = map_around(shape, (threshold, peak), seed)
    # Edges in float32, which a header stores: so does the grid of any scan that was read.
    grid = Grid(shape, np.diag([*np.float32(spacing).astype(float), 1.0]))
    rule = {"threshold": threshold, "peak": peak, "minimum_mm3": minimum}
    mask, labels, lesions = find_lesions(probability, grid, **rule)

    scan = Scan(Modality.FLAIR, np.zeros(shape, np.float32), grid)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "probability.nii.gz"
        file.write_bytes(nifti_gz(round_probability(probability, limits=[threshold, peak]), scan))
        read, read_grid, _ = read_probability(file)
    again, numbered, found = find_lesions(read, read_grid, **rule)

    assert np.array_equal(again, mask)
    assert np.array_equal(numbered, labels)
    assert [lesion.volume_ml for lesion in found] == [lesion.volume_ml for lesion in lesions]


def test_a_result_keeps_a_lesion_whose_peak_rounds_below_the_least_peak(make, tmp_path):
    from dawson.results.write import write

    probability = np.zeros((24, 30, 12), np.float32)
    probability[5:8, 6:9, 4] = 0.5
    peak = float(np.nextafter(np.float32(0.7), np.float32(1)))
    probability[6, 7, 4] = peak  # 0.7 lies between two steps, and the nearest is below
    assert np.rint(peak * PROBABILITY_STEPS) / PROBABILITY_STEPS < peak
    rule = {"threshold": 0.45, "peak": peak, "minimum_lesion_mm3": 0.0}
    segmentation = make(probability=probability, model={"name": "tiny", "sha256": "cd" * 32, **rule})
    write(segmentation, tmp_path / "out")
    read, grid, _ = read_probability(tmp_path / "out" / "probability.nii.gz")
    mask, _, lesions = find_lesions(read, grid, threshold=0.45, peak=peak, minimum_mm3=0.0)
    assert len(lesions) == 1
    assert np.array_equal(mask, segmentation.lesions)
