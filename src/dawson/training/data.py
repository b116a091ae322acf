"""Everything that a run learns from, gathered before the first step: checked, divided, prepared, kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dawson.cases.case import Case
from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.cases.split import SETS, Split, read_split, write_split
from dawson.cases.splitting import k_folds, split_cases
from dawson.core.errors import UsageError
from dawson.recipe import Optimizer, Recipe
from dawson.synthesis.label_maps import LesionMap, nifti_files, read_heads, read_lesion_map
from dawson.training.prepared_cases import Prepared, Unit, prepare_units, units_of
from dawson.training.run_folder import CHECKPOINT, SPLIT, Tell
from dawson.training.sources import Mixture, Patches, Source, Volumes, Windows

SHARES = "0.8/0.125/0.075"  # of train, validation and test: the paper's 204, 32 and 20 of 256
NOTHING = "give --cases (labelled scans), or --maps and --masks (to learn from synthetic patients), or all of them"


@dataclass(frozen=True)
class Origin:
    """Where a run's images come from, as the user named it.

    ``cases`` is a BIDS data set or table; ``maps`` a folder of whole-head label maps (FreeSurfer values, 1 mm),
    ``masks`` one of binary lesion masks in MNI152 space (1 mm); ``split`` counts or shares of volumes, or
    a split.tsv, which may do without a validation set (then the last weights are the model); ``folds`` and
    ``fold`` (from 1) take a k-fold split instead; ``cache`` keeps prepared scans.
    """

    cases: Path | None = None
    maps: Path | None = None
    masks: Path | None = None
    split: str | Path | None = None
    folds: int | None = None
    fold: int | None = None
    cache: Path | None = None


@dataclass(frozen=True, eq=False)
class Data:
    """What a run learns from: images to train on, prepared ones to validate on, and units for the test."""

    source: Source
    validation: Sequence[Prepared] = ()
    test: Sequence[Unit] = ()
    train: Sequence[Unit] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def gather(origin: Origin, recipe: Recipe, out: Path, *, helper: Path | None, tell: Tell) -> Data:
    """Read, check, divide and prepare. ``helper`` finds the coarse anatomy for networks that see windows.

    Raises :class:`UsageError` for origins that do not fit the recipe, and what the parts raise for bad files.
    """
    if (origin.maps is None) != (origin.masks is None):
        raise UsageError("--maps and --masks belong together", remedy="give both or neither")
    if origin.cases is None and origin.maps is None:
        raise UsageError("there is nothing to learn from", remedy=NOTHING)
    if origin.cases is not None and recipe.synthesis.whole_head:
        raise UsageError(
            "a recipe of whole heads learns from label maps only",
            remedy="leave --cases out, or give a recipe whose synthesis.whole_head is off",
        )
    if origin.maps is not None and recipe.volume is not None:
        raise UsageError(
            "a recipe of whole volumes learns from cases only",
            remedy="make a synthetic cohort with dawson synth and give it as --cases",
        )
    patches, facts = None, {"label maps": 0, "lesion masks": 0, "cases": 0}
    if origin.maps is not None and origin.masks is not None:
        heads = read_heads(nifti_files(origin.maps), out / "cache")
        masks = [read_lesion_map(file) for file in nifti_files(origin.masks)]
        lesions = _without(masks, recipe.synthesis.exclude_masks, origin.masks)
        patches = Patches(heads, lesions, recipe)
        facts |= {"label maps": len(heads), "lesion masks": len(lesions)}
    if origin.cases is None:
        if patches is None:
            raise UsageError("there is nothing to learn from", remedy=NOTHING)
        return Data(patches, facts=facts)
    return _with_cases(origin, origin.cases, recipe, out, patches, facts, helper=helper, tell=tell)


def _with_cases(
    origin: Origin,
    where: Path,
    recipe: Recipe,
    out: Path,
    patches: Patches | None,
    facts: dict[str, Any],
    *,
    helper: Path | None,
    tell: Tell,
) -> Data:
    cases = find_cases(where)
    cache = origin.cache or out / "cache"

    def count(event: str) -> Any:
        return lambda done, total: tell({"event": event, "done": done, "of": total})

    found = check_cases(cases, cache=cache, source=where, progress=count("check"))
    loads = {fact.name: fact.load_ml for fact in found}
    split = _split(origin, cases, loads, out / SPLIT, recipe.optimizer, tell)
    units = {name: units_of(split[name], recipe) for name in ("train", "validation", "test")}
    wanted = [*units["train"], *units["validation"]]
    prepared = prepare_units(wanted, found, recipe, cache, helper=helper, progress=count("prepare"))
    notes = [f"{one.name}: {warning}" for one in prepared for warning in one.warnings]
    if notes:
        tell({"event": "table", "lines": [f"Note: {note}" for note in notes]})
    first = len(units["train"])
    if not any((one.lesion == 1).any() for one in prepared[:first]):
        raise UsageError(
            "none of the training scans has a lesion left on the recipe's grid",
            file=where,
            remedy="give cases with lesions, or a finer volume.spacing_mm",
        )
    real: Source = Volumes(prepared[:first], recipe)
    if recipe.volume is None:
        real = Windows(prepared[:first], recipe, () if patches is None else patches.lesions)
    facts |= {
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "volumes": {name: sum(len(u.modalities) for u in own) for name, own in units.items()},
    }
    source = real if patches is None else Mixture(patches, real, recipe)
    return Data(source, prepared[first:], units["test"], units["train"], facts)


def _split(
    origin: Origin, cases: tuple[Case, ...], loads: dict[str, float], file: Path, optimizer: Optimizer, tell: Tell
) -> Split:
    """The split of a run begun before, the one that was named, or a new one, which is written down."""
    named = Path(origin.split) if origin.split is not None and Path(origin.split).is_file() else None
    fold = origin.fold or 0
    if (origin.folds or fold) and (origin.split is not None or not 1 <= fold <= (origin.folds or 0)):
        raise UsageError("a k-fold split needs --folds K, --fold from 1 to K and no --split", remedy="give just these")
    begun = (file.parent / CHECKPOINT).exists() and file.exists()
    if named is not None:
        split = read_split(named, cases)
    elif origin.folds is not None:
        split = k_folds(cases, loads, origin.folds, seed=optimizer.seed)[fold - 1]
    elif origin.split is not None or not begun:
        split = split_cases(cases, loads, str(origin.split or SHARES), seed=optimizer.seed)
    else:
        split = read_split(file, cases)
    if not split.validation and (optimizer.schedule == "plateau" or optimizer.early_stop_epochs):
        waiting = "schedule (plateau)" if optimizer.schedule == "plateau" else "early_stop_epochs"
        raise UsageError(
            f"leaves no volume to validate with, which the recipe's optimizer.{waiting} goes by",
            file=named or file,
            remedy="give some volumes the set validation, or set optimizer.schedule to cosine and "
            "optimizer.early_stop_epochs to 0",
        )
    if not begun:
        write_split(file, split)
    elif _sets(split) != _sets(read_split(file, cases)):
        raise UsageError(
            "this run was begun with another split", file=file, remedy="leave --split out, or train into another folder"
        )
    tell({"event": "split", "volumes": {name: len(split[name]) for name in SETS}, "notes": list(split.notes)})
    return split


def _sets(split: Split) -> dict[str, set[tuple[str, str, str]]]:
    """Who is in which set, in no order."""
    return {name: {scan.key for scan in split[name]} for name in SETS}


def _without(lesions: list[LesionMap], excluded: tuple[str, ...], folder: Path) -> list[LesionMap]:
    """The lesion maps less the excluded ones, every one of which must be there: a typo would leak a patient."""
    names = {lesion.name for lesion in lesions}
    for name in excluded:
        if name not in names:
            raise UsageError(
                f"has no mask named {name!r}",
                file=folder,
                remedy="correct synthesis.exclude_masks in the recipe",
            )
    left = [lesion for lesion in lesions if lesion.name not in excluded]
    if not left:
        raise UsageError("leaves no lesion mask", file=folder, remedy="shorten synthesis.exclude_masks in the recipe")
    return left
