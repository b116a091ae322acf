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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from dawson.cases.case import Case
from dawson.cases.check import CaseFacts
from dawson.cases.split import CaseScan
from dawson.core.arrays import UNSURE
from dawson.core.errors import InputError, UsageError
from dawson.core.grid import SAME_GRID_MM, Grid
from dawson.core.study import Modality, Study
from dawson.model.card import ONNX, Model, load_model
from dawson.model.engine import load_engine, precision
from dawson.nifti.mask import MaskFile, read_mask
from dawson.nifti.scan import read_scan
from dawson.preparation.locator import about_locator, load_locator, locate
from dawson.preparation.register import align
from dawson.preparation.resample import resample
from dawson.preparation.single_volume import prepare_volume
from dawson.preparation.visit import align_study
from dawson.recipe import Recipe
from dawson.recipe import SingleVolume as VolumeSettings
from dawson.results.summary import code_hash
from dawson.segmentation.passes import ask
from dawson.synthesis.tissues import Anatomy

PREPARING = ("core", "nifti", "model", "preparation", "quality", "segmentation", "training/prepared_cases.py")
"""Code that what is kept hangs on."""
STALE_S = 3600.0  # an unfinished folder that nobody has touched for so long was left by a process that died
ARRAYS = ("images", "lesion", "anatomy")
NOTES = "notes.json"


@dataclass(frozen=True)
class Example:
    """One image to learn from: the case and those of its sequences that make it up."""

    case: Case
    modalities: tuple[Modality, ...]

    @property
    def name(self) -> str:
        """As errors and records have it."""
        return f"{self.case.name} ({'+'.join(self.modalities)})"


@dataclass(frozen=True, eq=False)
class PreparedExample:
    """One training image, memory-mapped.

    ``images`` (channels, i, j, k) float16; ``lesion`` (i, j, k) uint8, 1 in lesions and UNSURE where nobody knows;
    ``anatomy`` (i, j, k) uint8, or none where the network learns lesions only. ``used`` are the
    sequences that the images hold, which lack those that preparation left out; ``warnings`` is what it had to say;
    ``slices`` by sequence the axis along which the scan's voxels were longest, and how long in mm.
    """

    example: Example
    images: NDArray[np.float16]
    lesion: NDArray[np.uint8]
    anatomy: NDArray[np.uint8] | None
    used: tuple[Modality, ...]
    warnings: tuple[str, ...]
    slices: Mapping[Modality, tuple[int, float]]

    @property
    def name(self) -> str:
        """The example's name."""
        return self.example.name


def examples_of(scans: Sequence[CaseScan], recipe: Recipe) -> list[Example]:
    """What the recipe learns from one by one: every volume, or all volumes of a visit together."""
    if recipe.volume is not None:
        return [Example(scan.case, (scan.modality,)) for scan in scans]
    visits: dict[str, tuple[Case, set[Modality]]] = {}
    for scan in scans:
        visits.setdefault(scan.case.name, (scan.case, set()))[1].add(scan.modality)
    return [Example(case, tuple(s for s in Modality if s in modalities)) for case, modalities in visits.values()]


