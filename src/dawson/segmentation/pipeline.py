"""The main job, readable as one page: a study becomes lesions on the grid of its reference scan.

    read → align → prepare → find the brain → segment → bring back → measure → check → write

A small network, the locator, finds the brain; the model sees that brain scaled by its median, which neither scalp nor
lesion load can move. Where the brain as the model finds it has quite another median or goes on beyond what was shown,
it looks again, scaled and framed by that; where it lies elsewhere, the model searches the whole head itself. Without a
FLAIR, or with a T2, it is asked for a second opinion, of the mirrored head. A model whose recipe has a table
``[volume]``, as the paper's, sees one scan by itself, whole, and needs no locator.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.errors import InputError, ModelError
from dawson.core.result import Segmentation
from dawson.core.study import Modality, Study
from dawson.measurement.anatomy import knows_anatomy
from dawson.measurement.annotate import place_lesions
from dawson.measurement.interval import measure_interval
from dawson.measurement.lesions import find_lesions
from dawson.measurement.location import find_frame
from dawson.measurement.volumes import measure_volumes
from dawson.model.calibration import calibrate
from dawson.model.card import Model, load_model
from dawson.model.engine import AT_ONCE, Infer, load_engine, precision
from dawson.model.windows import run_model
from dawson.preparation.display import show
from dawson.preparation.intensity import brain_median, normalise, rough_scale
from dawson.preparation.locator import about_locator, load_locator, locate, see
from dawson.preparation.register import Alignment
from dawson.preparation.resample import bring_back, resample
from dawson.preparation.single_volume import prepare_volume
from dawson.preparation.visit import Head, Inputs, check_brain, cut_off_cm2, frame, in_head, lay_out, scale_off
from dawson.quality.evidence import Evidence
from dawson.quality.outline import CUT_CM2, LIKE_BRAINS, Outline
from dawson.quality.run import check_quality
from dawson.recipe import SingleVolume as VolumeSettings

NEAR_ENOUGH = 1.05
"""Factor by which the brain's median, as the model found it, may miss 1; beyond it the model looks again."""
MORE_LOOKS = 2  # a brain that goes on beyond the box is framed anew, by what was found of it
GUESS = 0.7  # of a head's rough scale, which bright fat raises: about the brain's median
WEAK_DICE = 0.4  # on validation scans; below it, what was not found says nothing

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class _Opinion:
    """The network's own lesion probabilities (i, j, k), and the sequences that it was shown."""

    shown: tuple[Modality, ...]
    mirrored: bool
    probability: Image

    @property
    def inputs(self) -> str:
        """What it was shown, as cards name it: ``flair+t1``."""
        return "+".join(self.shown)

    def __str__(self) -> str:
        return f"{self.inputs}, mirrored" if self.mirrored else self.inputs


@dataclass(frozen=True, eq=False)
class _Found:
    """Lesion probabilities and anatomy on the grid of the reference scan, and how they came about."""

    probability: Image
    anatomy: Labels
    opinions: tuple[str, ...]
    used: tuple[Modality, ...]
    partial: dict[Modality, float]
    alignment: dict[Modality, Alignment]
    warnings: list[str]
    outline: Outline | None
    locator: dict[str, object] | None


def segment(study: Study, *, model: Path | str | None = None, progress: Progress | None = None) -> Segmentation:
    """Find the lesions of one visit.

    ``study`` holds any non-empty subset of FLAIR, T1 and T2, raw or skull-stripped, in any orientation;
    ``model`` is a model or run folder (the shipped model where left out); ``progress`` is called with the
    name of each step as it begins. Results lie on the grid of ``study.reference``; the same study and
    model give bit-identical results on the same machine.

    Raises :class:`dawson.core.errors.InputError` where no brain can be found, and
    :class:`dawson.core.errors.ModelError` for a model that cannot be used.
    """
    clock = _Clock(progress)
    clock.begin("load the model")
    network = load_model(model)
    if network.recipe.synthesis.whole_head:
        raise ModelError(
            "finds brains, not lesions", file=network.folder, remedy="leave --model out, or name a model of lesions"
        )
    whole = network.recipe.volume
    infer = load_engine(network, at_once=AT_ONCE if whole is None else 1)
    if whole is None:
        found = _in_windows(study, network, infer, clock.begin)
    else:
        found = _in_one_volume(study, network, whole, infer, clock.begin)
    warnings = found.warnings + _weak_inputs(network, found.used)
    probability, reference = found.probability, study.reference
    if reference.missing is not None:
        probability[reference.missing] = 0.0

    clock.begin("measure")
    grid, names, anatomy, card = reference.grid, network.anatomy_names, found.anatomy, network.card
    given = "+".join(found.used)
    rule = {"threshold": network.threshold, "peak": network.peak, "minimum_mm3": network.minimum_mm3}
    lesions, numbered, table = find_lesions(probability, grid, **rule)
    known = knows_anatomy(names)
    frame = find_frame(anatomy, grid) if known else None
    table = place_lesions(table, numbered, anatomy, names, grid, frame=frame)
    volumes = measure_volumes(anatomy, names, lesions, grid, parenchyma=card["parenchyma"]) if known else None
    result = Segmentation(
        study=study,
        used=found.used,
        lesions=lesions,
        labels=numbered,
        probability=probability,
        anatomy=anatomy,
        anatomy_names=names,
        table=table,
        model=network.summary
        | {"precision": precision(network), "opinions": list(found.opinions), "locator": found.locator},
        seconds=clock.seconds,
        alignment={s: a.note for s, a in found.alignment.items()},
        warnings=tuple(warnings),
        display=show(study, found.used, {s: a.matrix for s, a in found.alignment.items()}, anatomy > 0),
        volumes=volumes,
        interval=measure_interval(probability, grid, **rule, card=card, given=given),
        confidence=(card.get("confidence") or {}).get(given, {}),
    )
    clock.begin("check")
    seen = Evidence(
        study,
        found.used,
        found.partial,
        found.alignment,
        anatomy,
        names,
        card["parenchyma"],
        lesions,
        frame,
        volumes,
        found.outline,
    )
    quality = check_quality(seen, load_ml=result.load_ml, card=card)
    return replace(result, quality=quality, seconds=clock.end())


