"""Files that change in one step."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from dawson.write.folder import save


def replace_file(file: Path, content: str | bytes) -> None:
    """Write aside, then rename, so that nobody ever sees half of it; its folder is made where there is none.

    Raises OSError where that fails, with the file as it was before.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        save(aside, content.encode() if isinstance(content, str) else content)
        aside.replace(file)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
