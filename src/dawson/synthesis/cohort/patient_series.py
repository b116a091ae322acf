"""One imaginary patient over time: one head, the same at every visit but for its lesions, scanned again and again.

The patient is painted at 1 mm by the parts that :func:`dawson.synthesis.samples.synthesize` is made of. Each visit
lies a little differently in the scanner and is cut into the scanner's slices, with noise and a bias
field of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from dawson.core.arrays import Mask
from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.preparation.resample import resample
from dawson.recipe import Synthesis
from dawson.synthesis.contrast import draw_means, relative_to_brain
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.lesion_course import Course, draw_course
from dawson.synthesis.lesions import (
    LesionAppearance,
    draw_appearance,
    draw_lesions,
    no_lesions,
    place_lesions,
    render_lesions,
)
from dawson.synthesis.placement import draw_bending, draw_mni, draw_placement, draw_rotation, place_head
from dawson.synthesis.scanner.fields import along_axes, blur_matrix, smooth_field
from dawson.synthesis.scanner.noise import add_noise
from dawson.synthesis.scene import Scene, build_scene, draw_paint, draw_scene, paint
from dawson.synthesis.tissues import INDEX

SIDE = 224  # voxels of 1 mm that a head is painted in
VIEW_MM = (176.0, 220.0, 184.0)  # field of view in R, A, S
ABOVE_MM = 8.0  # of the cerebrum's centre over the middle of the view: room for the brain-stem
UNITS = 200.0  # scanner units that the brain's median gets
SLICE_MM = (1.0, 4.0)
FRACTION = 0.5  # of a lesion's own height on the scan, where its border is drawn
TRIES = 10  # to lay some lesion of a map into a head: one of few lesions may miss all of its tissue
FAINTEST = 0.25  # of full coverage, below which nobody marks a lesion

# What is varied between training patches and a cohort of whole heads does not need.
PATIENT = replace(Synthesis(), whole_load=0.5, rotation_degrees=3.0, contrast=(0.7, 1.1))


@dataclass(frozen=True, eq=False)
class Scanner:
    """One scanner of the cohort: its slices in mm, by sequence, its contrasts and its habits.

    ``means`` (sequences, tissues) are intensities in the order of :class:`dawson.core.study.Modality`; ``blank`` tells
    whether it sets the air around the head to zero. Between the sequences of a visit patients move by some
    ``movement_degrees`` and ``movement_mm`` (standard deviations).
    """

    name: str
    in_plane_mm: float
    slice_mm: Mapping[Modality, float]
    means: NDArray[np.float64]
    noise: float
    bias: float
    blank: bool
    movement_degrees: float = 0.15
    movement_mm: float = 0.2


@dataclass(frozen=True, eq=False)
class Patient:
    """What all visits of one patient share; ``course`` and ``appearance`` are None in a patient without lesions."""

    head: HeadModel
    tissue: Tensor
    scene: Scene
    course: Course | None
    appearance: LesionAppearance | None


def draw_scanner(number: int, seed: int, *, own_grids: bool) -> Scanner:
    """Scanner ``number`` of a cohort: slices of 1 to 3 mm, all sequences alike unless ``own_grids``."""
    rng = np.random.default_rng([seed, 0, 7, number])  # patients are numbered from 1
    means = draw_means(tuple(Modality), rng)
    thickness = float(rng.choice([1.0, 1.5, 2.0, 2.5, 3.0]))
    slices = dict.fromkeys(Modality, thickness)
    if own_grids:
        slices = {s: round(float(rng.uniform(*SLICE_MM)) * 2) / 2 for s in Modality}
    return Scanner(
        name=f"scanner-{number + 1}",
        in_plane_mm=float(rng.choice([0.9, 1.0, 1.0, 1.1])),
        slice_mm=slices,
        means=means,
        noise=float(rng.uniform(0.012, 0.035)),
        bias=float(rng.uniform(0.02, 0.1)),
        blank=bool(rng.random() < 0.6),
    )


def draw_patient(
    head: HeadModel,
    lesions: LesionMap | None,
    visits: int,
    rng: np.random.Generator,
    settings: Synthesis = PATIENT,
) -> Patient:
    """Draw a patient with the lesions of a map, or without any, and their course over ``visits`` visits."""
    fields = torch.Generator().manual_seed(int(rng.integers(2**62)))
    cerebrum = np.isin(head.tissue, [INDEX["cerebral white matter"], INDEX["cerebral cortex"]])
    centre = np.argwhere(cerebrum).mean(axis=0) - [0.0, 0.0, ABOVE_MM]
    mni = draw_mni(head, rng)
    patch = place_head(head, SIDE, draw_placement(centre, settings, rng), draw_bending(fields))
    patch.tissue[_outside(patch.where, head.tissue.shape)] = INDEX["air"]
    scene = build_scene(patch, no_lesions(SIDE), draw_scene(rng), fields)
    if lesions is None:
        return Patient(head, patch.tissue, scene, None, None)
    for _ in range(TRIES):
        drawn = draw_lesions(patch.tissue, patch.ventricle_distance, settings, rng)
        component, allowed = place_lesions(patch.tissue, patch.where, lesions, mni, drawn)
        if component.any():
            break
    course = draw_course(component, allowed, visits, rng)
    return Patient(head, patch.tissue, scene, course, draw_appearance(settings, rng))


@dataclass(frozen=True, eq=False)
class PatientVisit:
    """One visit as files will hold it: voxels (i, j, k) int16 on a grid by sequence, and the mask of lesions.

    ``mask`` lies on the grid of the first sequence. Axes run to L, A, S.
    """

    scans: Mapping[Modality, tuple[NDArray[np.int16], Grid]]
    mask: Mask


def scan_visit(
    patient: Patient,
    number: int,
    scanner: Scanner,
    modalities: tuple[Modality, ...],
    seed: int,
    person: int,
    *,
    pause: Callable[[], None] = lambda: None,
) -> PatientVisit:
    """Scan ``person`` of a cohort for the ``number``-th time.

    Whatever is drawn depends on seed, person, visit and sequence alone, so that a visit with a sequence left out
    is otherwise the same. ``pause`` is called between scans and may raise to stop.
    """
    rng = np.random.default_rng([seed, person, 2, number])
    position = _movement(rng, degrees=2.5, mm=3.0)
    gain = UNITS * float(np.exp(rng.normal(0, 0.15)))
    lesion = no_lesions(SIDE)
    if patient.course is not None and patient.appearance is not None:
        lesion = render_lesions(patient.course.at(number), patient.appearance)
    scene = replace(patient.scene, lesion=lesion)
    means = relative_to_brain(scanner.means.copy(), patient.head)
    head = (patient.tissue != INDEX["air"]).float().numpy()
    scans = {}
    for modality in modalities:
        pause()
        row = list(Modality).index(modality)
        scan_rng = np.random.default_rng([seed, person, 3, number, row])
        moved = (
            position
            if modality is modalities[0]
            else position @ _movement(scan_rng, degrees=scanner.movement_degrees, mm=scanner.movement_mm)
        )
        # The same tissue looks the same at every visit: what painting draws depends on person and sequence.
        painted = draw_paint(modality, np.random.default_rng([seed, person, 4, row]))
        ideal = paint(scene, means[row], modality, painted)
        grid = _grid(scanner.in_plane_mm, scanner.slice_mm[modality])
        image = _acquire(torch.from_numpy(_cut(ideal.numpy(), grid, moved)), grid, scanner, scan_rng)
        if scanner.blank:
            image[torch.from_numpy(_cut(head, grid, moved)) < 0.02] = 0
        voxels = np.rint(np.minimum(image.numpy() * gain, 32767)).astype(np.int16)
        scans[modality] = voxels, grid
    grid = scans[modalities[0]][1]
    return PatientVisit(scans, _as_drawn(_cut(lesion.fraction.numpy(), grid, position), grid))


def _outside(where: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Where (n, n, n) a patch shows what is past the head on its sides and above; below, the neck goes on."""
    past = torch.zeros(where.shape[1:], dtype=torch.bool)
    for axis, side in enumerate(shape):
        past |= where[axis] > side - 0.5
        if axis < 2:
            past |= where[axis] < -0.5
    return past


