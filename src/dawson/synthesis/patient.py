"""A whole synthetic patient as NIfTI files: the embedded example, and material for tests.

The three sequences come as a clinic's 2D protocol would deliver them: axial slices of a few millimetres, each
sequence on a grid of its own, T1 and T2 a little out of place because the patient moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.preparation.resample import resample
from dawson.recipe import Synthesis
from dawson.synthesis.label_maps import Head, LesionMap
from dawson.synthesis.patches import synthesize
from dawson.synthesis.tissues import INDEX

SIDE = 224  # voxels of 1 mm: a head
UNITS = 300.0  # scanner units that the brain's median gets
STEP = 10.0  # scanner units; finer differences drown in noise and only make files large


@dataclass(frozen=True)
class Protocol:
    """How one sequence is cut: in-plane and slice spacing in mm, and the patient's movement before it."""

    in_plane_mm: float
    slice_mm: float
    turn_degrees: float = 0.0
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0)


PROTOCOLS = {
    Modality.FLAIR: Protocol(1.0, 3.0),
    Modality.T1: Protocol(1.0, 3.0, turn_degrees=2.0, shift_mm=(1.5, -1.0, 2.0)),
    Modality.T2: Protocol(1.0, 4.0, turn_degrees=-1.5, shift_mm=(-1.0, 2.0, -1.0)),
}


def write_patient(
    folder: Path, heads: Sequence[Head], lesion_maps: Sequence[LesionMap], settings: Synthesis, seed: int
) -> dict[str, Path]:
    """Write ``FLAIR.nii.gz``, ``T1.nii.gz``, ``T2.nii.gz`` and the true ``lesion.nii.gz`` on FLAIR's grid."""
    rng = np.random.default_rng(seed)
    head = heads[int(rng.integers(len(heads)))]
    calm = replace(
        settings,
        healthy=0.0,
        whole_load=1.0,
        stripped=0.0,
        thick=0.0,
        noise=(0.02, 0.03),
        bias=0.05,
        motion=0.0,
        misalignment_mm=0.0,
        rotation_degrees=3.0,
        contrast=(0.7, 1.1),
    )
    cerebrum = [INDEX["cerebral white matter"], INDEX["cerebral cortex"]]
    brain = np.argwhere(np.isin(head.tissue, cerebrum))
    centre = brain.mean(axis=0) + [0.0, 0.0, -25.0]
    sample = synthesize([head], lesion_maps, calm, SIDE, rng, modalities=tuple(Modality), centre=centre)
    fine = Grid((SIDE, SIDE, SIDE), _centred(np.eye(3), SIDE))
    folder.mkdir(parents=True, exist_ok=True)
    files = {}
    for channel, (modality, protocol) in enumerate(PROTOCOLS.items()):
        volume = sample.images[channel].numpy()
        voxels, grid = _cut(volume, fine, protocol)
        stored = np.rint(voxels * UNITS / STEP) * STEP
        stored[stored < 0.12 * UNITS] = 0  # scanners blank the air
        name = {"flair": "FLAIR", "t1": "T1", "t2": "T2"}[modality.value]
        files[name] = _save(folder / f"{name}.nii.gz", stored.astype(np.int16), grid)
    truth, grid = _cut(sample.lesion.numpy().astype(np.float32), fine, PROTOCOLS[Modality.FLAIR])
    files["lesion"] = _save(folder / "lesion.nii.gz", (truth >= 0.5).astype(np.uint8), grid)
    return files


def _centred(linear: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ np.full(3, (side - 1) / 2)
    return affine


def _cut(volume: NDArray[np.float32], fine: Grid, protocol: Protocol) -> tuple[NDArray[np.float32], Grid]:
    """Average to slices and sample a moved patient on a grid stored L, A, S as many scanners do."""
    reach = int(np.ceil((protocol.slice_mm - 1) / 2))
    away = np.arange(-reach, reach + 1)
    weights = np.clip(protocol.slice_mm / 2 + 0.5 - np.abs(away), 0, 1)  # a box, its ends in part
    weights /= weights.sum()
    slabs = [np.roll(volume, int(s), axis=2) * np.float32(w) for s, w in zip(away, weights, strict=True)]
    thick = np.asarray(np.sum(slabs, axis=0, dtype=np.float32))
    count = int(SIDE // protocol.slice_mm)
    shape = (int(170 / protocol.in_plane_mm), int(214 / protocol.in_plane_mm), count)
    linear = np.diag([-protocol.in_plane_mm, protocol.in_plane_mm, protocol.slice_mm])
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) - 1) / 2
    angle = np.deg2rad(protocol.turn_degrees)
    move = np.eye(4)
    move[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    move[:3, 3] = protocol.shift_mm
    grid = Grid(shape, affine)
    return resample(thick, fine, grid, transform=move, interpolation="linear"), grid


def _save(file: Path, voxels: NDArray[np.generic], grid: Grid) -> Path:
    image = nib.Nifti1Image(voxels, grid.affine)
    image.set_qform(grid.affine, 1)
    image.set_sform(grid.affine, 1)
    image.header.set_xyzt_units("mm")
    nib.save(image, file)
    return file
