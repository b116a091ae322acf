"""The brain is found whatever the contrast, the scale, the neck and the field of view."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import dawson
from dawson.cases.demo import demo_study_files
from dawson.core.grid import Grid
from dawson.model.card import SHIPPED, load_model
from dawson.preparation.locator import load_locator, locate
from dawson.preparation.resample import resample, working_grid

COARSELY = 0.75  # what a brain at 4 mm has with one at 1 mm, whose sulci it fills
ALIKE = 0.9


def dice(one: np.ndarray, two: np.ndarray) -> float:
    return 2 * np.count_nonzero(one & two) / (np.count_nonzero(one) + np.count_nonzero(two))


@pytest.fixture(scope="module")
def head() -> tuple[np.ndarray, Grid]:
    """FLAIR, T1 and T2 of the embedded patient (3, i, j, k) at 1 mm; T1 and T2 are a little out of place."""
    study = dawson.read_study(**{s.value: file for s, file in demo_study_files().items()})
    grid = working_grid(study.reference.grid, spacing=1.0)
    return np.stack([resample(scan.voxels, scan.grid, grid, interpolation="linear") for scan in study]), grid


@pytest.fixture(scope="module")
def brain(head: tuple[np.ndarray, Grid]) -> np.ndarray:
    images, grid = head
    return locate(load_locator(), images, grid)


@pytest.fixture(scope="module")
def fine(head: tuple[np.ndarray, Grid]) -> np.ndarray:
    """The brain as the model finds it at 1 mm."""
    files = {s.value: file for s, file in demo_study_files().items()}
    result = dawson.segment(dawson.read_study(**files))
    names = load_locator().model.card["parenchyma"]
    mask = np.isin(result.anatomy, [value for value, name in result.anatomy_names.items() if name in names])
    return resample(mask, result.grid, head[1], interpolation="nearest")


@pytest.mark.parametrize("channel", range(3))
def test_one_sequence_is_enough(head: tuple[np.ndarray, Grid], fine: np.ndarray, channel: int) -> None:
    images, grid = head
    alone = np.zeros_like(images)
    alone[channel] = images[channel]
    assert dice(locate(load_locator(), alone, grid), fine) > COARSELY


@pytest.mark.parametrize("gain", [0.01, 500.0])
def test_the_scale_is_no_matter(head: tuple[np.ndarray, Grid], brain: np.ndarray, gain: float) -> None:
    images, grid = head
    assert dice(locate(load_locator(), images * np.float32(gain), grid), brain) > 0.99


def test_a_neck_that_outshines_the_brain_is_no_brain(head: tuple[np.ndarray, Grid], brain: np.ndarray) -> None:
    images, grid = head
    low = int(np.flatnonzero(brain.any(axis=(0, 1)))[0])
    bright = images.copy()
    bright[:, :, :, : low + 10] *= 3
    assert dice(locate(load_locator(), bright, grid), brain) > ALIKE


def test_a_head_cut_below_and_above_keeps_its_brain(head: tuple[np.ndarray, Grid], brain: np.ndarray) -> None:
    images, grid = head
    levels = np.flatnonzero(brain.any(axis=(0, 1)))
    cut = slice(int(levels[0]) + 30, int(levels[-1]) - 15)
    less = images.copy()
    less[..., : cut.start] = 0
    less[..., cut.stop :] = 0
    found = locate(load_locator(), less, grid)
    assert dice(found[..., cut], brain[..., cut]) > ALIKE
    assert not found[..., : cut.start - 3].any()


def test_heads_are_shown_amid_the_box_as_in_training(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = []

    def infer_anatomy(_: object, __: object, images: np.ndarray, ___: float, **____: object) -> tuple[np.ndarray, ...]:
        shown.append(images)
        return images, images[0] > 0, images[0] > 0

    monkeypatch.setattr("dawson.preparation.locator.infer_anatomy", infer_anatomy)
    images = np.zeros((3, 100, 132, 300), np.float32)
    images[0] = 1.0
    found = locate(load_locator(), images, Grid(images.shape[1:], np.eye(4)))
    places = np.argwhere(shown[0][0] > 0)
    middle, window = (places.min(axis=0) + places.max(axis=0)) / 2, load_locator().model.recipe.prepare.window
    assert np.abs(middle[:2] - (window - 1) / 2).max() <= 0.5
    assert shown[0].shape[3] == 75  # more than fits: windows will do
    assert found.all()
    assert found.shape == images.shape[1:]


def test_it_knows_the_anatomy_of_the_models() -> None:
    """What prepares training must prepare inference: one locator for all models, with the same names."""
    locator, model = load_locator().model, load_model(SHIPPED)
    assert locator.anatomy_names == model.anatomy_names
    assert set(locator.card["parenchyma"]) == set(model.card["parenchyma"])


@pytest.mark.realdata
@pytest.mark.parametrize("case", ["tabriz-104252", "tabriz-105074"])
@pytest.mark.parametrize("modality", ["FLAIR", "T1"])
def test_real_brains_are_found(shared_data: Path, case: str, modality: str) -> None:
    """By locator and model together, on slices of 6.5 and 8 mm, where the locator alone can be far off.

    The data set's own brain masks are no truth: they leave out much of what lies low.
    """
    folder = shared_data / "labelled" / case
    result = dawson.segment(dawson.read_study(**{modality.lower(): folder / f"{modality}.nii.gz"}))
    assert result.volumes is not None
    assert 850 < result.volumes.brain_ml < 1500
    assert next(check.status for check in result.quality if check.name == "brain outline") == "pass"
