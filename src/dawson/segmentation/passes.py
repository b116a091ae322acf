"""How the network is asked about a visit: a pass, passes framed by what the one before found, a second opinion.

The network sees the brain scaled by its median, which neither scalp nor lesion load can move. Where the brain as it
finds it has quite another median, or goes on beyond the crop, the next pass is scaled and cropped by that. Where it
lies elsewhere than the locator said, the network searches the whole head itself. Without a FLAIR, or with a T2, it
gives a second opinion, of the mirrored head.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.core.errors import InputError
from dawson.core.study import Modality
from dawson.model.calibration import calibrate
from dawson.model.card import Model
from dawson.model.engine import Infer
from dawson.model.windows import run_model
from dawson.preparation.anatomy import infer_anatomy
from dawson.preparation.crop import PreparedStudy, check_brain, crop_to_brain, cut_area_cm2, scale_error, uncrop
from dawson.preparation.intensity import brain_median, normalise, rough_scale
from dawson.preparation.visit import AlignedStudy
from dawson.quality.outline import CUT_CM2, LIKE_BRAINS, Outline

NEAR_ENOUGH = 1.05
"""Factor by which the brain's median, as the model found it, may miss 1; beyond it there is another pass."""
MORE_PASSES = 2  # a brain that goes on beyond the crop is cropped anew, by what was found of it
GUESS = 0.7  # of a head's rough scale, which bright fat raises: about the brain's median


@dataclass(frozen=True, eq=False)
class Opinion:
    """The network's lesion probabilities (i, j, k), not calibrated, and the sequences that it was given for them."""

    modalities: tuple[Modality, ...]
    mirrored: bool
    probability: Image

    @property
    def inputs(self) -> str:
        """What it was given, as cards name it: ``flair+t1``."""
        return "+".join(self.modalities)

    def __str__(self) -> str:
        return f"{self.inputs}, mirrored" if self.mirrored else self.inputs


@dataclass(frozen=True, eq=False)
class PassResult:
    """Lesion probability and anatomy (i, j, k) that the network found in what was prepared for it."""

    prepared: PreparedStudy
    probability: Image
    anatomy: Labels
    outline: Outline


def ask(aligned: AlignedStudy, brain: Mask, model: Model, infer: Infer, *, begin: Callable[[str], None]) -> PassResult:
    """What the network finds where ``brain`` (i, j, k) lies, or in the whole head where that cannot be right.

    Raises :class:`InputError` where no brain is found in either way.
    """
    begin("segment")
    result = run_passes(aligned, brain, model, infer)
    if isinstance(result, InputError) or result.outline.doubtful:
        begin("search the whole head")
        result = _preferred(result, run_passes(aligned, _search_whole_head(aligned, brain, model, infer), model, infer))
    if isinstance(result, InputError):
        raise result
    return result


def run_passes(aligned: AlignedStudy, brain: Mask, model: Model, infer: Infer) -> PassResult | InputError:
    """What the network finds where ``brain`` (i, j, k) lies in the head, or why there is nothing to find.

    Where the brain as it finds it has quite another median, or goes on beyond the crop, there is another pass.
    """
    try:
        prepared = crop_to_brain(aligned, brain)
        probability, anatomy, found = _run_pass(aligned, prepared, model, infer)
        for _ in range(MORE_PASSES):
            near = scale_error(prepared, found, aligned) <= NEAR_ENOUGH
            if near and cut_area_cm2(prepared, found, aligned) <= CUT_CM2:
                break
            prepared = crop_to_brain(aligned, found)
            probability, anatomy, found = _run_pass(aligned, prepared, model, infer)
        check_brain(found, aligned.grid, file=aligned.study.reference.file)
    except InputError as error:
        return error
    both = 2 * np.count_nonzero(found & brain)
    dice = both / (np.count_nonzero(found) + np.count_nonzero(brain))
    outline = Outline(dice, cut_area_cm2(prepared, found, aligned))
    return PassResult(prepared, probability, anatomy, outline)


