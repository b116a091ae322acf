"""The tables of a recipe and their fields, each with its meaning, unit, range and default.

Ranges stand beside the fields. What they allow can be trained with; what fits no other field is refused where a recipe
is put together. A table that :func:`dataclasses.replace` changes is checked like one that is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, model_validator
from pydantic.dataclasses import dataclass

from dawson.core.errors import UsageError
from dawson.core.study import Modality

_CHECKED = ConfigDict(strict=True, use_attribute_docstrings=True)
_LIST = Field(strict=False)  # TOML and JSON have lists where a recipe has tuples

Finite = Field(allow_inf_nan=False)
Share = Annotated[float, Field(ge=0, le=1), Finite]
Count = Annotated[int, Field(ge=1, le=2**31)]
Width = Annotated[int, Field(ge=1, le=2048)]
Convolutions = Annotated[int, Field(ge=1, le=16)]
Side = Annotated[int, Field(ge=16, le=1024)]  # voxels; small lesions are told by their company within nine
Weight = Annotated[float, Field(ge=1e-3, le=1e3), Finite]
VoxelSize = Annotated[float, Field(ge=0.1, le=20), Finite]
Percentile = Annotated[float, Field(ge=0, le=100), Finite]
Noise = Annotated[float, Field(ge=1e-4, le=1), Finite]
Brightness = Annotated[float, Field(ge=0, le=10), Finite]

ANATOMY_CLASSES = 8


def bad(where: str, finding: str, remedy: str) -> UsageError:
    """The error for a field, which it names."""
    return UsageError(f"recipe field {where!r} {finding}", remedy=remedy)


@dataclass(frozen=True, config=_CHECKED)
class Prepare:
    """How scans become the network's input."""

    spacing_mm: Annotated[float, Field(ge=0.5, le=6), Finite] = 1.0
    """Isotropic voxel size of the working grid."""
    window: Side = 96
    """Side of the cubic window that the network sees, in training and in inference."""
    overlap: Annotated[float, Field(ge=0, le=0.9), Finite] = 0.3
    """Share of a window that its neighbour sees again, in inference."""


@dataclass(frozen=True, config=_CHECKED)
class SingleVolume:
    """How one scan by itself becomes one input, on a fixed lattice (:mod:`dawson.preparation.single_volume`)."""

    shape: Annotated[tuple[Side, Side, Side], _LIST] = (160, 160, 96)
    """Voxels along R, A and S."""
    spacing_mm: Annotated[tuple[VoxelSize, VoxelSize, VoxelSize], _LIST] = (1.2, 1.2, 1.6)
    """Voxel size along R, A and S: the shape then covers 192 × 192 × 154 mm, a whole brain."""
    percentiles: Annotated[tuple[Percentile, Percentile], _LIST] = (0.5, 99.8)
    """They become 0 and 1, what lies beyond is clipped: the first of the whole view, which holds air too, the
    second of the head."""
    blur_mm: Annotated[float, Field(ge=0, le=20), Finite] = 0.6
    """Standard deviation of the Gaussian that takes noise away; 0 leaves it."""
    sharpening: Annotated[float, Field(ge=0, le=10), Finite] = 1.0
    """Greatest amount of the contrast kernel, for an image without noise; 0 turns it off."""
    kernel_mm: Annotated[float, Field(ge=0.1, le=50), Finite] = 2.0
    """Least standard deviation of the surround that the contrast kernel compares a voxel with."""

    @model_validator(mode="after")
    def _ordered(self) -> SingleVolume:
        if self.percentiles[0] >= self.percentiles[1]:
            raise bad("volume.percentiles", f"is {list(self.percentiles)}", "give the lower one first")
        return self


SLOPE = 0.01  # of the leaky ReLU
EPSILON = 1e-5  # of the instance normalisation


@dataclass(frozen=True, config=_CHECKED)
class Network:
    """The U-Net: channels by level, and convolutions by level on either side."""

    widths: Annotated[tuple[Width, ...], _LIST] = (16, 32, 64, 128, 256)
    """Channels of each level, from full resolution down."""
    convolutions: Annotated[tuple[Convolutions, ...], _LIST] = (1, 2, 2, 2, 2)
    """Convolutions of each level, on the way down and on the way up."""

    @model_validator(mode="after")
    def _level_by_level(self) -> Network:
        if not 1 <= len(self.widths) <= 8:
            raise bad("network.widths", f"has {len(self.widths)} levels", "give the channels of each of 1 to 8 levels")
        if len(self.widths) != len(self.convolutions):
            raise bad("network.convolutions", "has another length than network.widths", "give one number a level")
        return self


