"""Real cases as the network's input, prepared once and kept on disk, memory-mapped.

What is kept of a case lies in a folder named by the hash of everything that it depends on: the scans, the
mask, and the part of the recipe (or the network) that prepares them. It is written aside and renamed
when whole, so that two processes may prepare the same case at once and none can be stopped at a bad moment.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from collections.abc import Sequence as Several
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from dawson.errors import InputError, UsageError
from dawson.inputs import prepare_study
from dawson.learn.cases import Case
from dawson.learn.check import CaseFacts
from dawson.learn.split_table import Volume
from dawson.network.engine import argmax_anatomy, load_engine, run_windows
from dawson.network.model import Model, load_model
from dawson.prepare.align import align
from dawson.prepare.grid import resample
from dawson.prepare.volume import prepare_volume
from dawson.read import read_scan
from dawson.read.mask import read_mask
from dawson.recipe import Recipe
from dawson.recipe import Volume as VolumeSettings
from dawson.study import Scan, Sequence, Study

VERSION = 1  # of the way in which scans are prepared and kept; another version is another hash
STALE_S = 3600.0  # an unfinished folder that nobody has touched for so long was left by a process that died
ARRAYS = ("images", "lesion", "anatomy")


@dataclass(frozen=True)
class Unit:
    """One training image: the case and those of its sequences that make it up."""

    case: Case
    sequences: tuple[Sequence, ...]

    @property
    def name(self) -> str:
        """As errors and records have it."""
        return f"{self.case.name} ({'+'.join(self.sequences)})"


@dataclass(frozen=True, eq=False)
class Prepared:
    """One training image, memory-mapped.

    ``images`` (channels, i, j, k) float16; ``lesion`` (i, j, k) uint8; ``anatomy`` (i, j, k) uint8, or none
    where the network learns lesions only.
    """

    unit: Unit
    images: NDArray[np.float16]
    lesion: NDArray[np.uint8]
    anatomy: NDArray[np.uint8] | None

    @property
    def name(self) -> str:
        """The unit's name."""
        return self.unit.name


def units_of(volumes: Several[Volume], recipe: Recipe) -> list[Unit]:
    """What the recipe learns from one by one: every volume, or all volumes of a visit together."""
    if recipe.volume is not None:
        return [Unit(volume.case, (volume.sequence,)) for volume in volumes]
    visits: dict[str, tuple[Case, set[Sequence]]] = {}
    for volume in volumes:
        visits.setdefault(volume.case.name, (volume.case, set()))[1].add(volume.sequence)
    return [Unit(case, tuple(s for s in Sequence if s in own)) for case, own in visits.values()]


def prepare_units(
    units: Several[Unit],
    facts: Several[CaseFacts],
    recipe: Recipe,
    cache: Path,
    *,
    helper: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Prepared]:
    """Prepare all units, or take what was kept of them in ``cache``.

    ``helper`` is the model that finds the brain where the network sees windows (the shipped one where left
    out). ``progress`` is called with the number of units done and of all. Raises :class:`UsageError` where
    the cache cannot be written, say because the disk is full: what was kept until then stays.
    """
    known = {fact.name: fact for fact in facts}
    finder = None if recipe.volume is not None else _Finder(load_model(helper))
    done = []
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        for number, unit in enumerate(units):
            done.append(_prepared(unit, known[unit.case.name], recipe, cache, finder))
            if progress is not None:
                progress(number + 1, len(units))
    except OSError as error:
        raise UsageError(
            f"prepared scans cannot be kept there ({error.strerror or error})",
            file=cache,
            remedy="make room, or name another folder with --cache; what is there already stays of use",
        ) from error
    return done


