"""Wall-clock seconds and peak memory of the whole `dawson segment` command, scan by scan.

    python -m tools.speed.command [--data ../shared/data] [--flair-only] [--no-report] [-o DIR] [--model FOLDER]
    python -m tools.speed.command --calls 3 [--data ../shared/data] [--flair-only] [--model FOLDER]

Each command runs alone in a process of its own, as a user would start it. Prints a row a study: inputs, exit
code, seconds, how many of them went into finding and measuring (`seconds` in summary.json: not Python's start, reading,
pictures, report and writing), peak resident memory in GB, lesion count and load. Results stay in DIR. The first line
tells how long this machine takes to hand a process memory that it has not used before: a tenth of a second a GB where
memory is its own, several where a virtual machine must get it from its host, as large as a share of a command then.

The second form calls ``dawson.segment`` in one process instead, and prints what each call took, and where.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import dawson

REST = 5  # s, before each command as well: else it has the memory that the one before has just left


def studies(data: Path) -> dict[str, dict[str, Path]]:
    """The labelled scans and both raw visits of the longitudinal patient."""
    found: dict[str, dict[str, Path]] = {}
    for folder in sorted((data / "labelled").iterdir()):
        files = {s: folder / f"{s.upper()}.nii.gz" for s in ("flair", "t1", "t2")}
        found[folder.name] = {s: f for s, f in files.items() if f.exists()}
    raw = data / "longitudinal" / "ljubljana-01"
    for visit in (1, 2):
        names = {"flair": "FLAIR", "t1": "T1W", "t2": "T2W"}
        found[f"ljubljana-01-visit{visit}"] = {s: raw / f"study{visit}_{n}.nii.gz" for s, n in names.items()}
    return found


def touch() -> float:
    """Seconds that the first use of a GB takes, after a rest in which a host may have taken back what was free."""
    time.sleep(REST)
    # In a process of its own: a command's peak memory is never told below that of the process that started it.
    program = (
        "import numpy, time; begin = time.perf_counter(); numpy.ones(2**30 // 8); print(time.perf_counter() - begin)"
    )
    return float(subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout)


def call(all_given: dict[str, dict[str, Path]], calls: int, model: Path | None) -> None:
    """Segment every study so many times in this process; the very first call also loads libraries and networks."""
    for name, given in all_given.items():
        study = dawson.read_study(flair=given.get("flair"), t1=given.get("t1"), t2=given.get("t2"))
        for _ in range(calls):
            started = time.perf_counter()
            result = dawson.segment(study, model=model)
            seconds = time.perf_counter() - started
            steps = ", ".join(f"{step} {took:.2f}" for step, took in result.seconds.items() if took >= 0.05)
            print(f"{name:<22}{'+'.join(given):<14}{seconds:>6.2f} s: {steps}", flush=True)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", "-o", type=Path, default=Path(tempfile.gettempdir()) / "dawson-benchmark")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--flair-only", action="store_true")
    parser.add_argument("--no-report", action="store_true")
    parser.add_argument("--calls", type=int, default=0, help="of dawson.segment in this process, for each study")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {touch():.1f} s a GB of fresh memory")
    all_given = {
        name: {s: file for s, file in files.items() if s == "flair" or not options.flair_only}
        for name, files in studies(options.data).items()
    }
    if options.calls:
        call(all_given, options.calls, options.model)
        return
    print(f"{'study':<22}{'inputs':<14}{'exit':>5}{'s':>7}{'of it':>7}{'GB':>6}{'lesions':>9}{'ml':>8}")
    for name, given in all_given.items():
        out = options.output / name
        command = [sys.executable, "-m", "dawson", "segment", "-o", str(out), "--overwrite"]
        for modality, file in given.items():
            command += [f"--{modality}", str(file)]
        if options.no_report:
            command.append("--no-report")
        if options.model:
            command += ["--model", str(options.model)]
        time.sleep(REST)
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        code = os.waitstatus_to_exitcode(status)
        summary = json.loads((out / "summary.json").read_text("utf-8")) if code == 0 else {}
        inside = sum(summary.get("seconds", {}).values())
        print(
            f"{name:<22}{'+'.join(given):<14}{code:>5}{seconds:>7.1f}{inside:>7.1f}{usage.ru_maxrss * 1024 / 1e9:>6.2f}"
            f"{summary.get('lesion_count', '-'):>9}{summary.get('lesion_load_ml', float('nan')):>8.2f}",
            flush=True,
        )
        if code and child.stderr:
            print(child.stderr.read().decode())


if __name__ == "__main__":
    main()
