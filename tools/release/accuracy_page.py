"""Write docs/explanation/accuracy.md from what ``dawson evaluate`` measured on the labelled real scans.

    python -m tools.release.labelled -o labelled.tsv
    python -m tools.release.left_out labelled.tsv --model RUN [--fold …] -o evaluation
    python -m tools.release.accuracy_page evaluation

Every figure on the page is one of ``evaluation/summary.json``; charts are copied to docs/images.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from dawson.model.card import load_model

DOCS = Path("docs")
FEWEST = 3  # patients, below which there is no interval
CHARTS = ("dice", "recall_by_size", "recall_by_region", "bland_altman", "precision_recall", "froc", "calibration")
COHORT = {
    "dice": "Dice",
    "lesion_f1_any": "lesion F1, any overlap",
    "lesion_f1_iou_0_1": "lesion F1, IoU ≥ 0.1",
    "lesion_f1_msseg": "lesion F1, MSSEG rule",
    "lesion_recall_any": "lesion recall, any overlap",
    "lesion_precision_any": "lesion precision, any overlap",
    "normalised_dice": "normalised Dice",
    "hd95_mm": "HD95, mm",
    "assd_mm": "ASSD, mm",
    "nsd": "normalised surface Dice, 1 mm",
    "volume_difference_percent": "absolute volume difference, %",
}
CASES = {
    "dice": "Dice",
    "lesion_f1_any": "F1",
    "volume_truth_ml": "true ml",
    "volume_predicted_ml": "found ml",
    "truth_lesions": "true lesions",
    "predicted_lesions": "found",
    "false_positives": "false",
    "hd95_mm": "HD95 mm",
}
OTHERS = """\
| data | who | figure |
|---|---|---|
| Ljubljana 3D-MR-MS, patients 01–10 | LST-AI, zero-shot | Dice 0.683 |
| Ljubljana, 24 train / 6 test | nnU-Net trained on it (draft) | Dice 0.73, lesion F1 0.67, HD95 11.9 mm |
| Ljubljana, 30 | FLAMeS, zero-shot (draft) | lesion precision 0.80, recall 0.66 |
| MSLesSeg test, 22 | challenge winner, trained on that cohort | Dice 0.714 |
| MSSEG-1, 103 cases | LST-AI; LST, SAMSEG, nnU-Net | Dice > 0.62; < 0.56 |
| MSSEG-2016 | best automatic; expert against consensus | Dice 0.59; 0.67 |
| ISBI 2015, five training cases | rater 1 against rater 2 | Dice 0.76 0.86 0.68 0.63 0.58 |
"""


def figure(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def interval(column: dict[str, Any] | None, digits: int, cases: int, patients: int) -> str:
    if column is None or column["mean"] is None:
        return "–"
    low, high = column.get("low"), column.get("high")
    untold = low is None or high is None or patients < FEWEST
    spread = "" if untold else f" ({low:.{digits}f}–{high:.{digits}f})"
    few = f", n={column['n']}" if column["n"] < cases else ""
    return f"{column['mean']:.{digits}f}{spread}{few}"


def cohort_table(summary: dict[str, Any]) -> str:
    names = [name for name, method in summary["predictions"].items() if method["cases"]]
    lines = ["| | " + " | ".join(names) + " |", "|---|" + "---|" * len(names)]
    methods = [summary["predictions"][n] for n in names]
    patients = {n: {r["patient"] for r in summary["rows"] if r["prediction"] == n} for n in names}
    lines.append("| cases | " + " | ".join(str(method["cases"]) for method in methods) + " |")
    lines.append("| patients | " + " | ".join(str(len(patients[n])) for n in names) + " |")
    for column, title in COHORT.items():
        digits = 1 if column.endswith(("_mm", "percent")) else 3
        cells = [
            interval(m.get(column), digits, m["cases"], len(patients[n])) for n, m in zip(names, methods, strict=True)
        ]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for column, title in (("dice", "Dice"), ("lesion_f1_any", "lesion F1, any overlap")):
        cells = [figure(statistics.fmean(by_patient(summary, n, column))) for n in names]
        lines.append(f"| {title}, each patient once | " + " | ".join(cells) + " |")
    loads = {n: [by_patient(summary, n, f"volume_{w}_ml") for w in ("truth", "predicted")] for n in names}
    cells = [figure(statistics.correlation(*loads[n])) if len(patients[n]) >= FEWEST else "–" for n in names]
    lines.append("| load's correlation with the truth, each patient once | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def by_patient(summary: dict[str, Any], prediction: str, column: str) -> list[float]:
    """The mean of each patient's visits, in the order of patients."""
    found: dict[str, list[float]] = {}
    for row in summary["rows"]:
        if row["prediction"] == prediction and row["values"][column] is not None:
            found.setdefault(row["patient"], []).append(row["values"][column])
    return [statistics.fmean(found[patient]) for patient in sorted(found)]


def case_table(summary: dict[str, Any]) -> str:
    lines = ["| case | given | " + " | ".join(CASES.values()) + " |", "|---|---|" + "---|" * len(CASES)]
    for row in sorted(summary["rows"], key=lambda row: row["case"]):
        cells = []
        for column in CASES:
            digits = 3 if column in ("dice",) else 2 if column.endswith(("ml", "any")) else 1 if "mm" in column else 0
            cells.append(figure(row["values"][column], digits))
        lines.append(f"| {row['case']} | {row['prediction']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluation", type=Path)
    options = parser.parse_args()
    summary = json.loads((options.evaluation / "summary.json").read_text("utf-8"))
    model, shipped = summary["model"], load_model().summary
    if any(model[field] != shipped[field] for field in ("sha256", "int8_sha256")):
        raise SystemExit("these figures are not those of the shipped model")
    pictures = []
    for name in CHARTS:
        source = options.evaluation / "charts" / f"{name}.png"
        if source.exists():
            target = DOCS / "images" / f"accuracy-{name.replace('_', '-')}.png"
            shutil.copy(source, target)
            pictures.append(f"![{name.replace('_', ' ')}](../images/{target.name})")
    (DOCS / "explanation" / "accuracy.md").write_text(
        f"""# How accurate the shipped model is

`{shipped["name"]}`, version {shipped["version"]} (ONNX file {model["sha256"][:12]}…), on seven labelled real scans
of five patients:
Ljubljana 26 (3D-MR-MS, CC BY), MSLesSeg P14 (three visits) and P18, Tabriz 104252 and 105074.

- **The model has learned from none of them.**
- Threshold {model["threshold"]}, least peak {model["peak"]} and calibration were chosen on these very scans:
  expect a little less elsewhere (see the [training log](../development/training-log.md)).
- Measured by `tools/release/left_out.py` with `dawson evaluate`'s own functions.
- Where a sequence is missing, a scan is left out of that column.
- Three of the scans are visits of one patient with a high load. With each patient counted once, Dice is lower.
- Means are over scans; in brackets the 95 % bootstrap interval by patient, where there are {FEWEST} or more.

{summary["rules"]}

{cohort_table(summary)}

## Every case

{case_table(summary)}

## Charts

{chr(10).join(pictures)}

## Beside others

Published figures, on other scans than ours and so not to be ranked with them; "draft" marks theses and preprints:

{OTHERS}
Recall by lesion size, an ensemble on MSLesSeg (draft): under 10 mm³ 21 %, 10–100 67 %, 100–1000 93.5 %, over
1000 100 %.
""",
        "utf-8",
    )
    print(DOCS / "explanation" / "accuracy.md")


if __name__ == "__main__":
    main()