@dataclass(frozen=True, config=_CHECKED)
class Loss:
    """λ·BCE + (1−λ)·Dice for lesions, plus the cross-entropy of the anatomy."""

    lambda_: Share = 0.5
    """λ; written ``lambda`` in TOML."""
    bce_scale: Annotated[float, Field(ge=0, le=1e4), Finite] = 20.0
    """The BCE, a mean over voxels, is some 20 times smaller than the Dice term where lesions fill 1 % of a
    patch; this brings λ = 0.5 to mean what it says."""
    dice_smoothing: Annotated[float, Field(ge=1e-6, le=1e6), Finite] = 20.0
    """Voxels that a patch without lesions may hold before its Dice term counts."""
    small_lesion_weight: Annotated[float, Field(ge=0, le=1e3), Finite] = 4.0
    """Extra weight in the BCE of lesion voxels that have little lesion around them."""
    anatomy: Annotated[float, Field(ge=0, le=1e3), Finite] = 1.0
    """Weight of the anatomy's cross-entropy beside the lesion terms."""
    anatomy_weights: Annotated[tuple[Weight, ...], _LIST] = (1.2, 3.0, 1.2, 1.0, 2.0, 0.8, 1.3, 3.0)
    """By class from outside to brain-stem: the small ones would else be left out for long."""


