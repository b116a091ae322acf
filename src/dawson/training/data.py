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
from dawson.core.errors import InputError, UsageError
from dawson.recipe import Optimizer, Recipe
from dawson.synthesis.label_maps import LesionMap, nifti_files, read_heads, read_lesion_map
from dawson.training.prepared_cases import Example, PreparedExample, examples_of, prepare_examples
from dawson.training.run_folder import CHECKPOINT, SPLIT
from dawson.training.settings import Progress, TrainingData
from dawson.training.sources import ImageSource, Mixture, Patches, SingleVolumes, Windows

SHARES = "0.8/0.125/0.075"  # of train, validation and test: the paper's 204, 32 and 20 of 256
NOTHING = "give --cases (labelled scans), or --maps and --masks (to learn from synthetic patients), or all of them"


@dataclass(frozen=True, eq=False)
class Data:
    """What a run learns from: images to train on, prepared ones to validate on, and examples for the test."""

    source: ImageSource
    validation: Sequence[PreparedExample] = ()
    test: Sequence[Example] = ()
    train: Sequence[Example] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def gather(given: TrainingData, recipe: Recipe, out: Path, *, anatomy_model: Path | None, progress: Progress) -> Data:
    """Read, check, divide and prepare. ``anatomy_model`` finds the coarse anatomy for networks that see windows.

    Raises :class:`UsageError` for data that does not fit the recipe, and what the parts raise for bad files.
    """
    if (given.maps is None) != (given.masks is None):
        raise UsageError("--maps and --masks belong together", remedy="give both or neither")
    if given.cases is None and given.maps is None:
        raise UsageError("there is nothing to learn from", remedy=NOTHING)
    if given.cases is not None and recipe.synthesis.whole_head:
        raise UsageError(
            "a recipe of whole heads learns from label maps only",
            remedy="leave --cases out, or give a recipe whose synthesis.whole_head is off",
        )
    if given.maps is not None and recipe.volume is not None:
        raise UsageError(
            "a recipe of whole volumes learns from cases only",
            remedy="make a synthetic cohort with dawson synth and give it as --cases",
        )
    patches, facts = None, {"label maps": 0, "lesion masks": 0, "cases": 0}
    if given.maps is not None and given.masks is not None:
        heads = read_heads(nifti_files(given.maps), out / "cache")
        masks = [read_lesion_map(file) for file in nifti_files(given.masks)]
        lesions = _without(masks, recipe.synthesis.exclude_masks, given.masks)
        patches = Patches(heads, lesions, recipe)
        facts |= {"label maps": len(heads), "lesion masks": len(lesions)}
    if given.cases is None:
        if patches is None:
            raise UsageError("there is nothing to learn from", remedy=NOTHING)
        return Data(patches, facts=facts)
    return _with_cases(given, given.cases, recipe, out, patches, facts, anatomy_model=anatomy_model, progress=progress)


def _with_cases(
    given: TrainingData,
    where: Path,
    recipe: Recipe,
    out: Path,
    patches: Patches | None,
    facts: dict[str, Any],
    *,
    anatomy_model: Path | None,
    progress: Progress,
) -> Data:
    cases = find_cases(where)
    cache = given.cache or out / "cache"

    def count(event: str) -> Any:
        return lambda done, total: progress({"event": event, "done": done, "of": total})

    found = check_cases(cases, cache=cache, source=where, progress=count("check"))
    loads = {fact.name: fact.load_ml for fact in found}
    split = _split(given, cases, loads, out / SPLIT, recipe.optimizer, progress)
    examples = {name: examples_of(split[name], recipe) for name in ("train", "validation", "test")}
    wanted = [*examples["train"], *examples["validation"]]
    bad: list[str] | None = [] if given.skip_bad else None
    made = prepare_examples(
        wanted, found, recipe, cache, anatomy_model=anatomy_model, left_out=bad, progress=count("prepare")
    )
    trained_on = {example.name for example in examples["train"]}
    train = [one for one in made if one.name in trained_on]
    validation = [one for one in made if one.name not in trained_on]
    notes = [f"Left out: {line}" for line in bad or ()]
    notes += [f"Note: {one.name}: {warning}" for one in (*train, *validation) for warning in one.warnings]
    if notes:
        progress({"event": "table", "lines": notes})
    if not any((one.lesion == 1).any() for one in train):
        raise UsageError(
            "none of the training scans has a lesion left on the recipe's grid",
            file=where,
            remedy="give cases with lesions, or a finer volume.spacing_mm",
        )
    if examples["validation"] and not validation:
        raise InputError("no scan of the validation set can be prepared", remedy="give other --split", file=where)
    real: ImageSource = SingleVolumes(train, recipe)
    if recipe.volume is None:
        real = Windows(train, recipe, () if patches is None else patches.lesions)
    facts |= {
        "cases": len(cases),
        "patients": len({case.patient for case in cases}),
        "volumes": {name: sum(len(u.modalities) for u in group) for name, group in examples.items()},
        "left out": len(bad or ()),
    }
    source = real if patches is None else Mixture(patches, real, recipe)
    return Data(source, validation, examples["test"], examples["train"], facts)


def _split(
    given: TrainingData,
    cases: tuple[Case, ...],
    loads: dict[str, float],
    file: Path,
    optimizer: Optimizer,
    progress: Progress,
) -> Split:
    """The split of a run begun before, the one that was named, or a new one, which is written down."""
    named = Path(given.split) if given.split is not None and Path(given.split).is_file() else None
    fold = given.fold or 0
    if (given.folds or fold) and (given.split is not None or not 1 <= fold <= (given.folds or 0)):
        raise UsageError("a k-fold split needs --folds K, --fold from 1 to K and no --split", remedy="give just these")
    begun = (file.parent / CHECKPOINT).exists() and file.exists()
    if named is not None:
        split = read_split(named, cases)
    elif given.folds is not None:
        split = k_folds(cases, loads, given.folds, seed=optimizer.seed)[fold - 1]
    elif given.split is not None or not begun:
        split = split_cases(cases, loads, str(given.split or SHARES), seed=optimizer.seed)
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
    progress({"event": "split", "volumes": {name: len(split[name]) for name in SETS}, "notes": list(split.notes)})
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
