"""Iterations per second of dawson's training loop, beside the limit and beside MONAI, in one run.

    python -m tools.speed.training --cases COHORT [--steps 6] [--rounds 3] [--set network.widths=[8,16,32,64,128]]

- *limit*: a plain PyTorch loop with the same network, loss and optimizer on tensors that are ready in memory;
- *dawson*: the loop of ``dawson train --recipe paper`` on prepared scans, with augmentation;
- *MONAI, same network*: CacheDataset and dictionary transforms with the same preparation and kinds of
  augmentation, in front of the very same network, loss and optimizer;
- *MONAI, as usual*: the same data in front of MONAI's DynUNet of the same widths with its DiceCELoss, in fp32.

Rounds of the four alternate, so that a machine that slows down slows all of them. Each scan is prepared and cached
before the clock starts. Prints seconds a step (median over all steps), ratios, and the peak memory of dawson's loop.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.recipe import Recipe
from dawson.training.data import Data
from dawson.training.distributed import Team, choose_precision, mixed_precision
from dawson.training.fit import Setting, advance, batches, build, compute_gradients
from dawson.training.loss import loss
from dawson.training.prepared_cases import Example, PreparedExample, prepare_examples
from dawson.training.sources import SingleVolumes
from tools.studies.drawn import recipe_of

TEAM = Team(0, 1, torch.device("cpu"))
PRECISION = choose_precision("auto", TEAM.device)


def limit(recipe: Recipe, steps: int) -> Iterator[float]:
    """Seconds of each step on tensors that are ready."""
    learner = build(recipe, TEAM, Path("no checkpoint"), None)
    network, optimizer = learner.network, learner.optimizer
    images = torch.rand(recipe.optimizer.batch, 1, *recipe.input_shape)
    lesion = (torch.rand(recipe.optimizer.batch, *recipe.input_shape) > 0.99).to(torch.uint8)
    for _ in range(steps + 1):
        began = time.perf_counter()
        with mixed_precision(TEAM.device, PRECISION):
            logits = network(images.to(memory_format=torch.channels_last_3d))
        total, _ = loss(logits, lesion, lesion, recipe.loss)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        yield time.perf_counter() - began


def ours(recipe: Recipe, prepared: list[PreparedExample], steps: int) -> Iterator[float]:
    """Seconds of each step of dawson's loop, waiting for the images included."""
    learner = build(recipe, TEAM, Path("no checkpoint"), None)
    setting = Setting(recipe, PRECISION, Data(SingleVolumes(prepared, recipe)), TEAM, Path(), 1)
    began = time.perf_counter()
    for batch in batches(setting, 0, steps + 1):
        advance(learner, compute_gradients(learner, learner.network, batch, setting), recipe)
        now = time.perf_counter()
        yield now - began
        began = now


