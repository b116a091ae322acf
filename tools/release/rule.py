"""Set what counts as a lesion for a trained model: its threshold and least peak, chosen after training.

    python -m tools.release.rule RUN … --threshold 0.3 --peak 0.7 \\
        --as flair,flair+t1=0.35,0.98 --as t1=0.1,0.6

``--as INPUTS=THRESHOLD,PEAK`` names the values that fit the network's own probabilities where these sequences are
given, as tools/studies/threshold.py finds them: the card then gets the slope and the offset of log-odds that turn these
into the rule's threshold and peak (dawson.model.calibration). Rewrites the card, in its recipe too; the weights stay
as they are.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from dawson.model.card import load_model, write_card


def main() -> None:
    """Rewrite the cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--peak", type=float, required=True)
    parser.add_argument("--as", dest="own", action="append", default=[], metavar="INPUTS,…=THRESHOLD,PEAK")
    options = parser.parse_args()
    calibration = {}
    for text in options.own:
        inputs, _, values = text.partition("=")
        threshold, peak = (_odds(float(value)) for value in values.split(","))
        slope = (_odds(options.peak) - _odds(options.threshold)) / (peak - threshold)
        for name in inputs.split(","):
            calibration[name] = [round(slope, 4), round(_odds(options.threshold) - slope * threshold, 4)]
    rule = {"threshold": options.threshold, "peak": options.peak}
    for folder in options.models:
        model = load_model(folder)
        recipe = model.card["recipe"] | {"measure": model.card["recipe"]["measure"] | rule}
        write_card(model.folder, dict(model.card) | rule | {"calibration": calibration, "recipe": recipe})
        load_model(folder)  # a card that cannot be read is told of here
        print(f"{folder}: {rule}, {calibration}")


def _odds(probability: float) -> float:
    return math.log(probability / (1 - probability))


if __name__ == "__main__":
    main()
