"""A small result folder of the shape that ``dawson segment`` writes, and the real one where there is one."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

SHAPE = (60, 72, 40)
SPACING = (3.0, 3.0, 4.0)
BLOBS = [  # middle (i, j, k), radii in voxels, region, side
    ((24, 36, 22), (3, 4, 2), "periventricular", "right"),
    ((40, 50, 26), (2, 2, 1), "juxtacortical", "left"),
    ((33, 26, 10), (1, 1, 1), "infratentorial", "midline"),
    ((20, 50, 24), (1, 1, 0.5), "deep", "right"),
]
COLUMNS = [
    "id",
    "region",
    "side",
    "position",
    "volume_ml",
    "long_axis_mm",
    "centroid_x_mm",
    "centroid_y_mm",
    "centroid_z_mm",
    "mean_probability",
    "peak_probability",
    "confidence",
]


def _ball(middle: tuple[float, ...], radii: tuple[float, ...]) -> np.ndarray:
    axes = np.meshgrid(*[np.arange(n) for n in SHAPE], indexing="ij")
    return sum(((a - m) / r) ** 2 for a, m, r in zip(axes, middle, radii, strict=True)) <= 1


def _arrays(lesions: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Labels of lesions, anatomy, display volumes and affine (LAS) of a head with four lesions."""
    middle = tuple((n - 1) / 2 for n in SHAPE)
    head = _ball(middle, (27, 33, 18))
    brain = _ball(middle, (24, 30, 16))
    ventricles = _ball(middle, (5, 9, 4))
    numbered = np.zeros(SHAPE, np.uint8)
    for number, (place, radii, _, _) in enumerate(BLOBS if lesions else [], start=1):
        numbered[_ball(place, radii)] = number
    anatomy = np.where(brain, 5, 0).astype(np.uint8)
    anatomy[ventricles] = 1
    noise = np.random.default_rng(0).normal(0, 6, (*SHAPE, 2))
    flair = 90.0 * head + 30.0 * brain - 80.0 * ventricles + 90.0 * (numbered > 0)
    t1 = 70.0 * head + 80.0 * brain - 110.0 * ventricles - 40.0 * (numbered > 0)
    display = np.clip(np.stack([flair, t1], axis=-1) + noise * head[..., None], 0, 255).astype(np.uint8)
    affine = np.diag([-SPACING[0], SPACING[1], SPACING[2], 1.0])
    affine[:3, 3] = (88.5, -106.5, -78.0)
    return numbered, anatomy, display, affine


