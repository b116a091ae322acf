"""How fast the shipped network is, beside others, in one run on this machine's CPU.

    pip install onnxruntime    # beyond the dev extra
    python -m tools.speed.inference [--rounds 5] [--without monai,onnxruntime]

One volume of 160 × 160 × 96 voxels and three channels, random, each engine on all cores, in turn, round by round, so
that whatever else the machine does weighs on all alike; medians and ratios are printed. dawson runs its windows
(OpenVINO, in each precision that this CPU has), ONNX Runtime the same in f32, and MONAI's DynUNet of nnU-Net's default
size (32 to 320 channels, six levels) one pass over the whole volume in torch, with random weights: in fp32, as it is
mostly run, and, where the CPU multiplies in bf16, in that and with channels last, which suits torch best. This is one
look; where a visit is looked at twice, dawson takes twice as long.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dawson.core.errors import UsageError
from dawson.core.runtime import cores
from dawson.model.card import Model, load_model
from dawson.model.engine import load_engine, precision
from dawson.model.windows import run_model
from tools import need

SHAPE = (160, 160, 96)
Run = Callable[[NDArray[Any]], object]


def main() -> None:
    """Time all engines and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without", default="", help="engines to leave out, with commas: monai, onnxruntime")
    options = parser.parse_args()
    left_out = options.without.split(",")
    need(*({"monai", "onnxruntime"} - set(left_out)))
    model = load_model(options.model)
    engines: dict[str, Run] = {}
    os.environ.pop("DAWSON_PRECISION", None)
    default = precision(model)
    for wanted in dict.fromkeys((default, "int8", "bf16", "f32")):
        os.environ["DAWSON_PRECISION"] = wanted
        try:
            if precision(model) == wanted:
                engines[f"dawson, {wanted}{' (default here)' if wanted == default else ''}"] = _dawson(model)
        except UsageError as error:
            print(f"without {wanted}: {error}")
    if "onnxruntime" not in left_out:
        engines["ONNX Runtime, f32, same windows"] = _onnxruntime(model)
    if "monai" not in left_out:
        engines["MONAI DynUNet of nnU-Net's size, torch fp32"] = _dynunet(bf16=False)
        import openvino  # noqa: PLC0415 (after dawson, which keeps its telemetry out)

        if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            engines["the same, bf16, channels last"] = _dynunet(bf16=True)
    images = np.random.default_rng(0).random((3, *SHAPE), dtype=np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for run in engines.values():
        run(images)  # the first run allocates
    for _ in range(options.rounds):
        for name, run in engines.items():
            begin = time.perf_counter()
            run(images)
            seconds[name].append(time.perf_counter() - begin)
    own = statistics.median(next(iter(seconds.values())))
    print(f"{' × '.join(map(str, SHAPE))} voxels, {cores()} threads, {platform.processor() or platform.machine()}")
    for name, taken in seconds.items():
        middle = statistics.median(taken)
        print(f"{name:<46} {middle:7.2f} s  ({min(taken):.2f}–{max(taken):.2f})  ×{middle / own:.2f}")
    for file in filter(None, (model.onnx, model.int8)):
        print(f"{file.name}: {file.stat().st_size / 2**20:.1f} MiB")
    print(f"{model.card['parameters']:,} parameters")


def _dawson(model: Model) -> Run:
    return _in_windows(load_engine(model), model)


def _in_windows(infer: Callable[[NDArray[Any]], NDArray[Any]], model: Model) -> Run:
    return lambda images: run_model(model, infer, images, classes=model.anatomy_weights)


def _onnxruntime(model: Model) -> Run:
    import onnxruntime  # noqa: PLC0415

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = cores()
    session = onnxruntime.InferenceSession(str(model.onnx), settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return _in_windows(lambda images: session.run(None, {name: images[None]})[0][0], model)


def _dynunet(*, bf16: bool) -> Run:
    import torch  # noqa: PLC0415
    from monai.networks.nets import DynUNet  # noqa: PLC0415

    torch.set_num_threads(cores())
    strides = [1, 2, 2, 2, 2, 2]
    network = DynUNet(
        spatial_dims=3,
        in_channels=3,
        out_channels=2,
        kernel_size=[3] * len(strides),
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=[32, 64, 128, 256, 320, 320],
    ).eval()

    layout = torch.channels_last_3d if bf16 else torch.contiguous_format
    network = network.to(memory_format=layout)

    def run(images: NDArray[Any]) -> object:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            return network(torch.from_numpy(images[None]).contiguous(memory_format=layout))

    return run


if __name__ == "__main__":
    main()
