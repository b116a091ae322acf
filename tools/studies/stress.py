"""What becomes of the figures where the same scans are worse, or come otherwise.

    python -m tools.studies.stress labelled.tsv [--model FOLDER] [--inputs flair,all] [--only noisy,turned]

Every marked visit is segmented as it is, and once for each thing that happens to scans: noise, an uneven coil, another
tone curve, thick slices, ghosts of a periodic motion, a head that lies turned in the scanner, finer voxels, a field of
view that ends within the brain, skull-stripping that was too tight or left a rim, and a patient who moved between
sequences. What makes no difference to a visit (thick slices made thick, one sequence that cannot move from others) is
left out. The truth stays where it was; of what a field of view no longer shows, nothing counts. A line for each: mean
lesion Dice and lesion F1 (any overlap, 26-connected, 3 mm³ and more), in brackets how far they differ from what the
same visits have as they are, with the standard error over visits (nan for one visit), and the worst loss of Dice.
Nothing here is real damage: it tells what a model leans on, not how often that happens.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.transform import Rotation

from dawson.cases.find import find_cases
from dawson.core.arrays import Mask
from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.core.result import Segmentation
from dawson.core.study import Modality, Scan, Study
from dawson.evaluation.metrics.case import measure_case
from dawson.evaluation.settings import Settings
from dawson.nifti.mask import read_mask
from dawson.nifti.scan import read_scan
from dawson.preparation.resample import resample
from dawson.segmentation.pipeline import segment
from tools.curation.review import axial

Array = NDArray[np.floating[Any]]
Rng = np.random.Generator
Worse = tuple[Study, Mask | None] | None
"""The scans, and what of the reference's grid (i, j, k) they still show if that is not all; None: nothing changed."""
SETTINGS = Settings(surfaces=False)
SEED = 20_261_202  # no run's
THICK_MM = 5.0
GHOST = 0.12  # of the head's signal


def main() -> None:
    """Segment, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--inputs", default="flair,all", help="with commas: flair, flair+t1, …, all")
    parser.add_argument("--only", default="", help=f"of {', '.join(STRESSES)}")
    options = parser.parse_args()
    wanted = options.only.split(",") if options.only else list(STRESSES)
    if unknown := set(wanted) - set(STRESSES):
        parser.error(f"--only does not know {', '.join(sorted(unknown))}; give any of {', '.join(STRESSES)}")
    rows: dict[tuple[str, str], list[NDArray[np.float64]]] = {}
    for number, case in enumerate(find_cases(options.cases)):
        whole = Study({s: read_scan(file, s) for s, file in case.scans.items()})
        mask = read_mask(case.mask)
        for inputs in options.inputs.split(","):
            given = [s for s in Modality if s in whole.scans and (inputs == "all" or s.value in inputs.split("+"))]
            if inputs != "all" and len(given) < len(inputs.split("+")):
                continue
            study = Study({s: whole.scans[s] for s in given})
            plain = segment(study, model=options.model)
            for name in wanted:
                made = STRESSES[name](study, plain, np.random.default_rng([SEED, number]))
                if made is None:
                    continue
                worse, shown = made
                before = _figures(plain, mask.mask, mask.grid, shown)
                after = np.zeros_like(before)
                try:
                    after = _figures(segment(worse, model=options.model), mask.mask, mask.grid, shown)
                except InputError as error:
                    print(f"{case.name} {inputs} {name}: {error}", flush=True)
                rows.setdefault((inputs, name), []).append(np.array([before, after]))
                text = ", ".join(f"{a:.3f} ({a - b:+.3f})" for a, b in zip(after, before, strict=True))
                print(f"{case.name} {inputs} {name}: Dice, F1 {text}", flush=True)
    print()
    for (inputs, name), pairs in rows.items():
        table = np.array(pairs)
        change = table[:, 1] - table[:, 0]
        means, free = change.mean(axis=0), len(pairs) - 1
        spread = change.std(axis=0) / free**0.5 if free else np.full(2, np.nan)
        told = [
            f"{what} {table[:, 1, column].mean():.3f} ({means[column]:+.3f} ± {spread[column]:.3f})"
            for column, what in enumerate(("Dice", "F1"))
        ]
        print(f"{inputs:>10} {name:>7}: {', '.join(told)}, worst Dice {change[:, 0].min():+.3f}; {len(pairs)} visits")


def _figures(found: Segmentation, truth: Mask, grid: Grid, shown: Mask | None) -> NDArray[np.float64]:
    """Dice and F1 on the truth's grid, of what ``shown`` (i, j, k on the reference's) leaves."""
    lesions = resample(found.lesions, found.grid, grid, interpolation="nearest")
    if shown is not None:
        here = resample(shown, found.study.reference.grid, grid, interpolation="nearest")
        lesions, truth = lesions & here, truth & here
    values = measure_case(truth, lesions, grid, settings=SETTINGS).values
    return np.array([values["dice"] or 0.0, values["lesion_f1_any"] or 0.0])


def _each(study: Study, change: Callable[[Scan, Array, float], Array]) -> Study:
    """The study with changed voxels; ``change`` is given a scan, its voxels and the median of what is not dark."""
    scans = {}
    for scan in study:
        level = float(np.median(scan.voxels[scan.voxels > scan.voxels.mean()]))
        scans[scan.modality] = replace(scan, voxels=np.asarray(change(scan, scan.voxels, level), np.float32))
    return Study(scans)


def _field(shape: tuple[int, ...], knots: int, rng: np.random.Generator) -> Array:
    """A smooth random field (i, j, k) of about a standard deviation of 1."""
    coarse = rng.normal(size=(knots, knots, knots))
    zoom = [side / knots for side in shape]
    field = ndimage.zoom(coarse, zoom, order=1, mode="nearest", grid_mode=True)
    return np.asarray(field / field.std(), np.float32)


def noisy(study: Study, _: Segmentation, rng: Rng) -> Worse:
    """Rician noise of 8 % of the head's median."""

    def change(_: Scan, voxels: Array, level: float) -> Array:
        real, imaginary = (rng.normal(0, 0.08 * level, voxels.shape) for _ in range(2))
        return np.where(voxels > 0, np.hypot(voxels + real, imaginary), voxels)

    return _each(study, change), None


