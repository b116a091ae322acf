"""dawson: find, measure and follow multiple sclerosis lesions on brain MRI.

>>> import dawson
>>> study = dawson.read_study("visit")                   # or flair="...", t1="...", t2="..."
>>> segmentation = dawson.segment(study)
>>> summary = dawson.write(segmentation, "results")
>>> page, pdf = dawson.report("results")

In steps, with arrays in between:

>>> model = dawson.load_model()                          # or the folder of a model of your own
>>> prepared = dawson.prepare(study, model=model)        # images (3, i, j, k) on prepared.grid
>>> prediction = dawson.predict(prepared, model)         # probability and anatomy (i, j, k) on the same grid

``dawson.evaluate`` compares masks with the truth; ``dawson.train`` makes models, and needs the extra ``train``.

Names are loaded when they are first asked for, so that ``import dawson`` itself takes no time. Rooms are nouns
(``dawson.results``) and these are verbs, so that no function hides a package.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dawson.cases.visit import read_study
    from dawson.core.errors import DawsonError, InputError, ModelError, UsageError
    from dawson.core.grid import Grid
    from dawson.core.result import Lesion, Segmentation
    from dawson.core.study import Modality, Scan, Study
    from dawson.evaluation.run import evaluate
    from dawson.model.card import Model, load_model
    from dawson.preparation.crop import PreparedStudy
    from dawson.preparation.prepare import prepare
    from dawson.preparation.single_volume import PreparedScan
    from dawson.reporting.run import report
    from dawson.results.write import write
    from dawson.segmentation.pipeline import segment
    from dawson.segmentation.predict import Prediction, predict
    from dawson.training.run import train
    from dawson.training.settings import TrainingData, TrainingOptions

    __version__: str

__all__ = [
    "DawsonError",
    "Grid",
    "InputError",
    "Lesion",
    "Modality",
    "Model",
    "ModelError",
    "Prediction",
    "PreparedScan",
    "PreparedStudy",
    "Scan",
    "Segmentation",
    "Study",
    "TrainingData",
    "TrainingOptions",
    "UsageError",
    "__version__",
    "evaluate",
    "load_model",
    "predict",
    "prepare",
    "read_study",
    "report",
    "segment",
    "train",
    "write",
]

_HOME = {
    "DawsonError": "dawson.core.errors",
    "Grid": "dawson.core.grid",
    "InputError": "dawson.core.errors",
    "Lesion": "dawson.core.result",
    "Modality": "dawson.core.study",
    "Model": "dawson.model.card",
    "ModelError": "dawson.core.errors",
    "Prediction": "dawson.segmentation.predict",
    "PreparedScan": "dawson.preparation.single_volume",
    "PreparedStudy": "dawson.preparation.crop",
    "Scan": "dawson.core.study",
    "Segmentation": "dawson.core.result",
    "Study": "dawson.core.study",
    "TrainingData": "dawson.training.settings",
    "TrainingOptions": "dawson.training.settings",
    "UsageError": "dawson.core.errors",
    "evaluate": "dawson.evaluation.run",
    "load_model": "dawson.model.card",
    "predict": "dawson.segmentation.predict",
    "prepare": "dawson.preparation.prepare",
    "read_study": "dawson.cases.visit",
    "report": "dawson.reporting.run",
    "segment": "dawson.segmentation.pipeline",
    "train": "dawson.training.run",
    "write": "dawson.results.write",
}
_EXTRA = {"torch", "safetensors", "onnx"}
"""What the extra ``train`` brings."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        value: Any = import_module("dawson.core.version").dawson_version()
    elif name in _HOME:
        try:
            value = getattr(import_module(_HOME[name]), name)
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            value = _without_extra(name, error.name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def _without_extra(name: str, missing: str) -> Callable[..., Any]:
    """What stands for a verb that needs the extra ``train``: it refuses, and says what to install."""

    def refuse(*_: Any, **__: Any) -> Any:
        from dawson.core.errors import UsageError  # noqa: PLC0415 (nothing is imported before it is asked for)

        raise UsageError(
            f"dawson.{name} needs {missing}, which is not installed",
            remedy="install a build of torch that fits this machine first, then in the clone of dawson: "
            "pip install '.[train]'",
        )

    return refuse


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
