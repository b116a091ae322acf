"""Synthetic cohorts: one head a patient, lesions that change, a BIDS data set that can be taken up again."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.cli.app import app
from dawson.core.errors import UsageError
from dawson.core.study import Modality
from dawson.recipe import Synthesis
from dawson.synthesis.cohort import make, patient_series
from dawson.synthesis.cohort.make import make_cohort
from dawson.synthesis.cohort.patient_series import draw_patient, draw_scanner, scan_visit
from dawson.synthesis.cohort.plan import CohortSettings, plan_cohort
from dawson.synthesis.label_maps import HeadModel, LesionMap, nifti_files
from dawson.synthesis.lesion_course import ABSENT, draw_course
from dawson.synthesis.samples import synthesize

ALL = tuple(Modality)
# Seed, voxels of lesion, sum of anatomy labels and mean intensity of patches, as they are drawn now.
GOLDEN = [(3, 886, 110299, 0.074575), (5, 0, 453876, 1.06239), (9, 675, 93814, 0.291868)]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field of view that fits the toy head."""
    monkeypatch.setattr(patient_series, "SIDE", 96)
    monkeypatch.setattr(patient_series, "VIEW_MM", (92.0, 104.0, 92.0))


def cohort_settings(folders: tuple[Path, Path], **changes: object) -> CohortSettings:
    maps, masks = folders
    return replace(CohortSettings(tuple(nifti_files(maps)), tuple(nifti_files(masks)), patients=40), **changes)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.mark.parametrize(("seed", "lesion", "anatomy", "mean"), GOLDEN)
def test_training_patches_are_what_they_were(
    toy_head: HeadModel, toy_lesions: list[LesionMap], seed: int, lesion: int, anatomy: int, mean: float
) -> None:
    """The parts that cohorts share with training may be moved about, but must not draw anything else."""
    sample = synthesize([toy_head], toy_lesions, Synthesis(), 48, np.random.default_rng(seed))
    assert int(sample.lesion.sum()) == lesion
    assert int(sample.anatomy.long().sum()) == anatomy
    assert float(sample.images.mean()) == pytest.approx(mean, rel=1e-4)


def test_patients_do_not_depend_on_how_many_there_are(toy_folders: tuple[Path, Path]) -> None:
    few, many = (
        plan_cohort(cohort_settings(toy_folders, patients=5)),
        plan_cohort(cohort_settings(toy_folders, patients=60)),
    )
    assert many[:5] == few
    assert {len(plan.scanners) for plan in many} == {1, 2, 3, 4}
    assert 0 < sum(plan.lesions is None for plan in many) < 12
    assert plan_cohort(cohort_settings(toy_folders, patients=5, seed=1)) != few


