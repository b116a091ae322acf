"""Which sequence a file's name tells, by the words that people and scanners use."""

from __future__ import annotations

import re
from enum import StrEnum

from dawson.cases.bids_names import parse_entity
from dawson.core.study import Modality

PLANES = "(3d|2d|ax|sag|cor|tra)*"
WEIGHTED = f"(w|wi|weighted)?(se|tse|fse)?{PLANES}"
T1 = re.compile(f"{PLANES}t1{WEIGHTED}|{PLANES}(t1)?(mprage|f?spgr|bravo){PLANES}")
T2 = re.compile(f"{PLANES}t2{WEIGHTED}")
NAMELESS = ("sub", "ses", "run", "rec", "space", "res", "dir", "echo")  # entities of BIDS whose labels name no sequence

RESULT = re.compile(
    r".*(mask|lesion|segment|anatomy|probab|consensus).*"
    r"|([ad]?seg|aparc|labels?|prob(seg)?|gt|rois?|manual|(t[12])?maps?|[gw]m|csf|pve|atlas|warp|jacobian"
    r"|bias(field)?|diff|ratio)\d*"
)
CONTRAST = re.compile("(t1w?|flair)?(ce|gd|gad|gado|gadolinium|km|post|contrast|postcontrast)|t1w?c")
BEFORE_CONTRAST = {"pre", "no", "non", "without", "wo", "native"}
OTHER = re.compile(
    r"star|t2star.*|t2\*.*|[rt]2s|swi|swan|qsm|dwi|adc|trace|pdw?|pdt2|dp|bold|tof|mra|asl|phase|tirm|stir|dir"
    r"|psir|mp2rage|t1rho"
)
GRADIENT_ECHO = {"gre", "ffe", "flash", "medic", "hemo"}  # of a T2 they say T2*; a T1 is often made so


class NotUsed(StrEnum):
    """Why a file is not taken for a FLAIR, T1 or T2 scan."""

    RESULT = "a mask or result"
    CONTRAST = "contrast-enhanced"
    OTHER = "another sequence"
    SEVERAL = "names more than one sequence"
    UNKNOWN = "names no sequence"


def modality_of_name(name: str) -> Modality | NotUsed:
    """The sequence that a NIfTI file's ``name`` tells, or why the file is not used.

    Only whole words count, in upper or lower case, so that ``T1map`` or ``t2star`` is no T1 or T2; a
    name that leaves doubt is not used, since the network would take the wrong contrast for granted.
    """
    stem = re.sub(r"\.((nii|hdr|img)(\.gz)?|mgz|mgh)$", "", name.lower())
    parts = [part for part in stem.split("_") if (parse_entity(part) or ("",))[0] not in NAMELESS]
    words = {word for part in parts for word in re.split(r"[^a-z0-9*]+", part) if word}
    if any(RESULT.fullmatch(word) for word in words):
        return NotUsed.RESULT
    contrast = any(CONTRAST.fullmatch(word) for word in words) or "+c" in stem
    if contrast and not words & BEFORE_CONTRAST:
        return NotUsed.CONTRAST
    return _weighting(words)


def _weighting(words: set[str]) -> Modality | NotUsed:
    flair = any("flair" in word or "darkfluid" in word for word in words) or words >= {"dark", "fluid"}
    t1 = any(T1.fullmatch(word) or ("flair" in word and "t1" in word) for word in words)
    t2 = any(T2.fullmatch(word) for word in words)
    if t1 and (flair or t2):  # T1_to_FLAIR, T1_FLAIR, T1_T2: to choose one would be to guess
        return NotUsed.SEVERAL
    if flair:  # a T2_FLAIR too
        return Modality.FLAIR
    other = any(OTHER.fullmatch(word) for word in words)
    if other or (t2 and words & GRADIENT_ECHO):
        return NotUsed.OTHER
    if t1:
        return Modality.T1
    return Modality.T2 if t2 else NotUsed.UNKNOWN
