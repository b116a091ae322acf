"""Training images by number: the same for the same number, in the right shape, with only what there is."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch

from dawson.cases.case import Case
from dawson.core.arrays import UNSURE
from dawson.core.study import Modality
from dawson.recipe import Recipe, load_recipe
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.training.prepared_cases import Example, PreparedExample
from dawson.training.sources import Mixture, Numbered, Patches, SingleVolumes, Windows

WINDOW = 32


def prepared(
    name: str, modalities: tuple[Modality, ...], shape: tuple[int, int, int] = (40, 24, 50)
) -> PreparedExample:
    """A visit whose sequences hold 1, 2 and 3 everywhere, with one small lesion in a corner."""
    images = np.zeros((3, *shape), np.float16)
    for channel, modality in enumerate(Modality):
        if modality in modalities:
            images[channel] = channel + 1
    lesion = np.zeros(shape, np.uint8)
    lesion[34:37, 4:7, 44:47] = 1
    anatomy = np.full(shape, 4, np.uint8)
    case = Case(name, "", MappingProxyType({s: Path(s) for s in modalities}), Path("mask"))
    return PreparedExample(Example(case, modalities), images, lesion, anatomy, modalities, (), {})


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return load_recipe(
        "dawson", {"prepare.window": str(WINDOW), "augment.lesion_centred": "1.0", "augment.rescanned": "0.0"}
    )


def test_windows_are_padded_hold_the_lesion_and_only_given_sequences(recipe: Recipe) -> None:
    given = (Modality.FLAIR, Modality.T2)
    source = Windows([prepared("a", given)], recipe)
    subsets = set()
    for number in range(40):
        images, lesion, anatomy, name = source.draw(number)
        assert images.shape == (3, WINDOW, WINDOW, WINDOW)
        assert lesion.shape == anatomy.shape == (WINDOW,) * 3
        assert int(lesion.sum()) == 27
        assert not images[list(Modality).index(Modality.T1)].any()
        assert name == "a (flair+t2)"
        assert int(anatomy.sum()) == 4 * WINDOW * 24 * WINDOW  # outside of the visit there is nothing
        subsets.add(tuple(bool(channel.any()) for channel in images))
    assert subsets == {(True, False, True), (True, False, False), (False, False, True)}


def test_an_image_depends_on_its_number_alone(recipe: Recipe) -> None:
    visits = [prepared(name, tuple(Modality)) for name in "abc"]
    one, other = Windows(visits, recipe), Windows(visits, recipe)
    forth = [one.draw(number) for number in range(9)]
    back = [other.draw(number) for number in reversed(range(9))][::-1]
    for first, second in zip(forth, back, strict=True):
        assert first[3] == second[3]
        assert all(torch.equal(a, b) for a, b in zip(first[:3], second[:3], strict=True))
    for start in (0, 3, 6):  # all are seen before any comes again
        assert {item[3][0] for item in forth[start : start + 3]} == {"a", "b", "c"}


def test_a_mixture_draws_from_both_in_the_stated_shares(recipe: Recipe) -> None:
    real, synthetic = (
        Windows([prepared("real", (Modality.FLAIR,))], recipe),
        Windows([prepared("made", (Modality.FLAIR,))], recipe),
    )
    mixture = Mixture(synthetic, real, recipe)
    names = [mixture.draw(number)[3].split(" ")[0] for number in range(60)]
    assert 18 <= names.count("made") <= 42
    assert Numbered(mixture, [7, 3])[1][3].split(" ")[0] == names[3]


def test_volumes_are_whole_and_varied() -> None:
    recipe = load_recipe("paper")
    one = prepared("a", (Modality.FLAIR,))
    single = PreparedExample(one.example, one.images[:1] / 4, one.lesion, None, one.used, (), {})
    source = SingleVolumes([single], recipe)
    looks = [source.draw(number) for number in range(6)]
    assert all(images.shape == (1, 40, 24, 50) and anatomy.numel() == 0 for images, _, anatomy, _ in looks)
    assert all(int(lesion.sum()) == 27 for _, lesion, _, _ in looks)
    assert len({float(images.mean()) for images, *_ in looks}) == 6


@pytest.mark.parametrize("visible", ["true", "false"])
def test_patches_teach_no_lesion_that_drowns_in_noise(
    toy_head: HeadModel, toy_lesions: list[LesionMap], visible: str
) -> None:
    recipe = load_recipe(
        "dawson",
        {
            "prepare.window": "48",
            "synthesis.visible": visible,
            "synthesis.noise": "[0.8, 0.8]",
            "synthesis.healthy": "0.0",
            "synthesis.small_lesion_radius_mm": "1.0",
            "synthesis.subsets": "{flair=1.0}",
        },
    )
    labels = [Patches([toy_head], toy_lesions, recipe).draw(number)[1] for number in range(6)]
    plain = sum(int((label == 1).sum()) for label in labels)
    doubtful = sum(int((label == UNSURE).sum()) for label in labels)
    if visible == "true":
        assert doubtful > 0 and plain < 0.2 * doubtful
    else:
        assert plain > 0 and doubtful == 0