class _Finder:
    """A model that finds the brain and its coarse anatomy, started when first needed."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.infer: Callable[..., Any] | None = None

    def arrays(self, study: Study, unit: Unit, facts: CaseFacts) -> dict[str, NDArray[Any]]:
        if self.infer is None:
            self.infer = load_engine(self.model.onnx)
        inputs = prepare_study(study, self.model, self.infer, begin=lambda _: None)
        scores = run_windows(
            self.infer,
            inputs.images,
            window=self.model.recipe.prepare.window,
            overlap=self.model.recipe.prepare.overlap,
            outputs=1 + len(self.model.anatomy_names),
        )
        drawn = read_mask(unit.case.mask)
        mask, grid = drawn.mask, drawn.grid
        on_another = facts.reference is not study.reference.sequence and not grid.same_as(study.reference.grid)
        matrix = align(study.scans[facts.reference], study.reference).matrix if on_another else None
        lesion = resample(mask, grid, inputs.grid, interpolation="linear", transform=matrix) >= 0.5
        return {"images": inputs.images, "lesion": lesion, "anatomy": argmax_anatomy(scores)}


def _prepared(unit: Unit, facts: CaseFacts, recipe: Recipe, cache: Path, finder: _Finder | None) -> Prepared:
    folder = cache / _key(unit, facts, recipe, finder)
    if not folder.is_dir():
        if recipe.volume is not None:
            arrays = _volume_arrays(unit, facts, recipe.volume)
        elif finder is not None:
            scans = {s: read_scan(unit.case.scans[s], s) for s in unit.sequences}
            arrays = finder.arrays(Study(scans), unit, facts)
        _keep(folder, arrays)
    kept = [_map(folder / f"{name}.npy") if (folder / f"{name}.npy").exists() else None for name in ARRAYS]
    images, lesion, anatomy = kept
    if images is None or lesion is None:
        raise InputError("is not what dawson keeps of a prepared scan", file=folder, remedy="delete it and try again")
    return Prepared(unit, images, lesion, anatomy)


def _volume_arrays(unit: Unit, facts: CaseFacts, settings: VolumeSettings) -> dict[str, NDArray[Any]]:
    (sequence,) = unit.sequences
    scan = read_scan(unit.case.scans[sequence], sequence)
    prepared = prepare_volume(scan, settings)
    drawn = read_mask(unit.case.mask)
    mask, grid = drawn.mask, drawn.grid
    matrix = None if sequence is facts.reference or scan.grid.same_as(grid) else _to_mask(scan, unit.case, facts)
    lesion = resample(mask, grid, prepared.grid, interpolation="linear", transform=matrix) >= 0.5
    return {"images": prepared.voxels[None], "lesion": lesion}


def _to_mask(scan: Scan, case: Case, facts: CaseFacts) -> NDArray[np.float64]:
    """World of a scan on a grid of its own → world of the mask, which lies on another scan of the visit."""
    reference = read_scan(case.scans[facts.reference], facts.reference)
    return np.asarray(np.linalg.inv(align(scan, reference).matrix), dtype=np.float64)


def _key(unit: Unit, facts: CaseFacts, recipe: Recipe, finder: _Finder | None) -> str:
    content = {
        "version": VERSION,
        "scans": {s: facts.sha256[unit.case.scans[s]] for s in unit.sequences},
        "mask": facts.sha256[unit.case.mask],
        "mask lies on": facts.sha256[unit.case.scans[facts.reference]],
        "volume": None if recipe.volume is None else asdict(recipe.volume),
        "network": None if finder is None else finder.model.card["sha256"],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _keep(folder: Path, arrays: dict[str, NDArray[Any]]) -> None:
    aside = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        aside.mkdir()
        for name, array in arrays.items():
            np.save(aside / f"{name}.npy", array.astype(np.float16 if name == "images" else np.uint8))
        try:
            os.rename(aside, folder)  # noqa: PTH104 (Path.rename would do the same)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _map(file: Path) -> Any:
    return np.load(file, mmap_mode="r", allow_pickle=False)


def _sweep(cache: Path) -> None:
    """Remove what processes that died have left half-written."""
    for left in cache.glob(".*.????????"):
        try:
            if time.time() - left.stat().st_mtime > STALE_S:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # its owner has just finished
            continue
