"""Look into every file before anything is measured, so that all that is wrong is told at once."""

from __future__ import annotations

from collections.abc import Sequence as Several
from pathlib import Path

import numpy as np

from dawson.errors import InputError
from dawson.evaluate.evaluation import Reading
from dawson.evaluate.masks import other_grid, same_lattice, told
from dawson.evaluate.pairs import Pair
from dawson.read.mask import read_mask, read_probability
from dawson.study import Grid


def check_case(task: tuple[Several[Pair], Reading]) -> tuple[list[str], dict[str, bool]]:
    """What is wrong with the files of one case, and by side whether the label that was asked for occurs."""
    pairs, reading = task
    problems: list[str] = []
    held: dict[str, bool] = {}
    truth_grid: Grid | None = None

    def look(file: Path, side: str, label: int | None, resample: bool) -> None:
        nonlocal truth_grid
        try:
            found = read_mask(file, label=label)
            if label is not None:
                held[side] = held.get(side, False) or bool(np.isclose(found.values, label).any())
            if truth_grid is None:
                truth_grid = found.grid
            _same(found.grid, truth_grid, resample, file)
        except InputError as error:
            problems.append(told(error))

    def look_at_map(file: Path, resample: bool) -> None:
        try:
            _, grid, _ = read_probability(file)
            if truth_grid is not None:
                _same(grid, truth_grid, resample, file)
        except InputError as error:
            problems.append(told(error))

    for number, file in enumerate(pairs[0].truths, start=1):
        look(file, "the truth" if number == 1 else f"rater {number}", reading.truth_label, resample=False)
    for pair in pairs:
        if reading.threshold is not None:
            look_at_map(pair.prediction, pair.resample)
        else:
            look(pair.prediction, f"prediction {pair.method}", reading.label, pair.resample)
        if pair.probability is not None:
            look_at_map(pair.probability, pair.resample)
    return problems, held


def _same(grid: Grid, truth: Grid, resample: bool, file: Path) -> None:
    if not resample and not same_lattice(grid, truth):
        raise InputError(other_grid(grid, truth), remedy="give masks on one grid, or add --resample", file=file)
