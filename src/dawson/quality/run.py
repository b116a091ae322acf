"""Whether a result may be believed: every check of a visit, in the order of a report.

A check warns where something should be looked at, and fails only where the result must not be used. Its limits are
wide: they were chosen so that ordinary clinical scans pass.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dawson.core.arrays import Labels, Mask, bounding_box
from dawson.core.result import Check, Volumes
from dawson.core.study import Modality, Scan, Study
from dawson.measurement.anatomy import VENTRICLES, WHITE_MATTER, chosen
from dawson.measurement.location import Frame
from dawson.preparation.intensity import from_zero
from dawson.preparation.register import Alignment
from dawson.preparation.resample import resample
from dawson.quality.alignment import check_alignment
from dawson.quality.intensities import View, check_contrast, check_intensities, check_noise
from dawson.quality.shape import Outline, check_brain_volume, check_field_of_view, check_halves, check_outline

THICK_MM, COARSE_MM = 5.0, 2.0  # slices; voxels within a slice
LOADS_ML = (0.0, 80.0)  # lesion loads of the masks that models are usually trained with

LESION = 255  # a label that no model has: white matter is measured without lesions, clipping with them

STATUS = ("pass", "warn", "fail")


@dataclass(frozen=True, eq=False)
class Found:
    """What a network made of a visit, on the grid of the reference: what the checks look at.

    ``partial`` are the shares of the brain that sequences show which do not show all of it;
    ``anatomy`` (i, j, k) are labels that ``names`` explains, ``parenchyma`` the names that are brain, ``lesions``
    (i, j, k) the lesions; ``frame`` and ``volumes`` are None where the model knows no anatomy, ``outline`` where it
    needed no locator.
    """

    study: Study
    used: tuple[Modality, ...]
    partial: Mapping[Modality, float]
    alignment: Mapping[Modality, Alignment]
    anatomy: Labels
    names: Mapping[int, str]
    parenchyma: Collection[str]
    lesions: Mask
    frame: Frame | None
    volumes: Volumes | None
    outline: Outline | None


def check_quality(found: Found, *, load_ml: float, card: Mapping[str, Any]) -> tuple[Check, ...]:
    """All checks; where the model knows no anatomy, those that need none, and a warning that says so.

    ``card`` is the model's; ``training_load_ml`` in it, as ``[low, high]``, tells what loads it has learned from.
    """
    inputs, resolution = _check_inputs(found), _check_resolution(found)
    load = _check_load(load_ml, card)
    if found.volumes is None:
        words = "This model finds no anatomy, so that field of view, noise, contrast and brain were not checked."
        return inputs, Check("anatomy", "warn", words), resolution, load
    views = _views(found)
    brain = chosen(found.names, found.parenchyma)[found.anatomy] | found.lesions
    grid = found.study.reference.grid
    stem = chosen(found.names, ("brain-stem",))[found.anatomy]
    return (
        inputs,
        check_field_of_view(brain, stem, grid),
        resolution,
        check_noise(views),
        check_alignment(found.study, found.used, found.alignment, found.anatomy > 0),
        check_intensities(views),
        check_contrast(views),
        check_halves(brain, grid, found.frame),
        check_brain_volume(found.volumes.brain_ml),
        *(() if found.outline is None else (check_outline(found.outline),)),
        load,
    )


def worst(checks: Iterable[Check]) -> str:
    """The worst status of all; "pass" of none."""
    return max((check.status for check in checks), key=STATUS.index, default="pass")


def _views(found: Found) -> tuple[View, ...]:
    """Each used scan as it was acquired, with the brain on its own voxels: interpolation would hide noise."""
    reference = found.study.reference
    labels = np.where(found.lesions, np.uint8(LESION), found.anatomy)
    brain, white, fluid = (chosen(found.names, wanted) for wanted in (found.parenchyma, (WHITE_MATTER,), (VENTRICLES,)))
    brain[LESION] = True
    views = []
    for modality in found.used:
        scan = found.study.scans[modality]
        here = labels if scan is reference else _on(scan, labels, reference, found.alignment.get(modality))
        voxels, _ = from_zero(scan.voxels)
        box = bounding_box(here > 0)
        near = here[box]
        views.append(
            View(
                modality=modality,
                voxels=voxels[box],
                spacing=scan.grid.spacing,
                highest=float(voxels.max()),
                brain=brain[near],
                white=white[near],
                fluid=fluid[near],
            )
        )
    return tuple(views)


def _on(scan: Scan, labels: Labels, reference: Scan, alignment: Alignment | None) -> Labels:
    matrix = np.eye(4) if alignment is None else alignment.matrix
    if scan.grid.same_as(reference.grid) and np.array_equal(matrix, np.eye(4)):
        return labels
    back = np.asarray(np.linalg.inv(matrix), np.float64)
    there: Labels = resample(labels, reference.grid, scan.grid, transform=back, interpolation="nearest")
    return there


def _check_inputs(found: Found) -> Check:
    given, used = found.study.modalities, found.used
    left = [s.upper() for s in given if s not in used]
    figures: dict[str, float | str | None] = {"given": "+".join(given), "used": "+".join(used)}
    figures |= {f"{modality.value}_share": round(share, 3) for modality, share in found.partial.items()}
    words = []
    if left:
        words.append(f"{' and '.join(left)} had no part in the result: the warnings of this result say why.")
    if found.partial:
        told = " and ".join(f"{s.upper()} shows only {share:.0%} of the brain" for s, share in found.partial.items())
        words.append(f"{told}: elsewhere lesions were sought without it.")
    if words:
        return Check("inputs", "warn", " ".join(words), figures)
    names = " and ".join(s.upper() for s in used)
    return Check("inputs", "pass", f"All that was given was used: {names}.", figures)


def _check_resolution(found: Found) -> Check:
    figures: dict[str, float | str | None] = {}
    coarse, told = [], []
    for modality in found.used:
        fine, middle, thick = sorted(found.study.scans[modality].grid.spacing)
        figures |= {f"{modality.value}_in_slice_mm": round(middle, 3), f"{modality.value}_slice_mm": round(thick, 3)}
        told.append(f"{modality.upper()} {fine:.2g} × {middle:.2g} × {thick:.2g} mm")
        if thick > THICK_MM:
            coarse.append(f"the slices of {modality.upper()} are {thick:.1f} mm apart")
        if middle > COARSE_MM:
            coarse.append(f"the voxels of {modality.upper()} measure {middle:.1f} mm within a slice")
    if coarse:
        words = f"{_sentence(' and '.join(coarse))}: small lesions cannot be seen, and volumes are rough."
        return Check("resolution", "warn", words, figures)
    return Check("resolution", "pass", f"Voxels are small enough: {', '.join(told)}.", figures)


def _check_load(load_ml: float, card: Mapping[str, Any]) -> Check:
    low, high = (float(limit) for limit in card.get("training_load_ml") or LOADS_ML)
    figures = {"load_ml": round(load_ml, 6), "low_ml": low, "high_ml": high}
    if low <= load_ml <= high:
        words = (
            f"The lesion load of {load_ml:.1f} ml is within what the model has learned from ({low:g} to {high:g} ml)."
        )
        return Check("lesion load", "pass", words, figures)
    words = (
        f"The lesion load of {load_ml:.1f} ml is outside of what the model has learned from ({low:g} to {high:g} ml): "
        "look whether the outlines are right."
    )
    return Check("lesion load", "warn", words, figures)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
