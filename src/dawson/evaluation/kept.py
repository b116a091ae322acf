"""The probability maps that an evaluation kept, beside the truth: what a rule is chosen from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from dawson.cases.case import Case
from dawson.cases.find import find_cases
from dawson.core.arrays import Image, Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.nifti.mask import read_mask, read_probability
from dawson.nifti.scan import read_scan
from dawson.preparation.resample import resample


@dataclass(frozen=True, eq=False)
class Kept:
    """The probability map (i, j, k) in ``folder`` and the truth, both on ``grid``; ``least`` voxels make a lesion,
    ``threshold`` and ``peak`` are those of the rule that the results were made by.
    """

    case: Case
    folder: Path
    grid: Grid
    probability: Image
    truth: Mask
    least: float
    threshold: float
    peak: float

    @property
    def inputs(self) -> str:
        """The sequences that were given, ``flair+t1``."""
        return self.folder.name

    def image(self, modality: Modality) -> Image:
        """The case's scan of a sequence (i, j, k) on ``grid``, in its own units."""
        scan = read_scan(self.case.scans[modality], modality)
        return resample(scan.voxels, scan.grid, self.grid, interpolation="linear")


def read_kept(
    cases: Path, evaluation: Path, *, inputs: Collection[str] = (), minimum_mm3: float = 3.0
) -> Iterator[Kept]:
    """Read one after the other what ``dawson evaluate --cases`` kept in its folder.

    ``cases`` are those that were evaluated; ``inputs`` names subsets of sequences, all where empty. Raises
    :class:`InputError` where the evaluation holds none of these, or a case that is not among ``cases``.
    """
    known = {case.name: case for case in find_cases(cases)}
    folders = [f for f in sorted((evaluation / "predictions").glob("*/*")) if not inputs or f.name in inputs]
    if not folders:
        what = f" of {', '.join(inputs)}" if inputs else ""
        raise InputError(f"holds no predictions{what}", file=evaluation, remedy="make some: dawson evaluate --cases")
    for folder in folders:
        if folder.parent.name not in known:
            raise InputError(f"is of a case that {cases} lacks", file=folder, remedy="give the cases of the evaluation")
        probability, grid, _ = read_probability(folder / "probability.nii.gz")
        case = known[folder.parent.name]
        drawn = read_mask(case.mask)
        truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest").astype(bool)
        rule = json.loads((folder / "summary.json").read_text("utf-8"))["rule"]
        least = minimum_mm3 / grid.voxel_volume * (1 - 1e-4)
        yield Kept(case, folder, grid, probability, truth, least, rule["threshold"], rule["peak"])
