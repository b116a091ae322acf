"""The coarse anatomy by name: which labels mean what, and where they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from dawson.core.arrays import Mask

VENTRICLES, CORTEX, WHITE_MATTER = "ventricles", "cortex", "white-matter"
BELOW_TENTORIUM = ("cerebellum", "brain-stem")
TISSUE = (CORTEX, "deep-grey", WHITE_MATTER, *BELOW_TENTORIUM)
"""Names that labels of a model's card may have; fluid and outside are the others."""


def knows_anatomy(names: Mapping[int, str]) -> bool:
    """Whether a model's labels tell ventricles, cortex and what lies below the tentorium apart."""
    return {VENTRICLES, CORTEX, *BELOW_TENTORIUM} <= set(names.values())


def label_lookup(names: Mapping[int, str], wanted: Collection[str]) -> Mask:
    """A table (256,) that tells for each label value whether its name is among the wanted ones."""
    table = np.zeros(256, dtype=bool)
    table[[value for value, name in names.items() if name in wanted]] = True
    return table
