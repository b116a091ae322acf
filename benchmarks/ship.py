"""Put a trained model into the package, its card completed with what it was trained on and how well it does.

    python benchmarks/accuracy.py --model RUN --json accuracy.json
    python benchmarks/ship.py RUN accuracy.json --name dawson-0 --hours 1.3

The figures in the card are those that accuracy.py measured on this very model, told by its hash.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import numpy as np

from dawson.network.model import CARD, ONNX, SAFETENSORS, load_model, sha256

DATA = [
    {
        "what": "20 whole-head label maps at 1 mm, painted by the generator",
        "source": "SynthSeg (Billot et al., Medical Image Analysis 2023)",
        "licence": "Apache-2.0",
    },
    {
        "what": "27 lesion masks in MNI152 space (patient 26 left out), implanted by the generator",
        "source": "3D MR image database of MS patients, Ljubljana (Lesjak et al., Neuroinformatics 2017)",
        "licence": "CC BY",
    },
]
VALIDATION = (
    "seven labelled scans of five patients, none of them trained on: Ljubljana 26, "
    "MSLesSeg P14 (three visits) and P18, Tabriz 104252 and 105074"
)


def main() -> None:
    """Copy and complete."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("accuracy", type=Path)
    parser.add_argument("--name", default="dawson-0")
    parser.add_argument("--hours", type=float, required=True)
    options = parser.parse_args()
    model = load_model(options.model)
    report = json.loads(options.accuracy.read_text("utf-8"))
    if report["model_sha256"] != sha256(model.onnx):
        raise SystemExit("these figures were measured with another model")
    rows = report["rows"]
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    means = {}
    for subset in subsets:
        chosen = [row for row in rows if row["subset"] == subset]
        means[subset] = {key: round(float(np.mean([row[key] for row in chosen])), 3) for key in ("dice", "f1")}
        means[subset]["cases"] = len(chosen)
    kept = ("case", "inputs", "dice", "f1", "truth_ml", "found_ml", "true_lesions", "found_lesions")
    cases = [{key: row[key] if isinstance(row[key], str) else round(row[key], 3) for key in kept} for row in rows]
    card = dict(model.card) | {
        "name": options.name,
        "data": DATA,
        "hours": options.hours,
        "accuracy": {"on": VALIDATION, "mean": means},
        "cases": cases,
    }
    folder = Path("src/dawson/models") / options.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ONNX, SAFETENSORS):
        shutil.copy(model.folder / name, folder / name)
    (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(f"{folder}: {json.dumps(means)}")


if __name__ == "__main__":
    main()
