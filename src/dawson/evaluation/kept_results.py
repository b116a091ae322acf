"""What an evaluation of a model keeps: a result folder for each case and subset of sequences.

A folder that holds what the model would find again is taken up instead of computed anew. Studies and the choice of a
rule read all of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from dawson.cases.case import Case
from dawson.cases.find import find_cases
from dawson.core.arrays import Image, Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.names import ANATOMY_MAP, LESION_MASK, PROBABILITY_MAP, SUMMARY
from dawson.core.study import Modality
from dawson.measurement.lesions import VOLUME_TOLERANCE
from dawson.model.card import Model, sha256
from dawson.nifti.mask import read_mask, read_probability
from dawson.nifti.scan import read_scan
from dawson.preparation.locator import about_locator
from dawson.preparation.resample import resample
from dawson.results.summary import RULE, code_hash

WHICH = ("name", "version", "sha256", "int8_sha256")  # of a model, as results name it
FITTED = ("calibration", "anatomy_weights")  # of a card, and so of results: they change without the weights

PREDICTIONS = "predictions"


def result_folder(out: Path, case: str, inputs: str) -> Path:
    """Where the result of a case from these sequences is kept in the folder of an evaluation."""
    return out / PREDICTIONS / folder_name(case) / inputs


def folder_name(case: str) -> str:
    """The name of a case as that of one folder, a different one for each."""
    quoted = quote(case, safe=" +")
    return f"%2E{quoted[1:]}" if quoted.startswith(".") else quoted


def is_current(folder: Path, files: Mapping[Modality, Path], model: Model) -> bool:
    """Whether ``folder`` holds the result of this model, its rule and this code from these files (by sequence)."""
    try:
        summary = json.loads((folder / SUMMARY).read_text("utf-8"))
        made_from = {name: scan["sha256"] for name, scan in summary["inputs"].items()}
        identity = {field: summary["model"].get(field) for field in WHICH}
        locator = summary["model"].get("locator")
        fitted = {field: summary["model"].get(field) for field in FITTED}
        rule, code = summary["rule"], summary["versions"]["code"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False
    from dawson.model.engine import precision  # noqa: PLC0415 (imports OpenVINO, which not every evaluation needs)

    if summary["model"].get("precision") != precision(model):
        return False
    wanted: dict[str, Any] = {field: model.summary[field] for field in identity}
    same_rule = all(rule.get(field) == model.summary[field] for field in RULE)
    if not (identity == wanted and same_rule and code == code_hash()):
        return False
    if fitted != json.loads(json.dumps({field: model.summary[field] for field in FITTED})):
        return False
    if locator != (about_locator() if model.recipe.volume is None else None):
        return False
    if not all((folder / name).is_file() for name in (LESION_MASK, PROBABILITY_MAP, ANATOMY_MAP)):
        return False
    return made_from.keys() == set(files) and all(made_from[s] == _hash(file) for s, file in files.items())


def _hash(file: Path) -> str:
    try:
        return sha256(file)
    except OSError:
        return ""  # reading it will say why


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
    known = {folder_name(case.name): case for case in find_cases(cases)}
    folders = [f for f in sorted((evaluation / PREDICTIONS).glob("*/*")) if not inputs or f.name in inputs]
    if not folders:
        what = f" of {', '.join(inputs)}" if inputs else ""
        raise InputError(f"holds no predictions{what}", file=evaluation, remedy="make some: dawson evaluate --cases")
    for folder in folders:
        if folder.parent.name not in known:
            raise InputError(f"is of a case that {cases} lacks", file=folder, remedy="give the cases of the evaluation")
        probability, grid, _ = read_probability(folder / PROBABILITY_MAP)
        case = known[folder.parent.name]
        drawn = read_mask(case.mask)
        truth = resample(drawn.mask, drawn.grid, grid, interpolation="nearest").astype(bool)
        rule = json.loads((folder / SUMMARY).read_text("utf-8"))["rule"]
        least = minimum_mm3 / grid.voxel_volume * (1 - VOLUME_TOLERANCE)
        yield Kept(case, folder, grid, probability, truth, least, rule["threshold"], rule["peak"])
