"""How long an evaluation of 100 pairs of masks takes, beside panoptica on a few of the same pairs.

    python -m tools.speed.evaluation [--pairs 100] [--panoptica 3] [--folder DIR] [--json FILE]

Makes pairs of synthetic lesion masks of 182×218×182 voxels of 1 mm (10 to 60 lesions; the prediction is the
truth moved, thinned and with false lesions), writes them as .nii.gz, and evaluates them as ``dawson evaluate``
does, files read and checked included: without and with surface distances. Prints wall-clock seconds, the peak
memory of all processes together. Beside it, seconds a pair of dawson and of panoptica on a few of the same files, in
one process each: panoptica's files read by nibabel, Dice and IoU of masks and lesions, then HD95 and ASSD with them.
dawson computes three matching rules, sizes, counts and places beside those, and checks its files.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from dawson.evaluation.matching.pairs import find_pairs
from dawson.evaluation.run import evaluate_pairs
from dawson.evaluation.settings import Settings
from dawson.evaluation.workers import default_workers

SHAPE = (182, 218, 182)
AFFINE = np.array([[-1.0, 0, 0, 90], [0, 1, 0, -126], [0, 0, 1, -72], [0, 0, 0, 1]])
BARS = {"without surfaces, s": 60.0, "with surfaces, s": 240.0, "peak memory, GB": 1.5}


def lesions(rng: np.random.Generator, count: int) -> NDArray[Any]:
    """Ellipsoids of 1 to 12 mm, most of them small, around the middle of the head."""
    mask = np.zeros(SHAPE, dtype=bool)
    middle = np.array(SHAPE) / 2
    for _ in range(count):
        centre = middle + rng.normal(0, (22, 28, 18))
        radii = np.clip(rng.lognormal(0.9, 0.5), 1, 12) * rng.uniform(0.6, 1.4, 3)
        low = np.clip((centre - radii).astype(int), 0, np.array(SHAPE) - 1)
        high = np.minimum((centre + radii).astype(int) + 2, SHAPE)
        box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
        index = np.stack(np.meshgrid(*[np.arange(s.start, s.stop) for s in box], indexing="ij"), axis=-1)
        mask[box] |= (((index - centre) / radii) ** 2).sum(axis=-1) <= 1
    return mask


def make_pairs(folder: Path, count: int) -> None:
    """Write the masks of all pairs."""
    for kind in ("truth", "prediction"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number in range(count):
        rng = np.random.default_rng(number)
        truth = lesions(rng, int(rng.integers(10, 61)))
        predicted = np.roll(truth, tuple(rng.integers(-1, 2, 3)), (0, 1, 2)) & (rng.random(SHAPE) > 0.05)
        predicted |= lesions(rng, int(rng.integers(0, 8)))
        for kind, mask in (("truth", truth), ("prediction", predicted)):
            image = nib.Nifti1Image(mask.astype(np.uint8), AFFINE)
            nib.save(image, folder / kind / f"sub-{number:03d}_label-lesion_mask.nii.gz")


class Memory(threading.Thread):
    """The peak of the resident memory of this process and its children, sampled (Linux)."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.done = 0.0, threading.Event()

    def run(self) -> None:
        while not self.done.wait(0.05):
            self.peak = max(self.peak, sum(_resident(pid) for pid in _family(os.getpid())) / 1e9)


def _family(pid: int) -> list[int]:
    family = [pid]
    for member in family:
        try:
            for task in Path(f"/proc/{member}/task").iterdir():
                family += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue
    return family


