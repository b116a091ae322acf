"""What each part of the recipe gives: small networks trained without it, measured on labelled scans.

    python -m tools.release.labelled -o labelled.tsv
    python -m tools.studies.ablations labelled.tsv --maps LABELMAPS --masks LESIONMASKS -o ablations
    python -m tools.studies.ablations labelled.tsv … --marked marked.tsv --marked-split split.tsv  # with real visits

Every arm is ``dawson train`` from scratch on windows of 64³, with the same steps, rate and seed: five to six minutes
each on two cores at the default budget. Run it again to go on where it stopped. No labelled scan is learned from;
give masks of patients whose scans are labelled to ``--exclude``.

Measured on scans as the shipped model would prepare them, within the brain that it finds, so that an arm which learns
no anatomy is not judged by it: the mean lesion Dice over all cases at the arm's own best threshold, the lesion F1 (any
overlap) at the arm's own best threshold and least peak, both of lesions of at least 3 mm³, and beside them the mean
paired difference from the full recipe with a 95 % bootstrap interval by patient. One seed an arm: the interval says how
patients differ, not how runs do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dawson.cases.case import Case
from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.core.study import Modality
from dawson.evaluation.metrics.statistics import bootstrap_interval
from dawson.evaluation.rule_table import Rule
from dawson.evaluation.rule_table import measure_rules as figures
from dawson.model.card import load_model
from dawson.model.engine import load_engine
from dawson.model.windows import run_windows
from dawson.recipe import load_recipe
from dawson.training.prepared_cases import Example, PreparedExample, prepare_examples

WINDOW = 64
BASE = {
    "prepare.window": str(WINDOW),
    "optimizer.lr": "1.6e-3",
    "optimizer.averaging": "0.99",
    "optimizer.seed": "3",
    "augment.grafted": "0.6",
}
NOT_SMALL = {"synthesis.small_lesions": "0", "synthesis.lesion_centred": "0", "loss.small_lesion_weight": "0"}
ARMS: Mapping[str, Mapping[str, str]] = {
    "full recipe": {},
    "half the steps": {},
    "no small-lesion sampling": NOT_SMALL,
    "random contrasts only": {"synthesis.random_contrast": "true"},
    "no anatomy head": {"loss.anatomy": "0"},
    "no juxtacortical lesions": {"synthesis.juxtacortical": "0"},
    "no lesion-free samples": {"synthesis.healthy": "0"},
}
REAL = "with marked real visits"
THRESHOLDS = tuple(round(0.05 * n, 2) for n in range(1, 20))
PEAKS = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98)
LEAST = 3  # voxels of 1 mm³
Scores = dict[str, NDArray[np.float64]]


def main() -> None:
    """Train what is not trained yet, measure all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--maps", type=Path, required=True)
    parser.add_argument("--masks", type=Path, required=True)
    parser.add_argument("--marked", type=Path, help="table of real visits for one more arm")
    parser.add_argument("--marked-split", type=Path, help="their split.tsv, all in the set train")
    parser.add_argument("--exclude", default='["ljubljana-26"]', help="synthesis.exclude_masks")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--arms", default="", help="names with commas; all where left out")
    parser.add_argument("--inputs", default="flair,all")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    names = [*ARMS, *([REAL] if options.marked else [])]
    if options.arms:
        names = [name for name in names if name in options.arms.split(",")]
    for name in names:
        _train(name, options)
    prepared = _prepare(options)
    scores = {name: _measure(_folder(name, options), prepared) for name in names}
    patients = [one.example.case.patient for one in prepared]
    _print(scores, patients, [one.example.modalities for one in prepared], options)


def _folder(name: str, options: argparse.Namespace) -> Path:
    return Path(options.output / name.replace(" ", "-"))


