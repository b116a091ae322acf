"""Lesion masks for visits that nobody has marked: a model proposes, a person looks and decides.

    python -m tools.curation.review look OUT NAME=RESULTS=FLAIR …      # writes OUT/NAME_0.png … and OUT/verdicts.tsv
    python -m tools.curation.review masks OUT NAME=RESULTS=FLAIR …     # after the column verdict was gone through

NAME is PATIENT_VISIT, RESULTS the folder that ``dawson segment`` made of it, and FLAIR the scan that they lie on.

*look* lists two kinds of candidates: what the model had an inkling of (probability 0.15 and more, 0.3 at its
highest), and what it did not see but is far brighter than the brain around it. Pictures show every slice
that holds one, as it is and with outlines and numbers. Each candidate gets a first verdict; that is a proposal.
``--faint 0.1`` lists a third kind, of which the model has hardly an inkling (0.05 and more, 0.1 at its highest): most
lesions that it misses are such places, and most such places are none. OUT/NAME_faint_0.png … show them one by one:
the slice below, its own, the one above, and its own with the outline. Give *masks* the same ``--faint``.

*masks* reads the verdicts and writes, for the columns ``mask`` and ``unsure`` of a table of cases, NAME.nii.gz (what
was called *lesion*, drawn where the model is at least as sure as it is of borders) and NAME_unsure.nii.gz (what was
called *unsure*, and the faint rim of lesions). All the rest is healthy, and what was called *healthy* above all: these
are the mistakes that the next model is to unlearn. Such masks teach; they are no truth to measure by.

A verdict belongs to the candidate that holds its position (RAS mm), so a table of verdicts can be used again with the
results of another model: *look* with ``--verdicts`` takes over those that still hold and says how many candidates are
new; *masks* reports positions that no candidate holds any more.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import nibabel as nib
import numpy as np
import SimpleITK as sitk
from matplotlib import pyplot as plt
from numpy.typing import ArrayLike, NDArray

from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.measurement.lesions import Points, connected
from dawson.nifti.mask import read_anatomy, read_probability
from dawson.nifti.scan import read_scan
from dawson.synthesis.tissues import PARENCHYMA, Anatomy

INKLING, SEEN = 0.15, 0.3  # probability of a candidate's voxels, and at its highest
FAINT = 0.05  # probability of the voxels of what it has hardly an inkling of
SMALLEST_MM3, SMALLEST_UNSEEN_MM3 = 8.0, 15.0
UNSEEN = 1.38  # times the brain within some 12 mm: brightness of a candidate that the model did not see
AROUND_MM, REACH_MM, SKIN_MM = 12.0, 4.0, 3.0
BORDER, RIM = 0.35, 0.2  # probability from which on a lesion is drawn, and its rim is unsure
SURE = 0.6  # peak from which on a bright candidate is proposed as lesion
SUPRATENTORIAL = (Anatomy.CORTEX, Anatomy.DEEP_GREY, Anatomy.WHITE_MATTER)
COLUMNS = ("visit", "number", "x", "y", "z", "ml", "peak", "brightness", "verdict")
VERDICTS = ("lesion", "unsure", "healthy")
COLOURS = {"lesion": "lime", "unsure": "yellow", "healthy": "cyan"}
SLICES = 6  # a picture
PLACES, ACROSS, CROP_MM = 24, 3, 44.0  # a picture of faint ones: candidates, of these in a row, and the side of each


@dataclass(frozen=True)
class Visit:
    """A FLAIR (i, j, k) and what a model found on its grid."""

    name: str
    flair: NDArray[np.float32]
    probability: NDArray[np.float32]
    anatomy: NDArray[np.uint8]
    grid: Grid


@dataclass(frozen=True)
class Candidate:
    """Voxels (n, 3) of a place to judge; ``brightness`` is relative to the brightest seventh of cortex."""

    voxels: Points
    place: tuple[float, float, float]
    ml: float
    peak: float
    brightness: float
    verdict: str
    faint: bool = False

    @property
    def seen(self) -> bool:
        """Whether the model had an inkling of it."""
        return self.peak >= SEEN


def main() -> None:
    """Look, or write masks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("look", "masks"))
    parser.add_argument("out", type=Path)
    parser.add_argument("visits", nargs="+", metavar="NAME=RESULTS=FLAIR")
    parser.add_argument("--verdicts", type=Path, help="table; for masks OUT/verdicts.tsv where left out")
    text = f"also what the model has hardly an inkling of: {FAINT} and more, and at its highest this, {FAINT} to {SEEN}"
    parser.add_argument("--faint", type=float, metavar="PROBABILITY", help=text)
    options = parser.parse_args()
    if options.faint is not None and not FAINT <= options.faint <= SEEN:
        parser.error(f"--faint is {options.faint:g}; give {FAINT} to {SEEN}")
    options.out.mkdir(parents=True, exist_ok=True)
    table = options.out / "verdicts.tsv"
    visits = (_read(text) for text in options.visits)
    if options.what == "look":
        rows = _verdicts(options.verdicts) if options.verdicts else []
        _look(visits, options.out, table, rows, faint=options.faint)
    else:
        _masks(visits, options.out, _verdicts(options.verdicts or table), faint=options.faint)


