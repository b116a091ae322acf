"""Set what counts as a lesion for a trained model: its threshold and least peak, chosen after training.

    python benchmarks/rule.py RUN … --threshold 0.3 --peak 0.7 --brightness 0.9 --shift t1=1.1

``--shift`` moves the log-odds of all probabilities where just these sequences are given (dawson.measure.calibration).

Rewrites the card, in its recipe too; the weights stay as they are.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dawson.network.model import CARD, load_model


def main() -> None:
    """Rewrite the cards."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--threshold", type=float, required=True)
    parser.add_argument("--peak", type=float, required=True)
    parser.add_argument("--brightness", type=float, default=0.0, help="share of cortex, on FLAIR")
    parser.add_argument("--shift", action="append", default=[], metavar="INPUTS=LOG_ODDS")
    options = parser.parse_args()
    shifts = {inputs: float(value) for inputs, _, value in (shift.partition("=") for shift in options.shift)}
    for folder in options.models:
        file = next(f for f in (folder / "model" / CARD, folder / CARD) if f.is_file())
        card = json.loads(file.read_text("utf-8"))
        rule = {"threshold": options.threshold, "peak": options.peak, "flair_brightness": options.brightness}
        card |= (
            rule
            | {"log_odds_shift": shifts}
            | {"recipe": card["recipe"] | {"measure": card["recipe"]["measure"] | rule}}
        )
        file.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", "utf-8")
        load_model(folder)  # a card that cannot be read is told of here
        print(f"{folder}: {rule}, {shifts}")


if __name__ == "__main__":
    main()
