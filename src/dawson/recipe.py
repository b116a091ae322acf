"""The recipe: every choice that turns cases into a model, and a scan into the model's input.

A recipe is a TOML file with one table a class below. Unknown or ill-typed fields are errors that name
the field. The trained model carries its recipe in its card, and inference prepares scans from there.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from dawson.errors import UsageError
from dawson.study import Sequence

SHARES = (
    "healthy",
    "lesion_centred",
    "outside_centred",
    "whole_load",
    "small_lesions",
    "stripped",
    "thick",
    "first_pass",
)


@dataclass(frozen=True)
class Prepare:
    """How scans become the network's input."""

    spacing_mm: float = 1.0
    """Isotropic voxel size of the working grid."""
    window: int = 96
    """Side of the cubic window that the network sees, in training and in inference."""
    overlap: float = 0.3
    """Share of a window that its neighbour sees again, in inference."""


INPUTS = 3  # channels: FLAIR, T1, T2
SLOPE = 0.01  # of the leaky ReLU
EPSILON = 1e-5  # of the instance normalisation


@dataclass(frozen=True)
class Network:
    """The U-Net: channels by level, and convolutions by level on either side."""

    widths: tuple[int, ...] = (16, 32, 64, 128, 256)
    convolutions: tuple[int, ...] = (1, 2, 2, 2, 2)


@dataclass(frozen=True)
class Loss:
    """λ·BCE + (1−λ)·Dice for lesions, plus the cross-entropy of the anatomy."""

    lambda_: float = 0.5
    bce_scale: float = 20.0
    """The BCE, a mean over voxels, is some 20 times smaller than the Dice term where lesions fill 1 % of a
    patch; this brings λ = 0.5 to mean what it says."""
    dice_smoothing: float = 20.0
    """Voxels that a patch without lesions may hold before its Dice term counts."""
    small_lesion_weight: float = 4.0
    """Extra weight in the BCE of lesion voxels that have little lesion around them."""
    anatomy: float = 1.0
    anatomy_weights: tuple[float, ...] = (1.2, 3.0, 1.2, 1.0, 2.0, 0.8, 1.3, 3.0)
    """By class from outside to brain-stem: the small ones would else be left out for long."""


@dataclass(frozen=True)
class Optimizer:
    """AdamW with one cycle: linear warm-up, cosine decay; weights averaged exponentially."""

    lr: float = 1e-3
    weight_decay: float = 1e-4
    warm_up_steps: int = 100
    steps: int = 3000
    batch: int = 1
    reuse: int = 2
    """How often each synthetic patch is seen, after the first time mirrored, dimmed and thinned out."""
    gradient_clip: float = 3.0
    averaging: float = 0.995
    seed: int = 1
    bf16: bool = True


@dataclass(frozen=True)
class Synthesis:
    """Shares and ranges of the generator; probabilities in [0, 1], lengths in mm."""

    subsets: Mapping[str, float] = field(
        default_factory=lambda: {
            "flair": 0.34,
            "flair+t1": 0.22,
            "flair+t1+t2": 0.24,
            "flair+t2": 0.06,
            "t1": 0.05,
            "t2": 0.05,
            "t1+t2": 0.04,
        }
    )
    healthy: float = 0.25
    lesion_centred: float = 0.6
    outside_centred: float = 0.5
    whole_load: float = 0.4
    """Share of samples that keep all lesions of the mask; the others keep a random share of them."""
    small_lesions: float = 0.6
    small_lesion_count: float = 5.0
    small_lesion_radius_mm: float = 2.0
    contrast: tuple[float, float] = (0.45, 1.15)
    stripped: float = 0.4
    thick: float = 0.5
    thickest_mm: float = 8.0
    noise: tuple[float, float] = (0.01, 0.09)
    bias: float = 0.12
    misalignment_mm: float = 0.6
    rotation_degrees: float = 8.0
    scaling: float = 1.15
    elastic_mm: float = 4.0
    first_pass: float = 0.25
    """Share of samples normalised as roughly as before the brain is known."""
    exclude_masks: tuple[str, ...] = ()
    """Lesion masks (file names without suffix) kept out, say because their patients validate."""


@dataclass(frozen=True)
class Recipe:
    """All of it."""

    name: str
    prepare: Prepare = field(default_factory=Prepare)
    network: Network = field(default_factory=Network)
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    synthesis: Synthesis = field(default_factory=Synthesis)