def test_scans_are_left_out_until_the_number_is_right(toy_folders: tuple[Path, Path]) -> None:
    plans = plan_cohort(cohort_settings(toy_folders, volumes=256))
    assert sum(len(modalities) for plan in plans for modalities in plan.modalities) == 256
    assert all(Modality.FLAIR in modalities for plan in plans for modalities in plan.modalities)
    whole = plan_cohort(cohort_settings(toy_folders))
    assert [plan.scanners for plan in plans] == [plan.scanners for plan in whole]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"volumes": 5000}, "5000 volumes cannot be had from 40 patients"),
        ({"volumes": 3}, "3 volumes cannot be had"),
        ({"visits": (3, 1)}, "3-1 visits"),
        ({"visits": (0, 1)}, "0-1 visits"),
        ({"healthy": 1.5}, "share of 1.5"),
    ],
)
def test_settings_that_cannot_be_met(toy_folders: tuple[Path, Path], changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        plan_cohort(cohort_settings(toy_folders, **changes))


def test_lesions_begin_as_drawn_and_only_some_change() -> None:
    component = torch.zeros(40, 40, 40, dtype=torch.long)
    for number in range(1, 9):
        x, y, z = (8 + 20 * bool(number - 1 & bit) for bit in (1, 2, 4))
        component[x : x + 5, y : y + 4, z : z + 3] = number
    allowed = torch.ones_like(component, dtype=torch.bool)
    allowed[:9] = False
    seen = {"grown": 0, "shrunk": 0, "gone": 0, "new": 0, "same": 0}
    for seed in range(40):
        course = draw_course(component, allowed, 3, np.random.default_rng(seed))
        visits = [course.at(v) for v in range(3)]
        first = {n for n, border in zip(course.numbers, course.border[0], strict=True) if border != ABSENT}
        drawn = torch.where(torch.isin(component, torch.tensor(sorted(first))), component, 0) * allowed
        assert torch.equal(visits[0], drawn)
        assert all(not bool(visit[~allowed].any()) for visit in visits)
        for before, after in pairwise(visits):
            for number in range(1, 9):
                was, now = int((before == number).sum()), int((after == number).sum())
                kind = "same" if was == now else "new" if not was else "gone" if not now else None
                seen[kind or ("grown" if now > was else "shrunk")] += 1
    assert min(seen.values()) > 0
    assert seen["same"] > 0.6 * sum(seen.values())


def test_one_patient_looks_alike_at_all_visits_but_for_noise(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    patient = draw_patient(toy_head, toy_lesions[1], 2, np.random.default_rng(3))
    scanner = draw_scanner(0, 0, own_grids=False)
    first, second = (scan_visit(patient, number, scanner, ALL, 0, 1) for number in range(2))
    alone = scan_visit(patient, 1, scanner, (Modality.FLAIR, Modality.T2), 0, 1)
    for modality in ALL:
        one, other = (visit.scans[modality][0].astype(float) for visit in (first, second))
        assert not np.array_equal(one, other)
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.4  # the head has moved by some mm
        assert first.scans[modality][1].same_as(first.scans[Modality.FLAIR][1])
        if modality in alone.scans:  # a scan left out changes none of the others
            assert np.array_equal(alone.scans[modality][0], second.scans[modality][0])
    assert np.array_equal(alone.mask, second.mask)
    assert first.mask.any() and not np.array_equal(first.mask, second.mask)
    flair = first.scans[Modality.FLAIR][0]
    assert np.median(flair[first.mask]) > 1.1 * np.median(flair[flair > np.median(flair[flair > 0])])


def test_a_cohort_is_bids_and_is_taken_up_again(
    toy_folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "cohort"
    settings = cohort_settings(toy_folders, patients=2, visits=(1, 2), volumes=7, healthy=0.0)

    def stop(done: int, _: int) -> None:
        if done == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_cohort(out, settings, workers=1, progress=stop)
    (kept,) = (p for p in out.iterdir() if p.name.startswith("sub-"))
    before = hashes(kept)
    made: list[str] = []
    real = make.make_patient
    monkeypatch.setattr(make, "make_patient", lambda o, p, *rest: made.append(p.name) or real(o, p, *rest))
    make_cohort(out, settings, workers=1)
    assert len(made) == 1 and made != [kept.name]
    assert hashes(kept) == before

    cases = find_cases(out)
    assert sum(len(case.scans) for case in cases) == 7
    for case in cases:
        mask, flair = nib.load(case.mask), nib.load(case.scans[Modality.FLAIR])
        assert mask.shape == flair.shape and np.allclose(mask.affine, flair.affine)
        assert set(np.unique(np.asanyarray(mask.dataobj))) == {0, 1}
        sidecar = json.loads(Path(str(case.scans[Modality.FLAIR]).replace(".nii.gz", ".json")).read_text())
        assert sidecar["SliceThickness"] == pytest.approx(flair.header.get_zooms()[2])
    table = (out / "participants.tsv").read_text().splitlines()
    assert [row.split("\t")[0] for row in table] == ["participant_id", "sub-001", "sub-002"]
    assert json.loads((out / "dataset_description.json").read_text())["GeneratedBy"][0]["Name"] == "dawson"
    assert not list(out.rglob(".*"))

    again = make_cohort(tmp_path / "again", settings, workers=1)
    assert hashes(again) == hashes(out)
    with pytest.raises(UsageError, match="begun with other healthy"):
        make_cohort(out, replace(settings, healthy=0.1))
    with pytest.raises(UsageError, match="holds other files"):
        make_cohort(toy_folders[0], settings)


def test_a_full_disk_is_said_and_leaves_nothing_half_done(
    toy_folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = make.save

    def save(file: Path, content: bytes) -> None:
        if file.name.endswith("T1w.nii.gz"):
            raise OSError(28, "No space left on device")
        real(file, content)

    monkeypatch.setattr(make, "save", save)
    with pytest.raises(UsageError, match=r"No space left.*finished patients are kept"):
        make_cohort(tmp_path / "c", cohort_settings(toy_folders, patients=1, visits=(1, 1)), workers=1)
    assert not list((tmp_path / "c").glob("*sub-*")) and not list((tmp_path / "c").rglob(".*"))


def test_whoever_comes_second_with_a_patient_gives_way(tmp_path: Path) -> None:
    for name, content in (("first", "1"), ("second", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scan").write_text(content)
    make._publish(tmp_path / "first", tmp_path / "out" / "sub-001")
    make._publish(tmp_path / "second", tmp_path / "out" / "sub-001")
    assert (tmp_path / "out" / "sub-001" / "scan").read_text() == "1"
    (tmp_path / "out" / "sub-002").touch()
    with pytest.raises(OSError):
        make._publish(tmp_path / "second", tmp_path / "out" / "sub-002")


def test_sequences_may_have_grids_of_their_own() -> None:
    shared = [draw_scanner(n, 0, own_grids=False) for n in range(4)]
    several = [draw_scanner(n, 0, own_grids=True) for n in range(4)]
    assert all(len(set(scanner.slice_mm.values())) == 1 for scanner in shared)
    assert any(len(set(scanner.slice_mm.values())) > 1 for scanner in several)
    assert {scanner.slice_mm[Modality.FLAIR] for scanner in shared} <= {1.0, 1.5, 2.0, 2.5, 3.0}


def test_maps_and_masks_are_asked_for(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["synth", "--patients", "1", "-o", str(tmp_path / "c")])
    assert isinstance(result.exception, UsageError)
    assert "--maps and --masks were not given" in str(result.exception)
    assert "FreeSurfer" in str(result.exception) and "MNI152" in str(result.exception)
    result = CliRunner().invoke(
        app, ["synth", "--patients", "1", "--visits", "x", "--maps", "m", "--masks", "m", "-o", str(tmp_path / "c")]
    )
    assert "--visits x" in str(result.exception)


@pytest.mark.realdata
def test_a_whole_head_passes_the_check_of_cases(
    shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    folders = shared_data / "labelmaps", shared_data / "lesion-masks-mni"
    out = tmp_path / "cohort"
    settings = cohort_settings(folders, patients=1, visits=(1, 1), volumes=2, healthy=0.0, seed=4)
    make_cohort(out, settings, workers=1)
    cases = find_cases(out)
    (facts,) = check_cases(cases)
    assert facts.lesions > 0 and facts.load_ml > 0.1
    flair, mask = (np.asanyarray(nib.load(f).dataobj) for f in (cases[0].scans[Modality.FLAIR], cases[0].mask))
    assert np.median(flair[mask > 0]) > 1.1 * np.median(flair[flair > np.percentile(flair, 60)])


SLOW = """
import os, sys, time
from dawson.synthesis.cohort import make, patient_series
patient_series.SIDE, patient_series.VIEW_MM = 96, (92.0, 104.0, 92.0)
real = make.save
def save(file, content):
    real(file, content)
    if file.name.endswith("FLAIR.nii.gz"):
        print("writing", flush=True)
        time.sleep(60)
make.save = save
from dawson.cli.app import main
main(sys.argv[1:])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent to a process of a POSIX system")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_a_cohort_that_can_be_taken_up(
    toy_folders: tuple[Path, Path], tmp_path: Path, number: int, code: int
) -> None:
    out = tmp_path / "cohort"
    options = ["--patients", "2", "--visits", "1", "--healthy", "0", "--workers", "1", "-o", str(out)]
    folders = ["--maps", str(toy_folders[0]), "--masks", str(toy_folders[1])]
    command = [sys.executable, "-c", SLOW, "synth", *options, *folders]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "writing\n"
        assert list(out.glob(".sub-*"))
        process.send_signal(number)
        _, said = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "patients: 0 of 2" in said and "the same command goes on" in said and "Traceback" not in said
    assert not list(out.glob("*sub-*")) and not list(out.rglob(".*")), "nothing half-done"
    result = CliRunner().invoke(app, ["synth", *options, *folders])
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in out.glob("sub-*")) == ["sub-001", "sub-002"]
    assert [f"patients: {done} of 2" in result.output for done in range(3)] == [True] * 3


def test_worker_processes_leave_signals_to_the_first(
    toy_folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handlers: dict[int, object] = {}
    monkeypatch.setattr(signal, "signal", handlers.__setitem__)
    monkeypatch.setattr(make.os, "nice", lambda _: 0)
    event = multiprocessing.get_context("spawn").Event()
    make._begin_work(event)
    assert handlers == {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_IGN}
    settings = cohort_settings(toy_folders, patients=1, visits=(1, 1))
    (plan,) = plan_cohort(settings)
    event.set()
    try:
        with pytest.raises(KeyboardInterrupt):
            make._work(tmp_path, plan, settings)
        with pytest.raises(KeyboardInterrupt):
            make.make_patient(tmp_path, plan, settings, make._pause)
    finally:
        make._stop = None
    assert not list(tmp_path.iterdir())
