"""Where training images come from: real scans whole, windows of real visits, synthetic patients, or a mixture.

Image *n* of a run depends on the seed and on *n* alone. So a resumed run sees what an uninterrupted one would
have seen, and several processes share the images of one batch without speaking to one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from dawson.core.study import Modality
from dawson.recipe import Augment, Recipe
from dawson.synthesis.graft import graft
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.rescan import rescan
from dawson.synthesis.samples import Sample, synthesize, vary
from dawson.synthesis.visibility import seen_by_raters
from dawson.training.prepared_cases import PreparedExample

BLOCK = 8  # synthetic patches
RIGHT_LEFT, FRONT_BACK = 0, 1  # axes of (i, j, k)
Item = tuple[Tensor, Tensor, Tensor, str]
"""Images (channels, i, j, k) float32, lesion (i, j, k) uint8, anatomy alike or empty, and a name for errors."""


def augment(images: Tensor, lesion: Tensor, settings: Augment, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random variant of a prepared scan: images (channels, i, j, k) in [0, 1] and its lesion mask (i, j, k).

    Flips move both; brightness and contrast change the images about their mean, Gaussian noise comes last, and
    the result is clipped to [0, 1].
    """
    axes = [
        axis
        for axis, probability in ((RIGHT_LEFT, settings.flip_horizontal), (FRONT_BACK, settings.flip_vertical))
        if rng.random() < probability
    ]
    if axes:
        images, lesion = images.flip([axis + 1 for axis in axes]), lesion.flip(axes)
    gain = 1 + rng.uniform(-settings.contrast, settings.contrast)
    offset = rng.uniform(-settings.brightness, settings.brightness)
    mean = float(images.mean())
    images = images * gain + (mean * (1 - gain) + offset)
    noise = rng.uniform(0, settings.noise)
    if noise > 0:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        images = images.add_(torch.randn(images.shape, generator=generator), alpha=noise)
    return images.clamp_(0, 1), lesion


class ImageSource(Protocol):
    """Training images by number."""

    def draw(self, number: int) -> Item:
        """Image ``number``, always the same for the same number."""
        ...


@dataclass
class SingleVolumes:
    """Real scans, whole: every one once in random order, then again in another, each time varied."""

    prepared: Sequence[PreparedExample]
    recipe: Recipe

    def draw(self, number: int) -> Item:
        """Image ``number``."""
        seed = self.recipe.optimizer.seed
        one = self.prepared[_shuffled(number, len(self.prepared), seed)]
        images = torch.from_numpy(one.images.astype(np.float32))
        lesion = torch.from_numpy(np.array(one.lesion))
        images, lesion = augment(images, lesion, self.recipe.augment, np.random.default_rng([seed, number]))
        return images, lesion, torch.zeros(0, dtype=torch.uint8), one.name


