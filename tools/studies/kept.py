"""The command lines of scripts that look again at what an evaluation kept of each case and subset of sequences."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from dawson.evaluation import kept_results
from dawson.evaluation.kept_results import Kept

__all__ = ["Kept", "ask", "ask_either", "read_kept"]


def ask(description: str | None) -> argparse.Namespace:
    """The command line: a table of cases, an evaluation, and what of it to look at."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("evaluation", type=Path)
    parser.add_argument("--inputs", default="", help="subsets to look at, with commas; all where left out")
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³")
    return parser.parse_args()


def ask_either(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line of a script that looks either at real scans or at what the generator draws.

    Adds ``--cases`` and ``--evaluation``, of which ``--inputs`` are looked at, or ``--maps`` and ``--masks``.
    """
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--evaluation", type=Path)
    parser.add_argument("--inputs", default="flair", help="subsets to look at, with commas")
    parser.add_argument("--minimum", type=float, default=3.0, help="mm³")
    parser.add_argument("--maps", type=Path)
    parser.add_argument("--masks", type=Path)
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    options = parser.parse_args()
    pairs = (options.evaluation, options.cases), (options.maps, options.masks)
    if sorted(sum(part is not None for part in pair) for pair in pairs) != [0, 2]:
        parser.error("give either --evaluation and --cases, or --maps and --masks")
    return options


def read_kept(options: argparse.Namespace) -> Iterator[Kept]:
    """Read one after the other what :func:`ask` or :func:`ask_either` was told of."""
    inputs = [name for name in options.inputs.split(",") if name]
    return kept_results.read_kept(options.cases, options.evaluation, inputs=inputs, minimum_mm3=options.minimum)
