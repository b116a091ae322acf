"""``dawson doctor``: what this machine and this installation are, and whether dawson works on them."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from dawson.cli.terminal import FAILED

EXIT_CODES = (
    "Exit codes: 0 dawson works here, 1 something failed (named), 2 bad usage, 130 interrupted, 143 ended by SIGTERM."
)
INSTRUCTIONS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16", "asimddp", "bf16")
"""Features that decide how fast a CPU is here, as Linux names them; the last two are ARM's."""
NUMBERS = ("FP32", "FP16", "BF16", "INT8")  # OpenVINO lists other things too
LIBRARIES = ("numpy", "scipy", "nibabel", "SimpleITK", "openvino", "pydantic")
TRAINING = ("torch", "safetensors", "onnx", "submitit", "tensorboard")
ENOUGH_GB = 2.0  # a visit takes up to 1.3 GB
INSTALL_TRAINING = "pip install '.[train]' in a clone, after the CPU build of torch where there is no GPU"
MARKS = {"ok": "ok  ", "warn": "warn", "fail": "FAIL"}


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: ``words`` for people, ``figures`` for programs."""

    name: str
    status: Literal["ok", "warn", "fail"]
    words: str
    figures: dict[str, Any]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(
        "doctor",
        short_help="Check this machine and try dawson on a small example.",
        epilog="\b\nExamples:\n  dawson doctor\n  dawson doctor --no-test\n  dawson doctor --json\n\n" + EXIT_CODES,
    )(_doctor)


def _doctor(
    *,
    no_test: Annotated[bool, typer.Option("--no-test", help="Leave out the self-test, which takes most time.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")] = False,
) -> None:
    """Show versions, cores, memory, precision and model, and segment the example as a test.

    The test takes less than a minute on two cores. Add the output to a report of a problem: it names no file and no
    person.
    """
    findings = []
    for finding in _findings(test=not no_test):
        findings.append(finding)
        if not as_json:
            typer.echo(f"{MARKS[finding.status]}  {finding.name:<10} {finding.words}")
    failed = [finding.name for finding in findings if finding.status == "fail"]
    if as_json:
        content = {"status": "fail" if failed else "ok", "findings": [asdict(finding) for finding in findings]}
        typer.echo(json.dumps(content, indent=2))
    else:
        typer.echo(f"Failed: {', '.join(failed)}." if failed else "dawson works here.")
    if failed:
        raise typer.Exit(FAILED)


def _findings(*, test: bool) -> Iterator[Finding]:
    """All findings, each as soon as it is known; what raises is a finding too."""
    checks: dict[str, Callable[[], Finding]] = {
        "versions": _versions,
        "system": _system,
        "cores": _cores,
        "memory": _memory,
        "model": _model,
        "precision": _precision,
        "training": _training,
    }
    if test:
        checks["self-test"] = _self_test
    for name, check in checks.items():
        try:
            yield check()
        except Exception as error:  # whatever is broken here is what the command is asked for
            yield Finding(name, "fail", " ".join(f"{error}".split()) or type(error).__name__, {})


def _versions() -> Finding:
    from dawson.core.version import dawson_version  # noqa: PLC0415 (asked for here only)

    found = {"dawson": dawson_version(), "python": platform.python_version()} | _installed(LIBRARIES)
    missing = [name for name in LIBRARIES if name not in found]
    words = ", ".join(f"{name} {version}" for name, version in found.items())
    if missing:
        return Finding("versions", "fail", f"{words}; not installed: {', '.join(missing)}", found)
    return Finding("versions", "ok", words, found)


def _installed(names: tuple[str, ...]) -> dict[str, str]:
    from importlib import metadata  # noqa: PLC0415 (slow to import)

    found = {}
    for name in names:
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def _system() -> Finding:
    from dawson.core.runtime import cpu_flags  # noqa: PLC0415 (asked for here only)
    from dawson.model.engine import cpu_features  # noqa: PLC0415 (imports OpenVINO)

    name, features = cpu_features()
    instructions = [flag for flag in INSTRUCTIONS if flag in cpu_flags()]
    numbers = [one for one in features if one in NUMBERS]
    figures = {"system": platform.system(), "machine": platform.machine(), "cpu": name}
    words = f"{platform.system()} on {name}; OpenVINO computes in {', '.join(numbers)}"
    if instructions:
        words += f"; the CPU has {', '.join(instructions)}"
    return Finding("system", "ok", words, figures | {"computes_in": numbers, "instructions": instructions})


def _cores() -> Finding:
    import os  # noqa: PLC0415 (only here)

    from dawson.core.runtime import cores  # noqa: PLC0415 (asked for here only)

    usable, all_of_them = cores(), os.cpu_count() or 1
    setting = os.environ.get("DAWSON_THREADS") or None
    figures = {"used": usable, "machine": all_of_them, "DAWSON_THREADS": setting}
    why = "" if usable == all_of_them else " (affinity, a container's quota or DAWSON_THREADS)"
    return Finding("cores", "ok", f"{usable} of {all_of_them} are used{why}", figures)


def _memory() -> Finding:
    from dawson.core.runtime import memory_gb  # noqa: PLC0415 (asked for here only)

    free = memory_gb()
    if free is None:
        return Finding("memory", "ok", "this system does not say how much is free", {"free_gb": None})
    figures = {"free_gb": round(free, 1)}
    if free < ENOUGH_GB:
        words = f"{free:.1f} GB are free; a visit can take more than that, so close other programs"
        return Finding("memory", "warn", words, figures)
    return Finding("memory", "ok", f"{free:.1f} GB are free", figures)


def _model() -> Finding:
    from dawson.model.card import LOCATOR, load_model  # noqa: PLC0415 (asked for here only)

    models = [load_model(), load_model(LOCATOR)]  # either checks its weights against its card
    figures = {one.card["name"]: {"version": one.card["version"], "sha256": one.summary["sha256"]} for one in models}
    words = " and ".join(f"{name} version {one['version']}" for name, one in figures.items())
    return Finding("model", "ok", f"{words}; weights agree with the hashes in their cards", figures)


def _precision() -> Finding:
    import os  # noqa: PLC0415 (only here)

    from dawson.model.card import load_model  # noqa: PLC0415 (asked for here only)
    from dawson.model.engine import precision  # noqa: PLC0415 (imports OpenVINO)

    taken = precision(load_model())
    setting = os.environ.get("DAWSON_PRECISION") or None
    reasons = {
        "int8": "the model has weights for 8-bit integers, and this is an x86 CPU",
        "bf16": "this CPU is fast in it",
        "f32": "neither 8-bit integers nor bf16 are fast here",
    }
    why = f"DAWSON_PRECISION is {setting}" if setting else reasons[taken]
    return Finding("precision", "ok", f"{taken}, because {why}", {"taken": taken, "DAWSON_PRECISION": setting})


def _training() -> Finding:
    found = _installed(TRAINING)
    missing = [name for name in TRAINING if name not in found]
    if missing:
        return Finding(
            "training", "ok", f"not installed ({', '.join(missing)} missing); to train: {INSTALL_TRAINING}", found
        )
    import torch  # noqa: PLC0415 (takes seconds)

    from dawson.core.runtime import fast_bf16  # noqa: PLC0415 (asked for here only)

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    where = gpu or ("the CPU, in bf16" if fast_bf16() else "the CPU, in f32")
    return Finding("training", "ok", f"torch {found['torch']}, on {where}", {**found, "gpu": gpu})


def _self_test() -> Finding:
    from dawson.cases.demo import demo_expectation, demo_study_files  # noqa: PLC0415 (asked for here only)
    from dawson.cases.visit import read_study  # noqa: PLC0415 (imports nibabel)
    from dawson.segmentation.pipeline import segment  # noqa: PLC0415 (imports OpenVINO)

    began = time.perf_counter()
    wanted = demo_expectation()
    files = {modality.value: file for modality, file in demo_study_files().items() if modality in wanted.given}
    found = segment(read_study(**files, strict=True))
    seconds = time.perf_counter() - began
    count, load = len(found.table), found.load_ml
    figures = {"lesion_count": count, "lesion_load_ml": round(load, 4), "seconds": round(seconds, 1)}
    given = ", ".join(wanted.given).upper()  # fewer than `dawson demo` takes: other lesions are found
    words = (
        f"{count} lesions and {load:.2f} ml in the example's {given} in {seconds:.0f} s; "
        f"expected are {wanted.lesion_count} ± "
        f"{wanted.count_tolerance} lesions and {wanted.lesion_load_ml:.2f} ml ± {100 * wanted.load_tolerance:g} %"
    )
    return Finding(
        "self-test", "ok" if wanted.holds(count, load) else "fail", words, figures | {"expected": asdict(wanted)}
    )