@dataclass
class Windows:
    """Windows of real visits, laid around a lesion or anywhere, with some sequences left out.

    Where there are ``lesions``, a share of the windows gets some of these beside its own.
    """

    prepared: Sequence[PreparedExample]
    recipe: Recipe
    lesions: Sequence[LesionMap] = ()

    def draw(self, number: int) -> Item:
        """Image ``number``."""
        seed, window = self.recipe.optimizer.seed, self.recipe.prepare.window
        rng = np.random.default_rng([seed, number, 2])
        one = self.prepared[_shuffled(number, len(self.prepared), seed)]
        corner = self._corner(one, rng)
        part = tuple(slice(start, start + window) for start in corner)
        images = _padded(torch.from_numpy(one.images[(slice(None), *part)].astype(np.float32)), window)
        lesion = _padded(torch.from_numpy(np.array(one.lesion[part])), window)
        anatomy = torch.zeros_like(lesion)
        if one.anatomy is not None:
            anatomy = _padded(torch.from_numpy(np.array(one.anatomy[part])), window)
        kept = self._subset(one.used, rng)
        for channel, modality in enumerate(Modality):
            if modality not in kept:
                images[channel] = 0
        sample = Sample(images, lesion, anatomy)
        if self.lesions and one.anatomy is not None and rng.random() < self.recipe.augment.grafted:
            sample = graft(sample, corner, one.lesion.shape, one.slices, self.lesions, self.recipe.synthesis, rng)
        if rng.random() < self.recipe.augment.rescanned:
            sample = rescan(sample, one.slices, self.recipe.synthesis, rng)
        if rng.random() < 0.5:
            sample = Sample(sample.images.flip(1), sample.lesion.flip(0), sample.anatomy.flip(0))
        sample = vary(sample, rng, drop=0.0)
        return sample.images, sample.lesion, sample.anatomy, one.name

    def _corner(self, one: PreparedExample, rng: np.random.Generator) -> list[int]:
        shape, window = np.array(one.lesion.shape), self.recipe.prepare.window
        room = np.maximum(shape - window, 0)
        corner = rng.integers(0, room + 1)
        if rng.random() < self.recipe.augment.lesion_centred:
            places = np.argwhere(one.lesion == 1)
            if len(places):
                shift = rng.integers(-window // 4, window // 4 + 1, 3)
                corner = np.clip(places[int(rng.integers(len(places)))] + shift - window // 2, 0, room)
        return [int(c) for c in corner]

    def _subset(self, given: tuple[Modality, ...], rng: np.random.Generator) -> set[Modality]:
        """Which of the given sequences stay, by the recipe's shares of those subsets that are possible."""
        shares = {
            tuple(Modality(s) for s in names.split("+")): share
            for names, share in self.recipe.synthesis.subsets.items()
        }
        possible = {subset: share for subset, share in shares.items() if set(subset) <= set(given) and share > 0}
        if not possible:
            return set(given)
        chances = np.array(list(possible.values()))
        return set(list(possible)[int(rng.choice(len(possible), p=chances / chances.sum()))])


class Patches:
    """Patches of synthetic patients, each seen ``optimizer.reuse`` times, after the first time varied."""

    def __init__(self, heads: list[HeadModel], lesions: list[LesionMap], recipe: Recipe) -> None:
        self.heads, self.lesions, self.recipe = heads, lesions, recipe
        self.kept: dict[int, Sample] = {}

    def draw(self, number: int) -> Item:
        """Image ``number``."""
        seed, reuse = self.recipe.optimizer.seed, self.recipe.optimizer.reuse
        # A block of patches is seen once, then again, so that no two steps in a row see the same.
        block, within = divmod(number, BLOCK * reuse)
        for old in [n for n in self.kept if n < block * BLOCK]:  # left by blocks that several workers share
            del self.kept[old]
        drawn = block * BLOCK + within % BLOCK
        sample = self.kept.pop(drawn, None)
        if sample is None:
            rng = np.random.default_rng([seed, drawn])
            settings, prepare = self.recipe.synthesis, self.recipe.prepare
            sample = synthesize(self.heads, self.lesions, settings, prepare.window, rng, spacing=prepare.spacing_mm)
            if settings.visible and not settings.random_contrast:  # greys at random may be darker
                lesion = seen_by_raters(sample.images, sample.lesion, sample.anatomy)
                sample = Sample(sample.images, lesion, sample.anatomy)
        if within < BLOCK * (reuse - 1):
            self.kept[drawn] = sample
        if within >= BLOCK:
            sample = vary(sample, np.random.default_rng([seed, number, 1]))
        return sample.images, sample.lesion, sample.anatomy, f"synthetic patch {drawn}"


@dataclass
class Mixture:
    """Synthetic patches for a share of the numbers, real ones for the others."""

    synthetic: ImageSource
    real: ImageSource
    recipe: Recipe

    def draw(self, number: int) -> Item:
        """Image ``number``."""
        rng = np.random.default_rng([self.recipe.optimizer.seed, number, 3])
        source = self.synthetic if rng.random() < self.recipe.augment.synthetic else self.real
        return source.draw(number)


class Numbered(Dataset[Item]):
    """The images of the given numbers, for a loader."""

    def __init__(self, source: ImageSource, numbers: Iterable[int]) -> None:
        self.source, self.numbers = source, list(numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Item:
        return self.source.draw(self.numbers[index])


def _shuffled(number: int, count: int, seed: int) -> int:
    """Which of ``count`` comes as ``number`` when all are seen in random order, again and again."""
    round_, place = divmod(number, count)
    return int(np.random.default_rng([seed, round_, 7]).permutation(count)[place])


def _padded(volume: Tensor, window: int) -> Tensor:
    """Zeros behind the last three axes up to ``window``."""
    missing = [window - side for side in volume.shape[-3:]]
    if not any(missing):
        return volume.clone()
    padding = [n for side in reversed(missing) for n in (0, side)]
    return torch.nn.functional.pad(volume, padding)
