"""Prediction from arrays: the very figures of the whole way where nothing had to be prepared anew, and refusals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import dawson
from dawson.cases.demo import demo_study_files
from dawson.model.card import load_model
from dawson.preparation.prepare import prepare
from dawson.preparation.resample import bring_back, resample
from dawson.recipe import load_recipe
from dawson.segmentation.predict import predict


@pytest.fixture(scope="module")
def study() -> dawson.Study:
    return dawson.read_study(flair=demo_study_files()[dawson.Modality.FLAIR])


@pytest.fixture(scope="module")
def prepared(study: dawson.Study) -> dawson.PreparedStudy:
    found = prepare(study)
    assert isinstance(found, dawson.PreparedStudy)
    return found


def test_in_steps_the_same_is_found_as_at_once(study: dawson.Study, prepared: dawson.PreparedStudy) -> None:
    model = load_model()
    prediction = predict(prepared, model)
    at_once = dawson.segment(study, model=model)
    rule = {"threshold": model.threshold, "peak": model.peak}
    brought = bring_back(prediction.probability, prediction.grid, study.reference.grid, **rule)
    anatomy = resample(prediction.anatomy, prediction.grid, study.reference.grid, interpolation="nearest")
    # A second pass, framed by what the first has found, may move an edge.
    assert (anatomy == at_once.anatomy).mean() > 0.99
    one, two = brought >= model.threshold, at_once.probability >= model.threshold
    assert 2 * np.count_nonzero(one & two) / (one.sum() + two.sum()) > 0.95


def test_an_array_of_ones_own_is_taken_as_it_is(prepared: dawson.PreparedStudy) -> None:
    crop = (slice(30, 126), slice(40, 136), slice(20, 116))
    images, grid = prepared.images[:, *crop], prepared.grid.crop(crop)
    prediction = predict(images, grid=grid)
    assert prediction.grid.same_as(grid)
    assert prediction.probability.shape == prediction.anatomy.shape == images.shape[1:]
    assert 0 <= prediction.probability.min() <= prediction.probability.max() <= 1
    assert prediction.anatomy.any()
    assert set(np.unique(prediction.anatomy)) <= set(prediction.anatomy_names)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (np.ones((2, 8, 8, 8), np.float32), "shape"),
        (np.ones((8, 8, 8), np.float32), "shape"),
        (np.ones((3, 0, 8, 8), np.float32), "shape"),
        (np.full((3, 8, 8, 8), np.nan, np.float32), "no numbers"),
        (np.zeros((3, 8, 8, 8), np.float32), "zeros"),
    ],
)
def test_arrays_that_cannot_be_images_are_refused(images: np.ndarray, words: str) -> None:
    with pytest.raises(dawson.InputError, match=words):
        predict(images)


def test_a_grid_that_is_not_the_images_is_refused() -> None:
    images = np.ones((3, 8, 8, 8), np.float32)
    for grid in (dawson.Grid((8, 8, 9), np.eye(4)), dawson.Grid((8, 8, 8), np.diag([2.0, 2.0, 2.0, 1.0]))):
        with pytest.raises(dawson.InputError, match="grid"):
            predict(images, grid=grid)


def test_images_that_do_not_run_along_r_a_s_are_refused() -> None:
    images = np.ones((3, 8, 8, 8), np.float32)
    for signs in ((-1, 1, 1), (-1, -1, 1), (1, 1, -1)):
        with pytest.raises(dawson.InputError, match="R, A, S"):
            predict(images, grid=dawson.Grid((8, 8, 8), np.diag([*map(float, signs), 1.0])))


def test_a_model_that_finds_brains_predicts_no_lesions(prepared: dawson.PreparedStudy) -> None:
    with pytest.raises(dawson.ModelError, match="finds brains"):
        predict(prepared, "locator")


def test_what_was_prepared_at_another_spacing_is_refused(prepared: dawson.PreparedStudy) -> None:
    coarse = dawson.Grid(prepared.grid.shape, prepared.grid.affine @ np.diag([2.0, 2.0, 2.0, 1.0]))
    with pytest.raises(dawson.InputError, match="not prepared for this model"):
        predict(replace(prepared, grid=coarse))


def test_what_was_prepared_for_another_kind_of_model_is_refused(prepared: dawson.PreparedStudy) -> None:
    model = load_model()
    single = replace(model, recipe=replace(model.recipe, volume=load_recipe("paper").volume))
    with pytest.raises(dawson.InputError, match="not prepared for this model"):
        predict(prepared, single)