def infer_prepared(prepared: PreparedStudy, model: Model, infer: Infer) -> tuple[Image, Labels, Mask]:
    """Lesion probability, anatomy and brain (i, j, k) in what was prepared: one pass."""
    overlap, spacing = model.recipe.prepare.overlap, prepared.grid.spacing[0]
    return infer_anatomy(model, infer, prepared.images, spacing, overlap=overlap, wanted=prepared.parenchyma)


def opinions_of(prepared: PreparedStudy, probability: Image, model: Model, infer: Infer) -> tuple[Opinion, ...]:
    """The opinion that a pass has given, and a second one where that helps."""
    first = Opinion(prepared.used, False, probability)
    second = second_opinion(prepared, model, infer)
    return (first,) if second is None else (first, second)


def second_opinion(prepared: PreparedStudy, model: Model, infer: Infer) -> Opinion | None:
    """What the network says with left and right exchanged: of the FLAIR alone where there is one, else of all.

    Most of what lesions are told by is in the FLAIR, and a network that also sees a T2 at times believes that one
    too much. Both opinions err differently, and their mean errs less. A FLAIR that came alone or with a T1 is not asked
    again, for that gains nothing that can be told from chance; nor is a network that was never trained on just these
    sequences.
    """
    modalities = tuple(s for s in prepared.used if s is Modality.FLAIR) or prepared.used
    sure = Modality.FLAIR in prepared.used and Modality.T2 not in prepared.used
    if sure or "+".join(modalities) not in model.inputs:
        return None
    images = prepared.images * np.array([s in modalities for s in Modality], np.float32)[:, None, None, None]
    probability, _ = run_model(model, infer, images[:, ::-1], wanted=prepared.parenchyma[::-1])
    return Opinion(modalities, True, probability[::-1])


def agreement(opinions: tuple[Opinion, ...], prepared: PreparedStudy, brain: Mask, model: Model) -> Image:
    """The mean of calibrated lesion probabilities (i, j, k); where one was given nothing, that of the others.

    Zero outside of ``brain`` (i, j, k).
    """
    anywhere = prepared.field_of_view(prepared.used)[brain]
    total, votes = np.zeros(len(anywhere), np.float32), np.zeros(len(anywhere), np.float32)
    for opinion in opinions:
        vote = prepared.field_of_view(opinion.modalities)[brain] | ~anywhere
        total += vote * calibrate(opinion.probability[brain], *model.calibration_of(opinion.inputs))
        votes += vote
    mean = np.zeros(brain.shape, np.float32)
    mean[brain] = np.minimum(total / np.maximum(votes, 1), 1)  # the shares of windows are 1 in all but for rounding
    return mean


def _run_pass(aligned: AlignedStudy, prepared: PreparedStudy, model: Model, infer: Infer) -> tuple[Image, Labels, Mask]:
    """Lesion probability, anatomy, and the head's brain (i, j, k) as the network finds them."""
    probability, anatomy, found = infer_prepared(prepared, model, infer)
    return probability, anatomy, uncrop(prepared, found, aligned)


def _search_whole_head(aligned: AlignedStudy, guess: Mask, model: Model, infer: Infer) -> Mask:
    """The brain (i, j, k) as the network itself finds it in the whole head, scaled by a guess.

    Several times slower than the locator, and another opinion where that one's cannot be trusted.
    """
    scales = [brain_median(image, guess) or GUESS * rough_scale(image) for image in aligned.images]
    images = np.stack([normalise(image, scale) for image, scale in zip(aligned.images, scales, strict=True)])
    _, _, brain = infer_anatomy(model, infer, images, aligned.grid.spacing[0], overlap=0.0)
    return brain


def _preferred(one: PassResult | InputError, other: PassResult | InputError) -> PassResult | InputError:
    """The result that agrees with where its brain was looked for, and of two such the one whose brain is cut least."""
    if isinstance(one, InputError) or isinstance(other, InputError):
        return other if isinstance(one, InputError) else one
    if min(one.outline.dice, other.outline.dice) >= LIKE_BRAINS:
        return min((one, other), key=lambda result: result.outline.cut_cm2)
    return max((one, other), key=lambda result: result.outline.dice)
