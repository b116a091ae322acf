"""What was found in files of a cohort, kept on disk by path, size and time of change."""

from __future__ import annotations

import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from dawson.core.files import replace_file
from dawson.nifti.formats import find_half

CHECKED = "checked.json"
VERSION = 3  # of what is kept and of how files are read for it; another version is forgotten

Facts = dict[str, Any]  # of one file, as JSON holds them


def stamp_of(file: Path) -> list[int]:
    """Size and time of change of a file, and of the other half of a pair; empty where it cannot be looked at."""
    half = find_half(file)
    try:
        states = [one.stat() for one in ((file,) if half is None else (file, half))]
    except OSError:
        return []  # reading it will say why
    return [number for state in states for number in (state.st_size, state.st_mtime_ns)]


class FactsCache:
    """Facts of files that were read before, in one small JSON file; threads and processes may share it."""

    def __init__(self, folder: Path | None) -> None:
        self.file = None if folder is None else folder / CHECKED
        self.lock = threading.Lock()
        self.new: dict[str, Facts] = {}
        self.old = self._load()

    def get(self, file: Path, kind: str) -> Facts | None:
        """What is known of a file that has not changed since."""
        facts = self.old.get(str(file.resolve()))
        if not isinstance(facts, dict) or facts.get("kind") != kind or facts.get("stamp") != stamp_of(file):
            return None
        return facts

    def put(self, file: Path, stamp: list[int], facts: Facts) -> None:
        """Add what was found; ``stamp`` was taken before the file was read."""
        with self.lock:
            self.new[str(file.resolve())] = facts | {"stamp": stamp}

    def save(self) -> None:
        """Add what is new to what is there by now; a cache that cannot be written is done without."""
        with self.lock:
            if self.file is None or not self.new:
                return
            self.old = self._load() | self.new
            text = json.dumps({"version": VERSION, "files": self.old})
            with suppress(OSError):
                replace_file(self.file, text)
                self.new = {}

    def _load(self) -> dict[str, Facts]:
        try:
            content = json.loads(self.file.read_text("utf-8")) if self.file is not None else {}
        except (OSError, ValueError):
            return {}
        if not isinstance(content, dict) or content.get("version") != VERSION:
            return {}
        files = content.get("files")
        return files if isinstance(files, dict) else {}
