"""Fixtures that all rooms share: a small synthetic head, written as NIfTI, and the real scans."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from hypothesis import settings

settings.register_profile("dawson", deadline=None, derandomize=True, database=None)
settings.load_profile("dawson")

pytest_plugins = [
    "fixtures.masks",
    "fixtures.result_folders",
    "fixtures.segmentations",
    "fixtures.toy_heads",
]

SHAPE = (24, 28, 24)
SPACING = (8.0, 8.0, 7.0)  # mm: a field of view of 192 × 224 × 168


def head_voxels(shape: tuple[int, int, int] = SHAPE, *, seed: int = 0) -> np.ndarray:
    """A head that fills most of the field of view: scalp, skull, brain, ventricles, noise; 0 to 1000."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    voxels = np.where(radius < 0.95, 700.0, 0.0)  # scalp
    voxels[radius < 0.85] = 80.0  # skull
    voxels[radius < 0.78] = 400.0  # brain
    voxels[radius < 0.2] = 120.0  # ventricles
    return np.rint(np.clip(voxels + rng.normal(0, 15, shape), 0, 1000))


@pytest.fixture(scope="session")
def head() -> Callable[..., np.ndarray]:
    """The function ``head_voxels(shape, *, seed)``."""
    return head_voxels


@pytest.fixture(scope="session")
def write_head() -> Callable[..., Path]:
    """A function that writes a tiny head-like NIfTI (LAS by default) and returns its path."""

    def write(
        file: Path | str,
        *,
        voxels: np.ndarray | None = None,
        affine: np.ndarray | None = None,
        dtype: type | str = np.int16,
        seed: int = 0,
        sform: int = 1,
        qform: int = 1,
    ) -> Path:
        voxels = head_voxels(seed=seed) if voxels is None else voxels
        if affine is None:
            affine = np.diag([-SPACING[0], SPACING[1], SPACING[2], 1.0])
            affine[:3, 3] = (92.0, -108.0, -80.0)
        image = nib.Nifti1Image(voxels.astype(dtype), affine)
        image.set_sform(affine, code=sform)
        image.set_qform(affine, code=qform)
        nib.save(image, file)
        return Path(file)

    return write


REAL_SCANS = Path(__file__).parents[2] / "shared" / "data"
NO_REAL_SCANS = "the openly shared scans (../shared/data) are not here"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of openly shared real scans; skips the test where it is absent."""
    if not REAL_SCANS.is_dir():
        pytest.skip(NO_REAL_SCANS)
    return REAL_SCANS


def skipped_without_scans(reports: Iterable[pytest.TestReport]) -> str | None:
    """One line for all tests that were skipped for want of the real scans; nothing where none was."""
    skipped = {report.nodeid for report in reports if NO_REAL_SCANS in str(report.longrepr)}
    if not skipped:
        return None
    tests = "1 test was" if len(skipped) == 1 else f"{len(skipped)} tests were"
    return f"{tests} skipped: {NO_REAL_SCANS}."


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it at the end of the run, whatever else was reported."""
    line = skipped_without_scans(terminalreporter.stats.get("skipped", ()))
    if line is not None:
        terminalreporter.write_line(line, yellow=True)
