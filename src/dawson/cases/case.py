"""One labelled visit: the scans of a patient on one day, and the mask of the lesions in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from dawson.core.errors import InputError
from dawson.core.study import Modality


@dataclass(frozen=True)
class Case:
    """One visit of one patient: its scans by sequence, and the lesion mask that holds for all of them.

    ``patient`` and ``visit`` are the user's names (``sub-01`` and ``ses-2`` in BIDS); ``visit`` is empty
    where visits have no names. ``unsure`` marks, on the mask's grid, what nobody could call lesion or not:
    training looks away there.
    """

    patient: str
    visit: str
    scans: Mapping[Modality, Path]
    mask: Path
    unsure: Path | None = None

    @property
    def name(self) -> str:
        """``patient_visit``, or the patient alone where the visit has no name; unique in a cohort."""
        return f"{self.patient}_{self.visit}" if self.visit else self.patient

    @property
    def masks(self) -> dict[str, Path]:
        """The masks that there are, by the names of their columns in a table."""
        return {"mask": self.mask} | ({} if self.unsure is None else {"unsure": self.unsure})

    def __reduce__(self) -> tuple[object, ...]:
        """Survive the way to a worker process, which a read-only mapping does not."""
        return make_case, (self.patient, self.visit, dict(self.scans), self.mask, self.unsure)


def make_case(patient: str, visit: str, scans: Mapping[Modality, Path], mask: Path, unsure: Path | None = None) -> Case:
    """A case whose scans are in the order FLAIR, T1, T2 and cannot be changed."""
    ordered = {modality: scans[modality] for modality in Modality if modality in scans}
    return Case(patient, visit, MappingProxyType(ordered), mask, unsure)


def cohort_error(source: Path | None, problems: Iterable[str]) -> InputError:
    """One error for all problems of a cohort, a line each."""
    lines = list(dict.fromkeys(problems))
    count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
    return InputError(
        f"{count} found in these cases", remedy="put right what is listed here:\n  " + "\n  ".join(lines), file=source
    )
