"""What real visits teach beside their lesions."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest

from dawson.cases.case import Case
from dawson.cases.check import check_cases
from dawson.core.arrays import UNSURE
from dawson.core.study import Modality
from dawson.recipe import load_recipe
from dawson.synthesis.tissues import Anatomy
from dawson.training.prepared_cases import Example, anatomy_around, prepare_examples


def test_lesions_do_not_teach_that_white_matter_is_deep_grey() -> None:
    found = np.array([Anatomy.DEEP_GREY, Anatomy.DEEP_GREY, Anatomy.DEEP_GREY, Anatomy.CORTEX], np.uint8)
    lesion = np.array([0, 1, UNSURE, 1], np.uint8)
    taught = anatomy_around(lesion, found)
    assert taught.tolist() == [Anatomy.DEEP_GREY, Anatomy.WHITE_MATTER, Anatomy.DEEP_GREY, Anatomy.CORTEX]
    assert taught.dtype == np.uint8


@pytest.mark.realdata
def test_training_finds_the_brain_of_thick_slices_as_inference_does(shared_data: Path, tmp_path: Path) -> None:
    """The locator alone finds 400 ml of this brain; a search of the whole head finds it."""
    folder = shared_data / "labelled" / "tabriz-111008"
    scans = MappingProxyType({Modality.FLAIR: folder / "FLAIR.nii.gz"})
    case = Case("tabriz-111008", "", scans, folder / "lesion.nii.gz")
    example = Example(case, (Modality.FLAIR,))
    (prepared,) = prepare_examples([example], check_cases([case]), load_recipe("dawson"), tmp_path)
    assert prepared.anatomy is not None
    assert 1000 < (prepared.anatomy > 0).sum() / 1000 < 2000  # ml, at 1 mm
    assert (prepared.lesion == 1).sum() > 10_000
