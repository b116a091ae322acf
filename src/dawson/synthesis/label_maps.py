"""Label maps and lesion masks, made ready for synthesis once and kept as compact arrays.

A *head model* is a whole-head label map at 1 mm; a *lesion map* is a real lesion mask in MNI152 space at
1 mm. Lesions come to a head through an affine between the centroids of well-known structures, so
that neither a template nor a registration is needed.
"""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from dawson.core.arrays import bounding_box
from dawson.core.errors import InputError
from dawson.core.files import replace_file
from dawson.preparation.head import HEAD_MM
from dawson.synthesis.tissues import INDEX, PARENCHYMA, TISSUES, Anatomy, anatomy_of_tissue, tissue_of_value

DISTANCE_STEP_MM = 0.1  # of the stored distance to the ventricles, which ends at 25.5 mm

# Centroids in MNI152 space (RAS mm) of FreeSurfer structures: medians over the 20 SynthSeg label maps
# after affine registration of each to a T1 scan in MNI152 space.
MNI_CENTROIDS: dict[int, tuple[float, float, float]] = {
    2: (-24.4, -17.3, 19.8),
    3: (-27.8, -16.9, 17.8),
    4: (-12.9, -13.2, 16.8),
    10: (-11.3, -16.2, 9.1),
    11: (-13.9, 7.7, 11.5),
    12: (-23.9, 0.4, 3.3),
    13: (-19.2, -2.8, 1.6),
    14: (-0, -7.9, 0.4),
    17: (-23.1, -18.1, -8.5),
    18: (-22.3, -2.6, -13.1),
    28: (-9.8, -13.3, -4.2),
    41: (25.4, -17.1, 19.3),
    42: (28.8, -16.1, 17),
    43: (13.3, -12.4, 16.3),
    49: (11.7, -15.4, 8.9),
    50: (14.6, 8.6, 11.2),
    51: (23.6, 1.7, 2.3),
    52: (18.6, -2.2, 1.7),
    53: (23.2, -18.4, -9.1),
    54: (21, -2.9, -13.9),
    60: (10, -13.1, -4.2),
}
TYPICAL_SCALE = 0.95  # MNI152 mm a mm of the label maps, in the median
STIFFNESS_MM = 15.0  # how far, in effect, the typical scale holds against what the centroids say


@dataclass(frozen=True, eq=False)
class HeadModel:
    """One label map: RAS+, 1 mm, cropped to the head.

    ``tissue`` (i, j, k) indexes :data:`TISSUES`; ``ventricle_distance`` is the distance to the lateral
    ventricles in steps of 0.1 mm; ``buried`` tells by 0–255 how much brain lies around a voxel (a
    Gaussian of 6 mm over the brain mask), which is high in the insula and the depth of sulci.
    ``to_mni`` (4, 4) maps voxel indices to MNI152 mm. ``volumes`` counts the voxels of each tissue.
    """

    name: str
    tissue: NDArray[np.uint8]
    ventricle_distance: NDArray[np.uint8]
    buried: NDArray[np.uint8]
    to_mni: NDArray[np.float64]
    volumes: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class LesionMap:
    """One lesion mask in MNI152 space.

    ``component`` (i, j, k) numbers its 26-connected lesions from 1; ``from_mni`` (4, 4) maps MNI152 mm to
    its voxel indices; ``centres`` (n, 3) are the lesions' centroids in MNI152 mm, ``sizes`` their voxels.
    """

    name: str
    component: NDArray[np.uint8]
    from_mni: NDArray[np.float64]
    centres: NDArray[np.float64]
    sizes: NDArray[np.int64]


def _canonical(file: Path) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    try:
        image = nib.as_closest_canonical(nib.load(file))
        data = np.rint(np.asanyarray(image.dataobj)).astype(np.int64)
    except (OSError, EOFError, ValueError, zlib.error, nib.filebasedimages.ImageFileError) as error:
        raise InputError(f"is not a readable NIfTI ({error})", file=file, remedy="replace or leave it out") from error
    spacing = np.linalg.norm(image.affine[:3, :3], axis=0)
    if data.ndim != 3 or not np.allclose(spacing, 1.0, atol=0.05):
        raise InputError(
            f"has shape {data.shape} and voxels of {np.round(spacing, 2).tolist()} mm",
            file=file,
            remedy="resample it to a 3D volume with 1 mm voxels (nearest neighbour)",
        )
    return data, np.asarray(image.affine, dtype=np.float64)


def nifti_files(folder: Path) -> list[Path]:
    """The NIfTI files of a folder in the order of their names."""
    files = sorted(p for p in folder.glob("*.nii*") if p.name.endswith((".nii", ".nii.gz")))
    if not files:
        raise InputError("holds no NIfTI file", file=folder, remedy="name a folder of .nii or .nii.gz files")
    return files


