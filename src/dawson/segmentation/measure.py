"""Lesions, regions and volumes from what a network found, and the checks of it."""

from __future__ import annotations

import numpy as np

from dawson.core.result import Check, Segmentation
from dawson.core.study import Modality, Study
from dawson.measurement.anatomy import knows_anatomy
from dawson.measurement.annotate import annotate_lesions
from dawson.measurement.brain_frame import Frame, find_frame
from dawson.measurement.interval import measure_interval
from dawson.measurement.lesions import find_lesions
from dawson.measurement.volumes import measure_volumes
from dawson.model.card import Model
from dawson.model.engine import precision
from dawson.preparation.display import show
from dawson.quality.evidence import Evidence
from dawson.quality.run import check_quality
from dawson.segmentation.inference import Inference

WEAK_DICE = 0.4  # on validation scans; below it, what was not found says nothing


def measure(study: Study, inferred: Inference, model: Model) -> tuple[Segmentation, Frame | None]:
    """A segmentation without its checks and seconds, and the brain's frame where the model knows anatomy."""
    reference, names, anatomy, card = study.reference, model.anatomy_names, inferred.anatomy, model.card
    probability, grid, given = inferred.probability, reference.grid, "+".join(inferred.used)
    if reference.missing is not None:
        probability = np.where(reference.missing, np.float32(0.0), probability)
    rule = {"threshold": model.threshold, "peak": model.peak, "minimum_mm3": model.minimum_mm3}
    lesions, numbered, table = find_lesions(probability, grid, **rule)
    known = knows_anatomy(names)
    frame = find_frame(anatomy, grid) if known else None
    matrices = {s: a.matrix for s, a in inferred.alignment.items()}
    result = Segmentation(
        study=study,
        used=inferred.used,
        lesions=lesions,
        labels=numbered,
        probability=probability,
        anatomy=anatomy,
        anatomy_names=names,
        table=annotate_lesions(table, numbered, anatomy, names, grid, frame=frame),
        model=model.summary
        | {"precision": precision(model), "opinions": list(inferred.opinions), "locator": inferred.locator},
        seconds={},
        alignment={s: a.note for s, a in inferred.alignment.items()},
        warnings=(*inferred.warnings, *_weak_inputs(model, inferred.used)),
        display=show(study, inferred.used, matrices, anatomy > 0),
        volumes=measure_volumes(anatomy, names, lesions, grid, parenchyma=card["parenchyma"]) if known else None,
        interval=measure_interval(probability, grid, **rule, card=card, given=given),
        confidence=(card.get("confidence") or {}).get(given, {}),
    )
    return result, frame


def check(result: Segmentation, frame: Frame | None, inferred: Inference, model: Model) -> tuple[Check, ...]:
    """The checks of a segmentation; scans are set from zero, as the network was given them."""
    evidence = Evidence(
        study=inferred.study,
        used=inferred.used,
        partial=inferred.partial,
        alignment=inferred.alignment,
        anatomy=result.anatomy,
        names=result.anatomy_names,
        parenchyma=model.card["parenchyma"],
        lesions=result.lesions,
        frame=frame,
        volumes=result.volumes,
        outline=inferred.outline,
    )
    return check_quality(evidence, load_ml=result.load_ml, card=model.card)


def _weak_inputs(model: Model, used: tuple[Modality, ...]) -> tuple[str, ...]:
    """A warning where the model was measured to do badly on just these sequences: no lesion then means little."""
    name = "+".join(used)
    dice = model.dice.get(name)
    if dice is None or dice >= WEAK_DICE:
        return ()
    return (
        f"from {name.upper()} alone this model does badly (mean Dice {dice:.2f} on validation scans): volumes can be "
        "far off, and that none or few lesions were found does not mean that there are none; add a FLAIR",
    )
