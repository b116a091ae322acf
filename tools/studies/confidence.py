"""What the classes of confidence and the interval of the load are worth, on labelled scans.

    dawson evaluate --cases labelled.tsv --inputs flair,t1,t2,flair+t1,all -o evaluation
    python -m tools.studies.confidence evaluation labelled.tsv [--inputs flair,flair+t1,…] [--model DIR] [--json FILE]

Prints for each subset of sequences the share of true lesions by class (true: shares a voxel with a lesion of the truth
that has the minimum size) and how often the true load lies within the interval; ``--json`` writes both as they go into
a model's card. A result from other sequences says nothing of either, and scans that the model's rule was chosen on
tell a little too much good.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dawson.core.result import LoadInterval
from dawson.evaluation.matching.grids import bring_to_grid
from dawson.evaluation.metrics.lesionwise import cut_for
from dawson.evaluation.settings import ANY, Settings
from dawson.measurement.confidence import CLASSES, classify
from dawson.measurement.interval import measure_interval
from dawson.measurement.lesions import find_lesions
from dawson.model.card import Model, load_model
from dawson.nifti.mask import read_mask, read_probability


@dataclass(frozen=True)
class Measured:
    case: str
    lesions: Counter[str]
    true: Counter[str]
    truth_ml: float
    interval: LoadInterval

    @property
    def inside(self) -> bool:
        return self.interval.low_ml <= self.truth_ml <= self.interval.high_ml


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("evaluation", type=Path, help="folder that dawson evaluate wrote")
    parser.add_argument("cases", type=Path, help="table of cases that it was given")
    parser.add_argument("--inputs", default="flair,t1,t2,flair+t1,flair+t1+t2", help="subsets, with commas")
    parser.add_argument("--model", type=Path, help="the model that was evaluated; the shipped one where left out")
    parser.add_argument("--json", type=Path, help="write there what goes into the card")
    options = parser.parse_args()
    model = load_model(options.model)
    confidence, coverage, limits = {}, {}, {}
    for inputs in options.inputs.split(","):
        measured = [m for m in (one(row, options, inputs, model) for row in rows(options.cases)) if m is not None]
        if not measured:
            raise SystemExit(f"no case has {inputs}")
        confidence[inputs] = show(inputs, measured)
        coverage[inputs] = {"inside": sum(m.inside for m in measured), "cases": len(measured)}
        interval = measured[0].interval  # of whose thresholds the model has but one pair
        limits = {"low": round(interval.lower_threshold, 4), "high": round(interval.higher_threshold, 4)}
    if options.json is not None:
        card = {"confidence": confidence, "load_interval": {**limits, "coverage": coverage}}
        options.json.write_text(json.dumps(card, indent=2) + "\n", "utf-8")


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def one(row: dict[str, str], options: argparse.Namespace, inputs: str, model: Model) -> Measured | None:
    has = [s for s in ("flair", "t1", "t2") if row.get(s, "n/a") not in ("", "n/a")]
    case = "_".join(part for part in (row["patient"], row.get("visit", "")) if part)
    folder = options.evaluation / "predictions" / case / inputs
    if not set(inputs.split("+")) <= set(has):
        return None
    probability, grid, _ = read_probability(folder / "probability.nii.gz")
    read = read_mask(options.cases.parent / row["mask"])
    truth = bring_to_grid(read.mask, read.grid, grid, allowed=True)
    rule: dict[str, Any] = {"threshold": model.threshold, "minimum_mm3": model.minimum_mm3, "peak": model.peak}
    cut = cut_for(ANY, Settings(), grid.voxel_volume).cut(truth)
    _, labels, table = find_lesions(probability, grid, **rule)
    hit = set(labels[cut.labels > 0].tolist())
    classes = [(classify(lesion.peak_probability, lesion.volume_ml), lesion.id in hit) for lesion in table]
    return Measured(
        case,
        Counter(name for name, _ in classes),
        Counter(name for name, true in classes if true),
        float(truth.sum()) * grid.voxel_volume / 1000,
        measure_interval(probability, grid, **rule, card=model.card, given=inputs),
    )


def show(inputs: str, measured: list[Measured]) -> dict[str, dict[str, float]]:
    lesions = sum((m.lesions for m in measured), Counter())
    true = sum((m.true for m in measured), Counter())
    print(f"\n{inputs}: {len(measured)} cases")
    print(f"{'class':<8} {'lesions':>8} {'true':>6} {'share':>6}   rule")
    for name, rule in CLASSES.items():
        share = f"{true[name] / lesions[name]:.2f}" if lesions[name] else "-"
        print(f"{name:<8} {lesions[name]:>8} {true[name]:>6} {share:>6}   {rule}")
    print(f"{'case':<22} {'truth ml':>9} {'low':>8} {'high':>8}")
    for m in measured:
        where = "inside" if m.inside else "outside"
        print(f"{m.case:<22} {m.truth_ml:>9.2f} {m.interval.low_ml:>8.2f} {m.interval.high_ml:>8.2f}   {where}")
    return {
        name: {"true_share": round(true[name] / lesions[name], 3), "lesions": lesions[name]}
        for name in CLASSES
        if lesions[name]
    }


if __name__ == "__main__":
    main()