def monai(recipe: Recipe, examples: list[Example], steps: int, *, usual: bool) -> Iterator[float]:
    """Seconds of each step behind MONAI's data pipeline; ``usual``: with its network and loss as well."""
    from monai import transforms as mt  # noqa: PLC0415
    from monai.data import CacheDataset, DataLoader  # noqa: PLC0415
    from monai.losses import DiceCELoss  # noqa: PLC0415
    from monai.networks.nets import DynUNet  # noqa: PLC0415

    settings, augment, both = recipe.volume, recipe.augment, ("image", "label")
    assert settings is not None  # noqa: S101
    sigma = [settings.blur_mm / s for s in settings.spacing_mm]
    modes = ("bilinear", "nearest")
    chain = mt.Compose(
        [
            mt.LoadImaged(both, image_only=True),
            mt.EnsureChannelFirstd(both),
            mt.Orientationd(both, axcodes="RAS", labels=None),
            mt.Spacingd(both, settings.spacing_mm, mode=modes),
            mt.ResizeWithPadOrCropd(both, settings.shape),
            mt.ScaleIntensityRangePercentilesd("image", *settings.percentiles, 0.0, 1.0, clip=True),
            mt.GaussianSmoothd("image", sigma),
            mt.GaussianSharpend("image", sigma1=2.0, sigma2=0.5, alpha=settings.sharpening),
            mt.RandFlipd(both, augment.flip_horizontal, 0),
            mt.RandFlipd(both, augment.flip_vertical, 1),
            mt.RandScaleIntensityd("image", augment.contrast, prob=1.0),
            mt.RandShiftIntensityd("image", augment.brightness, prob=1.0),
            mt.RandGaussianNoised("image", prob=1.0, std=augment.noise),
        ]
    )
    files = [{"image": u.case.scans[u.modalities[0]], "label": u.case.mask} for u in examples]
    data = CacheDataset(files, chain, progress=False)
    loader = DataLoader(data, batch_size=recipe.optimizer.batch, shuffle=True, num_workers=1, drop_last=True)
    learner = build(recipe, TEAM, Path("no checkpoint"), None)
    network, optimizer = learner.network, learner.optimizer
    criterion = DiceCELoss(sigmoid=True)
    if usual:
        levels, widths = len(recipe.network.widths), recipe.network.widths
        strides = [1] + [2] * (levels - 1)
        network = DynUNet(3, 1, 1, [3] * levels, strides, strides[1:], widths)
        optimizer = torch.optim.Adam(network.parameters(), lr=recipe.optimizer.lr)
    done, began = 0, time.perf_counter()
    while done <= steps:
        for batch in loader:
            images, label = batch["image"].as_tensor(), batch["label"].as_tensor()
            if usual:
                total = criterion(network(images), label)
            else:
                with mixed_precision(TEAM.device, PRECISION):
                    logits = network(images.to(memory_format=torch.channels_last_3d))
                total, _ = loss(logits, label[:, 0], label[:, 0], recipe.loss)
            optimizer.zero_grad(set_to_none=True)
            total.backward()
            optimizer.step()
            now = time.perf_counter()
            yield now - began
            began, done = now, done + 1
            if done > steps:
                return


def _memory(recipe: Recipe, prepared: list[PreparedExample], answer: multiprocessing.Queue) -> None:  # type: ignore[type-arg]
    """Peak resident memory in GB of a process that only trains, and of its worker."""
    import resource  # noqa: PLC0415

    for _ in ours(recipe, prepared, 2):
        pass
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    answer.put([peak / 1024**2 for peak in peaks])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6, help="timed steps a round; one more warms up")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--volumes", type=int, default=4, help="scans that the loops read from")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    recipe = recipe_of(options, "paper")
    cases = find_cases(options.cases)[: options.volumes]
    examples = [Example(case, (next(iter(case.scans)),)) for case in cases]
    with tempfile.TemporaryDirectory() as folder:
        prepared = prepare_examples(examples, check_cases(cases), recipe, Path(folder))
        answer: multiprocessing.Queue[list[float]] = multiprocessing.get_context("fork").Queue()
        process = multiprocessing.get_context("fork").Process(target=_memory, args=(recipe, prepared, answer))
        process.start()
        peaks = answer.get()
        process.join()
        loops: dict[str, Callable[[], Iterator[float]]] = {
            "limit (ready tensors)": lambda: limit(recipe, options.steps),
            "dawson": lambda: ours(recipe, prepared, options.steps),
            "MONAI data, same network": lambda: monai(recipe, examples, options.steps, usual=False),
            "MONAI data, network and loss": lambda: monai(recipe, examples, options.steps, usual=True),
        }
        seconds: dict[str, list[float]] = {name: [] for name in loops}
        for _ in range(options.rounds):
            for name, loop in loops.items():
                seconds[name] += list(loop())[1:]  # the first step warms up
    shape, widths = "×".join(map(str, recipe.input_shape)), list(recipe.network.widths)
    print(f"batch {recipe.optimizer.batch} of {shape}, widths {widths}, {torch.get_num_threads()} threads")
    own = statistics.median(seconds["dawson"])
    for name, values in seconds.items():
        middle = statistics.median(values)
        spread = f"{min(values):.2f} to {max(values):.2f}"
        print(f"{name:<30} {middle:6.2f} s a step ({spread}); dawson's speed relative to it: {middle / own:.2f}")
    print(f"peak memory of dawson's loop: {peaks[0]:.1f} GB, and {peaks[1]:.1f} GB of its worker")


if __name__ == "__main__":
    main()
