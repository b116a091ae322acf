"""Whether a result may be believed: every check of a visit, in the order of a report.

A check warns where something should be looked at, and fails only where the result must not be used. Its limits are
wide: they were chosen so that ordinary clinical scans pass.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dawson.core.result import Check
from dawson.quality.alignment import check_alignment
from dawson.quality.brain_volume import check_brain_volume
from dawson.quality.contrast import check_contrast
from dawson.quality.evidence import Evidence, scan_evidence
from dawson.quality.field_of_view import check_field_of_view
from dawson.quality.grey_levels import check_grey_levels
from dawson.quality.inputs import check_inputs
from dawson.quality.load import check_load
from dawson.quality.noise import check_noise
from dawson.quality.outline import check_outline
from dawson.quality.resolution import check_resolution
from dawson.quality.symmetry import check_symmetry

STATUS = ("pass", "warn", "fail")


def check_quality(evidence: Evidence, *, load_ml: float, card: Mapping[str, Any]) -> tuple[Check, ...]:
    """All checks; where the model knows no anatomy, those that need none, and a warning that says so.

    ``card`` is the model's; ``training_load_ml`` in it, as ``[low, high]``, tells what loads it has learned from.
    """
    inputs, resolution, load = check_inputs(evidence), check_resolution(evidence), check_load(load_ml, card)
    if evidence.volumes is None:
        words = "This model finds no anatomy, so that field of view, noise, contrast and brain were not checked."
        return inputs, Check("anatomy", "warn", words), resolution, load
    scans, brain, grid = scan_evidence(evidence), evidence.brain_mask(), evidence.study.reference.grid
    return (
        inputs,
        check_field_of_view(brain, evidence.anatomy_mask(("brain-stem",)), grid),
        resolution,
        check_noise(scans),
        check_alignment(evidence.study, evidence.used, evidence.alignment, evidence.anatomy > 0),
        check_grey_levels(scans),
        check_contrast(scans),
        check_symmetry(brain, grid, evidence.frame),
        check_brain_volume(evidence.volumes.brain_ml),
        *(() if evidence.outline is None else (check_outline(evidence.outline),)),
        load,
    )


def worst(checks: Iterable[Check]) -> str:
    """The worst status of all; "pass" of none."""
    return max((check.status for check in checks), key=STATUS.index, default="pass")
