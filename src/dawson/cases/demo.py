"""The embedded example: one synthetic patient, three sequences, no person; and what should be found in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from dawson.core.study import Modality

NAMES = {Modality.FLAIR: "FLAIR.nii.gz", Modality.T1: "T1.nii.gz", Modality.T2: "T2.nii.gz"}
EXPECTATION = "expected.json"


@dataclass(frozen=True)
class DemoExpectation:
    """What the shipped model finds in some sequences of the example, and how far another machine may be from it.

    Machines compute in other precisions, and round otherwise: ``count_tolerance`` is a number of lesions,
    ``load_tolerance`` a share of the load.
    """

    given: tuple[str, ...]
    model_sha256: str
    lesion_count: int
    lesion_load_ml: float
    count_tolerance: int
    load_tolerance: float

    def holds(self, lesion_count: int, lesion_load_ml: float) -> bool:
        """Whether a result lies within the tolerances."""
        return (
            abs(lesion_count - self.lesion_count) <= self.count_tolerance
            and abs(lesion_load_ml - self.lesion_load_ml) <= self.load_tolerance * self.lesion_load_ml
        )


def demo_study_files() -> dict[Modality, Path]:
    """The example's files by sequence, where the package is installed."""
    return {modality: _folder() / name for modality, name in NAMES.items()}


def demo_expectation() -> DemoExpectation:
    """What should be found in the example (tools/release/expect_demo.py writes it)."""
    content = json.loads((_folder() / EXPECTATION).read_text("utf-8"))
    return DemoExpectation(**content | {"given": tuple(content["given"])})


def _folder() -> Path:
    return Path(str(resources.files("dawson.cases").joinpath("demo_scans")))
