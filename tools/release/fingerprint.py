"""Hash the masks that dawson finds on the real scans, so that two versions can be held against each other.

    python -m tools.release.fingerprint [--data ../shared/data] [--model MODEL] -o before.json
    python -m tools.release.fingerprint [--data ../shared/data] [--model MODEL] -o after.json --against before.json

Every visit is segmented from all its sequences and from each of them alone. With ``--against`` the script lists what
differs and ends with 1 where anything does. Masks are compared to the bit, so both runs need the same machine.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import dawson

NAMES = {
    "flair": ("FLAIR.nii.gz", "FLAIR"),
    "t1": ("T1.nii.gz", "T1W"),
    "t2": ("T2.nii.gz", "T2W"),
}


def visits(data: Path) -> dict[str, dict[str, Path]]:
    """The scans of every visit under ``data`` by the visit's name and the sequence."""
    found: dict[str, dict[str, Path]] = {}
    for folder in sorted((*data.glob("labelled/*"), *data.glob("lesion-free/*"))):
        scans = {key: folder / name for key, (name, _) in NAMES.items()}
        found[folder.name] = {key: file for key, file in scans.items() if file.exists()}
    for folder in sorted((*data.glob("unlabelled/*"), *data.glob("longitudinal/*"))):
        for number in (1, 2):
            scans = {key: folder / f"study{number}_{name}.nii.gz" for key, (_, name) in NAMES.items()}
            found[f"{folder.parent.name}-{folder.name}-{number}"] = {k: f for k, f in scans.items() if f.exists()}
    return {name: scans for name, scans in found.items() if scans}


def fingerprint(scans: dict[str, Path], model: str | None) -> dict[str, str]:
    """Hashes of all that one segmentation found, or the message of its refusal."""
    try:
        study = dawson.read_study(flair=scans.get("flair"), t1=scans.get("t1"), t2=scans.get("t2"))
        result = dawson.segment(study, model=model)
    except dawson.DawsonError as refused:
        return {"refused": refused.finding}
    table = [(lesion.id, lesion.volume_ml, lesion.region, lesion.confidence) for lesion in result.table]
    return {
        "lesions": _hash(result.lesions),
        "labels": _hash(result.labels),
        "probability": _hash(result.probability),
        "anatomy": _hash(result.anatomy),
        "table": hashlib.sha256(repr(table).encode()).hexdigest(),
        "quality": ", ".join(f"{check.name} {check.status}" for check in result.quality),
        "warnings": " | ".join(result.warnings),
        "load_ml": f"{result.load_ml:.4f}",
    }


def _hash(array: NDArray[np.generic]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def main() -> int:
    """Segment, write, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default=None)
    parser.add_argument("--against", type=Path, default=None)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    found: dict[str, dict[str, str]] = {}
    for name, scans in visits(options.data).items():
        subsets = {key: {key: file} for key, file in scans.items()}
        if len(scans) > 1:
            subsets["+".join(scans)] = scans
        for inputs, chosen in subsets.items():
            key = f"{name} {inputs}"
            found[key] = fingerprint(chosen, options.model)
            print(key, found[key].get("load_ml", "refused"), flush=True)
            options.output.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if options.against is None:
        return 0
    before = json.loads(options.against.read_text("utf-8"))
    differing = [
        f"{key}: {field} was {before.get(key, {}).get(field)}, is {found.get(key, {}).get(field)}"
        for key in sorted({*before, *found})
        for field in sorted({*before.get(key, {}), *found.get(key, {})})
        if before.get(key, {}).get(field) != found.get(key, {}).get(field)
    ]
    print("\n".join(differing) or f"all {len(found)} segmentations are the same to the bit")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