def _verdicts(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for number, row in enumerate(rows, 2):
        if row["verdict"] not in VERDICTS:
            raise SystemExit(f"{table}, line {number}: the verdict is {row['verdict']!r}; give one of {VERDICTS}")
    return rows


def _judged(visit: Visit, found: list[Candidate], rows: list[dict[str, str]]) -> tuple[dict[int, str], int, int]:
    """Verdicts by the number of the candidate that holds their position, how many clash, and how many none holds.

    Candidates that were judged apart may be one by another model: where their verdicts differ, that of the larger
    volume holds for all.
    """
    by_place = {tuple(voxel): number for number, one in enumerate(found) for voxel in one.voxels.tolist()}
    volumes: dict[int, dict[str, float]] = {}
    lost = 0
    for row in rows:
        if row["visit"] == visit.name:
            voxel = np.round(visit.grid.to_index(np.array([float(row[axis]) for axis in "xyz"])))
            number = by_place.get(tuple(int(n) for n in voxel))
            if number is None:
                lost += 1
            else:
                own = volumes.setdefault(number, dict.fromkeys(VERDICTS, 0.0))
                own[row["verdict"]] += float(row["ml"])
    clashes = sum(sum(ml > 0 for ml in own.values()) > 1 for own in volumes.values())
    return {number: max(own, key=own.__getitem__) for number, own in volumes.items()}, clashes, lost


def _look(visits: Iterator[Visit], out: Path, table: Path, rows: list[dict[str, str]], *, faint: float | None) -> None:
    if table.exists():
        raise SystemExit(f"{table} is there already: move it away, it may hold verdicts")
    lines = ["\t".join(COLUMNS)]
    for visit in visits:
        found = list(candidates(visit, faint=faint))
        known, clashes, _ = _judged(visit, found, rows)
        for number, verdict in known.items():
            found[number] = replace(found[number], verdict=verdict)
        _draw(visit, [one for one in found if not one.faint], out)
        _draw_faint(visit, found, out)
        for number, one in enumerate(found, 1):
            values = (
                str(number),
                *(f"{x:.1f}" for x in one.place),
                f"{one.ml:.3f}",
                f"{one.peak:.2f}",
                f"{one.brightness:.2f}",
            )
            lines.append("\t".join((visit.name, *values, one.verdict)))
        faintly, fresh = sum(one.faint for one in found), len(found) - len(known)
        unseen = sum(not one.seen and not one.faint for one in found)
        kinds = f"{unseen} not seen by the model" + (f", {faintly} faintly" if faint is not None else "")
        print(f"{visit.name}: {len(found)} candidates, {kinds}, {fresh + clashes} to judge anew")
    table.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{table}: go through the column verdict ({', '.join(VERDICTS)}), then run 'masks'")


def _masks(visits: Iterator[Visit], out: Path, rows: list[dict[str, str]], *, faint: float | None) -> None:
    for visit in visits:
        found = list(candidates(visit, faint=faint))
        lesion, unsure, healthy = (np.zeros(visit.flair.shape, bool) for _ in range(3))
        known, clashes, lost = _judged(visit, found, rows)
        for number, verdict in known.items():
            if verdict == "lesion":
                drawn, rim = _drawn(visit, found[number])
                lesion |= drawn
                unsure |= rim
            else:
                (unsure if verdict == "unsure" else healthy)[tuple(found[number].voxels.T)] = True
        unsure &= ~lesion & ~healthy
        for suffix, marked in (("", lesion), ("_unsure", unsure)):
            nib.save(nib.Nifti1Image(marked.astype(np.uint8), visit.grid.affine), out / f"{visit.name}{suffix}.nii.gz")
        volumes = [float(marked.sum()) * visit.grid.voxel_volume / 1000 for marked in (lesion, unsure)]
        note = f"; {clashes} candidates hold verdicts that differ: the larger volume's was taken" if clashes else ""
        note += f"; {lost} verdicts belong to no candidate" if lost else ""
        print(f"{visit.name}\tlesion {volumes[0]:.2f} ml, unsure {volumes[1]:.2f} ml{note}")


def candidates(visit: Visit, *, faint: float | None = None) -> Iterator[Candidate]:
    """All places to judge: those that the model saw, those that it did not, and those that it saw faintly."""
    volume, healthy = visit.grid.voxel_volume, visit.probability < INKLING
    limit = float(np.percentile(visit.flair[(visit.anatomy == Anatomy.CORTEX) & healthy], 85))
    unseen, told = _glaring(visit), np.zeros(visit.flair.shape, bool)
    for voxels in connected(~healthy):
        where = tuple(voxels.T)
        if len(voxels) * volume >= SMALLEST_MM3 and visit.probability[where].max() >= SEEN:
            one = _candidate(visit, voxels, limit, "unsure")
            unseen[where], told[where] = False, True
            sure = one.peak >= SURE and one.brightness >= 1
            yield replace(one, verdict="lesion") if sure else one
    for voxels in connected(unseen):
        if len(voxels) * volume >= SMALLEST_UNSEEN_MM3:
            told[tuple(voxels.T)] = True
            yield _candidate(visit, voxels, limit, "healthy")
    for voxels in connected(visit.probability >= FAINT) if faint is not None else ():
        where = tuple(voxels.T)
        enough = len(voxels) * volume >= SMALLEST_MM3 and visit.probability[where].max() >= faint
        if enough and not told[where].any():
            yield replace(_candidate(visit, voxels, limit, "unsure"), faint=True)


def _candidate(visit: Visit, voxels: Points, limit: float, verdict: str) -> Candidate:
    where = tuple(voxels.T)
    highest = voxels[int(visit.flair[where].argmax())]
    x, y, z = (float(n) for n in visit.grid.to_world(np.asarray(highest, dtype=np.float64)))
    brightness = float(np.percentile(visit.flair[where], 80)) / limit
    ml = len(voxels) * visit.grid.voxel_volume / 1000
    return Candidate(voxels, (x, y, z), ml, float(visit.probability[where].max()), brightness, verdict)


def _glaring(visit: Visit) -> NDArray[np.bool_]:
    """What is far brighter than the brain around it, away from the skull."""
    brain = np.isin(visit.anatomy, PARENCHYMA)
    around = _blurred(np.where(brain, visit.flair, 0), visit.grid) / np.maximum(_blurred(brain, visit.grid), 1e-3)
    image = sitk.GetImageFromArray((visit.anatomy > 0).astype(np.uint8))
    filled = sitk.BinaryFillhole(sitk.BinaryMorphologicalClosing(image, [0, 3, 3], sitk.sitkBall))
    skin = round(SKIN_MM / min(visit.grid.spacing))
    inner = sitk.GetArrayFromImage(sitk.BinaryErode(filled, [0, skin, skin], sitk.sitkBall)).astype(bool)
    return np.asarray((visit.flair > UNSEEN * around) & inner & np.isin(visit.anatomy, SUPRATENTORIAL))


def _blurred(volume: NDArray[np.generic], grid: Grid) -> NDArray[np.float32]:
    image = sitk.GetImageFromArray(volume.astype(np.float32))
    image.SetSpacing([float(s) for s in reversed(grid.spacing)])
    return np.asarray(sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image, AROUND_MM)))


