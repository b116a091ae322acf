"""Every file is read before anything is measured, so that all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.evaluation.matching.grids import check_grid, one_line
from dawson.evaluation.matching.pairs import Pair
from dawson.evaluation.settings import Reading
from dawson.nifti.mask import read_anatomy, read_mask, read_probability


def check_case(task: tuple[Sequence[Pair], Reading]) -> tuple[list[str], dict[str, bool]]:
    """What is wrong with the files of one case, and by side whether the label that was asked for occurs."""
    pairs, reading = task
    problems: list[str] = []
    held: dict[str, bool] = {}
    truth_grid: Grid | None = None

    def check_mask(file: Path, side: str, label: int | None, resample: bool) -> None:
        nonlocal truth_grid
        try:
            found = read_mask(file, label=label)
            if label is not None:
                held[side] = held.get(side, False) or bool(found.mask.any())
            if truth_grid is None:
                truth_grid = found.grid
            check_grid(found.grid, truth_grid, allowed=resample, file=file)
        except InputError as error:
            problems.append(one_line(error))

    def check_map(file: Path, resample: bool, *, anatomy: bool = False) -> None:
        try:
            grid = read_anatomy(file)[1] if anatomy else read_probability(file)[1]
            if truth_grid is not None:
                check_grid(grid, truth_grid, allowed=resample, file=file)
        except InputError as error:
            problems.append(one_line(error))

    for number, file in enumerate(pairs[0].truths, start=1):
        check_mask(file, "the truth" if number == 1 else f"rater {number}", reading.truth_label, resample=False)
    for pair in pairs:
        if reading.threshold is not None:
            check_map(pair.prediction, pair.resample)
        else:
            check_mask(pair.prediction, f"prediction {pair.method}", reading.label, pair.resample)
        if pair.probability is not None:
            check_map(pair.probability, pair.resample)
        if pair.anatomy is not None:
            check_map(pair.anatomy, pair.resample, anatomy=True)
    return problems, held