def uneven(study: Study, _: Segmentation, rng: Rng) -> Worse:
    """A receive field that varies by a factor of about 1.25 up and down."""
    return _each(study, lambda _, voxels, __: voxels * np.exp(0.22 * _field(voxels.shape, 4, rng))), None


def flat(study: Study, _: Segmentation, __: Rng) -> Worse:
    """A tone curve that takes contrast away."""
    return _each(study, lambda _, voxels, level: level * np.clip(voxels / level, 0, None) ** 0.7), None


def hard(study: Study, _: Segmentation, __: Rng) -> Worse:
    """A tone curve that adds contrast."""
    return _each(study, lambda _, voxels, level: level * np.clip(voxels / level, 0, None) ** 1.4), None


def thick(study: Study, _: Segmentation, __: Rng) -> Worse:
    """Slices of about 5 mm along the axis nearest to the feet, where they were thinner."""
    scans = {}
    together = {s.modality: round(THICK_MM / s.grid.spacing[axial(s.grid)]) for s in study}
    if max(together.values()) <= 1:
        return None
    for scan in study:
        axis, many = axial(scan.grid), max(together[scan.modality], 1)
        side = scan.grid.shape[axis] // many * many
        voxels = np.moveaxis(np.take(scan.voxels, range(side), axis), axis, 0)
        voxels = voxels.reshape(side // many, many, *voxels.shape[1:]).mean(axis=1)
        affine = scan.grid.affine.copy()
        affine[:3, 3] += affine[:3, axis] * (many - 1) / 2
        affine[:3, axis] *= many
        voxels = np.moveaxis(voxels, 0, axis)
        scans[scan.modality] = _on(scan, np.ascontiguousarray(voxels, np.float32), affine)
    return Study(scans), None


def finer(study: Study, _: Segmentation, __: Rng) -> Worse:
    """Interpolated to voxels of 0.6 mm, as some scanners do of themselves."""
    scans = {}
    for scan in study:
        factor = np.maximum(np.array(scan.grid.spacing) / 0.6, 1.0)
        shape = np.round(np.array(scan.grid.shape) * factor).astype(int)
        affine = scan.grid.affine.copy()
        affine[:3, :3] /= factor
        affine[:3, 3] = scan.grid.affine[:3, 3] + scan.grid.affine[:3, :3] @ (0.5 / factor - 0.5)
        grid = Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)
        scans[scan.modality] = _on(scan, resample(scan.voxels, scan.grid, grid, interpolation="linear"), affine)
    return Study(scans), None


def ghosts(study: Study, _: Segmentation, rng: Rng) -> Worse:
    """Ghosts of a periodic motion: the head twice more, a quarter of the field of view away along j on either side."""
    turned_by = np.exp(1j * rng.uniform(0, 2 * np.pi))

    def change(_: Scan, voxels: Array, __: float) -> Array:
        away = voxels.shape[1] // 4
        pair = turned_by * np.roll(voxels, away, 1) - np.roll(voxels, -away, 1) / turned_by
        return np.asarray(np.abs(voxels + GHOST * pair))

    return _each(study, change), None


