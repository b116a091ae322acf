"""Names of BIDS files and folders: entities such as ``sub-01``, a suffix such as ``T1w``. Everybody reads them here.

The rule is that of BIDS 1.11: parts are joined by underscores, an entity is a key and a label joined by a hyphen, a
label is made of letters, digits and plus signs. The order of entities, which BIDS prescribes, is not asked for here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dawson.core.study import Modality

SUFFIXES: Mapping[str, Modality] = {"FLAIR": Modality.FLAIR, "T1w": Modality.T1, "T2w": Modality.T2}
MASK_SUFFIXES = ("mask", "roi", "dseg")
LESION_LABEL = re.compile("L|(?i:lesions?|wmh)")  # of the entity label; L is what BIDS calls a lesion

_ENTITY = re.compile(r"([0-9A-Za-z]+)-([0-9A-Za-z+]+)")
_ENDING = re.compile(r"\.nii(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True)
class BidsName:
    """What the name of a file or folder tells.

    ``entities`` are labels by key, in the order of the name. ``suffix`` is the last part where that is no entity, else
    empty. ``malformed`` are parts with a hyphen that are no entity, or repeat one; further words are ignored.
    """

    entities: Mapping[str, str]
    suffix: str
    malformed: tuple[str, ...] = ()

    @property
    def marks_lesions(self) -> bool:
        """Whether this names a lesion mask: the entity label says so, and the suffix, where there is one, a mask."""
        suffix = not self.suffix or self.suffix in MASK_SUFFIXES
        return suffix and LESION_LABEL.fullmatch(self.entities.get("label", "")) is not None


def parse_name(name: str) -> BidsName:
    """Read the name of a NIfTI file, with or without its ending, or of a folder.

    >>> parse_name("sub-01_ses-2_label-lesion_mask.nii.gz")
    BidsName(entities={'sub': '01', 'ses': '2', 'label': 'lesion'}, suffix='mask', malformed=())
    """
    parts = _ENDING.sub("", name).split("_")
    entities: dict[str, str] = {}
    malformed = []
    for part in parts:
        entity = parse_entity(part)
        if entity is not None and entity[0] not in entities:
            entities[entity[0]] = entity[1]
        elif "-" in part:
            malformed.append(part)
    return BidsName(entities, "" if "-" in parts[-1] else parts[-1], tuple(malformed))


def parse_entity(part: str) -> tuple[str, str] | None:
    """Key and label of one part of a name; None where it is no entity.

    >>> parse_entity("sub-01"), parse_entity("sub-01.old")
    (('sub', '01'), None)
    """
    found = _ENTITY.fullmatch(part)
    return None if found is None else (found[1], found[2])


def parse_path(parts: Iterable[str]) -> dict[str, str]:
    """The entities that folders and file name tell together, outermost first; what is further in counts.

    >>> parse_path(["derivatives", "sub-01", "sub-01_ses-2_FLAIR.nii.gz"])
    {'sub': '01', 'ses': '2'}
    """
    entities: dict[str, str] = {}
    for part in parts:
        entities |= parse_name(part).entities
    return entities
