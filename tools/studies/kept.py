"""What an evaluation kept of each case and subset of sequences, beside the truth: for scripts that look at it again."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.cases.case import Case
from dawson.cases.find import find_cases
from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.nifti.mask import read_mask, read_probability
from dawson.nifti.scan import read_scan
from dawson.preparation.resample import resample


@dataclass(frozen=True, eq=False)
class Kept:
    """The probability map (i, j, k) in ``folder`` and the truth, both on ``grid``; ``least`` voxels make a lesion,
    ``threshold`` and ``peak`` are the rule's.
    """

    case: Case
    folder: Path
    grid: Grid
    probability: NDArray[np.float32]
    truth: Mask
    least: float
    threshold: float
    peak: float

    @property
    def inputs(self) -> str:
        """The sequences that were given, ``flair+t1``."""
        return self.folder.name

    def image(self, modality: Modality) -> NDArray[np.float32]:
        """The case's scan of a sequence (i, j, k) on ``grid``, in its own units."""
        scan = read_scan(self.case.scans[modality], modality)
        return resample(scan.voxels, scan.grid, self.grid, interpolation="linear")


def ask(description: str | None) -> argparse.Namespace:
    """The command line: a table of cases, an evaluation, and what of it to look at."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--inputs", default="", help="subsets to look at, with commas; all where left out")
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³")
    return parser.parse_args()


def ask_either(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line of a script that looks either at real scans or at what the generator draws.

    Adds ``--cases`` and ``--evaluation``, of which ``--inputs`` are looked at, or ``--maps`` and ``--masks``.
    """
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--inputs", default="flair", help="subsets to look at, with commas")
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³")
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options = parser.parse_args()
    pairs = (options.evaluation, options.cases), (options.maps, options.masks)
    if sorted(sum(part is not None for part in pair) for pair in pairs) != [0, 2]:
        parser.error("give either --evaluation and --cases, or --maps and --masks")
    return options


def read_kept(options: argparse.Namespace) -> Iterator[Kept]:
    """Read one after the other what :func:`ask` or :func:`ask_either` was told of."""
    cases = {case.name: case for case in find_cases(options.cases)}
    wanted = options.inputs.split(",") if options.inputs else None
    for folder in sorted((options.evaluation / "predictions").glob("*/*")):
        if wanted is None or folder.name in wanted:
            probability, grid, _ = read_probability(folder / "probability.nii.gz")
            case = cases[folder.parent.name]
            drawn = read_mask(case.mask)
            truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest").astype(bool)
            least = options.minimum / grid.voxel_volume * (1 - 1e-4)
            rule = json.loads((folder / "summary.json").read_text("utf-8"))["rule"]
            yield Kept(case, folder, grid, probability, truth, least, rule["threshold"], rule["peak"])
