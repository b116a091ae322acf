"""The columns of an evaluation and the sentence that defines each: one text for table, JSON and page."""

from __future__ import annotations

from dawson.evaluation.settings import ANY, MSSEG, Settings, suffix_of, threshold_of

SIZES: tuple[tuple[str, str, float, float], ...] = (
    ("lt10", "of less than 10 mm³", 0.0, 10.0),
    ("10_100", "from 10 to below 100 mm³", 10.0, 100.0),
    ("100_1000", "from 100 to 1000 mm³", 100.0, 1000.0),
    ("gt1000", "of more than 1000 mm³", 1000.0, float("inf")),
)
"""Size groups of truth lesions: name, words, volumes in mm³ between which they lie (the ends are told in the words)."""

_VOXELWISE = {
    "dice": "Dice coefficient 2TP / (2TP + FP + FN) over all voxels, 0 to 1; both masks empty: 1, one empty: 0 "
    "(Dice 1945).",
    "iou": "Intersection over union (Jaccard) TP / (TP + FP + FN) over all voxels, 0 to 1; both masks empty: 1, one "
    "empty: 0.",
    "precision": "Share of the predicted voxels that are lesion in the truth, TP / (TP + FP), 0 to 1; both masks "
    "empty: 1, truth empty: 0, prediction empty and truth not: undefined.",
    "sensitivity": "Share of the truth's lesion voxels that were predicted, TP / (TP + FN), 0 to 1; both masks empty: "
    "1, prediction empty: 0, truth empty and prediction not: undefined.",
    "volume_truth_ml": "Volume of the truth mask in ml, components of every size counted.",
    "volume_predicted_ml": "Volume of the predicted mask in ml, components of every size counted.",
    "volume_difference_percent": "Absolute volume difference |predicted - truth| / truth in percent; both masks empty: "
    "0, truth empty and prediction not: undefined.",
    "volume_difference_ml": "Signed volume difference predicted - truth in ml: positive where too much was predicted.",
}

_SURFACE = (
    "over surface voxels (mask less its 6-connected erosion, beyond the edge of the scan counting as outside), "
    "distances between voxel centres in 3D in mm"
)


def columns_of(settings: Settings) -> tuple[str, ...]:
    """Names of the columns under these settings, in the order in which they are printed."""
    return tuple(definitions_of(settings))


def definitions_of(settings: Settings) -> dict[str, str]:
    """For each column, in order, one sentence: definition, unit, policy for empty masks, source."""
    texts = dict(_VOXELWISE)
    head = {name: texts.pop(name) for name in ("dice", "iou", "precision", "sensitivity")}
    texts = {**head, "normalised_dice": _normalised(settings), **texts, **_surfaces(settings)}
    for rule in settings.rules:
        texts |= _under(rule, settings)
    return texts | _counts(settings)


def _normalised(settings: Settings) -> str:
    return (
        "Normalised Dice: as Dice, but false-positive voxels are scaled by (1 - r) P / (r N), with P lesion and N "
        "other voxels of the truth's whole grid, so that precision is as at a lesion share of r = "
        f"{settings.reference_rate:g} whatever the load; 0 to 1; both masks empty: 1, one empty: 0 (Raina et al. 2023; "
        "Shifts 2.0, Malinin et al. 2022)."
    )


def _surfaces(settings: Settings) -> dict[str, str]:
    empty = "both masks empty: 0, one empty, or surface distances not asked for: undefined"
    return {
        "hd95_mm": "95th-percentile Hausdorff distance in mm: the greater of the two directed 95th percentiles "
        f"(linear interpolation) {_SURFACE}; {empty} (as MONAI).",
        "assd_mm": "Average symmetric surface distance in mm: the mean of the distances from either mask to the other, "
        f"pooled, {_SURFACE}; {empty} (as MONAI, symmetric).",
        "nsd": f"Normalised surface Dice at {settings.tolerance_mm:g} mm: share of the surface voxels of both masks "
        f"that lie within {settings.tolerance_mm:g} mm of the other's surface, counted {_SURFACE}; 0 to 1; both masks "
        "empty: 1, one empty: 0, surface distances not asked for: undefined (Nikolov et al. 2021, by voxels as MONAI).",
    }


def _found(rule: str) -> str:
    threshold = threshold_of(rule)
    if rule == ANY:
        return "a lesion counts as found where it shares at least one voxel with a lesion of the other mask"
    if rule == MSSEG:
        return (
            "a lesion counts as found where lesions of the other mask cover more than 10 % of it (alpha) and none of "
            "the largest contributors, taken until they make up 65 % of the overlap (gamma), lies for more than 70 % "
            "of itself outside all lesions of this mask (beta)"
        )
    return (
        "a lesion counts as found where its intersection over union with a single lesion of the other mask is at "
        f"least {threshold:g}"
    )


def cut_in_words(rule: str, settings: Settings) -> str:
    """Which components count as lesions under a rule."""
    if rule == MSSEG:
        return "6-connected lesions of more than 3 mm³ in both masks; Commowick et al. 2018, animaSegPerfAnalyzer"
    return f"{settings.connectivity}-connected lesions of at least {settings.minimum_mm3:g} mm³ in both masks"


def _under(rule: str, settings: Settings) -> dict[str, str]:
    name, how = suffix_of(rule), f"{_found(rule)} ({cut_in_words(rule, settings)})"
    return {
        f"lesion_recall_{name}": f"Share of the truth's lesions found under the rule {rule}: {how}; 0 to 1; both "
        "without lesions: 1, only the truth without: undefined.",
        f"lesion_precision_{name}": f"Share of the predicted lesions found in the truth under the rule {rule}: {how}; "
        "0 to 1; both without lesions: 1, only the prediction without: undefined.",
        f"lesion_f1_{name}": f"Harmonic mean of lesion recall and lesion precision under the rule {rule}: {how}; 0 to "
        "1; both without lesions: 1, only one without: 0.",
    }


def _counts(settings: Settings) -> dict[str, str]:
    rule = settings.rule
    cut = cut_in_words(rule, settings)
    texts = {
        "truth_lesions": f"Number of lesions of the truth ({cut}).",
        "predicted_lesions": f"Number of predicted lesions ({cut}).",
        "true_positives": f"Number of the truth's lesions found under the rule {rule}: {_found(rule)} ({cut}).",
        "false_negatives": f"Number of the truth's lesions not found under the rule {rule} ({cut}).",
        "false_positives": f"Number of predicted lesions not found in the truth under the rule {rule} ({cut}); a "
        "lesion-free truth counts like any other.",
    }
    for name, words, _, _ in SIZES:
        texts[f"recall_{name}"] = (
            f"Share of the truth's lesions {words} found under the rule {rule} ({cut}), 0 to 1; no such lesion: "
            "undefined."
        )
        texts[f"n_{name}"] = f"Number of the truth's lesions {words} ({cut})."
    return texts
