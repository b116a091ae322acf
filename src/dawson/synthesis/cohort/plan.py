"""What a synthetic cohort is made from, and what each of its patients will be before any is made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dawson.core.errors import UsageError
from dawson.core.study import Modality
from dawson.synthesis.label_maps import nifti_files

SCANNERS = 4  # in the cohort; most patients stay with one
OTHER_SCANNER = 0.15  # chance of each further visit


@dataclass(frozen=True)
class CohortSettings:
    """What a cohort is made from.

    ``maps`` are whole-head label maps (FreeSurfer values, 1 mm), ``masks`` binary lesion masks in MNI152 space (1 mm).
    ``visits`` are the fewest and the most of a patient. A visit has a FLAIR, a T1 and a T2 on one grid (on grids of
    their own with ``own_grids``); with ``volumes``, single T1 and T2 scans are left out until that many scans remain.
    ``healthy`` is the share of patients without lesions.
    """

    maps: tuple[Path, ...]
    masks: tuple[Path, ...]
    patients: int
    visits: tuple[int, int] = (1, 4)
    volumes: int | None = None
    healthy: float = 0.05
    own_grids: bool = False
    seed: int = 0

    @classmethod
    def of_folders(
        cls,
        maps: Path,
        masks: Path,
        *,
        patients: int,
        visits: tuple[int, int] = (1, 4),
        volumes: int | None = None,
        healthy: float = 0.05,
        own_grids: bool = False,
        seed: int = 0,
    ) -> CohortSettings:
        """Settings with all label maps and masks of two folders. Raises InputError where one holds none."""
        files = tuple(nifti_files(maps)), tuple(nifti_files(masks))
        return cls(*files, patients, visits, volumes, healthy, own_grids, seed)


@dataclass(frozen=True)
class PatientPlan:
    """One patient before it is made: files by number in the settings, scanner and sequences of each visit."""

    number: int
    head: int
    lesions: int | None
    scanners: tuple[int, ...]
    modalities: tuple[tuple[Modality, ...], ...]

    @property
    def name(self) -> str:
        """The patient's folder."""
        return f"sub-{self.number:03d}"


def plan_cohort(settings: CohortSettings) -> list[PatientPlan]:
    """What each patient will be. Raises :class:`UsageError` where the number of volumes cannot be had."""
    fewest, most = settings.visits
    if settings.patients < 1 or not 1 <= fewest <= most or not 0 <= settings.healthy <= 1:
        raise UsageError(
            f"{settings.patients} patients with {fewest}-{most} visits, a share of {settings.healthy:g} without "
            "lesions, cannot be made",
            remedy="give 1 or more patients, visits such as 1-4, and a share between 0 and 1",
        )
    drawn = [_draw_plan(number, settings) for number in range(1, settings.patients + 1)]
    if settings.volumes is None:
        return drawn
    total, least = (sum(n * len(plan.scanners) for plan in drawn) for n in (len(Modality), 1))
    if not least <= settings.volumes <= total:
        raise UsageError(
            f"{settings.volumes} volumes cannot be had from {settings.patients} patients, whose {least} visits have "
            f"{least} to {total}",
            remedy="give fewer or more patients or visits, or another number of volumes",
        )
    further = [(p, v, s) for p, plan in enumerate(drawn) for v in range(len(plan.scanners)) for s in (1, 2)]
    rng = np.random.default_rng([settings.seed, 0, 5])  # patients are numbered from 1
    gone = {further[i] for i in rng.permutation(len(further))[: total - settings.volumes]}
    return [
        replace(
            plan,
            modalities=tuple(
                tuple(modality for s, modality in enumerate(Modality) if (p, v, s) not in gone)
                for v in range(len(plan.scanners))
            ),
        )
        for p, plan in enumerate(drawn)
    ]


def _draw_plan(number: int, settings: CohortSettings) -> PatientPlan:
    rng = np.random.default_rng([settings.seed, number, 0])
    head, lesions = int(rng.integers(len(settings.maps))), int(rng.integers(len(settings.masks)))
    healthy = rng.random() < settings.healthy
    visits = int(rng.integers(settings.visits[0], settings.visits[1] + 1))
    usual = int(rng.integers(SCANNERS))
    others = [int(rng.integers(SCANNERS)) if rng.random() < OTHER_SCANNER else usual for _ in range(visits - 1)]
    return PatientPlan(number, head, None if healthy else lesions, (usual, *others), (tuple(Modality),) * visits)