def _resident(pid: int) -> int:
    """Bytes of memory of a process that no other shares, plus its share of those that others do."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def timed(folder: Path, *, surfaces: bool) -> tuple[float, float]:
    """Seconds and peak GB of the whole evaluation."""
    memory = Memory()
    memory.start()
    began = time.perf_counter()
    pairs = find_pairs([folder / "truth"], [folder / "prediction"])
    evaluation = evaluate_pairs(pairs, settings=Settings(surfaces=surfaces), workers=default_workers())
    seconds = time.perf_counter() - began
    memory.done.set()
    memory.join()
    dice = np.mean([row.metrics.values["dice"] for row in evaluation.rows])
    print(f"  {len(pairs)} pairs, mean Dice {dice:.3f}: {seconds:.1f} s, {memory.peak:.2f} GB", flush=True)
    return seconds, memory.peak


def dawson_seconds(folder: Path, count: int) -> tuple[float, float]:
    """Mean seconds a pair without and with surface distances, in this process alone."""
    pairs = find_pairs([folder / "truth"], [folder / "prediction"])[:count]
    means = []
    for surfaces in (False, True):
        began = time.perf_counter()
        evaluate_pairs(pairs, settings=Settings(surfaces=surfaces), workers=1)
        means.append((time.perf_counter() - began) / len(pairs))
    return means[0], means[1]


def panoptica_seconds(folder: Path, count: int) -> tuple[float, float]:
    """Mean seconds a pair without and with surface distances."""
    warnings.simplefilter("ignore")
    from panoptica import (  # noqa: PLC0415
        ConnectedComponentsInstanceApproximator,
        InputType,
        NaiveThresholdMatching,
        Panoptica_Evaluator,
    )
    from panoptica.metrics import Metric  # noqa: PLC0415

    means = []
    for metrics in ([Metric.DSC, Metric.IOU], [Metric.DSC, Metric.IOU, Metric.ASSD, Metric.HD95]):
        evaluator = Panoptica_Evaluator(
            expected_input=InputType.SEMANTIC,
            instance_approximator=ConnectedComponentsInstanceApproximator(),
            instance_matcher=NaiveThresholdMatching(matching_threshold=0.1),
            instance_metrics=metrics,
            global_metrics=metrics,
        )
        seconds = 0.0
        for number in range(count):
            name = f"sub-{number:03d}_label-lesion_mask.nii.gz"
            began = time.perf_counter()
            truth, predicted = (
                np.asarray(nib.Nifti1Image.from_filename(folder / k / name).dataobj) for k in ("truth", "prediction")
            )
            evaluator.evaluate(predicted, truth, verbose=False)
            seconds += time.perf_counter() - began
        means.append(seconds / count)
    return means[0], means[1]


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--panoptica", type=int, default=3, metavar="PAIRS")
    parser.add_argument("--folder", type=Path, help="where the masks are kept; a temporary folder if left out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        if len(list(folder.glob("*/*.nii.gz"))) != 2 * options.pairs:
            print(f"making {options.pairs} pairs", flush=True)
            make_pairs(folder, options.pairs)
        print(f"dawson, {default_workers()} processes", flush=True)
        plain, first_peak = timed(folder, surfaces=False)
        full, second_peak = timed(folder, surfaces=True)
        figures = {
            "pairs": options.pairs,
            "without surfaces, s": plain,
            "with surfaces, s": full,
            "peak memory, GB": max(first_peak, second_peak),
        }
        if options.panoptica:
            print(f"one process each, {options.panoptica} pairs", flush=True)
            seconds = {}
            for name, measure in (("dawson", dawson_seconds), ("panoptica", panoptica_seconds)):
                seconds[name] = measure(folder, options.panoptica)
                without, with_them = seconds[name]
                print(f"  {name}: {without:.2f} s a pair without surfaces, {with_them:.2f} with", flush=True)
                figures |= {f"{name} without, s a pair": without, f"{name} with, s a pair": with_them}
            for place, what in enumerate(("without", "with")):
                figures[f"times faster {what}"] = seconds["panoptica"][place] / seconds["dawson"][place]
    for name, bar in BARS.items():
        met = figures[name] <= bar * (options.pairs / 100 if name.endswith("s") else 1)
        print(f"{name}: {figures[name]:.2f} (bar for 100 pairs {bar:g}; {'met' if met else 'MISSED'})")
    for name in ("times faster without", "times faster with"):
        if name in figures:
            print(f"{name}: {figures[name]:.1f}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
