"""The embedded example: one synthetic patient, three sequences, no person."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from dawson.study import Sequence

FOLDER = "data/demo"
NAMES = {Sequence.FLAIR: "FLAIR.nii.gz", Sequence.T1: "T1.nii.gz", Sequence.T2: "T2.nii.gz"}


def demo_study_files() -> dict[Sequence, Path]:
    """The example's files by sequence, where the package is installed."""
    folder = Path(str(resources.files("dawson").joinpath(FOLDER)))
    return {sequence: folder / name for sequence, name in NAMES.items()}
