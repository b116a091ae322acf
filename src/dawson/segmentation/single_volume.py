"""The paper's path: the reference scan alone, whole, as one input of a network of single sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from dawson.core.study import Study
from dawson.model.calibration import calibrate
from dawson.model.card import Model
from dawson.model.engine import Infer
from dawson.preparation.intensity import study_from_zero
from dawson.preparation.resample import bring_back
from dawson.preparation.single_volume import prepare_volume
from dawson.recipe import SingleVolume
from dawson.segmentation.inference import Inference


def infer_single_volume(
    study: Study, model: Model, settings: SingleVolume, infer: Infer, *, begin: Callable[[str], None]
) -> Inference:
    """What a network of single sequences finds in a visit; ``begin`` is called with the name of each step.

    Raises :class:`InputError` for a scan without any contrast.
    """
    scan = study.reference
    begin("prepare")
    prepared = prepare_volume(scan, settings)
    begin("segment")
    probability = calibrate(infer(prepared.images)[0], *model.calibration_of(scan.modality.value))
    begin("bring back")
    probability = bring_back(probability, prepared.grid, scan.grid, threshold=model.threshold, peak=model.peak)
    warnings = [*study.warnings, *(f"{scan.modality.value}: {text}" for text in prepared.warnings)]
    if len(study.modalities) > 1:
        left = " and ".join(s.upper() for s in study.modalities[1:])
        warnings.append(f"this model reads one sequence at a time: {left} had no part in the result")
    return Inference(
        study=study_from_zero(study),
        probability=probability,
        anatomy=np.zeros(scan.grid.shape, np.uint8),
        opinions=(scan.modality.value,),
        used=(scan.modality,),
        warnings=tuple(warnings),
    )