def _drawn(visit: Visit, one: Candidate) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """A lesion and its unsure rim (i, j, k): by the model's own map, or by brightness where that saw nothing."""
    piece = np.zeros(visit.flair.shape, bool)
    piece[tuple(one.voxels.T)] = True
    if one.seen or one.faint:
        inside = piece & (visit.probability >= min(BORDER, 0.6 * one.peak))
        rim = 0.4 * one.peak if one.faint else RIM
        return inside, piece & (visit.probability >= rim) & ~inside
    distance = _distance(piece, visit.grid)
    base, core = np.median(visit.flair[distance < 10]), visit.flair[piece].mean()
    near = distance < REACH_MM
    return piece | (near & (visit.flair > (base + core) / 2)), near & (visit.flair > base + (core - base) / 4)


def _distance(mask: NDArray[np.bool_], grid: Grid) -> NDArray[np.float32]:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing([float(s) for s in reversed(grid.spacing)])
    return np.asarray(sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, False, False, True)))


def _draw(visit: Visit, found: list[Candidate], out: Path) -> None:
    mpl.use("Agg")
    numbered = np.zeros(visit.flair.shape, np.int32)
    for number, one in enumerate(found, 1):
        numbered[tuple(one.voxels.T)] = number
    axis = axial(visit.grid)
    brain = np.isin(visit.anatomy, (Anatomy.VENTRICLES, *SUPRATENTORIAL)) | (numbered > 0)
    white = float(np.percentile(visit.flair[brain], 99.7))
    frame = np.argwhere(_upright(brain.any(axis=axis), visit.grid, axis))
    box = tuple(slice(low, high + 1) for low, high in zip(frame.min(axis=0), frame.max(axis=0), strict=True))
    wanted = [k for k in range(visit.flair.shape[axis]) if numbered.take(k, axis).any()]
    for page in range(0, len(wanted), SLICES):
        figure, axes = plt.subplots(3, 4, figsize=(20, 19), facecolor="black")
        for place in axes.flat:
            place.axis("off")
        for n, k in enumerate(wanted[page : page + SLICES]):
            flair, labels = (_upright(v.take(k, axis), visit.grid, axis)[box] for v in (visit.flair, numbered))
            plain, marked = axes.flat[2 * n], axes.flat[2 * n + 1]
            for place in (plain, marked):
                place.imshow(flair, cmap="gray", vmin=0, vmax=white, interpolation="bilinear")
            plain.set_title(f"{visit.name}, slice {k}", color="white", fontsize=10, pad=2)
            for number in np.unique(labels[labels > 0]):
                colour = COLOURS[found[number - 1].verdict]
                marked.contour(labels == number, [0.5], colors=[colour], linewidths=0.8)
                y, x = np.argwhere(labels == number).mean(axis=0)
                text = {"xytext": (9, -9), "textcoords": "offset points", "color": colour, "fontsize": 11}
                marked.annotate(str(number), (x, y), **text)
        figure.subplots_adjust(0, 0, 1, 0.98, 0.01, 0.03)
        figure.savefig(out / f"{visit.name}_{page // SLICES}.png", dpi=62)
        plt.close(figure)


