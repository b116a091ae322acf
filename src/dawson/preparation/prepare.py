"""From a study to what a network is given: from zero → align → resample → find the brain → scale and crop.

Training on real visits and inference both come here. Training keeps what it gets in half precision, and does without
inference's further passes: the generator teaches networks to bear what a scale may be off.
"""

from __future__ import annotations

from pathlib import Path

from dawson.core.study import Study
from dawson.model.card import Model, load_model
from dawson.preparation.crop import PreparedStudy, crop_to_brain
from dawson.preparation.locator import Locator, load_locator, locate
from dawson.preparation.single_volume import PreparedScan, prepare_volume
from dawson.preparation.visit import align_study
from dawson.recipe import Prepare


def prepare(study: Study, *, model: Model | Path | str | None = None) -> PreparedStudy | PreparedScan:
    """The arrays that a model is given of a study, and where they lie in the patient.

    Args:
        study: the scans of one visit.
        model: a model as :func:`dawson.load_model` gives it, or what that takes; the shipped one where left out. How
            scans are prepared depends on the recipe that it was trained by.

    Returns:
        ``images`` float32 (channels, i, j, k) on ``grid``, whose axes run closest to right, anterior and superior;
        ``used``, the sequences that they hold; ``warnings``. For the shipped model, and any that sees a whole visit,
        that is a :class:`~dawson.preparation.crop.PreparedStudy`: the channels are FLAIR, T1 and T2, aligned to the
        reference scan, cropped to the brain and divided by its median, and zero where a sequence is absent. For a
        model of single scans it is a :class:`~dawson.preparation.single_volume.PreparedScan` of the reference alone.

    Raises:
        InputError: no brain can be found, or the scan shows one grey.
        ModelError: the model cannot be used.

    >>> import dawson
    >>> from dawson.cases.demo import demo_study_files
    >>> files = {modality.value: file for modality, file in demo_study_files().items()}
    >>> prepared = dawson.prepare(dawson.read_study(flair=files["flair"]))
    >>> prepared.images.shape[0], prepared.grid.orientation, [modality.value for modality in prepared.used]
    (3, 'RAS', ['flair'])
    >>> prepared.images.shape[1:] == prepared.grid.shape
    True
    """
    network = model if isinstance(model, Model) else load_model(model)
    if network.recipe.volume is not None:
        return prepare_volume(study.reference, network.recipe.volume)
    return prepare_study(study, network.recipe.prepare, load_locator())


def prepare_study(study: Study, settings: Prepare, locator: Locator) -> PreparedStudy:
    """Prepare a visit for a network that sees windows, in a crop around the brain that the locator finds.

    Raises :class:`InputError` where no brain can be found.
    """
    aligned = align_study(study, settings)
    return crop_to_brain(aligned, locate(locator, aligned.images, aligned.grid))
