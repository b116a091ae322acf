"""What is packed: pyproject.toml, the wheel and the sdist, and the oldest libraries that are tested."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def oldest(file: Path = ROOT / "constraints-oldest.txt") -> dict[str, str]:
    lines = [line for line in file.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.lower().split("==") for line in lines)


def test_the_oldest_libraries_are_the_lower_bounds() -> None:
    bounds = {}
    for requirement in PROJECT["project"]["dependencies"]:
        name, bound = re.fullmatch(r"([A-Za-z0-9._-]+)>=([0-9.]+)", requirement).groups()  # type: ignore[union-attr]
        bounds[name.lower()] = bound
    assert oldest() == bounds


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a wheel and an sdist, made without network."""
    out = tmp_path_factory.mktemp("dist")
    code = (
        "import sys\n"
        "from hatchling.builders.sdist import SdistBuilder\n"
        "from hatchling.builders.wheel import WheelBuilder\n"
        "for builder in (WheelBuilder, SdistBuilder):\n"
        "    list(builder(sys.argv[1]).build(directory=sys.argv[2], versions=['standard']))\n"
    )
    pytest.importorskip("hatchling", reason="hatchling is not installed")
    done = subprocess.run([sys.executable, "-c", code, ROOT, out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out


def source_files() -> set[str]:
    """Everything under src/dawson but what Python makes there."""
    files = (ROOT / "src" / "dawson").rglob("*")
    return {
        file.relative_to(ROOT / "src").as_posix()
        for file in files
        if file.is_file() and "__pycache__" not in file.parts
    }


def test_the_wheel_holds_the_package_whole_and_nothing_else(built: Path) -> None:
    with zipfile.ZipFile(next(built.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    info = {name for name in names if ".dist-info/" in name}
    assert names - info == source_files()
    wanted = r"/cases/demo_scans/\w+\.nii\.gz|/templates/\w+\.html|/assets/\w+\.js|/recipe/shipped/\w+\.toml|/py\.typed"
    for pattern in wanted.split("|"):
        assert any(re.search(f"{pattern}$", name) for name in names), pattern
    for model in ("dawson-1", "locator"):
        assert {f"dawson/model/shipped/{model}/{file}" for file in ("card.json", "model.onnx")} <= names
    licences = {name.partition("/licenses/")[2] for name in info if "/licenses/" in name}
    assert licences == set(PROJECT["project"]["license-files"])


def test_the_sdist_holds_what_the_tests_read(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {f"src/{name}" for name in source_files()} <= names
    tests = {f"tests/{file.relative_to(ROOT / 'tests').as_posix()}" for file in (ROOT / "tests").rglob("*.*")}
    assert {name for name in tests if "__pycache__" not in name and not name.endswith(".pyc")} <= names
    assert {"pyproject.toml", "README.md", "LICENSE", "constraints.txt", "constraints-oldest.txt", ".ci/run"} <= names
    assert {name.split("/")[0] for name in names} & {"tools", "docs"} == {"tools", "docs"}


def test_the_metadata_is_said() -> None:
    project = PROJECT["project"]
    assert project["license"] == "Apache-2.0"
    assert all((ROOT / file).is_file() for file in project["license-files"])
    minor = int(project["requires-python"].removeprefix(">=3."))
    assert f"Programming Language :: Python :: 3.{minor}" in project["classifiers"]
    assert sys.version_info >= (3, minor)
    assert "Typing :: Typed" in project["classifiers"]
