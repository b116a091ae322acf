"""What a run of the tests says of tests that could not run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PROGRAM = """
import pytest
from pathlib import Path

@pytest.mark.parametrize("n", range({count}))
def test_reads_real_scans(n, shared_data):
    pass

def test_needs_nothing():
    pass
"""


@pytest.mark.parametrize(("count", "words"), [(0, None), (1, "1 test was skipped:"), (3, "3 tests were skipped:")])
def test_missing_scans_are_said_in_one_line_before_the_last(tmp_path: Path, count: int, words: str | None) -> None:
    checkout = tmp_path / "checkout"  # with no ../shared beside it
    (checkout / "tests").mkdir(parents=True)
    (checkout / "tests" / "conftest.py").write_text(
        "\n".join(
            line
            for line in (TESTS / "conftest.py").read_text("utf-8").splitlines()
            if not line.strip().startswith('"fixtures.')
        )
    )
    (checkout / "tests" / "test_it.py").write_text(PROGRAM.format(count=count))
    (checkout / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    *lines, last = done.stdout.splitlines()
    said = [line for line in lines if line.endswith("the openly shared scans (../shared/data) are not here.")]
    assert len(said) == (words is not None)
    assert all(line.startswith(words or "") for line in said)
    assert last.startswith("1 passed")
