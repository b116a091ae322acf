"""dawson: find, measure and follow multiple sclerosis lesions on brain MRI.

>>> import dawson
>>> study = dawson.read_study("visit")                   # or flair="...", t1="...", t2="..."
>>> segmentation = dawson.segment(study)
>>> summary = dawson.write(segmentation, "results")
>>> page, pdf = dawson.report("results")
>>> evaluation = dawson.evaluate("truth-masks", "results")

Names are loaded when they are first asked for, so that ``import dawson`` itself takes no time. Rooms are nouns
(``dawson.results``) and these are verbs, so that no function hides a package.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dawson.cases.visit import read_study
    from dawson.core.errors import DawsonError, InputError, ModelError, UsageError
    from dawson.core.grid import Grid
    from dawson.core.result import Lesion, Segmentation
    from dawson.core.study import Modality, Scan, Study
    from dawson.evaluation.run import evaluate
    from dawson.model.card import load_model
    from dawson.reporting.run import report
    from dawson.results.write import write
    from dawson.segmentation.pipeline import segment

    __version__: str

__all__ = [
    "DawsonError",
    "Grid",
    "InputError",
    "Lesion",
    "Modality",
    "ModelError",
    "Scan",
    "Segmentation",
    "Study",
    "UsageError",
    "__version__",
    "evaluate",
    "load_model",
    "read_study",
    "report",
    "segment",
    "write",
]

_HOME = {
    "DawsonError": "dawson.core.errors",
    "Grid": "dawson.core.grid",
    "InputError": "dawson.core.errors",
    "Lesion": "dawson.core.result",
    "Modality": "dawson.core.study",
    "ModelError": "dawson.core.errors",
    "Scan": "dawson.core.study",
    "Segmentation": "dawson.core.result",
    "Study": "dawson.core.study",
    "UsageError": "dawson.core.errors",
    "evaluate": "dawson.evaluation.run",
    "load_model": "dawson.model.card",
    "read_study": "dawson.cases.visit",
    "report": "dawson.reporting.run",
    "segment": "dawson.segmentation.pipeline",
    "write": "dawson.results.write",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("dawson.core.version").dawson_version()
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
