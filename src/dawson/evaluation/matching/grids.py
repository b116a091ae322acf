"""Masks brought together: which grids are one, how an array comes from one to another, and what to say if not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Mask
from dawson.core.errors import InputError, UsageError
from dawson.core.grid import SAME_GRID_MM, Grid
from dawson.preparation.resample import reorient, resample


def same_lattice(first: Grid, second: Grid) -> bool:
    """Whether two grids hold the same voxels, though maybe in another order (LAS beside RAS)."""
    if first.same_as(second, tolerance=SAME_GRID_MM):
        return True
    return first.canonical().same_as(second.canonical(), tolerance=SAME_GRID_MM)


def bring_to_grid(
    array: NDArray[Any], source: Grid, target: Grid, *, allowed: bool, file: Path | None = None
) -> NDArray[Any]:
    """The array (i, j, k on ``source``) on ``target``: turned where both hold the same voxels, else resampled.

    Turning changes no value. Resampling must be ``allowed``; labels and masks take the nearest voxel's
    value, float32 is interpolated linearly.

    Raises :class:`InputError` where the grids differ and resampling is not allowed, or they share no place.
    """
    if source.same_as(target, tolerance=SAME_GRID_MM):
        return array
    if same_lattice(source, target):
        turned = reorient(array, source, source.canonical())
        return reorient(turned, target.canonical(), target)
    check_grid(source, target, allowed=allowed, file=file)
    return resample(array, source, target, interpolation="linear" if array.dtype == np.float32 else "nearest")


def check_grid(grid: Grid, truth: Grid, *, allowed: bool, file: Path | None = None) -> None:
    """Refuse a file on another grid than its truth's, unless resampling is ``allowed`` and the two overlap.

    Raises:
        InputError: as said.
    """
    if same_lattice(grid, truth):
        return
    if not allowed:
        raise InputError(other_grid(grid, truth), remedy="give masks on one grid, or add --resample", file=file)
    if not _overlap(grid, truth):
        raise InputError(
            "it lies nowhere where the truth lies, so that resampling would leave nothing of it",
            remedy="register it to the truth's scan, or mend its header",
            file=file,
        )


def outside_ml(mask: Mask, source: Grid, target: Grid) -> float:
    """Volume of a mask (i, j, k bool on ``source``) whose voxel centres lie outside of ``target``, in ml.

    Nothing can be found there, and nothing be wrong: no figure counts it.
    """
    if same_lattice(source, target):
        return 0.0
    index = target.to_index(source.to_world(np.argwhere(mask).astype(np.float64)))
    beyond = ((index < -0.5) | (index > np.array(target.shape) - 0.5)).any(axis=1)
    return float(np.count_nonzero(beyond)) * source.voxel_volume / 1000.0


def _overlap(first: Grid, second: Grid) -> bool:
    """Whether two grids share any place, by the boxes around either along the axes of the other."""
    for one, two in ((first, second), (second, first)):
        faces = [(-0.5, n - 0.5) for n in one.shape]
        corners = np.array(np.meshgrid(*faces, indexing="ij")).reshape(3, -1).T
        index = two.to_index(one.to_world(corners))
        if (index.max(axis=0) <= -0.5).any() or (index.min(axis=0) >= np.array(two.shape) - 0.5).any():
            return False
    return True


def other_grid(grid: Grid, truth: Grid) -> str:
    """What to say of a file that does not lie on the grid of its truth."""
    same = " (the same size, placed elsewhere)" if grid.shape == truth.shape else ""
    return f"it lies on another grid than the truth ({_shown(grid)}, the truth {_shown(truth)}){same}"


def refusal(problems: Iterable[str], *, what: str) -> InputError:
    """One error for everything that is wrong with a set of masks, a line each."""
    lines = list(dict.fromkeys(problems))
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    return InputError(
        f"{count} with the {what}, so nothing was evaluated", remedy="put right:\n  " + "\n  ".join(lines)
    )


def one_line(error: InputError | UsageError) -> str:
    """An error as one line of a list."""
    return str(error).rstrip(".")


def _shown(grid: Grid) -> str:
    sides = " × ".join(str(n) for n in grid.shape)
    return f"{sides} voxels of {' × '.join(f'{s:.3g}' for s in grid.spacing)} mm, {grid.orientation}"