def read_head(file: Path) -> HeadModel:
    """Read one whole-head label map with FreeSurfer values (any orientation, 1 mm)."""
    values, affine = _canonical(file)
    if values.min() < 0 or values.max() >= 1024:
        raise InputError(
            f"holds values from {values.min()} to {values.max()}",
            file=file,
            remedy="use a label map with FreeSurfer values between 0 and 1023",
        )
    i, j, k = bounding_box(values > 0)
    k = slice(max(k.start, k.stop - int(HEAD_MM)), k.stop)  # what lies lower is neck; voxels are 1 mm
    values = values[i, j, k]
    affine = affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [i.start, j.start, k.start]
    to_mni = _index_to_mni(values, file)
    tissue = tissue_of_value()[values]
    if not (tissue == INDEX["brain-stem"]).any():
        raise InputError("has no brain-stem (value 16)", file=file, remedy="use a whole-brain label map")
    # CSF around the spinal cord is no part of the brain's fluid: below the brain-stem it counts with the cord.
    lowest = int(np.flatnonzero((tissue == INDEX["brain-stem"]).any(axis=(0, 1)))[0])
    neck = tissue[:, :, : max(lowest - 5, 0)]
    neck[neck == INDEX["other CSF"]] = INDEX["spinal cord"]
    anatomy = anatomy_of_tissue()[tissue]
    ventricle = np.isin(tissue, [INDEX["lateral ventricle"], INDEX["choroid plexus"]])
    return HeadModel(
        name=file.name.split(".")[0],
        tissue=tissue,
        ventricle_distance=_distance(ventricle),
        buried=_smooth(np.isin(anatomy, [*PARENCHYMA, Anatomy.VENTRICLES]), 6.0),
        to_mni=to_mni,
        volumes=np.bincount(tissue.ravel(), minlength=len(TISSUES)),
    )


def read_lesion_map(file: Path) -> LesionMap:
    """Read one binary lesion mask in MNI152 space at 1 mm."""
    values, affine = _canonical(file)
    mask = values > 0
    if not mask.any() or len(np.unique(values)) > 2:
        raise InputError(
            f"holds {len(np.unique(values))} distinct values",
            file=file,
            remedy="use a binary lesion mask with at least one lesion",
        )
    image = sitk.GetImageFromArray(np.ascontiguousarray(mask.astype(np.uint8)))
    label_filter = sitk.ConnectedComponentImageFilter()
    label_filter.FullyConnectedOn()
    ordered = sitk.RelabelComponent(label_filter.Execute(image))
    component = sitk.GetArrayFromImage(ordered).astype(np.int64)
    component[component > 255] = 0  # the smallest ones of a mask with more lesions than a byte counts
    count = int(component.max())
    where = np.argwhere(component)
    ids = component[tuple(where.T)]
    sizes = np.bincount(ids, minlength=count + 1)[1:]
    sums = np.stack([np.bincount(ids, weights=where[:, axis], minlength=count + 1)[1:] for axis in range(3)], 1)
    centres: NDArray[np.float64] = np.asarray(sums / sizes[:, None] @ affine[:3, :3].T + affine[:3, 3])
    from_mni: NDArray[np.float64] = np.asarray(np.linalg.inv(affine), dtype=np.float64)
    return LesionMap(file.name.split(".")[0], component.astype(np.uint8), from_mni, centres, sizes)


def read_heads(files: Iterable[Path], cache: Path | None = None) -> list[HeadModel]:
    """Read label maps, by way of a cache folder of plain arrays where one is given."""
    return [_cached_head(file, cache) for file in files]


def _cached_head(file: Path, cache: Path | None) -> HeadModel:
    if cache is None:
        return read_head(file)
    # Keyed by what the file and this module hold, so that neither can change unnoticed.
    content = hashlib.sha256(file.read_bytes() + Path(__file__).read_bytes() + repr(TISSUES).encode())
    stored = cache / f"{content.hexdigest()[:24]}.npz"
    if stored.exists():
        with np.load(stored, allow_pickle=False) as z:
            return HeadModel(
                file.name.split(".")[0],
                z["tissue"],
                z["ventricle_distance"],
                z["buried"],
                z["to_mni"],
                z["volumes"],
            )
    head = read_head(file)
    packed = io.BytesIO()
    np.savez(
        packed,
        tissue=head.tissue,
        ventricle_distance=head.ventricle_distance,
        buried=head.buried,
        to_mni=head.to_mni,
        volumes=head.volumes,
    )
    replace_file(stored, packed.getvalue())  # several processes may read at once
    return head


def _index_to_mni(values: NDArray[np.int64], file: Path) -> NDArray[np.float64]:
    """Affine (4, 4) from voxel index to MNI152 mm, least squares over structure centroids."""
    found, wanted = [], []
    for value, centroid in MNI_CENTROIDS.items():
        where = np.argwhere(values == value)
        if len(where) >= 50:
            found.append(where.mean(axis=0))
            wanted.append(centroid)
    if len(found) < 8:
        raise InputError(
            f"names only {len(found)} of the {len(MNI_CENTROIDS)} structures that place it in MNI152 space",
            file=file,
            remedy="use a whole-brain label map with FreeSurfer values",
        )
    # Deep structures lie close together, so the fit is held to the typical scale (ridge regression).
    source, target = np.array(found), np.array(wanted)
    middle, goal = source.mean(axis=0), target.mean(axis=0)
    prior = len(found) * STIFFNESS_MM**2 / 4 * np.eye(3)
    gram = (source - middle).T @ (source - middle) + prior
    linear = np.linalg.solve(gram, (source - middle).T @ (target - goal) + TYPICAL_SCALE * prior).T
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = goal - linear @ middle
    return affine


def _distance(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    distance = sitk.GetArrayFromImage(sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=False))
    return np.clip(distance / DISTANCE_STEP_MM, 0, 255).astype(np.uint8)


def _smooth(mask: NDArray[np.bool_], sigma: float) -> NDArray[np.uint8]:
    image = sitk.GetImageFromArray(mask.astype(np.float32))
    smooth = sitk.GetArrayFromImage(sitk.SmoothingRecursiveGaussian(image, sigma))
    scaled: NDArray[np.uint8] = np.clip(smooth * 255, 0, 255).astype(np.uint8)
    return scaled
