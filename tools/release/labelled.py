"""The table of cases for the labelled real scans, so that every tool of dawson can read them.

    python -m tools.release.labelled [--data ../shared/data] -o labelled.tsv
    dawson evaluate --cases labelled.tsv --inputs flair,t1,t2,flair+t1,all -o evaluation

Patients are named so that visits of one patient stay together.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

VISITS = {
    "ljubljana-26": ("ljubljana-26", ""),
    "mslesseg-P14-T1": ("mslesseg-P14", "T1"),
    "mslesseg-P14-T2": ("mslesseg-P14", "T2"),
    "mslesseg-P14-T3": ("mslesseg-P14", "T3"),
    "mslesseg-P18-T1": ("mslesseg-P18", "T1"),
    "tabriz-104252": ("tabriz-104252", ""),
    "tabriz-105074": ("tabriz-105074", ""),
}
FILES = {"flair": "FLAIR.nii.gz", "t1": "T1.nii.gz", "t2": "T2.nii.gz"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--only", default="", help="names of folders, with commas; all where left out")
    options = parser.parse_args()
    lines = ["patient\tvisit\tflair\tt1\tt2\tmask"]
    for name in options.only.split(",") if options.only else VISITS:
        folder = options.data / "labelled" / name
        here = os.path.relpath(folder, options.output.absolute().parent)
        scans = [f"{here}/{file}" if (folder / file).exists() else "n/a" for file in FILES.values()]
        lines.append("\t".join([*VISITS[name], *scans, f"{here}/lesion.nii.gz"]))
    options.output.write_text("\n".join(lines) + "\n", "utf-8")
    print(f"{options.output}: {len(lines) - 1} cases")


if __name__ == "__main__":
    main()
