"""A folder of results, read back: the only thing that a report is made of.

Everything in it is data. Files may have been edited, damaged, or copied from two runs; what does not fit
together is refused with one sentence, and no text from them is ever taken for markup or for a path.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.arrays import Labels, Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.names import ANATOMY_MAP, DISPLAY_SCANS, LESION_MASK, LESION_TABLE, SUMMARY
from dawson.core.result import Lesion
from dawson.core.tables import original_text
from dawson.results.schema import plain, validate

AGAIN = "segment the visit again, with --overwrite"
LOAD_TOLERANCE = 1e-3  # relative: the mask's geometry is stored as float32
GRID_MM = 0.01  # files of one run differ by nothing; float32 geometry by less than this
TEXTS = ("region", "side", "position", "confidence")
NUMBERS = ("volume_ml", "long_axis_mm", "mean_probability", "peak_probability")
CENTROID = ("centroid_x_mm", "centroid_y_mm", "centroid_z_mm")


@dataclass(frozen=True, eq=False)
class Result:
    """One result: the summary and the lesions at once, the volumes when they are first asked for.

    ``mask`` (i, j, k), ``anatomy`` (i, j, k) and ``display`` (i, j, k, sequence) lie on ``grid``, the grid of
    the reference scan. ``display`` is uint8 in the order of ``sequences``, the reference first.
    """

    folder: Path
    summary: Mapping[str, Any]
    lesions: tuple[Lesion, ...]

    @property
    def modalities(self) -> tuple[str, ...]:
        """The sequences of ``display``, in its order."""
        return tuple(self.summary["display"]["sequences"])

    @cached_property
    def _marked(self) -> tuple[Mask, Grid]:
        from dawson.nifti.mask import read_mask  # noqa: PLC0415 (only a report with pictures needs the volumes)

        file = self.folder / LESION_MASK
        reference = self.summary["inputs"].get(self.summary["reference"])
        read = read_mask(file, shape=None if reference is None else tuple(reference["shape"]))
        load = float(np.count_nonzero(read.mask)) * read.grid.voxel_volume / 1000.0
        stated = float(self.summary["lesion_load_ml"])
        if abs(load - stated) > LOAD_TOLERANCE * max(load, stated) + 1e-5:
            finding = f"the mask holds {load:.3f} ml of lesion but {SUMMARY} tells of {stated:.3f} ml"
            raise InputError(finding, remedy=AGAIN, file=file)
        return read.mask, read.grid

    @property
    def mask(self) -> Mask:
        """The lesion mask, bool (i, j, k)."""
        return self._marked[0]

    @property
    def grid(self) -> Grid:
        """The grid of the reference scan."""
        return self._marked[1]

    @cached_property
    def anatomy(self) -> Labels:
        """The coarse anatomy labels, uint8 (i, j, k); all 0 where the model knows no anatomy."""
        from dawson.nifti.mask import read_anatomy  # noqa: PLC0415

        labels, grid, _ = read_anatomy(self.folder / ANATOMY_MAP, shape=self.grid.shape)
        self._check_grid(grid, ANATOMY_MAP)
        return labels

    @cached_property
    def display(self) -> NDArray[np.uint8]:
        """The scans to show, uint8 (i, j, k, sequence), windowed; aligned to the reference."""
        from dawson.nifti.display import read_display  # noqa: PLC0415

        file, count = self.folder / DISPLAY_SCANS, len(self.modalities)
        voxels, grid = read_display(file, shape=self.grid.shape, count=count, remedy=AGAIN)
        self._check_grid(grid, DISPLAY_SCANS)
        return voxels

    def nearest_voxel(self, lesion: Lesion) -> tuple[int, int, int]:
        """The lesion voxel (i, j, k) nearest to the centroid, which itself may lie outside a curved lesion."""
        middle = self.grid.to_index(np.array(lesion.centroid))
        nearest = np.rint(middle).astype(int)
        if (nearest >= 0).all() and (nearest < self.grid.shape).all() and self.mask[tuple(nearest)]:
            return int(nearest[0]), int(nearest[1]), int(nearest[2])
        apart = ((self._lesion_world - np.array(lesion.centroid)) ** 2).sum(axis=1)
        last = np.array(self.mask.shape) - 1
        i, j, k = self._lesion_voxels[int(apart.argmin())] if apart.size else np.clip(nearest, 0, last)
        return int(i), int(j), int(k)

    @cached_property
    def _lesion_voxels(self) -> NDArray[np.int64]:
        return np.argwhere(self.mask)

    @cached_property
    def _lesion_world(self) -> NDArray[np.float64]:
        return self.grid.to_world(self._lesion_voxels.astype(np.float64))

    def _check_grid(self, grid: Grid, name: str) -> None:
        if not grid.same_as(self.grid, tolerance=GRID_MM):
            raise InputError(
                f"it does not lie on the grid of {LESION_MASK}, so they are of two runs",
                remedy=AGAIN,
                file=self.folder / name,
            )


def read_result(out: Path | str) -> Result:
    """Read the folder that :func:`dawson.write` made; volumes are read when they are first asked for.

    Raises :class:`InputError` where ``out`` is no folder of results or one of an older dawson, and, also later
    on access, where a file is missing, damaged or of another run than the summary.
    """
    out = Path(out)
    summary = _read_summary(out)
    lesions = _read_lesions(out / LESION_TABLE)
    count, stated = len(lesions), summary["lesion_count"]
    if sorted(lesion.id for lesion in lesions) != list(range(1, count + 1)):
        raise InputError(f"its ids are not 1 to {count}, each once", remedy=AGAIN, file=out / LESION_TABLE)
    if count != stated:
        finding = f"it has {count} rows but {SUMMARY} tells of {stated} lesions"
        raise InputError(finding, remedy=AGAIN, file=out / LESION_TABLE)
    volume, load = sum(lesion.volume_ml for lesion in lesions), float(summary["lesion_load_ml"])
    if abs(volume - load) > LOAD_TOLERANCE * load + 1e-6 * count + 1e-6:  # rows are rounded to a millionth
        finding = f"its lesions sum up to {volume:.3f} ml but {SUMMARY} tells of {load:.3f} ml"
        raise InputError(finding, remedy=AGAIN, file=out / LESION_TABLE)
    return Result(out, summary, lesions)


def _read_summary(out: Path) -> Mapping[str, Any]:
    file = out / SUMMARY
    if not out.is_dir():
        what = "this is a file, not a folder of results" if out.exists() else "there is no such folder"
        raise InputError(what, remedy="name the folder that `dawson segment` wrote with -o", file=out)
    if not file.is_file():
        raise InputError(
            f"this folder holds no result, for there is no {SUMMARY}",
            remedy="name the folder that `dawson segment` wrote with -o",
            file=out,
        )
    try:
        summary = json.loads(file.read_text("utf-8"), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("this is not valid JSON, as dawson writes it", remedy=AGAIN, file=file) from error
    if isinstance(summary, dict) and "lesion_count" in summary and "quality" not in summary:
        finding = "this result is of an older dawson, which measured too little for a report"
        raise InputError(finding, remedy=AGAIN, file=out)
    try:
        return plain(validate(summary), defaults=True)
    except ValueError as error:
        raise InputError(
            f"this is no summary of a result as dawson writes it: {error}", remedy=AGAIN, file=file
        ) from error


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and infinity are no JSON


def _read_lesions(file: Path) -> tuple[Lesion, ...]:
    try:
        with file.open(encoding="utf-8", newline="") as stream:
            return tuple(_lesion(row) for row in csv.DictReader(stream, strict=True))
    except FileNotFoundError:
        raise InputError("there is no such file", remedy=AGAIN, file=file) from None
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise InputError("this is no table of lesions as dawson writes it", remedy=AGAIN, file=file) from error


def _lesion(row: Mapping[str, str]) -> Lesion:
    number = {name: float(row[name]) for name in (*NUMBERS, *CENTROID)}
    if not np.isfinite(list(number.values())).all():
        raise ValueError("a figure is not finite")
    x, y, z = (number.pop(name) for name in CENTROID)
    texts = {name: original_text(row[name]) or None for name in TEXTS}
    return Lesion(id=int(row["id"]), centroid=(x, y, z), **number, **texts)  # type: ignore[arg-type]
