"""Files that change in one step."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from uuid import uuid4


def replace_file(file: Path, content: str | bytes) -> None:
    """Write aside, then rename, so that nobody ever sees half of it; its folder is made where there is none.

    Raises OSError where that fails, with the file as it was before.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.{uuid4().hex[:8]}")
    try:
        with aside.open("wb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())  # a rename must not outrun the content
        aside.replace(file)
    finally:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
