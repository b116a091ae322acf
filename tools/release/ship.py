"""Put a trained model into the package, its card completed with what it was trained on and how well it does.

    python -m tools.release.labelled -o labelled.tsv
    python -m tools.release.left_out labelled.tsv --model RUN -o evaluation
    python -m tools.studies.confidence … --json confidence.json
    python -m tools.release.ship RUN evaluation/summary.json --name dawson-1 --version 6 --hours 9.2 --steps 28075 \\
        --measured confidence.json

The figures in the card are those that were measured under the name of this very model, told by its hash.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from dawson.evaluation.kept_results import FITTED
from dawson.model.card import INT8, ONNX, Model, load_model, sha256, write_card
from dawson.results.summary import RULE, code_hash

LJUBLJANA = "3D MR image database of MS patients, Ljubljana (Lesjak et al., Neuroinformatics 2017)"
DATA = [
    {
        "what": "20 whole-head label maps at 1 mm, painted by the generator",
        "source": "SynthSeg (Billot et al., Medical Image Analysis 2023)",
        "licence": "Apache-2.0",
    },
    {
        "what": "27 lesion masks in MNI152 space (patient 26 left out), implanted by the generator",
        "source": LJUBLJANA,
        "licence": "CC BY",
    },
    {
        "what": "nine visits of six patients (01, 03, 04, 09, 19, 20), marked by models, then judged one by one",
        "source": LJUBLJANA,
        "licence": "CC BY",
    },
]
VALIDATION = (
    "seven labelled scans of five patients: MSLesSeg P14 (three visits) and P18, Ljubljana 26, and Tabriz 104252 and "
    "105074, none of which the model has learned from"
)

LEARNED_FROM: tuple[str, ...] = ()  # labelled patients: another model, which left them out, answers for these
LOADS_ML = (0.0, 53.0)  # of the lesion masks, 0.3 to 52.2; lesion-free heads were drawn too
CASES = 7
KEPT = (
    "dice",
    "lesion_f1_any",
    "volume_truth_ml",
    "volume_predicted_ml",
    "truth_lesions",
    "predicted_lesions",
    "false_positives",
)


def main() -> None:
    """Copy and complete."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("summary", type=Path)
    parser.add_argument("--name", default="dawson-1")
    parser.add_argument("--version", required=True)
    parser.add_argument("--hours", type=float, required=True)
    parser.add_argument("--steps", type=int, required=True, help="of all runs that led to it")
    parser.add_argument("--measured", type=Path, help="what tools/studies/confidence.py --json wrote")
    options = parser.parse_args()
    model = load_model(options.model)
    if model.int8 is None:
        raise SystemExit("has no weights for integers: dawson model quantise makes them")
    summary = json.loads(options.summary.read_text("utf-8"))
    measured = summary["model"] or {}
    if (measured.get("sha256"), measured.get("int8_sha256")) != (sha256(model.onnx), sha256(model.int8)):
        raise SystemExit("these figures were measured with another model, or of masks")
    _check_who_answered(options.summary.parent / "predictions", model)
    if summary["failed"] or summary["cases"] != CASES or summary["settings"]["rule"] != "any":
        raise SystemExit(f"a card needs all {CASES} cases, none failed, under the rule 'any'")
    means = {
        name: {
            "dice": round(figures["dice"]["mean"], 3),
            "f1": round(figures["lesion_f1_any"]["mean"], 3),
            "cases": figures["cases"],
        }
        for name, figures in summary["predictions"].items()
        if figures["cases"]
    }
    cases = [
        {
            "case": row["case"],
            "inputs": row["prediction"],
            **{key: row["values"][key] if row["values"][key] is None else round(row["values"][key], 3) for key in KEPT},
        }
        for row in summary["rows"]
    ]
    card = dict(model.card) | {
        "name": options.name,
        "data": DATA,
        "version": options.version,
        "hours": options.hours,
        "steps": options.steps,
        "training_load_ml": LOADS_ML,
        "accuracy": {"on": VALIDATION, "by": summary["rules"], "mean": means},
        "cases": cases,
        **(json.loads(options.measured.read_text("utf-8")) if options.measured else {}),
    }
    folder = Path("src/dawson/model/shipped") / options.name
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ONNX, INT8):
        if (folder / name).resolve() != (model.folder / name).resolve():  # else only the card is completed
            shutil.copy(model.folder / name, folder / name)
    write_card(folder, card)
    print(f"{folder}: {json.dumps(means)}")


def _check_who_answered(predictions: Path, model: Model) -> None:
    """That patients learned from were left out, and that all was measured by the rule and with the code that ship."""
    wanted = json.loads(json.dumps(model.summary))  # as a summary holds it
    for file in sorted(predictions.glob("*/*/summary.json")):
        told = json.loads(file.read_text("utf-8"))
        own, rule = told["model"], told["rule"]
        case = f"{file.parent.parent.name} from {file.parent.name}"
        learned = file.parent.parent.name in LEARNED_FROM
        if learned == (own["sha256"] == wanted["sha256"]):
            raise SystemExit(f"{case}: " + ("has been learned from" if learned else "another model has answered"))
        if own["precision"] != "int8":
            raise SystemExit(f"{case}: was computed in {own['precision']}, and integers are to ship")
        if any(own[field] != wanted[field] for field in FITTED) or any(rule[field] != wanted[field] for field in RULE):
            raise SystemExit(f"{case}: was measured by another rule, calibration or weights of the anatomy")
        if told["versions"]["code"] != code_hash():
            raise SystemExit(f"{case}: was measured with other code than this copy of dawson has")


if __name__ == "__main__":
    main()
