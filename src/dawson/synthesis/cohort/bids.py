"""The files of a synthetic cohort as BIDS has them (Brain Imaging Data Structure 1.10): names and contents."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterable
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.core.grid import Grid
from dawson.core.study import Modality
from dawson.core.tables import table_text
from dawson.core.version import dawson_version
from dawson.synthesis.cohort.patient_series import PatientVisit, Scanner
from dawson.synthesis.cohort.plan import CohortSettings, PatientPlan

BIDS = "1.10.0"
MASKS = "derivatives/lesions"
SETTINGS = "code/synth.json"
SUFFIX = {Modality.FLAIR: "FLAIR", Modality.T1: "T1w", Modality.T2: "T2w"}
COMPRESSION = 5
SLAB_MM = 1.6  # slices as thin as this are acquired in 3D
SOURCE = {
    "Name": "dawson",
    "Version": dawson_version(),
    "Description": "Painted from anatomical label maps, with lesions implanted (dawson synth). Nobody was scanned.",
}

README = """# Synthetic patients with multiple sclerosis lesions

These scans were made by `dawson synth`; nobody was scanned. Each patient is one anatomical label map, bent and
painted as FLAIR, T1 and T2 scanners would show it, with lesion shapes implanted. From visit to visit some lesions
grow, shrink, vanish or appear; the patient lies a little differently, and noise and bias field are new.

Lesion masks lie in `derivatives/lesions`, one a visit, on the grid of the visit's FLAIR. Label maps and lesion
masks that each patient came from are named in `participants.tsv`; all options stand in `code/synth.json`.
Whether the data may be passed on depends on the licences of those label maps and masks.
"""

MASKS_README = """# Lesion masks of synthetic patients

One mask a visit, 0 and 1, on the grid of the visit's FLAIR. It holds for the T1 and the T2 of the visit too, which
lie in the same space but for a movement of a fraction of a millimetre. Borders are drawn at half of a lesion's
height on the scan; what thick slices have dimmed to less than a quarter is left out.
"""


def cohort_files(settings: CohortSettings) -> dict[str, bytes]:
    """What describes the whole data set, by path."""
    description = {
        "Name": "Synthetic patients with multiple sclerosis lesions",
        "BIDSVersion": BIDS,
        "DatasetType": "raw",
        "Authors": ["dawson synth"],
        "GeneratedBy": [SOURCE],
    }
    masks = {
        "Name": "Lesion masks of synthetic patients",
        "BIDSVersion": BIDS,
        "DatasetType": "derivative",
        "GeneratedBy": [SOURCE],
    }
    options = {
        "dawson": dawson_version(),
        "seed": settings.seed,
        "patients": settings.patients,
        "visits": list(settings.visits),
        "volumes": settings.volumes,
        "healthy": settings.healthy,
        "own_grids": settings.own_grids,
        "maps": [file.name for file in settings.maps],
        "masks": [file.name for file in settings.masks],
    }
    return {
        "dataset_description.json": _json(description),
        "README.md": README.encode(),
        SETTINGS: _json(options),
        f"{MASKS}/dataset_description.json": _json(masks),
        f"{MASKS}/README.md": MASKS_README.encode(),
    }


def participants_files(settings: CohortSettings, plans: Iterable[PatientPlan]) -> dict[str, bytes]:
    """``participants.tsv`` and what its columns mean."""
    columns = {
        "visits": "Number of visits",
        "group": "ms, or healthy for a patient without any lesion",
        "label_map": "Anatomical label map that the head was made from",
        "lesion_map": "Lesion mask that most lesions were taken from",
    }
    rows = [["participant_id", *columns]]
    for plan in plans:
        lesions = "n/a" if plan.lesions is None else _stem(settings.masks[plan.lesions].name)
        group = "healthy" if plan.lesions is None else "ms"
        rows.append([plan.name, str(len(plan.scanners)), group, _stem(settings.maps[plan.head].name), lesions])
    meaning: dict[str, Any] = {name: {"Description": description} for name, description in columns.items()}
    meaning["group"]["Levels"] = {"ms": "Has lesions", "healthy": "Has none"}
    return {"participants.tsv": table_text(rows, delimiter="\t").encode(), "participants.json": _json(meaning)}


def scan_files(patient: str, number: int, scanner: Scanner, visit: PatientVisit) -> dict[str, bytes]:
    """The scans of one visit (counted from 0) and their sidecars, by path."""
    files: dict[str, bytes] = {}
    for modality, (voxels, grid) in visit.scans.items():
        stem = _stem(_scan(patient, number, modality))
        sidecar = {
            "Modality": "MR",
            "MRAcquisitionType": "3D" if grid.spacing[2] < SLAB_MM else "2D",
            "Manufacturer": "dawson",
            "ManufacturersModelName": scanner.name,
            "StationName": scanner.name,
            "SeriesDescription": f"synthetic {SUFFIX[modality]}",
            "SliceThickness": grid.spacing[2],
            "SpacingBetweenSlices": grid.spacing[2],
            "ConversionSoftware": "dawson",
            "ConversionSoftwareVersion": dawson_version(),
        }
        files |= {f"{stem}.nii.gz": pack_nifti(voxels, grid), f"{stem}.json": _json(sidecar)}
    return files


def mask_files(patient: str, number: int, reference: Modality, visit: PatientVisit) -> dict[str, bytes]:
    """The lesion mask of one visit (counted from 0), on the grid of the reference, and its sidecar, by path."""
    source = _scan(patient, number, reference)
    folder, name = source.rsplit("/", 1)
    stem = f"{MASKS}/{folder}/{name.rsplit('_', 1)[0]}_space-orig_label-lesion_mask"
    sidecar = {
        "Description": "All lesions, known from the making of the scans and drawn as a rater would see them",
        "Type": "Lesion",
        "Sources": [f"bids::{source}"],
        "SpatialReference": f"bids::{source}",
    }
    grid = visit.scans[reference][1]
    return {f"{stem}.nii.gz": pack_nifti(visit.mask.astype(np.uint8), grid), f"{stem}.json": _json(sidecar)}


def _scan(patient: str, number: int, modality: Modality) -> str:
    session = f"ses-{number + 1:02d}"
    return f"{patient}/{session}/anat/{patient}_{session}_{SUFFIX[modality]}.nii.gz"


def _stem(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".nii")


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def pack_nifti(voxels: NDArray[Any], grid: Grid, *, compression: int = COMPRESSION) -> bytes:
    """A .nii.gz whose bytes depend on voxels and grid alone: gzip gets neither time nor name."""
    image = nib.Nifti1Image(voxels, grid.affine)
    image.set_qform(grid.affine, 1)
    image.set_sform(grid.affine, 1)
    image.header.set_xyzt_units("mm")
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=compression, fileobj=packed, mtime=0) as stream:
        image.to_stream(stream)
    return packed.getvalue()
