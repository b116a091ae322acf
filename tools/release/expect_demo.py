"""Write what the shipped model finds in the embedded example, for the self-test of ``dawson doctor``.

    python -m tools.release.expect_demo

To be run for a new model and for a new example. int8, f32 and bf16 differ there by one lesion and 4 % of the load.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import dawson
from dawson.cases.demo import EXPECTATION, DemoExpectation, demo_study_files
from dawson.core.files import replace_file

COUNT_TOLERANCE, LOAD_TOLERANCE = 2, 0.1


def main() -> None:
    """Segment the FLAIR of the example, which takes the least time, and write the figures beside it."""
    flair = demo_study_files()[dawson.Modality.FLAIR]
    found = dawson.segment(dawson.read_study(flair=flair))
    expectation = DemoExpectation(
        ("flair",),
        dawson.load_model().summary["sha256"],
        len(found.table),
        round(found.load_ml, 4),
        COUNT_TOLERANCE,
        LOAD_TOLERANCE,
    )
    content = json.dumps(asdict(expectation), indent=2) + "\n"
    replace_file(flair.with_name(EXPECTATION), content)
    print(content)


if __name__ == "__main__":
    main()
