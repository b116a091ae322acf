"""The anatomy of one brain as a network finds it in scans that are scaled and lie on an isotropic grid."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from dawson.core.arrays import Image, Labels, Mask
from dawson.model.card import Model
from dawson.model.engine import Infer
from dawson.model.windows import run_model
from dawson.preparation.brain import find_brain


def infer_anatomy(
    model: Model,
    infer: Infer,
    images: Image,
    spacing: float,
    *,
    overlap: float,
    wanted: Mask | None = None,
    generous: bool = False,
) -> tuple[Image, Labels, Mask]:
    """Lesion probability, anatomy of the one brain and its parenchyma (i, j, k) in images (3, i, j, k).

    ``images`` lie on an isotropic grid of ``spacing`` mm; ``overlap`` and ``wanted`` are those of
    :func:`dawson.model.windows.run_model`. A ``generous`` outline leaves the brain as large as the loss's weights
    have made it: what frames a brain may be too wide, and the locator's box is laid around such.
    """
    classes = (1.0,) * len(model.anatomy_weights) if generous else model.anatomy_weights
    probability, labels = run_model(model, infer, images, overlap=overlap, classes=classes, wanted=wanted)
    anatomy = one_brain(labels, model, spacing)
    return probability, anatomy, where_named(anatomy, model.card["parenchyma"], model)


def where_named(anatomy: Labels, names: Collection[str], model: Model) -> Mask:
    """Where (i, j, k) the anatomy is one of the named ones."""
    return np.isin(anatomy, [value for value, name in model.anatomy_names.items() if name in names])


def one_brain(anatomy: Labels, model: Model, spacing: float) -> Labels:
    """The anatomy on an isotropic grid of ``spacing`` mm, zero wherever it is no part of the one brain."""
    return anatomy * find_brain(anatomy > 0, where_named(anatomy, model.card["core"], model), spacing=spacing)