def _in_windows(study: Study, network: Model, infer: Infer, begin: Progress) -> _Found:
    """All scans of the visit together, window by window around the brain."""
    head = lay_out(study, network.recipe.prepare, begin=begin)
    begin("find the brain")
    brain = locate(load_locator(), head.images, head.grid)
    begin("segment")
    seen: Seen | InputError = look(study, head, brain, network, infer)
    if isinstance(seen, InputError) or seen.outline.doubtful:
        begin("search the whole head")
        other = look(study, head, _search(network, infer, head, brain), network, infer)
        seen = _better(seen, other)
    if isinstance(seen, InputError):
        raise seen
    first = _Opinion(seen.inputs.used, False, seen.probability)
    second = _second_opinion(network, infer, seen.inputs)
    opinions = (first,) if second is None else (first, second)
    begin("bring back")
    probability = _agreed(opinions, network, seen.inputs, seen.anatomy > 0)
    here, target = seen.inputs.grid, study.reference.grid
    return _Found(
        bring_back(probability, here, target, threshold=network.threshold, peak=network.peak),
        resample(seen.anatomy, here, target, interpolation="nearest"),
        tuple(str(own) for own in opinions),
        seen.inputs.used,
        seen.inputs.partial,
        seen.inputs.alignment,
        [*seen.inputs.warnings, *seen.warnings],
        seen.outline,
        about_locator(),
    )


@dataclass(frozen=True, eq=False)
class Seen:
    """Lesion probability and anatomy (i, j, k) that the model found in its inputs."""

    inputs: Inputs
    probability: Image
    anatomy: Labels
    outline: Outline
    warnings: list[str]


def look(study: Study, head: Head, brain: Mask, network: Model, infer: Infer) -> Seen | InputError:
    """What the model finds where ``brain`` (i, j, k) lies in the head, or why there is nothing to find.

    Where the brain as it finds it has quite another median, or goes on beyond the box, it looks again, scaled and
    framed by that.
    """
    try:
        inputs = frame(study, head, brain)
        probability, anatomy, found = _run(network, infer, inputs, head)
        for _ in range(MORE_LOOKS):
            if scale_off(inputs, found, head) <= NEAR_ENOUGH and cut_off_cm2(inputs, found, head) <= CUT_CM2:
                break
            inputs = frame(study, head, found)
            probability, anatomy, found = _run(network, infer, inputs, head)
        warnings = check_brain(study, found, head.grid)
    except InputError as error:
        return error
    both = 2 * np.count_nonzero(found & brain)
    dice = both / (np.count_nonzero(found) + np.count_nonzero(brain))
    return Seen(inputs, probability, anatomy, Outline(dice, cut_off_cm2(inputs, found, head)), warnings)


def _run(network: Model, infer: Infer, inputs: Inputs, head: Head) -> tuple[Image, Labels, Mask]:
    """Lesion probability, anatomy, and the head's brain (i, j, k) as the model finds them."""
    spacing, overlap = inputs.grid.spacing[0], network.recipe.prepare.overlap
    probability, anatomy, found = see(network, infer, inputs.images, spacing, overlap=overlap, wanted=inputs.parenchyma)
    return probability, anatomy, in_head(inputs, found, head)


