"""Patches with lesions, as the generator draws them: for scripts that hold them against real scans."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from dawson.core.study import Modality
from dawson.recipe import Recipe, load_recipe
from dawson.synthesis.label_maps import nifti_files, read_heads, read_lesion_map
from dawson.synthesis.samples import Sample, synthesize
from tools.studies.kept import ask_either


def ask_patches(parser: argparse.ArgumentParser, *, patches: int) -> argparse.Namespace:
    """The command line of :func:`kept.ask_either`, with how many patches are drawn, and how."""
    parser.add_argument("--patches", type=int, default=patches)
    parser.add_argument("--set", action="append", default=[], help="a field of the recipe, as dawson train takes it")
    return ask_either(parser)


def recipe_of(options: argparse.Namespace, name: str = "dawson") -> Recipe:
    """A recipe with the fields that ``--set`` changes."""
    return load_recipe(name, dict(setting.split("=", 1) for setting in options.set))


def draw_patches(options: argparse.Namespace, recipe: Recipe, *, seed: int) -> Iterator[Sample]:
    """As many patches as ``--patches`` says, of FLAIR alone; the same for the same seed."""
    heads = read_heads(nifti_files(options.maps), options.cache)
    lesions = [read_lesion_map(file) for file in nifti_files(options.masks)]
    for number in range(options.patches):
        rng = np.random.default_rng([seed, number])
        yield synthesize(heads, lesions, recipe.synthesis, recipe.prepare.window, rng, modalities=(Modality.FLAIR,))
