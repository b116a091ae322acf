"""Find the brain in a head of which nothing is known yet: not its contrast, not its scale, not where it ends.

A small network is given the whole head at once, at 4 mm, as a scanner's field of view cuts it. What it finds scales and
frames the scans for the network that finds lesions, whichever that is: the locator is part of dawson, not of a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from dawson.core.arrays import Image, Mask
from dawson.core.grid import Grid
from dawson.model.card import LOCATOR, ONNX, Model, find_model, load_model
from dawson.model.engine import Infer, load_engine
from dawson.preparation.anatomy import infer_anatomy
from dawson.preparation.head import block_means, spread_blocks
from dawson.preparation.intensity import normalise, rough_scale


@dataclass(frozen=True, eq=False)
class Locator:
    """The network that finds brains, ready to run."""

    model: Model
    infer: Infer


@cache
def load_locator() -> Locator:
    """The shipped locator, compiled once a process."""
    return start_locator(_shipped())


def start_locator(model: Model) -> Locator:
    """Compile a locator; it is small, and in f32 so that all CPUs find the same brain."""
    return Locator(model, load_engine(model, "f32", at_once=1, keep=False))


@cache
def _shipped() -> Model:
    """The locator's folder, read and its hash checked once a process."""
    return load_model(find_model().parent / LOCATOR)  # by its path: a user's folder may have that name


def about_locator() -> dict[str, object]:
    """What results say of the locator, which has a part in them."""
    card = _shipped().card
    return {"name": card["name"], "version": card["version"], "sha256": card["sha256"][ONNX]}


def locate(locator: Locator, images: Image, grid: Grid) -> Mask:
    """The brain's parenchyma (i, j, k) in images (3, i, j, k) on ``grid``, zero where a sequence is absent.

    Its borders are as coarse as the locator's voxels. All false where no brain is found.
    """
    prepare = locator.model.recipe.prepare
    step = max(round(prepare.spacing_mm / grid.spacing[0]), 1)
    coarse = np.stack([block_means(image, np.full(3, step)) for image in images])
    coarse = np.stack([normalise(image, rough_scale(image)) for image in coarse])
    spacing = step * grid.spacing[0]
    # The network was trained on heads in the middle of its box, and knows from the zeros at the sides where that is.
    room = [max(prepare.window - side, 0) for side in coarse.shape[1:]]
    padded = np.pad(coarse, [(0, 0), *((free // 2, free - free // 2) for free in room)])
    _, _, found = infer_anatomy(locator.model, locator.infer, padded, spacing, overlap=prepare.overlap, generous=True)
    found &= padded.any(axis=0)  # where nothing is shown no brain is found
    found = found[tuple(np.s_[free // 2 : free // 2 + n] for free, n in zip(room, coarse.shape[1:], strict=True))]
    return spread_blocks(found, step, grid.shape)
