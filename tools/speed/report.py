"""Seconds and peak memory of `dawson report`, result by result, each in a process of its own.

    python -m tools.speed.report RESULT... [--no-viewer]

Prints a row a result: lesions, exit code, wall-clock and processor seconds (start of the program included), peak
resident memory in GB, and the size of page and PDF in MB. The reports are written into the results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--no-viewer", action="store_true")
    options = parser.parse_args()
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores")
    print(f"{'result':<22}{'lesions':>8}{'exit':>6}{'s':>7}{'cpu s':>7}{'GB':>6}{'page MB':>9}{'pdf MB':>8}")
    for folder in options.results:
        command = [sys.executable, "-m", "dawson", "report", str(folder)]
        command += ["--no-viewer"] if options.no_viewer else []
        started = time.perf_counter()
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - started
        code = os.waitstatus_to_exitcode(status)
        lesions = json.loads((folder / "summary.json").read_text("utf-8"))["lesion_count"] if code == 0 else "-"
        sizes = [(folder / name).stat().st_size / 1e6 if code == 0 else 0 for name in ("report.html", "report.pdf")]
        print(
            f"{folder.name:<22}{lesions:>8}{code:>6}{seconds:>7.1f}{usage.ru_utime + usage.ru_stime:>7.1f}"
            f"{usage.ru_maxrss / 1e6:>6.2f}{sizes[0]:>9.2f}{sizes[1]:>8.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