def make_result(
    folder: Path | str, *, change: Callable[[dict[str, Any]], None] | None = None, lesions: bool = True
) -> Path:
    """Write a result folder of the contract's shape; ``change`` may alter the summary before it is written."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    numbered, anatomy, display, affine = _arrays(lesions)
    voxel_ml = float(np.prod(SPACING)) / 1000
    rows = []
    for number, (_, _, region, side) in enumerate(BLOBS if lesions else [], start=1):
        places = np.argwhere(numbered == number)
        centre = affine[:3, :3] @ places.mean(axis=0) + affine[:3, 3]
        axis = float(np.linalg.norm((np.ptp(places, axis=0) + 1) * SPACING))
        rows.append([
            number, region, side, f"{side}, middle third, upper third", f"{len(places) * voxel_ml:.6f}", f"{axis:.2f}",
            *(f"{x:.2f}" for x in centre), "0.8123", "0.9789", ("high", "medium", "low", "low")[number - 1],
        ])  # fmt: skip
    for name, array in (("lesions", (numbered > 0).astype(np.uint8)), ("anatomy", anatomy), ("display", display)):
        nib.save(nib.Nifti1Image(array, affine), folder / f"{name}.nii.gz")
    with (folder / "lesions.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([COLUMNS, *rows])
    summary = _summary(rows, float(np.count_nonzero(numbered)) * voxel_ml)
    if change is not None:
        change(summary)
    (folder / "summary.json").write_text(json.dumps(summary))
    return folder


def _summary(rows: list[list[Any]], load: float) -> dict[str, Any]:
    scan = {"sha256": "ab" * 32, "shape": list(SHAPE), "spacing_mm": list(SPACING), "orientation": "LAS"}
    regions = {}
    for region in ("periventricular", "juxtacortical", "infratentorial", "deep"):
        mine = [row for row in rows if row[1] == region]
        regions[region] = {
            "count": len(mine),
            "count_long_axis_3mm": sum(float(row[5]) >= 3 for row in mine),
            "volume_ml": round(sum(float(row[4]) for row in mine), 6),
            "largest_long_axis_mm": max((float(row[5]) for row in mine), default=None),
        }
    classes = {
        name: {"rule": f"rule of {name}", "count": sum(r[-1] == name for r in rows), "true_share": s, "measured_on": n}
        for name, s, n in (("high", 0.91, 120), ("medium", 0.6, 40), ("low", None, None))
    }
    return {
        "schema": 1,
        "notice": "dawson is research software and not a medical device; it must not be used for diagnosis.",
        "lesion_count": len(rows),
        "count_long_axis_3mm": sum(float(row[5]) >= 3 for row in rows),
        "lesion_load_ml": round(load, 6),
        "largest_lesion_ml": max((float(row[4]) for row in rows), default=0.0),
        "reference": "flair",
        "sequences": ["flair", "t1"],
        "inputs": {"flair": scan, "t1": scan | {"sha256": "cd" * 32}},
        "alignment": {"t1": "shifted by 1.2 mm, turned by 0.4°"},
        "model": {
            "name": "tiny",
            "version": "0",
            "sha256": "ef" * 32,
            "accuracy": {"on": "seven scans", "by": "x", "mean": {"flair+t1": {"dice": 0.56, "f1": 0.47, "cases": 7}}},
            "trained_on": [{"what": "label maps", "source": "SynthSeg", "licence": "Apache-2.0"}],
        },
        "rule": {
            "threshold": 0.35,
            "peak": 0.7,
            "minimum_lesion_mm3": 3.0,
            "connectivity": 26,
        },
        "seconds": {"segment": 1.2},
        "versions": {"dawson": "0.1.0", "python": "3.11"},
        "warnings": [],
        "regions": regions,
        "region_rules": "Infratentorial first, then periventricular, then juxtacortical, else deep. "
        "The spinal cord and the optic nerves lie outside of a brain MRI's reach.",
        "position_rules": "Sides are those of the patient.",
        "volumes": {
            "brain_ml": 1240.5,
            "ventricles_ml": 38.25,
            "intracranial_ml": 1420.0,
            "load_percent_of_brain": round(load / 12.405, 4),
            "methods": {"brain_ml": "voxels of parenchyma, counted", "ventricles_ml": "voxels of ventricles, counted"},
        },
        "load_interval": {
            "low_ml": round(load * 0.8, 6),
            "high_ml": round(load * 1.3, 6),
            "method": "the loads at two thresholds",
            "coverage": {"inside": 5, "cases": 7},
        },
        "confidence": classes,
        "quality": {
            "status": "pass",
            "checks": [
                {"name": "field of view", "status": "pass", "words": "The whole brain is in view.", "figures": {}},
                {"name": "resolution", "status": "pass", "words": "Slices are 4 mm apart.", "figures": {"mm": 4.0}},
            ],
        },
        "display": {"sequences": ["flair", "t1"], "window": "0 to the 99.5th percentile within the brain, times 1.15"},
    }


@pytest.fixture(scope="session")
def write_result() -> Callable[..., Path]:
    """The function ``make_result(folder, *, change=None, lesions=True)``."""
    return make_result


@pytest.fixture(scope="session")
def result_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One small result that no test alters."""
    return make_result(tmp_path_factory.mktemp("result") / "out")