@dataclass(frozen=True, config=_CHECKED)
class Optimizer:
    """Gradient descent: how far, how fast, and when to slow down."""

    algorithm: Literal["adam", "adamw"] = "adamw"
    """``adamw``, or ``adam``, for which ``weight_decay`` must be 0."""
    lr: Annotated[float, Field(gt=0), Finite] = 1e-3
    """Highest learning rate."""
    schedule: Literal["cosine", "plateau"] = "cosine"
    """``cosine``: linear warm-up, then a cosine down to a hundredth of ``lr``. ``plateau``: ``lr`` times
    ``factor`` whenever the validation Dice has not grown for ``patience_epochs``."""
    warm_up_steps: Count = 100
    """Steps over which ``cosine`` raises the learning rate from nearly 0 to ``lr``."""
    patience_epochs: Count = 5
    """Epochs without growth of the validation Dice before ``plateau`` lowers the learning rate."""
    factor: Annotated[float, Field(ge=1e-6, le=1), Finite] = 0.1
    """What ``plateau`` multiplies the learning rate by."""
    early_stop_epochs: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Stop when the validation Dice has not grown for so many epochs; 0 never does."""
    weight_decay: Annotated[float, Field(ge=0, le=1), Finite] = 1e-4
    """Decoupled weight decay of ``adamw``."""
    steps: Count = 3000
    """Steps of gradient descent in all."""
    steps_per_epoch: Count = 500
    """Steps between two looks at the validation set."""
    batch: Annotated[int, Field(ge=1, le=4096)] = 1
    """Windows or volumes of a step, over all GPUs."""
    reuse: Annotated[int, Field(ge=1, le=1000)] = 2
    """How often each synthetic patch is seen, after the first time mirrored, dimmed and thinned out."""
    gradient_clip: Annotated[float, Field(ge=0, le=1e9), Finite] = 3.0
    """Longest gradient; 0 leaves it as it is."""
    averaging: Annotated[float, Field(ge=0, le=0.999999), Finite] = 0.995
    """Decay of the exponential average of the weights, which is what ships; 0 ships the weights themselves."""
    seed: Annotated[int, Field(ge=0, le=2**62)] = 1
    """Seed of everything that is drawn: the same one gives the same run."""
    precision: Literal["auto", "bf16", "f32"] = "auto"
    """What the network is computed in: ``bf16`` (mixed precision), ``f32``, or ``auto``: bf16 where the CPU or GPU is
    fast in it, f32 elsewhere, and a resumed run keeps what it began with."""

    @model_validator(mode="after")
    def _decays(self) -> Optimizer:
        if self.algorithm == "adam" and self.weight_decay:
            raise bad("optimizer.weight_decay", f"is {self.weight_decay}", "make it 0, or use adamw")
        return self


@dataclass(frozen=True, config=_CHECKED)
class Augment:
    """How real cases are varied from one look to the next; probabilities in [0, 1]."""

    flip_vertical: Share = 0.5
    """Probability of swapping front and back, the vertical axis of an axial picture."""
    flip_horizontal: Share = 0.5
    """Probability of swapping left and right."""
    brightness: Share = 0.1
    """Largest offset, drawn evenly from its negative to it."""
    contrast: Share = 0.2
    """Largest relative change of the distance from the mean."""
    noise: Share = 0.03
    """Largest standard deviation of Gaussian noise, drawn evenly from 0."""
    lesion_centred: Share = 0.6
    """Share of windows that are laid around a lesion, where the network sees windows."""
    synthetic: Share = 0.5
    """Share of synthetic patches where label maps and lesion masks are given beside cases."""
    grafted: Share = 0.5
    """Share of windows of real visits that get synthetic lesions beside their own, where lesion masks are given."""
    rescanned: Share = 1.0
    """Share of windows of real visits that are shown as another scanner might have: turned, in thicker slices,
    uneven, noisier, of a patient who moved, or without the skull (:mod:`dawson.synthesis.rescan`)."""


@dataclass(frozen=True, config=_CHECKED)
class Measure:
    """What counts as a lesion in results."""

    threshold: Annotated[float, Field(ge=1e-3, le=1), Finite] = 0.35
    """Least probability of a lesion voxel. Below one half: raters draw lesions more generously than the
    half-height at which the generator draws its truth."""
    peak: Share = 0.0
    """Least highest probability of a lesion; up to ``threshold`` it drops nothing."""
    minimum_mm3: Annotated[float, Field(ge=0, le=1e5), Finite] = 3.0
    """Least volume of a lesion, in mm³."""


@dataclass(frozen=True, config=_CHECKED)
class Synthesis:
    """Shares and ranges of the generator; probabilities in [0, 1], lengths in mm."""

    subsets: Mapping[str, float] = field(
        default_factory=lambda: {
            "flair": 0.24,
            "flair+t1": 0.16,
            "flair+t1+t2": 0.2,
            "flair+t2": 0.06,
            "t1": 0.16,
            "t2": 0.14,
            "t1+t2": 0.04,
        }
    )
    """Shares by what is shown of a patient. Synthetic patches are painted with these; when they are seen once more a
    third of those with several sequences lose one, never the first. Windows of a real visit draw among what the visit
    has, so where many have a FLAIR alone, that is shown more often than its share says."""
    healthy: Share = 0.3
    """Share of samples without lesions."""
    lesion_centred: Share = 0.6
    """Share of the samples with lesions that are laid around one."""
    outside_centred: Share = 0.1
    """Share of the other samples that lie anywhere in the head; the rest have their middle in the brain."""
    whole_load: Share = 0.4
    """Share of samples that keep all lesions of the mask; the others keep a random share of them."""
    cortical: Share = 0.1
    """Share of samples whose lesions may lie in cortex. A mask laid over another brain often falls there by
    accident, and a network that learns from such truth takes bright cortex for lesion."""
    small_lesions: Share = 0.6
    """Share of samples with lesions that get small ones beside those of the mask."""
    small_lesion_count: Annotated[float, Field(ge=1, le=100), Finite] = 5.0
    """Mean number of these, of a geometric distribution."""
    small_lesion_radius_mm: Annotated[float, Field(ge=0.5, le=7), Finite] = 2.6
    """Median radius of these, of a log-normal distribution."""
    juxtacortical: Share = 0.3
    """Share of the small lesions that lie under cortex and reach into it, brighter than it."""
    contrast: Annotated[tuple[Brightness, Brightness], _LIST] = (0.5, 1.15)
    """Least and greatest brightness of lesions over the tissue around them, relative to a plain lesion's."""
    random_contrast: bool = False
    """Whether tissues and lesions get greys at random, as SynthSeg paints them (Billot et al., Med Image Anal 2023),
    not those that their sequence would give them: for sequences that the generator does not know. Training only:
    ``dawson synth`` paints by sequence."""
    stripped: Share = 0.4
    """Share of samples without the skull."""
    thick: Share = 0.5
    """Share of samples in slices of 2 mm and more."""
    thickest_mm: Annotated[float, Field(ge=3, le=20), Finite] = 8.0
    """Distance of the thickest slices."""
    noise: Annotated[tuple[Noise, Noise], _LIST] = (0.015, 0.1)
    """Least and greatest standard deviation of the noise, relative to the brain's median."""
    bias: Annotated[float, Field(ge=0, le=1), Finite] = 0.12
    """Standard deviation of the strength of the receive field: of its logarithm, from sample to sample."""
    motion: Share = 0.0
    """Share of scans, and of windows of real ones that are shown as another scanner might, whose patient moved."""
    misalignment_mm: Annotated[float, Field(ge=0, le=20), Finite] = 0.6
    """Standard deviation along each axis of the shift between sequences, in half of the samples."""
    border: Annotated[float, Field(ge=0.05, le=0.95), Finite] = 0.42
    """Height of a lesion's border, as a share of its own peak, at which the truth is drawn: raters draw generously."""
    visible: bool = True
    """Whether only what raters could see in the drawn image counts as lesion (:mod:`dawson.synthesis.visibility`)."""
    rotation_degrees: Annotated[float, Field(ge=0, le=180), Finite] = 8.0
    """How far heads are turned."""
    scaling: Annotated[float, Field(ge=1, le=2), Finite] = 1.15
    """Heads are stretched along each axis by a factor between 1 over this and this."""
    elastic_mm: Annotated[float, Field(ge=0, le=20), Finite] = 4.0
    """Greatest strength of the elastic bending."""
    whole_head: bool = False
    """Whether samples show the whole head, as a scanner's field of view cuts it, on ``prepare.spacing_mm``, scaled by
    what they hold: for a network that finds the brain."""
    exclude_masks: Annotated[tuple[str, ...], _LIST] = ()
    """Lesion masks (file names without suffix) kept out, say because their patients validate."""

    @model_validator(mode="after")
    def _drawable(self) -> Synthesis:
        for name, (low, high) in (("contrast", self.contrast), ("noise", self.noise)):
            if low > high:
                raise bad(f"synthesis.{name}", f"is {[low, high]}", "give the lower one first")
        for subset, share in self.subsets.items():
            names = subset.split("+")
            if not set(names) <= set(Modality) or len(set(names)) < len(names) or not 0 <= share <= 1e6:
                finding = f"holds {subset!r} = {share}"
                raise bad("synthesis.subsets", finding, "join flair, t1 and t2 by + and give shares of 0 or more")
        if not sum(self.subsets.values()) > 0:
            raise bad("synthesis.subsets", "has no share above zero", "give at least one subset a share")
        return self


