"""The embedded example: one synthetic patient, three sequences, no person."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from dawson.core.study import Modality

NAMES = {Modality.FLAIR: "FLAIR.nii.gz", Modality.T1: "T1.nii.gz", Modality.T2: "T2.nii.gz"}


def demo_study_files() -> dict[Modality, Path]:
    """The example's files by sequence, where the package is installed."""
    folder = Path(str(resources.files("dawson.cases").joinpath("demo_scans")))
    return {modality: folder / name for modality, name in NAMES.items()}