def _grid(in_plane_mm: float, slice_mm: float) -> Grid:
    """Axial slices over the field of view, stored L, A, S, around the origin of the world."""
    spacing = np.array([in_plane_mm, in_plane_mm, slice_mm])
    shape = np.rint(np.array(VIEW_MM) / spacing).astype(int)
    return _around_origin(shape, spacing * [-1, 1, 1])


def _around_origin(shape: NDArray[np.int64], steps: NDArray[np.float64]) -> Grid:
    affine = np.diag([*steps, 1.0])
    affine[:3, 3] = -steps * (shape - 1) / 2
    i, j, k = shape.tolist()
    return Grid((i, j, k), affine)


def _cut(volume: NDArray[np.float32], grid: Grid, movement: NDArray[np.float64]) -> NDArray[np.float32]:
    """What ``grid`` shows of a painted head (n, n, n): thin slices first, whose means are the thick ones."""
    fine = _around_origin(np.array(volume.shape), np.ones(3))
    i, j, k = grid.shape
    thin = max(round(grid.spacing[2]), 1)
    steps = np.diag(grid.affine)[:3] / [1, 1, thin]
    values = resample(
        volume, fine, _around_origin(np.array([i, j, k * thin]), steps), transform=movement, interpolation="linear"
    )
    return cast(NDArray[np.float32], values.reshape(i, j, k, thin).mean(axis=-1, dtype=np.float32))