def _train(name: str, options: argparse.Namespace) -> None:
    folder = _folder(name, options)
    steps = options.steps // 2 if name == "half the steps" else options.steps
    own = {"optimizer.steps": str(steps), "synthesis.exclude_masks": options.exclude}
    changes = BASE | own | dict(ARMS.get(name, {}))
    asked = {"changes": changes, "masks": str(options.masks.resolve()), "maps": str(options.maps.resolve())}
    told = folder / "asked.json"
    if told.exists() and json.loads(told.read_text("utf-8")) != asked:
        raise SystemExit(f"{folder} holds an arm of other settings: name another folder with -o")
    folder.mkdir(parents=True, exist_ok=True)
    told.write_text(json.dumps(asked), "utf-8")
    if (folder / "model" / "model.onnx").exists():
        return
    command = [sys.executable, "-m", "dawson", "train", "--maps", str(options.maps), "--masks", str(options.masks)]
    command += [text for key, value in changes.items() for text in ("--set", f"{key}={value}")]
    if name == REAL:
        command += ["--cases", str(options.marked), "--split", str(options.marked_split)]
    command += ["--cache", str(options.output / "cache"), "-o", str(folder)]
    print(f"{name}: {steps} steps", flush=True)
    subprocess.run([*command, "--resume"], check=True, stdout=subprocess.DEVNULL)


def _prepare(options: argparse.Namespace) -> list[PreparedExample]:
    cases = find_cases(options.cases)
    examples = [Example(case, _given(case, name)) for name in options.inputs.split(",") for case in cases]
    if not all(unit.modalities for unit in examples):
        raise SystemExit("every case needs a sequence of every one of --inputs")
    return prepare_examples(examples, check_cases(cases), load_recipe("dawson"), options.output / "cache")


def _given(case: Case, name: str) -> tuple[Modality, ...]:
    return tuple(s for s in Modality if s in case.scans and (name == "all" or s in name.split("+")))


def _measure(folder: Path, prepared: list[PreparedExample]) -> Scores:
    """Dice (cases, thresholds) and F1 (cases, rules) of one arm, kept beside its model."""
    kept, names = folder / "scores.json", [one.name for one in prepared]
    known = json.loads(kept.read_text("utf-8")) if kept.exists() else {}
    if known.get("of") != names:
        model = load_model(folder)
        infer = load_engine(model)
        dice, f1 = [], []
        for one in prepared:
            found = run_windows(infer, one.images.astype(np.float32), window=WINDOW, overlap=0.25)[0][0]
            brain = np.zeros(found.shape, bool) if one.anatomy is None else one.anatomy > 0
            seen, truth = np.where(brain, found, 0.0), np.asarray(one.lesion) == 1
            told = figures(seen, truth, LEAST, thresholds=THRESHOLDS, peaks=PEAKS)
            dice.append([told[Rule(threshold, 0.0)][0] for threshold in THRESHOLDS])
            f1.append([rule[1] for rule in told.values()])
        known = {"of": names, "dice": dice, "f1": f1}
        kept.write_text(json.dumps(known), "utf-8")
    return {key: np.array(known[key]) for key in ("dice", "f1")}


def _print(
    scores: Mapping[str, Scores], patients: list[str], given: list[tuple[str, ...]], options: argparse.Namespace
) -> None:
    subsets = options.inputs.split(",")
    size = len(given) // len(subsets)
    print(f"{options.steps} steps of one window of {WINDOW}³, {len(set(patients))} patients")
    for number, subset in enumerate(subsets):
        rows = slice(number * size, (number + 1) * size)
        who = patients[rows]
        print(f"\n| from {subset} | Dice | F1 | difference in Dice | in F1 |\n|---|---|---|---|---|")
        chosen = {}
        for name, own in scores.items():
            tables = [own[key][rows] for key in ("dice", "f1")]
            chosen[name] = [table[:, table.mean(axis=0).argmax()] for table in tables]
            means = " | ".join(f"{values.mean():.3f}" for values in chosen[name])
            first = chosen[next(iter(scores))]
            apart = " | ".join(_interval(a - b, who) for a, b in zip(chosen[name], first, strict=True))
            print(f"| {name} | {means} | {apart if chosen[name] is not first else ' | '} |")


def _interval(differences: NDArray[np.float64], patients: list[str]) -> str:
    """Mean difference with its 95 % bootstrap interval, patients drawn with all their visits."""
    low, high = bootstrap_interval(differences, patients, seed=0, draws=4000)
    return f"{differences.mean():+.3f}" + ("" if low is None else f" ({low:+.3f} to {high:+.3f})")


if __name__ == "__main__":
    main()