def _second_opinion(network: Model, infer: Infer, inputs: Inputs) -> _Opinion | None:
    """What the network says with left and right changed: of the FLAIR alone where there is one, else of all.

    Most of what lesions are told by is in the FLAIR, and a network that also sees a T2 at times believes that one
    too much. Both opinions err differently, and their mean errs less. A FLAIR that came alone or with a T1 is not asked
    again, for that gains nothing that can be told from chance; nor is a network that was never shown just these
    sequences.
    """
    shown = tuple(s for s in inputs.used if s is Modality.FLAIR) or inputs.used
    learned = {frozenset(name.split("+")) for name, share in network.recipe.synthesis.subsets.items() if share > 0}
    sure = Modality.FLAIR in inputs.used and Modality.T2 not in inputs.used
    if sure or frozenset(shown) not in learned:
        return None
    images = inputs.images * np.array([s in shown for s in Modality], np.float32)[:, None, None, None]
    probability, _ = run_model(network, infer, images[:, ::-1], wanted=inputs.parenchyma[::-1])
    return _Opinion(shown, True, probability[::-1])


def _agreed(opinions: tuple[_Opinion, ...], network: Model, inputs: Inputs, brain: Mask) -> Image:
    """The mean of calibrated lesion probabilities (i, j, k); where one was shown nothing, that of the others.

    Zero outside of ``brain`` (i, j, k).
    """
    anywhere = inputs.showing(inputs.used)[brain]
    total, votes = np.zeros(len(anywhere), np.float32), np.zeros(len(anywhere), np.float32)
    for own in opinions:
        vote = inputs.showing(own.shown)[brain] | ~anywhere
        total += vote * calibrate(own.probability[brain], *network.calibration_of(own.inputs))
        votes += vote
    mean = np.zeros(brain.shape, np.float32)
    mean[brain] = np.minimum(total / np.maximum(votes, 1), 1)  # the shares of windows are 1 in all but for rounding
    return mean


def _search(network: Model, infer: Infer, head: Head, guess: Mask) -> Mask:
    """The brain (i, j, k) as the model itself finds it in the whole head, scaled by a guess.

    Several times slower than the locator, and another opinion where that one's cannot be trusted.
    """
    scales = [brain_median(image, guess) or GUESS * rough_scale(image) for image in head.images]
    images = np.stack([normalise(image, scale) for image, scale in zip(head.images, scales, strict=True)])
    _, _, brain = see(network, infer, images, head.grid.spacing[0], overlap=0.0)
    return brain


def _better(one: Seen | InputError, other: Seen | InputError) -> Seen | InputError:
    """Of two ways to see a brain, the one that agrees with where it was looked for, and of such the one cut least."""
    if isinstance(one, InputError) or isinstance(other, InputError):
        return other if isinstance(one, InputError) else one
    if min(one.outline.dice, other.outline.dice) >= LIKE_BRAINS:
        return min((one, other), key=lambda seen: seen.outline.cut_cm2)
    return max((one, other), key=lambda seen: seen.outline.dice)


def _in_one_volume(study: Study, network: Model, settings: VolumeSettings, infer: Infer, begin: Progress) -> _Found:
    """The reference scan alone, whole: what a network of single sequences can use of a visit."""
    scan = study.reference
    begin("prepare")
    prepared = prepare_volume(scan, settings)
    begin("segment")
    own = _Opinion((scan.modality,), False, infer(prepared.voxels[None])[0])
    begin("bring back")
    calibrated = calibrate(own.probability, *network.calibration_of(own.inputs))
    probability = bring_back(calibrated, prepared.grid, scan.grid, threshold=network.threshold, peak=network.peak)
    warnings = [*study.warnings, *(f"{scan.modality.value}: {text}" for text in prepared.warnings)]
    if len(study.modalities) > 1:
        left = " and ".join(s.upper() for s in study.modalities[1:])
        warnings.append(f"this model reads one sequence at a time: {left} had no part in the result")
    nothing = np.zeros(scan.grid.shape, np.uint8)
    return _Found(probability, nothing, (str(own),), (scan.modality,), {}, {}, warnings, None, None)


def _weak_inputs(network: Model, used: tuple[Modality, ...]) -> list[str]:
    """A warning where the model was measured to do badly on just these sequences: no lesion then means little."""
    name = "+".join(used)
    dice = network.dice.get(name)
    if dice is None or dice >= WEAK_DICE:
        return []
    return [
        f"from {name.upper()} alone this model does badly (mean Dice {dice:.2f} on validation scans): volumes can be "
        "far off, and that none or few lesions were found does not mean that there are none; add a FLAIR"
    ]


class _Clock:
    """Wall-clock seconds by step, and the caller told of each as it begins."""

    def __init__(self, progress: Progress | None) -> None:
        self.progress = progress
        self.seconds: dict[str, float] = {}
        self.current: tuple[str, float] | None = None

    def begin(self, step: str) -> None:
        self.end()
        if self.progress is not None:
            self.progress(step)
        self.current = (step, time.perf_counter())

    def end(self) -> dict[str, float]:
        if self.current is not None:
            step, started = self.current
            self.seconds[step] = round(time.perf_counter() - started, 3)
        self.current = None
        return self.seconds
