"""What the page's viewer needs, as text to be inlined: the scans cut to the head, the lesions, and their places.

The viewer itself is NiiVue (BSD-2-Clause), whose library file lies in ``assets``; ``assets/README.md`` says which.
"""

from __future__ import annotations

import base64
import gzip
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.grid import Grid
from dawson.core.result import Lesion
from dawson.reporting.wording import REGIONS, ml
from dawson.results.read import Result

BUDGET = 9_000_000
"""Characters that all volumes may take in the page, which then stays under 15 MB with library and pictures."""
COMPRESSION = 4  # of gzip: 6 saves three per cent and takes twice as long
HEAD = 30  # of 255: a plane belongs to the head where enough voxels are brighter than this
SHARE = 0.004  # of a plane's voxels
AROUND_MM = 5.0  # kept around brain and lesions


@dataclass(frozen=True)
class ViewerData:
    """What the viewer reads: .nii.gz files as base64 by the id of their element, and what else its script is told."""

    volumes: dict[str, str]
    content: dict[str, Any]


@dataclass(frozen=True, eq=False)
class _Cut:
    """Volumes (i, j, k, sequence), lesion ids (i, j, k) and the grid that both lie on."""

    scans: NDArray[np.uint8]
    ids: NDArray[Any]
    grid: Grid


def viewer_data(result: Result) -> ViewerData:
    """Scans and lesions as base64 NIfTI, and what the page's script reads beside them.

    The lesions' volume holds the ids of ``lesions.csv``, so that a click in the viewer can name the lesion. Where
    the scans would take too much room, pairs of voxels are averaged along the finest axes until they fit; a lesion
    voxel is never lost by that.
    """
    cut = _cut(result)
    packed = [_nifti(cut.scans[..., n], cut.grid) for n in range(len(result.modalities))]
    while sum(map(len, packed)) > BUDGET:
        cut = _halved(cut)
        packed = [_nifti(cut.scans[..., n], cut.grid) for n in range(len(result.modalities))]
    volumes = {f"volume-{n}": text for n, text in enumerate(packed)}
    volumes["volume-lesions"] = _nifti(cut.ids, cut.grid)
    spacing = " × ".join(f"{edge:.2g}" for edge in cut.grid.spacing)
    content = {
        "sequences": [name.upper() for name in result.modalities],
        "spacing": f"{spacing} mm",
        "lesions": [_place(result, lesion) for lesion in result.lesions],
    }
    return ViewerData(volumes, content)


def _place(result: Result, lesion: Lesion) -> dict[str, Any]:
    mm = result.grid.to_world(np.array(result.nearest_voxel(lesion), np.float64))
    words = [REGIONS.get(lesion.region or "", lesion.region), lesion.position, ml(lesion.volume_ml)]
    return {"id": lesion.id, "mm": [round(float(x), 3) for x in mm], "words": ", ".join(word for word in words if word)}


def _cut(result: Result) -> _Cut:
    """Everything cut to the head."""
    grid, scans = result.grid, result.display
    bright = (scans > HEAD).any(axis=3)
    keep = (result.anatomy > 0) | result.mask
    box = []
    for axis in range(3):
        others = tuple({0, 1, 2} - {axis})
        inside = np.flatnonzero(bright.mean(axis=others) > SHARE)
        known = np.flatnonzero(keep.any(axis=others))
        margin = int(np.ceil(AROUND_MM / grid.spacing[axis]))
        edges = [*inside[[0, -1]]] if inside.size else []
        edges += [known[0] - margin, known[-1] + margin] if known.size else []
        first, last = (min(edges), max(edges)) if edges else (0, grid.shape[axis] - 1)
        box.append(slice(max(int(first), 0), min(int(last) + 1, grid.shape[axis])))
    part = tuple(box)
    return _Cut(scans[part], _ids(result)[part], grid.crop(box))


def _ids(result: Result) -> NDArray[Any]:
    """The id of the lesion in each voxel, 0 elsewhere; lesions are told apart as they were when they were found."""
    from dawson.measurement.lesions import connected  # noqa: PLC0415 (loads SimpleITK)

    ids = np.zeros(result.grid.shape, np.uint8 if len(result.lesions) < 256 else np.uint16)
    pieces = connected(result.mask)
    numbers = np.zeros(result.grid.shape, np.int32)
    for number, piece in enumerate(pieces):
        numbers[tuple(piece.T)] = number
    for lesion in result.lesions:
        voxel = result.nearest_voxel(lesion)
        if result.mask[voxel]:
            ids[tuple(pieces[numbers[voxel]].T)] = lesion.id
    return ids


def _halved(cut: _Cut) -> _Cut:
    """Half the voxels along each axis that is nearly as fine as the finest: mean of scans, largest id of lesions."""
    edges, size = np.array(cut.grid.spacing), np.array(cut.grid.shape)
    steps = np.where((edges < 1.5 * edges.min()) & (size > 1), 2, 1)
    shape = size // steps
    whole = tuple(slice(n) for n in (shape * steps).tolist())
    blocks = np.stack([shape, steps], axis=1).ravel().tolist()
    ids = cut.ids[whole].reshape(blocks).max(axis=(1, 3, 5))
    scans = cut.scans[whole].reshape([*blocks, cut.scans.shape[3]]).mean(axis=(1, 3, 5), dtype=np.float32)
    affine = cut.grid.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ ((steps - 1) / 2)
    affine[:3, :3] *= steps
    i, j, k = shape.tolist()
    return _Cut(np.rint(scans).astype(np.uint8), ids, Grid((i, j, k), affine))


def _nifti(voxels: NDArray[Any], grid: Grid) -> str:
    """A .nii.gz file as base64."""
    import nibabel as nib  # noqa: PLC0415

    image = nib.Nifti1Image(voxels, grid.affine)
    return base64.b64encode(gzip.compress(image.to_bytes(), COMPRESSION, mtime=0)).decode("ascii")
