"""The tables of a recipe and their fields, each with its meaning, unit and default."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dawson.core.study import Modality


@dataclass(frozen=True)
class Prepare:
    """How scans become the network's input."""

    spacing_mm: float = 1.0
    """Isotropic voxel size of the working grid."""
    window: int = 96
    """Side of the cubic window that the network sees, in training and in inference."""
    overlap: float = 0.3
    """Share of a window that its neighbour sees again, in inference."""


@dataclass(frozen=True)
class SingleVolume:
    """How one scan by itself becomes one input, on a fixed lattice (:mod:`dawson.preparation.single_volume`)."""

    shape: tuple[int, int, int] = (160, 160, 96)
    """Voxels along R, A and S."""
    spacing_mm: tuple[float, float, float] = (1.2, 1.2, 1.6)
    """Voxel size along R, A and S: the shape then covers 192 × 192 × 154 mm, a whole brain."""
    percentiles: tuple[float, float] = (0.5, 99.8)
    """They become 0 and 1, what lies beyond is clipped: the first of the whole view, which holds air too, the
    second of the head."""
    blur_mm: float = 0.6
    """Standard deviation of the Gaussian that takes noise away; 0 leaves it."""
    sharpening: float = 1.0
    """Greatest amount of the contrast kernel, for an image without noise; 0 turns it off."""
    kernel_mm: float = 2.0
    """Least standard deviation of the surround that the contrast kernel compares a voxel with."""


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
    """λ; written ``lambda`` in TOML."""
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
    """Gradient descent: how far, how fast, and when to slow down."""

    algorithm: str = "adamw"
    """``adamw``, or ``adam``, for which ``weight_decay`` must be 0."""
    lr: float = 1e-3
    schedule: str = "cosine"
    """``cosine``: linear warm-up, then a cosine down to a hundredth of ``lr``. ``plateau``: ``lr`` times
    ``factor`` whenever the validation Dice has not grown for ``patience_epochs``."""
    warm_up_steps: int = 100
    patience_epochs: int = 5
    factor: float = 0.1
    early_stop_epochs: int = 0
    """Stop when the validation Dice has not grown for so many epochs; 0 never does."""
    weight_decay: float = 1e-4
    steps: int = 3000
    steps_per_epoch: int = 500
    batch: int = 1
    reuse: int = 2
    """How often each synthetic patch is seen, after the first time mirrored, dimmed and thinned out."""
    gradient_clip: float = 3.0
    """Longest gradient; 0 leaves it as it is."""
    averaging: float = 0.995
    """Decay of the exponential average of the weights, which is what ships; 0 ships the weights themselves."""
    seed: int = 1
    precision: str = "auto"
    """What the network is computed in: ``bf16`` (mixed precision), ``f32``, or ``auto``: bf16 where the CPU or GPU is
    fast in it, f32 elsewhere, and a resumed run keeps what it began with."""


@dataclass(frozen=True)
class Augment:
    """How real cases are varied from one look to the next; probabilities in [0, 1]."""

    flip_vertical: float = 0.5
    """Probability of swapping front and back, the vertical axis of an axial picture."""
    flip_horizontal: float = 0.5
    """Probability of swapping left and right."""
    brightness: float = 0.1
    """Largest offset, drawn evenly from its negative to it."""
    contrast: float = 0.2
    """Largest relative change of the distance from the mean."""
    noise: float = 0.03
    """Largest standard deviation of Gaussian noise, drawn evenly from 0."""
    lesion_centred: float = 0.6
    """Share of windows that are laid around a lesion, where the network sees windows."""
    synthetic: float = 0.5
    """Share of synthetic patches where label maps and lesion masks are given beside cases."""
    grafted: float = 0.5
    """Share of windows of real visits that get synthetic lesions beside their own, where lesion masks are given."""
    rescanned: float = 1.0
    """Share of windows of real visits that are shown as another scanner might have: turned, in thicker slices,
    uneven, noisier, of a patient who moved, or without the skull (:mod:`dawson.synthesis.rescan`)."""


@dataclass(frozen=True)
class Measure:
    """What counts as a lesion in results."""

    threshold: float = 0.35
    """Least probability of a lesion voxel. Below one half: raters draw lesions more generously than the
    half-height at which the generator draws its truth."""
    peak: float = 0.0
    """Least highest probability of a lesion; up to ``threshold`` it drops nothing."""
    minimum_mm3: float = 3.0


@dataclass(frozen=True)
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
    healthy: float = 0.3
    lesion_centred: float = 0.6
    outside_centred: float = 0.1
    whole_load: float = 0.4
    """Share of samples that keep all lesions of the mask; the others keep a random share of them."""
    cortical: float = 0.1
    """Share of samples whose lesions may lie in cortex. A mask laid over another brain often falls there by
    accident, and a network that learns from such truth takes bright cortex for lesion."""
    small_lesions: float = 0.6
    small_lesion_count: float = 5.0
    small_lesion_radius_mm: float = 2.6
    juxtacortical: float = 0.3
    """Share of the small lesions that lie under cortex and reach into it, brighter than it."""
    contrast: tuple[float, float] = (0.5, 1.15)
    random_contrast: bool = False
    """Whether tissues and lesions get greys at random, as SynthSeg paints them (Billot et al., Med Image Anal 2023),
    not those that their sequence would give them: for sequences that the generator does not know. Training only:
    ``dawson synth`` paints by sequence."""
    stripped: float = 0.4
    thick: float = 0.5
    thickest_mm: float = 8.0
    noise: tuple[float, float] = (0.015, 0.1)
    bias: float = 0.12
    motion: float = 0.0
    """Share of scans, and of windows of real ones that are shown as another scanner might, whose patient moved."""
    misalignment_mm: float = 0.6
    border: float = 0.42
    """Height of a lesion's border, as a share of its own peak, at which the truth is drawn: raters draw generously."""
    visible: bool = True
    """Whether only what raters could see in the drawn image counts as lesion (:mod:`dawson.synthesis.visibility`)."""
    rotation_degrees: float = 8.0
    scaling: float = 1.15
    elastic_mm: float = 4.0
    whole_head: bool = False
    """Whether samples show the whole head, as a scanner's field of view cuts it, on ``prepare.spacing_mm``, scaled by
    what they hold: for a network that finds the brain."""
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
