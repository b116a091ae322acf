"""Look into every file of a cohort before any work starts, and tell all that is wrong with it at once."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dawson.cases.case import Case, cohort_error
from dawson.cases.facts_cache import Facts, FactsCache, stamp_of
from dawson.core.errors import DawsonError
from dawson.core.grid import SAME_GRID_MM, Grid
from dawson.core.runtime import workers as affordable
from dawson.core.study import Modality
from dawson.measurement.lesions import find_lesions
from dawson.nifti.mask import read_mask
from dawson.nifti.scan import read_scan

SAVE_EVERY = 25  # files
READING_GB = 1.0  # of memory, that a large scan takes while it is read and checked


@dataclass(frozen=True)
class CaseFacts:
    """What was found in the files of one case.

    ``load_ml`` is the volume of all lesions, ``lesions`` counts them (26-connected; none are dropped for
    being small), ``reference`` is the sequence on whose grid the mask lies, ``sha256`` holds the hash of
    every file of the case as it lies on disk.
    """

    name: str
    load_ml: float
    lesions: int
    reference: Modality
    sha256: Mapping[Path, str]


def check_cases(
    cases: Sequence[Case],
    *,
    cache: Path | None = None,
    workers: int | None = None,
    source: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[CaseFacts, ...]:
    """Read every scan and mask whole; return the facts in the order of the cases.

    What was found is kept in ``cache`` by path, size and time of change, also where the check is interrupted,
    so that a second one takes no time. ``workers`` files are read at once (as many as cores and memory allow
    where left out). ``progress`` is called with the number of files done and of all.

    Raises :class:`InputError`, named after ``source``, that lists every problem: a file that cannot be read
    or is no head scan, a mask that is not finite, not binary, marks everything or lies on the grid of no
    scan of its visit, one scan given twice under two names, and a cohort without any lesion.
    """
    wanted = {file: False for case in cases for file in case.scans.values()}
    wanted |= {file: True for case in cases for file in case.masks.values()}
    stored_facts = FactsCache(cache)
    facts: dict[Path, Facts] = {}
    faults: dict[Path, str] = {}
    pool = ThreadPoolExecutor(
        workers or affordable(READING_GB)
    )  # reading and unpacking let go of the interpreter's lock
    try:
        futures = {pool.submit(_examine, file, is_mask, stored_facts): file for file, is_mask in wanted.items()}
        for done, future in enumerate(as_completed(futures), 1):
            try:
                facts[futures[future]] = future.result()
            except DawsonError as error:
                faults[futures[future]] = f"{error.finding}; {error.remedy}"
            if progress is not None:
                progress(done, len(futures))
            if done % SAVE_EVERY == 0:
                stored_facts.save()
    finally:  # after Ctrl-C too: only the files being read are waited for
        pool.shutdown(cancel_futures=True)
        stored_facts.save()
    problems = [f"{case.name}: {text}" for case in cases for text in _problems(case, facts, faults)]
    problems += _copies(cases, facts)
    if not problems and not any(facts[case.mask]["lesions"] for case in cases):
        problems.append("none of the masks marks a lesion: the class to learn is empty; add cases with lesions")
    if problems:
        raise cohort_error(source, problems)
    return tuple(_case_facts(case, facts) for case in cases)


def _case_facts(case: Case, facts: Mapping[Path, Facts]) -> CaseFacts:
    mask = facts[case.mask]
    reference = next(
        s for s, file in case.scans.items() if _grid(facts[file]).same_as(_grid(mask), tolerance=SAME_GRID_MM)
    )
    hashes = {file: str(facts[file]["sha256"]) for file in (*case.scans.values(), *case.masks.values())}
    return CaseFacts(case.name, mask["load_ml"], mask["lesions"], reference, hashes)


def _problems(case: Case, facts: Mapping[Path, Facts], faults: Mapping[Path, str]) -> Iterable[str]:
    files = (*case.scans.values(), *case.masks.values())
    yield from (f"{file}: {faults[file]}" for file in files if file in faults)
    grids = [_grid(facts[file]) for file in case.scans.values() if file in facts]
    if case.mask not in facts or not grids or any(file in faults for file in files):
        return
    mask = _grid(facts[case.mask])
    if case.unsure is not None and not _grid(facts[case.unsure]).same_as(mask, tolerance=SAME_GRID_MM):
        yield f"{case.unsure}: lies on another grid than the mask {case.mask.name}; resample it to that one"
    if not any(grid.same_as(mask, tolerance=SAME_GRID_MM) for grid in grids):
        what = (
            "a mask of another scan" if all(grid.shape != mask.shape for grid in grids) else "a mask moved or flipped"
        )
        yield (
            f"{case.mask}: lies on the grid of no scan of its visit ({_shown(mask)}, but the scans have "
            f"{' and '.join(dict.fromkeys(map(_shown, grids)))}): {what}?; resample it to one of them"
        )


def _shown(grid: Grid) -> str:
    sides = " × ".join(str(n) for n in grid.shape)
    return f"{sides} voxels of {' × '.join(f'{s:.3g}' for s in grid.spacing)} mm, {grid.orientation}"


def _copies(cases: Iterable[Case], facts: Mapping[Path, Facts]) -> Iterable[str]:
    """Scans with one content under two names: across patients, the same image would be trained on and tested."""
    owners: dict[str, dict[Path, str]] = defaultdict(dict)
    for case in cases:
        for modality, file in case.scans.items():
            if file in facts:
                owners[facts[file]["content"]][file] = f"{modality.upper()} of {case.name}"
    for same in owners.values():
        if len(same) > 1:
            yield f"{' and '.join(same.values())} are one and the same scan; give each its own"


def _examine(file: Path, is_mask: bool, stored_facts: FactsCache) -> Facts:
    kind = "mask" if is_mask else "scan"
    stored = stored_facts.get(file, kind)
    if stored is not None:
        return stored
    stamp = stamp_of(file)  # before reading: a file that changes meanwhile is read again next time
    if is_mask:
        read = read_mask(file)
        mask, grid, sha256 = read.mask, read.grid, read.sha256
        facts: Facts = {"load_ml": float(np.count_nonzero(mask)) * grid.voxel_volume / 1000}
        # Every voxel that is marked belongs to a lesion, so any threshold between 0 and 1 will do.
        facts["lesions"] = len(find_lesions(mask.astype(np.float32), grid, threshold=0.5, minimum_mm3=0.0)[2])
    else:
        scan = read_scan(file, Modality.FLAIR)  # the sequence changes nothing in how a file is checked
        grid, sha256 = scan.grid, scan.sha256 or ""
        # The same picture may have been packed twice: .nii and .nii.gz, or gzipped at another time.
        facts = {"content": hashlib.sha256(scan.voxels.tobytes()).hexdigest()}
    facts |= {"kind": kind, "sha256": sha256, "shape": list(grid.shape), "affine": grid.affine.tolist()}
    stored_facts.put(file, stamp, facts)
    return facts


def _grid(facts: Facts) -> Grid:
    i, j, k = facts["shape"]
    return Grid((i, j, k), np.array(facts["affine"]))
