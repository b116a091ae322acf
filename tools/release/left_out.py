"""Evaluate a recipe on the labelled scans where some of them are also learned from: each by a model that left it out.

    python -m tools.release.labelled -o labelled.tsv
    python -m tools.release.left_out labelled.tsv --model RUN --fold ljubljana-26=RUN_A \\
        --fold tabriz-104252,tabriz-105074=RUN_B --inputs flair,t1,t2,flair+t1,all -o evaluation

RUN learned from all folds' patients and answers for every other case; RUN_A and RUN_B were trained in the same way
without the patients named before the ``=``, and answer for these. The evaluation is written under the name of RUN:
what it says is how well the recipe does on patients that it has not seen.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from dawson.cases.find import find_cases
from dawson.evaluation.model_runs import evaluate_model, plan_runs
from dawson.evaluation.output.table import text_report
from dawson.evaluation.output.write import write_evaluation
from dawson.evaluation.run import evaluate_pairs
from dawson.model.card import load_model


def main() -> None:
    """Run every model on its cases, then measure all results together."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--fold", action="append", default=[], metavar="PATIENT,…=RUN")
    parser.add_argument("--inputs", default="flair,t1,t2,flair+t1,all")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    cases = find_cases(options.cases)
    models = dict.fromkeys((case.patient for case in cases), options.model)
    for fold in options.fold:
        patients, _, run = fold.partition("=")
        for patient in patients.split(","):
            if patient not in models:
                raise SystemExit(f"no case is of patient {patient}")
            models[patient] = Path(run)
    subsets = options.inputs.split(",")
    parts = []
    for model in dict.fromkeys(models.values()):
        units, skipped = plan_runs([case for case in cases if models[case.patient] == model], subsets)
        parts.append(evaluate_model(units, options.output, model=model, skipped=skipped))
        print(f"{model}: {len(units)} runs", flush=True)
    pairs = [row.pair for part in parts for row in part.rows]
    evaluation = replace(
        evaluate_pairs(pairs),
        skipped=tuple(line for part in parts for line in part.skipped),
        failed=tuple(line for part in parts for line in part.failed),
        model=load_model(options.model).summary,
    )
    print(text_report(evaluation, write_evaluation(evaluation, options.output, overwrite=True)))


if __name__ == "__main__":
    main()
