"""The main job, readable as one page: a study becomes lesions on the grid of its reference scan.

    read → register → prepare → find the brain → segment → bring back → measure → check

A small network, the locator, finds the brain; the model is asked about it (:mod:`dawson.segmentation.passes`). A model
whose recipe has a table ``[volume]``, as the paper's, sees one scan by itself, whole, and needs no locator
(:mod:`dawson.segmentation.single_volume`).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from dawson.core.errors import ModelError
from dawson.core.result import Segmentation
from dawson.core.study import Study
from dawson.model.card import Model, load_model
from dawson.model.engine import Infer, load_engine
from dawson.preparation.locator import about_locator, load_locator, locate
from dawson.preparation.resample import bring_back, resample
from dawson.preparation.visit import align_study
from dawson.segmentation.inference import Inference
from dawson.segmentation.measure import check, measure
from dawson.segmentation.passes import agreement, ask, opinions_of
from dawson.segmentation.single_volume import infer_single_volume
from dawson.segmentation.timer import StepTimer

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


def segment(study: Study, *, model: Model | Path | str | None = None, progress: Progress | None = None) -> Segmentation:
    """Find the lesions of one visit.

    Args:
        study: any non-empty subset of FLAIR, T1 and T2, raw or skull-stripped, in any orientation.
        model: a model as :func:`dawson.load_model` gives it, or what that takes; the shipped one where left out.
        progress: called with the name of each step as it begins.

    Returns:
        What was found, on the grid of ``study.reference``; the same study and model give bit-identical results on the
        same machine.

    Raises:
        InputError: no brain can be found.
        ModelError: the model cannot be used.

    >>> import dawson
    >>> from dawson.cases.demo import demo_study_files
    >>> files = {modality.value: file for modality, file in demo_study_files().items()}
    >>> segmentation = dawson.segment(dawson.read_study(flair=files["flair"]))
    >>> segmentation.lesions.shape == segmentation.grid.shape
    True
    >>> len(segmentation.table) > 0, segmentation.load_ml > 0
    (True, True)
    """
    timer = StepTimer(progress)
    timer.begin("load the model")
    network = model if isinstance(model, Model) else load_model(model)
    if network.task != "lesions":
        raise ModelError(
            "finds brains, not lesions", file=network.folder, remedy="leave --model out, or name a model of lesions"
        )
    volume = network.recipe.volume
    if volume is None:
        inferred = _infer_visit(study, network, load_engine(network), begin=timer.begin)
    else:
        inferred = infer_single_volume(study, network, volume, load_engine(network, at_once=1), begin=timer.begin)
    timer.begin("measure")
    result, frame = measure(study, inferred, network)
    timer.begin("check")
    quality = check(result, frame, inferred, network)
    logger.info("%d lesions, %.2f ml, found by %s", len(result.table), result.load_ml, network.card["name"])
    return replace(result, quality=quality, seconds=timer.end())


def _infer_visit(study: Study, model: Model, infer: Infer, *, begin: Progress) -> Inference:
    """What the model finds in all scans of the visit together, window by window around the brain."""
    aligned = align_study(study, model.recipe.prepare, begin=begin)
    begin("find the brain")
    brain = locate(load_locator(), aligned.images, aligned.grid)
    result = ask(aligned, brain, model, infer, begin=begin)
    prepared, anatomy = result.prepared, result.anatomy
    opinions = opinions_of(prepared, result.probability, model, infer)
    begin("bring back")
    probability = agreement(opinions, prepared, anatomy > 0, model)
    grid = study.reference.grid
    return Inference(
        study=aligned.study,
        probability=bring_back(probability, prepared.grid, grid, threshold=model.threshold, peak=model.peak),
        anatomy=resample(anatomy, prepared.grid, grid, interpolation="nearest"),
        opinions=tuple(str(opinion) for opinion in opinions),
        used=prepared.used,
        warnings=tuple(prepared.warnings),
        partial=prepared.partial,
        alignment=prepared.alignment,
        outline=result.outline,
        locator=about_locator(),
    )