def load_recipe(recipe: str | Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe by the name of a shipped one or by its path.

    ``overrides`` maps dotted fields (``"optimizer.lr"``) to TOML values as text. Raises
    :class:`UsageError` for a missing file, broken TOML, and unknown or ill-typed fields.
    """
    shipped = resources.files("dawson") / "recipes" / f"{recipe}.toml"
    if shipped.is_file():
        text = shipped.read_text("utf-8")
    elif Path(recipe).is_file():
        text = Path(recipe).read_text("utf-8")
    else:
        names = sorted(p.name.removesuffix(".toml") for p in (resources.files("dawson") / "recipes").iterdir())
        raise UsageError(f"there is no recipe {str(recipe)!r}", remedy=f"name a TOML file or one of {', '.join(names)}")
    try:
        content = tomllib.loads(text)
        for key, value in (overrides or {}).items():
            _set(content, key, tomllib.loads(f"value = {value}")["value"])
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"recipe {str(recipe)!r} is not valid TOML ({error})", remedy="correct it there") from error
    return recipe_from_dict(content)


def recipe_from_dict(content: Mapping[str, Any]) -> Recipe:
    """Build a recipe from plain tables, as TOML and a model's card hold them."""
    built: Recipe = _build(Recipe, content, "")
    _check_ranges(built)
    if len(built.network.widths) != len(built.network.convolutions):
        raise _bad("network.convolutions", "has another length than network.widths", "give one number a level")
    if built.prepare.window % 2 ** (len(built.network.widths) - 1):
        raise _bad("prepare.window", "cannot be halved once a level", "make it a multiple of 2**(levels - 1)")
    return built


def recipe_to_dict(recipe: Recipe) -> dict[str, Any]:
    """Plain tables of a recipe, for TOML, JSON and back through :func:`recipe_from_dict`."""
    plain: dict[str, Any] = dataclasses.asdict(recipe)
    return plain


def _check_ranges(recipe: Recipe) -> None:
    """Refuse values that have the right type and no sense."""
    prepare, optimizer, synthesis = recipe.prepare, recipe.optimizer, recipe.synthesis
    if prepare.spacing_mm != 1.0:
        raise _bad(
            "prepare.spacing_mm",
            f"is {prepare.spacing_mm}",
            "leave it at 1.0: label maps are painted at 1 mm",
        )
    least_one = {
        "prepare.window": prepare.window,
        "network.widths": min(recipe.network.widths, default=0),
        "network.convolutions": min(recipe.network.convolutions, default=0),
        "optimizer.batch": optimizer.batch,
        "optimizer.reuse": optimizer.reuse,
        "optimizer.steps": optimizer.steps,
        "optimizer.warm_up_steps": optimizer.warm_up_steps,
    }
    for name, number in least_one.items():
        if number < 1:
            raise _bad(name, f"is {number}", "give 1 or more")
    shares = {f"synthesis.{n}": getattr(synthesis, n) for n in SHARES} | {"loss.lambda_": recipe.loss.lambda_}
    for name, share in shares.items():
        if not 0 <= share <= 1:
            raise _bad(name, f"is {share}", "give a share between 0 and 1")
    if not 0 <= prepare.overlap < 1:
        raise _bad("prepare.overlap", f"is {prepare.overlap}", "give a share of at least 0 and below 1")
    for subset, share in synthesis.subsets.items():
        names = subset.split("+")
        if not set(names) <= set(Sequence) or len(set(names)) < len(names) or share < 0:
            raise _bad(
                "synthesis.subsets",
                f"holds {subset!r} = {share}",
                "join flair, t1 and t2 by + and give shares",
            )
    if not sum(synthesis.subsets.values()) > 0:
        raise _bad("synthesis.subsets", "has no share above zero", "give at least one subset a share")


def _set(content: dict[str, Any], key: str, value: Any) -> None:
    *tables, last = key.split(".")
    for table in tables:
        inner = content.setdefault(table, {})
        if not isinstance(inner, dict):
            raise _bad(key, f"lies in {table!r}, which is no table", "name a field that the recipe has")
        content = inner
    content[last] = value


def _bad(where: str, finding: str, remedy: str) -> UsageError:
    return UsageError(f"recipe field {where!r} {finding}", remedy=remedy)


def _build(kind: Any, content: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    names = {f.name for f in dataclasses.fields(kind)}
    for key in content:
        if key not in names:
            raise _bad(where + key, "is unknown", f"use one of {', '.join(sorted(names))}")
    values = {key: _value(hints[key], value, where + key) for key, value in content.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise _bad(where or "recipe", f"is incomplete ({error})", "add what is missing") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping):
            raise _bad(where, f"is {value!r}, not a table", f"write it as [{where}]")
        return _build(hint, value, where + ".")
    origin = get_origin(hint)
    if origin is tuple:
        inner = get_args(hint)
        if not isinstance(value, list | tuple) or (inner[-1] is not Ellipsis and len(value) != len(inner)):
            raise _bad(
                where,
                f"is {value!r}",
                f"give a list of {'some' if inner[-1] is Ellipsis else len(inner)} values",
            )
        return tuple(_value(inner[0], item, where) for item in value)
    if origin in (dict, Mapping) or (origin is not None and issubclass(origin, Mapping)):
        if not isinstance(value, Mapping):
            raise _bad(where, f"is {value!r}, not a table", f"write it as [{where}]")
        return {str(k): _value(get_args(hint)[1], v, where) for k, v in value.items()}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise _bad(where, f"is {value!r}", f"give a value of type {hint.__name__}")
    return value
