"""The recipe: every choice that turns cases into a model, and a scan into the model's input.

A recipe is a TOML file with one table a class of :mod:`dawson.recipe.schema`. Unknown or ill-typed fields are
errors that name the field. The trained model carries its recipe in its card, and inference prepares scans from
there. For single volumes training and inference share every step and agree to the last bit; for windows they share the
code, and training keeps its images in half precision.
"""

from dawson.recipe.load import load_recipe, recipe_from_dict, recipe_names, recipe_to_dict, recipe_to_toml
from dawson.recipe.schema import (
    EPSILON,
    SLOPE,
    Augment,
    Loss,
    Measure,
    Network,
    Optimizer,
    Prepare,
    Recipe,
    SingleVolume,
    Synthesis,
)

__all__ = [
    "EPSILON",
    "SLOPE",
    "Augment",
    "Loss",
    "Measure",
    "Network",
    "Optimizer",
    "Prepare",
    "Recipe",
    "SingleVolume",
    "Synthesis",
    "load_recipe",
    "recipe_from_dict",
    "recipe_names",
    "recipe_to_dict",
    "recipe_to_toml",
]
