"""Record the figures that the accuracy gate (tests/test_accuracy_gate.py) holds the shipped model to.

    python -m tools.release.gate

Writes tests/data/accuracy.json: look at the difference before you commit it.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE = ROOT / "tests" / "data" / "accuracy.json"
SYNTHETIC = ("all", "flair")
REAL = ("ljubljana-26 all", "mslesseg-P14-T1 flair", "tabriz-105074 all")
TOLERANCE = 0.03


def main() -> None:
    if not FILE.exists():  # the tests read it when they are loaded
        FILE.write_text(json.dumps({"tolerance": TOLERANCE, "synthetic": {}, "real": {}}))
    spec = importlib.util.spec_from_file_location("gate", ROOT / "tests" / "test_accuracy_gate.py")
    assert spec is not None and spec.loader is not None  # noqa: S101
    gate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gate)
    data = ROOT.parent / "shared" / "data"

    def measured(case: object, inputs: str) -> dict[str, float]:
        with tempfile.TemporaryDirectory() as folder:
            return {k: round(v, 4) for k, v in gate.figures(case, inputs, Path(folder)).items()}

    content = {
        "tolerance": TOLERANCE,
        "synthetic": {inputs: measured(gate.synthetic_case(), inputs) for inputs in SYNTHETIC},
        "real": {name: measured(gate.real_case(data, name.split()[0]), name.split()[1]) for name in REAL},
    }
    FILE.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
    print(FILE.read_text())


if __name__ == "__main__":
    main()