def _draw_faint(visit: Visit, found: list[Candidate], out: Path) -> None:
    mpl.use("Agg")
    axis = axial(visit.grid)
    side = visit.grid.spacing[0 if axis else 1]  # of a voxel within the slice
    reach = round(CROP_MM / 2 / side)
    white = float(np.percentile(visit.flair[np.isin(visit.anatomy, SUPRATENTORIAL)], 99.7))
    wanted = [(number, one) for number, one in enumerate(found, 1) if one.faint]
    for page in range(0, len(wanted), PLACES):
        figure, axes = plt.subplots(PLACES // ACROSS, 4 * ACROSS, figsize=(24, 16.5), facecolor="black")
        for place in axes.flat:
            place.axis("off")
        for n, (number, one) in enumerate(wanted[page : page + PLACES]):
            piece = np.zeros(visit.flair.shape, bool)
            piece[tuple(one.voxels.T)] = True
            k = int(np.bincount(one.voxels[:, axis]).argmax())
            marked = _upright(piece.take(k, axis), visit.grid, axis)
            middle = np.argwhere(marked).mean(axis=0).round().astype(int)
            part = tuple(slice(m, m + 2 * reach + 1) for m in middle)
            row = axes.flat[4 * n : 4 * n + 4]
            for place, at in zip(row, (k - 1, k, k + 1, k), strict=True):
                if 0 <= at < visit.flair.shape[axis]:
                    shown = np.pad(_upright(visit.flair.take(at, axis), visit.grid, axis), reach)[part]
                    place.imshow(shown, cmap="gray", vmin=0, vmax=white, interpolation="bilinear")
            row[3].contour(np.pad(marked, reach)[part], [0.5], colors=["yellow"], linewidths=0.8)
            row[1].set_title(f"{number}: {one.peak:.2f}", color="white", fontsize=11, pad=2)
        figure.subplots_adjust(0, 0, 1, 0.98, 0.01, 0.06)
        figure.savefig(out / f"{visit.name}_faint_{page // PLACES}.png", dpi=66)
        plt.close(figure)


def axial(grid: Grid) -> int:
    """Axis of the slices that are as near to axial as the scan's own."""
    return int(np.abs(grid.affine[2, :3]).argmax())


def _upright(section: ArrayLike, grid: Grid, axis: int) -> NDArray[Any]:
    """A slice with the front up and the patient's right at the left."""
    first, second = (a for a in range(3) if a != axis)
    across = first if abs(grid.affine[0, first]) >= abs(grid.affine[0, second]) else second
    along = second if across == first else first
    plain = np.asarray(section)
    shown = plain.T if across == first else plain
    shown = shown[::-1] if grid.affine[1, along] > 0 else shown
    return shown[:, ::-1] if grid.affine[0, across] > 0 else shown


def _read(text: str) -> Visit:
    name, results, flair = text.split("=")
    scan = read_scan(Path(flair), Modality.FLAIR)
    probability, grid, _ = read_probability(Path(results) / "probability.nii.gz")
    anatomy, anatomy_grid, _ = read_anatomy(Path(results) / "anatomy.nii.gz")
    if not (grid.same_as(scan.grid) and anatomy_grid.same_as(scan.grid)):
        raise SystemExit(f"the maps in {results} do not lie on the grid of {flair}")
    return Visit(name, scan.voxels, probability, anatomy, scan.grid)


if __name__ == "__main__":
    main()
