"""What the fields of a recipe may hold, one by one and together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from dawson.core.errors import UsageError
from dawson.core.study import Modality
from dawson.recipe.schema import Recipe

ANY = math.inf
SHARE, COUNT, POSITIVE, AMOUNT = (0.0, 1.0), (1.0, ANY), (1e-12, ANY), (0.0, ANY)
RANGES = {
    "prepare.spacing_mm": (0.5, 6.0),
    "prepare.window": COUNT,
    "prepare.overlap": SHARE,
    "network.widths": COUNT,
    "network.convolutions": COUNT,
    "loss.lambda": SHARE,
    "loss.bce_scale": AMOUNT,
    "loss.dice_smoothing": POSITIVE,
    "loss.small_lesion_weight": AMOUNT,
    "loss.anatomy": AMOUNT,
    "loss.anatomy_weights": POSITIVE,
    "optimizer.lr": POSITIVE,
    "optimizer.warm_up_steps": COUNT,
    "optimizer.patience_epochs": COUNT,
    "optimizer.factor": (1e-6, 1.0),
    "optimizer.early_stop_epochs": AMOUNT,
    "optimizer.weight_decay": AMOUNT,
    "optimizer.steps": COUNT,
    "optimizer.steps_per_epoch": COUNT,
    "optimizer.batch": COUNT,
    "optimizer.reuse": COUNT,
    "optimizer.gradient_clip": AMOUNT,
    "optimizer.averaging": (0.0, 0.999999),
    "optimizer.seed": (0.0, 2.0**62),
    "synthesis.healthy": SHARE,
    "synthesis.lesion_centred": SHARE,
    "synthesis.outside_centred": SHARE,
    "synthesis.whole_load": SHARE,
    "synthesis.cortical": SHARE,
    "synthesis.small_lesions": SHARE,
    "synthesis.small_lesion_count": AMOUNT,
    "synthesis.small_lesion_radius_mm": POSITIVE,
    "synthesis.juxtacortical": SHARE,
    "synthesis.contrast": AMOUNT,
    "synthesis.stripped": SHARE,
    "synthesis.thick": SHARE,
    "synthesis.thickest_mm": (1.0, 20.0),
    "synthesis.noise": POSITIVE,
    "synthesis.bias": AMOUNT,
    "synthesis.motion": SHARE,
    "synthesis.misalignment_mm": AMOUNT,
    "synthesis.border": SHARE,
    "synthesis.rotation_degrees": AMOUNT,
    "synthesis.scaling": (1.0, 2.0),
    "synthesis.elastic_mm": AMOUNT,
    "augment.flip_vertical": SHARE,
    "augment.flip_horizontal": SHARE,
    "augment.brightness": AMOUNT,
    "augment.contrast": SHARE,
    "augment.noise": AMOUNT,
    "augment.lesion_centred": SHARE,
    "augment.synthetic": SHARE,
    "augment.grafted": SHARE,
    "augment.rescanned": SHARE,
    "measure.threshold": (1e-3, 1.0),
    "measure.peak": SHARE,
    "measure.minimum_mm3": AMOUNT,
    "volume.shape": COUNT,
    "volume.spacing_mm": (0.1, 20.0),
    "volume.percentiles": (0.0, 100.0),
    "volume.blur_mm": AMOUNT,
    "volume.sharpening": AMOUNT,
    "volume.kernel_mm": POSITIVE,
}
LEAST_SIDE = 16  # voxels: small lesions are told by their company within nine
ANATOMY_CLASSES = 8
CHOICES = {
    "optimizer.algorithm": ("adam", "adamw"),
    "optimizer.schedule": ("cosine", "plateau"),
    "optimizer.precision": ("auto", "bf16", "f32"),
}


def check_ranges(recipe: Recipe, content: Mapping[str, Any]) -> None:
    """Refuse values that have the right type and no sense; ``content`` is the recipe as plain tables."""
    for name, (low, high) in RANGES.items():
        table, _, key = name.partition(".")
        if table not in content:
            continue
        value = content[table][key]
        for number in value if isinstance(value, list | tuple) else (value,):
            if not (math.isfinite(number) and low <= number <= high):
                allowed = f"between {low:g} and {high:g}" if math.isfinite(high) else f"of {low:g} or more"
                raise bad(name, f"is {value}", f"give a value {allowed}")
    for name, words in CHOICES.items():
        table, _, key = name.partition(".")
        if content[table][key] not in words:
            raise bad(name, f"is {content[table][key]!r}", f"give {' or '.join(words)}")
    for subset, share in recipe.synthesis.subsets.items():
        names = subset.split("+")
        if not set(names) <= set(Modality) or len(set(names)) < len(names) or share < 0:
            raise bad(
                "synthesis.subsets",
                f"holds {subset!r} = {share}",
                "join flair, t1 and t2 by + and give shares",
            )
    if not sum(recipe.synthesis.subsets.values()) > 0:
        raise bad("synthesis.subsets", "has no share above zero", "give at least one subset a share")


def check_together(recipe: Recipe) -> None:
    """Refuse fields that are sound one by one and do not fit each other."""
    network, optimizer, volume = recipe.network, recipe.optimizer, recipe.volume
    if recipe.prepare.spacing_mm != 1.0 and not recipe.synthesis.whole_head:
        raise bad(
            "prepare.spacing_mm",
            f"is {recipe.prepare.spacing_mm}",
            "leave it at 1.0, where lesions can be told, or set synthesis.whole_head to find brains",
        )
    if recipe.prepare.overlap == 1:
        raise bad("prepare.overlap", "is 1", "give a share below 1: windows must move on")
    if not network.widths:
        raise bad("network.widths", "is empty", "give the channels of each level")
    if len(network.widths) != len(network.convolutions):
        raise bad("network.convolutions", "has another length than network.widths", "give one number a level")
    levels, least = len(network.widths), max(2 ** len(network.widths), LEAST_SIDE)
    if min(recipe.input_shape) < least:
        name = "prepare.window" if volume is None else "volume.shape"
        raise bad(name, f"has a side of {min(recipe.input_shape)}", f"give at least {least} for {levels} levels")
    if volume is None and len(recipe.loss.anatomy_weights) != ANATOMY_CLASSES:
        raise bad("loss.anatomy_weights", f"has {len(recipe.loss.anatomy_weights)} weights", f"give {ANATOMY_CLASSES}")
    for side in recipe.input_shape:
        if side % 2 ** (len(network.widths) - 1):
            name = "prepare.window" if volume is None else "volume.shape"
            raise bad(name, f"holds {side}, which cannot be halved once a level", "use multiples of 2**(levels - 1)")
    if volume is not None and volume.percentiles[0] >= volume.percentiles[1]:
        raise bad("volume.percentiles", f"is {list(volume.percentiles)}", "give the lower one first")
    if optimizer.algorithm == "adam" and optimizer.weight_decay:
        raise bad("optimizer.weight_decay", f"is {optimizer.weight_decay}", "make it 0, or use adamw")


def bad(where: str, finding: str, remedy: str) -> UsageError:
    """The error for a field, which it names."""
    return UsageError(f"recipe field {where!r} {finding}", remedy=remedy)
