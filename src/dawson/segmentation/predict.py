"""One prediction by a model of arrays that are prepared already, without reading, registering or measuring."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawson.core.arrays import Image, Labels
from dawson.core.errors import InputError, ModelError
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.model.calibration import calibrate
from dawson.model.card import Model, load_model
from dawson.model.engine import AT_ONCE, load_engine
from dawson.preparation.crop import PreparedStudy
from dawson.preparation.single_volume import PreparedScan
from dawson.segmentation.passes import agreement, infer_prepared, opinions_of


@dataclass(frozen=True, eq=False)
class Prediction:
    """Calibrated lesion probability, float32 (i, j, k) in [0, 1], and anatomy labels, uint8 (i, j, k), on ``grid``.

    ``anatomy_names`` tells what the labels mean; a model that knows no anatomy has none, and labels of zero.
    """

    probability: Image
    anatomy: Labels
    anatomy_names: Mapping[int, str]
    grid: Grid


def predict(
    prepared: PreparedStudy | PreparedScan | Image,
    model: Model | Path | str | None = None,
    *,
    grid: Grid | None = None,
) -> Prediction:
    """Lesion probability and anatomy in prepared images.

    :func:`dawson.segment` does more: where the brain that the model finds does not fit the crop it prepares anew, it
    brings the result to the grid of the scan, and it measures and checks.

    Args:
        prepared: what :func:`dawson.prepare` gives for this model, or images of one's own, float32
            (channels, i, j, k): FLAIR, T1 and T2 in which the brain's median is 1, on an isotropic grid along R, A, S
            with the spacing of the model's recipe, zero where a sequence is absent.
        model: a model as :func:`dawson.load_model` gives it, or what that takes; the shipped one where left out.
        grid: where images of one's own lie; at the origin where left out.

    Raises:
        InputError: the images are of another shape than the model takes, or hold what is no number.
        ModelError: the model cannot be used.

    >>> import dawson
    >>> from dawson.cases.demo import demo_study_files
    >>> files = {modality.value: file for modality, file in demo_study_files().items()}
    >>> model = dawson.load_model()
    >>> prepared = dawson.prepare(dawson.read_study(flair=files["flair"]), model=model)
    >>> prediction = dawson.predict(prepared, model)
    >>> prediction.probability.shape == prediction.grid.shape == prepared.grid.shape
    True
    >>> bool((prediction.probability >= model.threshold).any())
    True
    """
    network = model if isinstance(model, Model) else load_model(model)
    if network.task != "lesions":
        raise ModelError(
            "finds brains, not lesions", file=network.folder, remedy="leave model out, or name a model of lesions"
        )
    volume = network.recipe.volume
    if isinstance(prepared, np.ndarray):
        prepared = _wrapped(prepared, network, grid)
    spacing = (network.recipe.prepare.spacing_mm,) * 3 if volume is None else volume.spacing_mm
    if (
        isinstance(prepared, PreparedScan) is not (volume is not None)
        or (volume is not None and prepared.grid.shape != volume.shape)
        or not np.allclose(prepared.grid.spacing, spacing, rtol=0.01)
    ):
        raise InputError(
            f"images of shape {prepared.images.shape} with voxels of {prepared.grid.spacing} mm were "
            "not prepared for this model",
            remedy="give what dawson.prepare makes of a study for this model",
        )
    infer = load_engine(network, at_once=AT_ONCE if volume is None else 1)
    if isinstance(prepared, PreparedScan):
        calibrated = calibrate(infer(prepared.images)[0], *network.calibration_of(prepared.modality.value))
        return Prediction(calibrated, np.zeros(prepared.grid.shape, np.uint8), {}, prepared.grid)
    probability, anatomy, _ = infer_prepared(prepared, network, infer)
    opinions = opinions_of(prepared, probability, network, infer)
    mean = agreement(opinions, prepared, anatomy > 0, network)
    return Prediction(mean, anatomy, network.anatomy_names, prepared.grid)


def _wrapped(images: Image, model: Model, grid: Grid | None) -> PreparedStudy:
    """Images (3, i, j, k) of one's own as a prepared study, whose sequences are those that hold anything."""
    if images.ndim != 4 or images.shape[0] != len(Modality) or 0 in images.shape:
        raise InputError(
            f"images have the shape {images.shape}",
            remedy=f"give an array ({len(Modality)}, i, j, k): FLAIR, T1 and T2, zero where one is absent",
        )
    if not np.isfinite(images).all():
        raise InputError("the images hold values that are no numbers", remedy="set them to zero")
    i, j, k = images.shape[1:]
    spacing = model.recipe.prepare.spacing_mm
    grid = grid or Grid((i, j, k), np.diag([spacing, spacing, spacing, 1.0]))
    if grid.shape != (i, j, k) or not np.allclose(grid.spacing, spacing, rtol=0.01):
        raise InputError(
            f"a grid of {grid.shape} voxels of {grid.spacing} mm was given for images of shape {images.shape}",
            remedy=f"give the grid that they lie on, with voxels of {spacing:g} mm",
        )
    if grid.orientation != "RAS":
        raise InputError(
            f"a grid along {grid.orientation} was given", remedy="turn the images so that their axes run along R, A, S"
        )
    scales = {modality: 1.0 for modality, image in zip(Modality, images, strict=True) if image.any()}
    if not scales:
        raise InputError("the images hold nothing but zeros", remedy="give at least one sequence")
    box = (slice(0, i), slice(0, j), slice(0, k))
    values, shown = images.astype(np.float32, copy=False), np.asarray((images != 0).any(axis=0))
    return PreparedStudy(values, grid, shown, {}, (), scales, scales, box)