def turned(study: Study, _: Segmentation, __: Rng) -> Worse:
    """A head that lies turned by 20 degrees about the axis from ear to ear, and by 12 about that to the feet."""
    scans = {}
    for scan in study:
        affine = _turn(scan.grid, "XZ", (20.0, 12.0)) @ scan.grid.affine
        grid = Grid(scan.grid.shape, affine)
        scans[scan.modality] = _on(scan, resample(scan.voxels, scan.grid, grid, interpolation="linear"), affine)
    return Study(scans), None


def _cut(study: Study, found: Segmentation, *, low: float, high: float) -> Worse:
    """Scans that end at two heights, as shares of the brain's; and what of the reference's grid they show."""
    inside = found.grid.to_world(np.argwhere(found.anatomy > 0).astype(np.float64))[:, 2]
    bottom, top = inside.min() + np.array((low, high)) * (inside.max() - inside.min())
    scans = {}
    for scan in study:
        axis = axial(scan.grid)
        middles = np.tile(np.array(scan.grid.shape) // 2 * 1.0, (scan.grid.shape[axis], 1))  # of slices
        middles[:, axis] = np.arange(scan.grid.shape[axis])
        heights = scan.grid.to_world(middles)[:, 2]
        kept = np.flatnonzero((heights >= bottom) & (heights <= top))
        affine = scan.grid.affine.copy()
        affine[:3, 3] += affine[:3, axis] * kept[0]
        scans[scan.modality] = _on(scan, np.ascontiguousarray(np.take(scan.voxels, kept, axis)), affine)
    own = scans[study.reference.modality].grid
    shown = resample(np.ones(own.shape, bool), own, found.grid, interpolation="nearest")
    return Study(scans), shown


def low(study: Study, found: Segmentation, _: Rng) -> Worse:
    """A field of view that ends a fifth of the brain's height below its top."""
    return _cut(study, found, low=-1.0, high=0.8)


def high(study: Study, found: Segmentation, _: Rng) -> Worse:
    """A field of view that begins above the lowest third of the brain."""
    return _cut(study, found, low=0.33, high=2.0)


def tight(study: Study, found: Segmentation, _: Rng) -> Worse:
    """Skull-stripped 2 mm within the brain that was found."""
    return _stripped(study, found, -2.0), None


def rimmed(study: Study, found: Segmentation, _: Rng) -> Worse:
    """Skull-stripped 5 mm outside of the brain that was found."""
    return _stripped(study, found, 5.0), None


def _stripped(study: Study, found: Segmentation, mm: float) -> Study:
    brain = ndimage.binary_fill_holes(found.anatomy > 0)
    spacing = found.grid.spacing
    away = ndimage.distance_transform_edt(~brain, sampling=spacing)
    away -= ndimage.distance_transform_edt(brain, sampling=spacing)
    kept = away <= mm

    def change(scan: Scan, voxels: Array, _: float) -> Array:
        return np.asarray(voxels * resample(kept, found.grid, scan.grid, interpolation="nearest"))

    return _each(study, change)


def moved(study: Study, _: Segmentation, __: Rng) -> Worse:
    """T1 and T2 as after the patient moved: turned by 6 degrees about the reference's middle, and 5 mm away."""
    if len(study.modalities) == 1:
        return None
    reference = study.reference
    motion = _turn(reference.grid, "Z", (6.0,))
    motion[:3, 3] += (3.0, -3.0, 2.65)
    return Study({s.modality: s if s is reference else _on(s, s.voxels, motion @ s.grid.affine) for s in study}), None


def _turn(grid: Grid, axes: str, degrees: tuple[float, ...]) -> NDArray[np.float64]:
    """World mm → world mm (4, 4): turned about a grid's middle, by the world's ``axes`` one inside the other."""
    middle = grid.to_world((np.array(grid.shape) - 1) / 2)
    motion = np.eye(4)
    motion[:3, :3] = Rotation.from_euler(axes, degrees, degrees=True).as_matrix()
    motion[:3, 3] = middle - motion[:3, :3] @ middle
    return motion


def _on(scan: Scan, voxels: Array, affine: NDArray[np.float64]) -> Scan:
    shape = (int(voxels.shape[0]), int(voxels.shape[1]), int(voxels.shape[2]))
    return replace(scan, voxels=np.asarray(voxels, np.float32), grid=Grid(shape, affine), header=None, missing=None)


STRESSES: dict[str, Callable[[Study, Segmentation, Rng], Worse]] = {
    one.__name__: one
    for one in (noisy, uneven, flat, hard, thick, finer, ghosts, turned, low, high, tight, rimmed, moved)
}


if __name__ == "__main__":
    main()
