"""What ``pip install '.[train]'`` promises, with nothing of ``[dev]``: every module imports, and a training runs.

Run in an empty folder, with the Python of that environment.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

import dawson

ROOMS = ("training", "synthesis", "searching", "recipe", "cases", "evaluation")
TINY = {
    "volume.shape": "[16, 16, 16]",
    "volume.spacing_mm": "[12.0, 14.0, 11.0]",
    "network.widths": "[4, 8]",
    "network.convolutions": "[1, 1]",
    "optimizer.steps": "2",
    "optimizer.steps_per_epoch": "1",
    "optimizer.batch": "2",
}


def write_patient(folder: Path, number: int) -> str:
    """A blurred ball with a bright spot and its mask; returns the patient's line of the table of cases."""
    rng = np.random.default_rng(number)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in (24, 28, 24)], indexing="ij")
    voxels = np.where(sum(axis**2 for axis in axes) < 0.8, 400.0, 0.0)
    lesion = np.zeros(voxels.shape, np.uint8)
    lesion[10:13, 12:15, 10:13] = 1
    voxels = np.clip(voxels + 300.0 * lesion + rng.normal(0, 15, voxels.shape), 0, None)
    affine = np.diag([8.0, 8.0, 7.0, 1.0])
    for name, array in ((f"p{number}.nii.gz", voxels.astype(np.int16)), (f"p{number}-mask.nii.gz", lesion)):
        image = nib.Nifti1Image(array, affine)
        image.set_qform(affine, code=1)
        nib.save(image, folder / name)
    return f"p{number}\tp{number}.nii.gz\tp{number}-mask.nii.gz"


def main() -> None:
    """Import, train, and say what was done."""
    from dawson.cli import app  # noqa: PLC0415 (only now, as the program does)

    names = []
    for room in ROOMS:
        package = importlib.import_module(f"dawson.{room}")
        names += [module.name for module in pkgutil.walk_packages(package.__path__, f"dawson.{room}.")]
    for name in names:
        importlib.import_module(name)
    unwanted = {"hypothesis", "monai", "panoptica", "pytest"} & set(sys.modules)
    if unwanted:
        raise SystemExit(f"{', '.join(sorted(unwanted))} is of [dev] and was imported")
    print(f"{len(names)} modules imported from {Path(dawson.__file__).parent}")
    folder = Path("cases")
    folder.mkdir()
    lines = ["patient\tflair\tmask", *(write_patient(folder, number) for number in range(6))]
    table = folder / "cases.tsv"
    table.write_text("\n".join(lines) + "\n")
    settings = [word for name, value in TINY.items() for word in ("--set", f"{name}={value}")]
    try:
        app.main(
            ["train", "--recipe", "paper", "--cases", "cases/cases.tsv", "-o", "run", "--split", "4/1/1", *settings]
        )
    except SystemExit as end:
        if end.code:
            raise
    result = json.loads(Path("run", "result.json").read_text())
    if not result["finished"]:
        raise SystemExit("the training did not finish")
    for command in ("synth", "search", "evaluate"):
        try:
            app.main([command, "--help"])
        except SystemExit as end:
            if end.code:
                raise


if __name__ == "__main__":
    main()
