"""What a run learns from, small enough to carry to a machine with a GPU.

    python -m tools.release.pack --cases marked.tsv --maps LABEL_MAPS --masks LESION_MASKS -o packed
    # there, with packed/ and this repository, on 16 cores and one GPU:
    dawson train --from packed/start --cases packed/cases.tsv --split packed/split.tsv --maps packed/maps \\
        --masks packed/masks --workers 14 --set optimizer.batch=4 --set optimizer.steps=6000 -o RUN
    # and again with --resume where a call must end before the run does

Label maps become 16-bit whole numbers, scans 64 greys between 0 and their 99.9th percentile (finer steps drown in
noise, and training rescales every scan by its brain's median), cut to the head; all is packed by gzip. Visits are
renamed in the order of the table, so that nothing of their names travels; all are in the set ``train``. The synthetic
patients are drawn on the CPU by ``--workers`` processes, of which sixteen keep a GPU busy: some 70 windows a second.

Prints what each part takes, and warns above 64 MiB.
"""

from __future__ import annotations

import argparse
import gzip
import shutil
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.cases.find import find_cases
from dawson.core.study import Modality, Scan
from dawson.nifti.mask import read_mask
from dawson.nifti.scan import read_scan
from dawson.preparation.head import head_box
from dawson.synthesis.label_maps import nifti_files

MOST_MIB = 64
GREYS = 64
SPARE = 4  # voxels around the head
CUT = 99.9  # percentile of the voxels above zero


def main() -> None:
    """Pack and say how large it is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--start", type=Path, help="a model to go on from")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    out: Path = options.output
    for file in nifti_files(options.maps):
        image = nib.Nifti1Image.from_filename(file)
        _save(out / "maps" / _name(file), np.rint(np.asanyarray(image.dataobj)).astype(np.uint16), image.affine)
    for file in nifti_files(options.masks):
        image = nib.Nifti1Image.from_filename(file)
        _save(out / "masks" / _name(file), (np.asanyarray(image.dataobj) > 0).astype(np.uint8), image.affine)
    lines = ["\t".join(["patient", "visit", *(s.value for s in Modality), "mask", "unsure"])]
    split = ["patient\tvisit\tsequence\tset"]
    patients: dict[str, str] = {}
    for number, case in enumerate(find_cases(options.cases), 1):
        patient, visit = patients.setdefault(case.patient, f"p{len(patients) + 1:02}"), f"v{number:02}"
        cells, boxes = [], []
        for modality in Modality:
            cell = "n/a"
            if modality in case.scans:
                cell = f"visits/{visit}_{modality.value}.nii.gz"
                scan = read_scan(case.scans[modality], modality)
                box = _head(scan)
                boxes.append((scan.grid, box))
                _save(out / cell, _few_greys(scan.voxels[box]), _moved(scan.grid.affine, box))
                split.append(f"{patient}\t{visit}\t{modality.value}\ttrain")
            cells.append(cell)
        for what, marked in (("mask", case.mask), ("unsure", case.unsure)):
            cell = "n/a" if marked is None else f"visits/{visit}_{what}.nii.gz"
            if marked is not None:
                drawn = read_mask(marked)
                box = next((b for grid, b in boxes if grid.same_as(drawn.grid)), (slice(None),) * 3)
                _save(out / cell, drawn.mask[box].astype(np.uint8), _moved(drawn.grid.affine, box))
            cells.append(cell)
        lines.append("\t".join([patient, visit, *cells]))
    (out / "cases.tsv").write_text("\n".join(lines) + "\n", "utf-8")
    (out / "split.tsv").write_text("\n".join(split) + "\n", "utf-8")
    if options.start:
        shutil.copytree(options.start, out / "start", dirs_exist_ok=True)
    total = 0.0
    for part in sorted(out.iterdir()):
        size = sum(f.stat().st_size for f in ([part] if part.is_file() else part.rglob("*")) if f.is_file()) / 2**20
        total += size
        print(f"{part.name:<12}{size:7.1f} MiB")
    print(f"{'all':<12}{total:7.1f} MiB{'' if total <= MOST_MIB else f', more than {MOST_MIB}'}")


def _few_greys(voxels: NDArray[Any]) -> NDArray[Any]:
    low = min(float(voxels.min()), 0.0)
    above = voxels[voxels > 0]
    high = float(np.percentile(above, CUT)) if above.size else 1.0
    return np.rint(np.clip((voxels - low) / (high - low), 0, 1) * (GREYS - 1)).astype(np.uint8)


def _head(scan: Scan) -> tuple[slice, ...]:
    """A box (i, j, k) around the head, with some voxels to spare: the noise of air is what packs worst."""
    first, last = head_box(scan.voxels, scan.grid)
    return tuple(slice(max(int(a) - SPARE, 0), int(b) + SPARE) for a, b in zip(first, last, strict=True))


def _moved(affine: NDArray[Any], box: tuple[slice, ...]) -> NDArray[Any]:
    moved = affine.copy()
    moved[:3, 3] += affine[:3, :3] @ [side.start or 0 for side in box]
    return moved


def _name(file: Path) -> str:
    return file.name.split(".")[0] + ".nii.gz"


def _save(file: Path, voxels: NDArray[Any], affine: NDArray[Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = nib.Nifti1Image(voxels, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, 1)
    image.set_sform(affine, 1)
    file.write_bytes(gzip.compress(image.to_bytes(), 9, mtime=0))


if __name__ == "__main__":
    main()
