"""Label maps through a cache: what is read back is what was read, by however many processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from dawson.synthesis.label_maps import nifti_files, read_heads

READ = """
import sys
from pathlib import Path
from dawson.synthesis.label_maps import nifti_files, read_heads
(head,) = read_heads(nifti_files(Path(sys.argv[1])), Path(sys.argv[2]))
print(int(head.tissue.sum()), int(head.volumes.sum()))
"""


def test_two_processes_may_fill_one_cache(toy_folders: tuple[Path, Path], tmp_path: Path) -> None:
    maps, cache = toy_folders[0], tmp_path / "cache"
    command = [sys.executable, "-c", READ, str(maps), str(cache)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert said[0] == said[1]
    assert len(list(cache.iterdir())) == 1, "one head, and nothing half-written beside it"
    (plain,), (cached,) = read_heads(nifti_files(maps)), read_heads(nifti_files(maps), cache)
    for name in ("tissue", "ventricle_distance", "buried", "to_mni", "volumes"):
        assert np.array_equal(getattr(plain, name), getattr(cached, name))


def test_a_writer_that_dies_leaves_no_head_behind(toy_folders: tuple[Path, Path], tmp_path: Path, monkeypatch) -> None:
    """The names of half-written files are each writer's alone, so that none is taken for a head or for another's."""
    seen: list[str] = []

    def replace(self: Path, target: Path) -> None:
        seen.append(self.name)
        assert not Path(target).exists()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", replace)
    for _ in range(2):
        try:
            read_heads(nifti_files(toy_folders[0]), tmp_path)
        except OSError as error:
            assert error.errno == 28
    assert len(set(seen)) == 2
    assert not list(tmp_path.iterdir())
