"""A model is a folder: ``model.onnx`` to run and to fine-tune, ``card.json`` to judge by.

``model.int8.onnx``, where there is one, runs faster on most CPUs (:mod:`dawson.model.quantise` writes it).
The card carries what the network finds (``task``) and the subsets of sequences that it was trained on (``inputs``), the
recipe (so that scans are prepared as they were in training), the threshold, the least peak and the minimum size of
lesions, how probabilities are calibrated by subset of sequences, the meaning of the anatomy labels and what their
scores are divided by, what the model was trained on, its measured accuracy, and the SHA-256 of all weight files; those
of the ONNX files are checked whenever it is loaded.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from dawson.core.errors import DawsonError, ModelError
from dawson.core.files import replace_file
from dawson.core.study import Modality
from dawson.recipe import Recipe, recipe_from_dict

SHIPPED = "dawson-1"
LOCATOR = "locator"
TASKS = ("lesions", "brain")
SUBSETS = tuple("+".join(s) for n in range(1, len(Modality) + 1) for s in itertools.combinations(Modality, n))
CARD, ONNX, INT8 = "card.json", "model.onnx", "model.int8.onnx"


@dataclass(frozen=True, eq=False)
class Model:
    """A model folder, read and checked.

    ``calibration`` holds slope and offset for the log-odds of lesions by what was given, say ``{"t1": (1.8, 3.1)}``;
    for subsets that it lacks they are 1 and 0. ``anatomy_weights`` are what the scores of the anatomy's classes are
    divided by: those of the loss, or what the card has in their place (tools/studies/anatomy.py).
    ``task`` is ``lesions``, or ``brain`` for a network that finds the brain alone; ``inputs`` are the subsets of
    sequences that it was trained on, ``flair+t1``.
    """

    folder: Path
    card: Mapping[str, Any]
    recipe: Recipe
    task: str
    inputs: tuple[str, ...]
    threshold: float
    peak: float
    minimum_mm3: float
    anatomy_names: Mapping[int, str]
    calibration: Mapping[str, tuple[float, float]]
    anatomy_weights: tuple[float, ...]

    @property
    def onnx(self) -> Path:
        """The file that the engine runs."""
        return self.folder / ONNX

    @property
    def int8(self) -> Path | None:
        """The same network for 8-bit integers, if the model has been quantised."""
        return self.folder / INT8 if INT8 in self.card["sha256"] else None

    def calibration_of(self, given: str) -> tuple[float, float]:
        """Slope and offset for what was given, ``flair+t1``."""
        return self.calibration.get(given, (1.0, 0.0))

    @property
    def dice(self) -> dict[str, float]:
        """Mean Dice on the validation scans by input subset, as far as it was measured."""
        means = (self.card.get("accuracy") or {}).get("mean", {})
        return {str(subset): float(mean["dice"]) for subset, mean in means.items()}

    @property
    def summary(self) -> dict[str, Any]:
        """What results say of the model that made them."""
        return {
            "name": self.card["name"],
            "version": self.card["version"],
            "sha256": self.card["sha256"][ONNX],
            "int8_sha256": self.card["sha256"].get(INT8),  # the file that was run, where precision says int8
            "threshold": self.threshold,
            "peak": self.peak,
            "minimum_lesion_mm3": self.minimum_mm3,
            "calibration": dict(self.calibration),
            "anatomy_weights": list(self.anatomy_weights),
            "accuracy": self.card.get("accuracy"),
            "trained_on": self.card.get("data"),
        }


def find_model(model: Path | str | None = None) -> Path:
    """The folder that holds a model's card; the shipped model of lesions where ``model`` is left out.

    ``model`` is the name of a shipped model, a model folder, or a run folder, which holds its model one level down.
    Raises :class:`ModelError` where a name means a shipped model and a folder of the user's as well.
    """
    if model is None:
        return _shipped(SHIPPED)
    inner = Path(model) / "model"
    folder = inner if (inner / CARD).is_file() else Path(model)
    if not is_shipped(model):
        return folder
    if (folder / CARD).is_file() and not folder.samefile(_shipped(model)):
        raise ModelError(
            f"is a model in this folder, and {model} is a shipped model's name too",
            file=folder,
            remedy=f"give its whole path, {Path(model).absolute()}, or rename it to use the shipped one",
        )
    return _shipped(model)


def is_shipped(model: Path | str) -> bool:
    """Whether this is the name of a shipped model, rather than a folder."""
    return Path(model).name == str(model) and (_shipped(model) / CARD).is_file()


def _shipped(name: Path | str) -> Path:
    return Path(str(resources.files("dawson.model") / "shipped" / str(name)))


def load_model(model: Path | str | None = None) -> Model:
    """Read a model by the name of a shipped one, its folder or its run's folder; the shipped model where left out.

    Raises :class:`ModelError` where a file is missing, the card is not a card or lacks an entry, or weights differ from
    the card's hash.

    >>> import dawson
    >>> dawson.load_model("dawson-1").minimum_mm3
    3.0
    """
    where = find_model(model)
    remedy = f"name {SHIPPED}, a model folder or a run folder as `dawson train` writes them"
    try:
        card = json.loads((where / CARD).read_text("utf-8"))
        recipe = recipe_from_dict(card["recipe"])
        hashes = card["sha256"]
        wanted = {ONNX: hashes[ONNX]} | ({INT8: hashes[INT8]} if INT8 in hashes else {})
        _ = card["name"], card["version"], card["parenchyma"], card["core"]
        loaded = Model(
            where,
            card,
            recipe,
            _one_of(card["task"], TASKS),
            tuple(_one_of(name, SUBSETS) for name in card["inputs"]),
            float(card["threshold"]),
            float(card["peak"]),
            float(card["minimum_lesion_mm3"]),
            {int(value): str(name) for value, name in card["anatomy"].items()},
            {str(name): _pair(*values) for name, values in (card.get("calibration") or {}).items()},
            _weights(card.get("anatomy_weights") or recipe.loss.anatomy_weights, card["anatomy"]),
        )
        found = {name: sha256(where / name) for name in wanted}
    except OSError as error:
        raise ModelError(f"cannot be read ({error.strerror})", file=error.filename or where, remedy=remedy) from error
    except (ValueError, KeyError, TypeError, AttributeError, DawsonError) as error:
        raise ModelError(f"is not a model card ({error})", file=where / CARD, remedy=remedy) from error
    for name, known in wanted.items():
        if found[name] != known:
            raise ModelError(
                "differs from the hash in its card", file=where / name, remedy="install or train the model again"
            )
    return loaded


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write the card of the model in ``folder`` in one step: what interrupts leaves the card that was there before."""
    replace_file(folder / CARD, json.dumps(card, indent=2, ensure_ascii=False) + "\n")


def subset_names(subsets: Iterable[str]) -> list[str]:
    """Subsets of sequences as cards name them: ``t1+flair`` is ``flair+t1``."""
    return [name for name in SUBSETS if any(set(name.split("+")) == set(subset.split("+")) for subset in subsets)]


def _one_of(value: Any, known: Sequence[str]) -> str:
    if value not in known:
        raise ValueError(f"{value!r}, where {', '.join(known)} are known")
    return str(value)


def _pair(slope: float, offset: float) -> tuple[float, float]:
    if not float(slope) > 0:
        raise ValueError(f"a slope of {slope} in its calibration")
    return float(slope), float(offset)


def _weights(values: Sequence[float], classes: Mapping[str, str]) -> tuple[float, ...]:
    weights = tuple(float(value) for value in values)
    if classes and (len(weights) != len(classes) or not all(0 < w < math.inf for w in weights)):
        raise ValueError(f"anatomy_weights are {weights}, where {len(classes)} above 0 are needed")
    return weights


def sha256(file: Path) -> str:
    """SHA-256 of a file's bytes, as hexadecimal text."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
