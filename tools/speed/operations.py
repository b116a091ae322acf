"""Operations of one training step, counted, and what a whole run of a recipe takes at a stated speed.

    python -m tools.speed.operations [--recipe paper] [--set KEY=VALUE] [--tflops 44 --share 0.25]

Nothing is computed: torch counts the multiplications and additions of convolutions, forward and backward, on
tensors without content. ``--tflops`` is a device's peak in 10¹² operations a second, ``--share`` the part of it that
training is taken to reach; both are assumptions, not measurements.
"""

from __future__ import annotations

import argparse

import torch
from torch.utils.flop_counter import FlopCounterMode

from dawson.model.unet import UNet
from dawson.synthesis.tissues import Anatomy
from tools.studies.drawn import recipe_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="paper")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--tflops", type=float, action="append", default=[])
    parser.add_argument("--share", type=float, default=0.25)
    options = parser.parse_args()
    recipe = recipe_of(options, options.recipe)
    classes = 0 if recipe.volume is not None else len(Anatomy)
    with torch.device("meta"):
        network = UNet(recipe.network, channels=recipe.channels, anatomy_classes=classes)
        images = torch.empty(recipe.optimizer.batch, recipe.channels, *recipe.input_shape)
    counter = FlopCounterMode(display=False)
    with counter:
        network(images).sum().backward()
    step = counter.get_total_flops()
    total = step * recipe.optimizer.steps
    parameters = sum(weight.numel() for weight in network.parameters())
    print(f"{recipe.name}: {parameters / 1e6:.2f} million parameters, {step / 1e12:.2f}·10¹² operations a step")
    print(f"{recipe.optimizer.steps} steps: {total / 1e18:.3f}·10¹⁸ operations")
    for peak in options.tflops:
        hours = total / (peak * 1e12 * options.share) / 3600
        print(f"at {options.share:.0%} of {peak:g}·10¹² a second: {hours:.1f} hours")


if __name__ == "__main__":
    main()