@dataclass(frozen=True, config=_CHECKED)
class Recipe:
    """All of it."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    prepare: Prepare = field(default_factory=Prepare)
    network: Network = field(default_factory=Network)
    loss: Loss = field(default_factory=Loss)
    optimizer: Optimizer = field(default_factory=Optimizer)
    synthesis: Synthesis = field(default_factory=Synthesis)
    augment: Augment = field(default_factory=Augment)
    measure: Measure = field(default_factory=Measure)
    volume: SingleVolume | None = None
    """Where given, the network sees one scan at a time, whole, and finds lesions only; else windows of up to
    three scans of a visit, and finds the coarse anatomy too."""

    @property
    def channels(self) -> int:
        """Channels of the network's input."""
        return len(Modality) if self.volume is None else 1

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Voxels that the network sees at once."""
        window = self.prepare.window
        return (window, window, window) if self.volume is None else self.volume.shape

    @model_validator(mode="after")
    def _fits_together(self) -> Recipe:
        if self.prepare.spacing_mm != 1.0 and not self.synthesis.whole_head:
            raise bad(
                "prepare.spacing_mm",
                f"is {self.prepare.spacing_mm}",
                "leave it at 1.0, where lesions can be told, or set synthesis.whole_head to find brains",
            )
        if self.volume is None and len(self.loss.anatomy_weights) != ANATOMY_CLASSES:
            count = len(self.loss.anatomy_weights)
            raise bad("loss.anatomy_weights", f"has {count} weights", f"give {ANATOMY_CLASSES}")
        name, levels = "prepare.window" if self.volume is None else "volume.shape", len(self.network.widths)
        if min(self.input_shape) < 2**levels:
            raise bad(name, f"has a side of {min(self.input_shape)}", f"give at least {2**levels} for {levels} levels")
        for side in self.input_shape:
            if side % 2 ** (levels - 1):
                remedy = "use multiples of 2**(levels - 1)"
                raise bad(name, f"holds {side}, which cannot be halved once a level", remedy)
        return self


TABLES = {
    "prepare": Prepare,
    "network": Network,
    "loss": Loss,
    "optimizer": Optimizer,
    "synthesis": Synthesis,
    "augment": Augment,
    "measure": Measure,
    "volume": SingleVolume,
}
"""The classes of a recipe's tables."""


def describe(table: str) -> dict[str, str]:
    """What the fields of a table mean, by their names in TOML; empty where the name says it."""
    fields = TABLES[table].__pydantic_fields__  # type: ignore[attr-defined]
    return {name.removesuffix("_"): " ".join((info.description or "").split()) for name, info in fields.items()}