def prepare_examples(
    examples: Sequence[Example],
    facts: Sequence[CaseFacts],
    recipe: Recipe,
    cache: Path,
    *,
    anatomy_model: Path | None = None,
    left_out: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[PreparedExample]:
    """Prepare all examples, or take what was kept of them in ``cache``.

    Args:
        examples: what to prepare.
        facts: what was found in the files of their cases.
        recipe: tells what the network sees.
        cache: folder of what is kept.
        anatomy_model: finds the brain and its coarse anatomy where the network sees windows; the shipped model where
            left out.
        left_out: where given, examples that cannot be prepared are skipped, and why is appended to it.
        progress: called with the number of examples done and of all.

    Raises:
        InputError: some examples cannot be prepared; all of them are listed.
        UsageError: the cache cannot be written, say because the disk is full; what was kept until then stays.
    """
    known = {fact.name: fact for fact in facts}
    finder = None if recipe.volume is not None else _Finder(load_model(anatomy_model))
    done: list[PreparedExample] = []
    bad: list[str] = []
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _sweep(cache)
        for number, example in enumerate(examples):
            try:
                done.append(_prepared(example, known[example.case.name], recipe, cache, finder))
            except InputError as error:
                bad.append(f"{example.name}: {error}")
            if progress is not None:
                progress(number + 1, len(examples))
    except OSError as error:
        raise UsageError(
            f"prepared scans cannot be kept there ({error.strerror or error})",
            file=cache,
            remedy="make room, or name another folder with --cache; what is there already stays of use",
        ) from error
    if bad and left_out is None:
        raise InputError(
            f"{len(bad)} of {len(examples)} images cannot be prepared",
            remedy="put these right, or go on without them with --skip-bad:\n  " + "\n  ".join(bad),
        )
    if left_out is not None:
        left_out += bad
    return done


@dataclass(frozen=True, eq=False)
class _Fresh:
    """What preparation made of an example, before it is kept."""

    arrays: dict[str, NDArray[Any]]
    used: tuple[Modality, ...]
    warnings: tuple[str, ...]
    slices: Mapping[Modality, tuple[int, float]]


class _Finder:
    """The locator, and a model that finds the coarse anatomy, started when first needed."""

    def __init__(self, model: Model) -> None:
        self.model, self.locator = model, about_locator()
        self.infer: Callable[..., Any] | None = None

    def arrays(self, example: Example, facts: CaseFacts) -> _Fresh:
        study = Study({s: read_scan(example.case.scans[s], s) for s in example.modalities})
        if self.infer is None:
            self.infer = load_engine(self.model)
        aligned = align_study(study, self.model.recipe.prepare, begin=lambda _: None)
        brain = locate(load_locator(), aligned.images, aligned.grid)
        inferred = ask(aligned, brain, self.model, self.infer, begin=lambda _: None)
        inputs = inferred.prepared
        drawn = read_mask(example.case.mask)
        matrix: NDArray[np.float64] | None = None
        notes: tuple[str, ...] = ()
        same = drawn.grid.same_as(study.reference.grid, tolerance=SAME_GRID_MM)
        if facts.reference is not study.reference.modality and not same:
            drawn_on = study.scans.get(facts.reference) or read_scan(
                example.case.scans[facts.reference], facts.reference
            )
            found = align(drawn_on, study.reference)
            matrix, notes = found.matrix, found.warnings
        lesion = _labels(drawn, example.case.unsure, inputs.grid, matrix)
        anatomy = anatomy_around(lesion, inferred.anatomy)
        arrays: dict[str, NDArray[Any]] = {"images": inputs.images, "lesion": lesion, "anatomy": anatomy}
        slices = {s: _slices(study.scans[s].grid) for s in inputs.used}
        return _Fresh(arrays, inputs.used, (*inputs.warnings, *notes), slices)


def anatomy_around(lesion: NDArray[np.uint8], found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The anatomy (i, j, k) that a network is taught of a visit, from what another found there.

    Lesions of white matter look like deep grey matter to it, and the next network would learn that they are. Few
    lesions lie in deep grey matter: all count as white matter.
    """
    return np.where((lesion == 1) & (found == Anatomy.DEEP_GREY), np.uint8(Anatomy.WHITE_MATTER), found)


def _prepared(
    example: Example, facts: CaseFacts, recipe: Recipe, cache: Path, finder: _Finder | None
) -> PreparedExample:
    folder = cache / _key(example, facts, recipe, finder)
    for attempt in range(2):
        if not folder.is_dir():
            if recipe.volume is not None:
                _keep(folder, _volume_arrays(example, facts, recipe.volume))
            elif finder is not None:
                _keep(folder, finder.arrays(example, facts))
        try:
            return _taken_up(folder, example)
        except (ValueError, EOFError, KeyError, FileNotFoundError):  # damaged, say by a power cut: make it again
            if attempt:
                raise
            shutil.rmtree(folder, ignore_errors=True)
    raise InputError("cannot be prepared", file=folder, remedy="delete it and try again")


def _taken_up(folder: Path, example: Example) -> PreparedExample:
    notes = json.loads((folder / NOTES).read_text("utf-8"))
    images, lesion = (np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in ARRAYS[:2])
    file = folder / f"{ARRAYS[2]}.npy"
    anatomy = np.load(file, mmap_mode="r", allow_pickle=False) if file.exists() else None
    used = tuple(Modality(name) for name in notes["used"])
    slices = {Modality(name): (int(axis), float(mm)) for name, (axis, mm) in notes["slices"].items()}
    return PreparedExample(example, images, lesion, anatomy, used, tuple(notes["warnings"]), slices)


def _volume_arrays(example: Example, facts: CaseFacts, settings: VolumeSettings) -> _Fresh:
    (modality,) = example.modalities
    scan = read_scan(example.case.scans[modality], modality)
    prepared = prepare_volume(scan, settings)
    drawn = read_mask(example.case.mask)
    matrix: NDArray[np.float64] | None = None
    notes: tuple[str, ...] = ()
    if modality is not facts.reference and not scan.grid.same_as(drawn.grid, tolerance=SAME_GRID_MM):
        # World of this scan, on a grid of its own → world of the mask, which lies on another scan of the visit.
        found = align(scan, read_scan(example.case.scans[facts.reference], facts.reference))
        matrix = np.asarray(np.linalg.inv(found.matrix), dtype=np.float64)
        notes = found.warnings
    lesion = _labels(drawn, example.case.unsure, prepared.grid, matrix)
    warnings = (*scan.warnings, *prepared.warnings, *notes)
    return _Fresh(
        {"images": prepared.voxels[None], "lesion": lesion}, (modality,), warnings, {modality: _slices(scan.grid)}
    )


def _slices(grid: Grid) -> tuple[int, float]:
    """Axis of R, A, S along which voxels are longest, and how long in mm."""
    steps = np.abs(grid.affine[:3, :3])
    longest = int(np.argmax(grid.spacing))
    return int(steps[:, longest].argmax()), round(grid.spacing[longest], 3)


def _labels(
    lesions: MaskFile, unsure: Path | None, grid: Grid, matrix: NDArray[np.float64] | None
) -> NDArray[np.uint8]:
    """Lesion labels on ``grid``: 1 in ``lesions``, UNSURE where the mask ``unsure`` is; ``matrix`` as in resample."""
    labels = np.zeros(grid.shape, dtype=np.uint8)
    for value, drawn in ((UNSURE, None if unsure is None else read_mask(unsure)), (1, lesions)):
        if drawn is not None:
            share = resample(drawn.mask, drawn.grid, grid, interpolation="linear", transform=matrix)
            labels[share >= 0.5] = value
    return labels


def _key(example: Example, facts: CaseFacts, recipe: Recipe, finder: _Finder | None) -> str:
    content = {
        "code": code_hash(PREPARING),
        "scans": {s: facts.sha256[example.case.scans[s]] for s in example.modalities},
        "mask": facts.sha256[example.case.mask],
        "unsure": None if example.case.unsure is None else facts.sha256[example.case.unsure],
        "mask lies on": facts.sha256[example.case.scans[facts.reference]],
        "volume": None if recipe.volume is None else asdict(recipe.volume),
        "network": None if finder is None else finder.model.card["sha256"][ONNX],
        "anatomy weights": None if finder is None else finder.model.anatomy_weights,
        "precision": None if finder is None else precision(finder.model),
        "locator": None if finder is None else finder.locator["sha256"],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _keep(folder: Path, fresh: _Fresh) -> None:
    aside = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        aside.mkdir()
        for name, array in fresh.arrays.items():
            np.save(aside / f"{name}.npy", array.astype(np.float16 if name == "images" else np.uint8))
        notes = {"used": list(fresh.used), "warnings": list(fresh.warnings), "slices": fresh.slices}
        (aside / NOTES).write_text(json.dumps(notes, ensure_ascii=False) + "\n", "utf-8")
        try:
            os.rename(aside, folder)  # noqa: PTH104 (Path.rename would do the same)
        except OSError:
            if not folder.is_dir():  # else another process was first, with the same content
                raise
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _sweep(cache: Path) -> None:
    """Remove what processes that died have left half-written."""
    for left in cache.glob(".*.????????"):
        try:
            if time.time() - left.stat().st_mtime > STALE_S:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # its owner has just finished
            continue
