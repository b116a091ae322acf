"""What the summary says of the code that made a result."""

from __future__ import annotations

from pathlib import Path

import dawson
from dawson.results.summary import NO_PART


def test_rooms_that_have_no_part_in_a_result_are_there():
    """A room that was renamed would enter the hash, and each change of it would make results look old."""
    package = Path(dawson.__file__).parent
    assert all((package / room / "__init__.py").is_file() for room in NO_PART)