def _movement(rng: np.random.Generator, *, degrees: float, mm: float) -> NDArray[np.float64]:
    """A small rigid movement (4, 4) about the origin."""
    move = np.eye(4)
    move[:3, :3] = draw_rotation(degrees, rng)
    move[:3, 3] = rng.normal(0, mm, 3)
    return move


def _acquire(image: Tensor, grid: Grid, scanner: Scanner, rng: np.random.Generator) -> Tensor:
    """Blur, bias field and Rician noise on the scanner's grid (i, j, k)."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    i, j, k = grid.shape
    sharp = rng.uniform(0.35, 0.6)
    through = blur_matrix(k, sharp) if grid.spacing[2] < 1.3 else None  # thick slices blur by themselves
    image = along_axes(image, (blur_matrix(i, sharp), blur_matrix(j, sharp), through))
    field = smooth_field(32, int(rng.integers(2, 5)), generator)[None, None]
    field = functional.interpolate(field, size=grid.shape, mode="trilinear", align_corners=True)[0, 0]
    image = image * torch.exp(abs(rng.normal(0, scanner.bias)) * field)
    noise = scanner.noise * float(rng.uniform(0.8, 1.25))
    return add_noise(image, noise, (None, None, None), generator, rician=True)


def _as_drawn(coverage: NDArray[np.float32], grid: Grid) -> Mask:
    """The mask that a rater would draw on what the scan shows of lesions covering voxels (i, j, k) in part.

    As in :func:`dawson.synthesis.samples.synthesize`: borders at half of the lesion's own height, and nothing where
    thick slices leave too little to be seen.
    """
    peak = torch.from_numpy(coverage)[None, None]
    for axis, step in enumerate(grid.spacing):
        reach = max(round(2.0 / step), 1)
        kernel = [2 * reach + 1 if axis == a else 1 for a in range(3)]
        peak = functional.max_pool3d(peak, kernel, 1, [side // 2 for side in kernel])
    highest = peak[0, 0].numpy()
    return np.asarray((coverage >= FRACTION * highest) & (highest > FAINTEST))
