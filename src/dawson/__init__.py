"""dawson: find, measure and follow multiple sclerosis lesions on brain MRI.

>>> import dawson
>>> study = dawson.read_study("visit")                   # or flair="...", t1="...", t2="..."
>>> segmentation = dawson.segment(study)
>>> summary = dawson.write(segmentation, "results")
>>> page, pdf = dawson.report("results")
>>> evaluation = dawson.evaluate("truth-masks", "results")

Names are loaded when they are first asked for, so that ``import dawson`` itself takes no time.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dawson.errors import DawsonError, InputError, ModelError, UsageError
    from dawson.evaluate.run import evaluate
    from dawson.pipeline import segment
    from dawson.read import read_study
    from dawson.report.run import report
    from dawson.study import Grid, Lesion, Scan, Segmentation, Sequence, Study
    from dawson.write import write

    __version__: str

__all__ = [
    "DawsonError",
    "Grid",
    "InputError",
    "Lesion",
    "ModelError",
    "Scan",
    "Segmentation",
    "Sequence",
    "Study",
    "UsageError",
    "__version__",
    "evaluate",
    "read_study",
    "report",
    "segment",
    "write",
]

_HOME = {
    "DawsonError": "dawson.errors",
    "Grid": "dawson.study",
    "InputError": "dawson.errors",
    "Lesion": "dawson.study",
    "ModelError": "dawson.errors",
    "Scan": "dawson.study",
    "Segmentation": "dawson.study",
    "Sequence": "dawson.study",
    "Study": "dawson.study",
    "UsageError": "dawson.errors",
    "evaluate": "dawson.evaluate.run",
    "read_study": "dawson.read",
    "report": "dawson.report.run",
    "segment": "dawson.pipeline",
    "write": "dawson.write",
}


class _Package(ModuleType):
    """The package, in which a verb stays a verb.

    Importing the room ``dawson.write`` would make Python bind that module to ``dawson.write``, where the
    function belongs; whether it did would depend on who imported what first. This refuses the binding.
    """

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib import metadata  # noqa: PLC0415 (slow to import, and seldom asked for)

        try:
            value: Any = metadata.version("dawson")
        except metadata.PackageNotFoundError:  # run from a source tree that was never installed
            value = "0+unknown"
    elif name in _HOME:
        value = getattr(import_module(_HOME[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
