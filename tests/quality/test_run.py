"""Quality checks: silent on a good visit, and each speaks up where its own fault was made."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

import dawson
from dawson.core.grid import Grid
from dawson.core.result import Check
from dawson.core.study import Modality, Scan, Study
from dawson.measurement.brain_frame import find_frame
from dawson.measurement.volumes import measure_volumes
from dawson.preparation.register import Alignment
from dawson.quality import field_of_view
from dawson.quality.evidence import Evidence
from dawson.quality.field_of_view import FLAT_MM2, RADIUS_MM
from dawson.quality.inputs import check_inputs
from dawson.quality.outline import Outline
from dawson.quality.run import check_quality, worst

NAMES = dict(
    enumerate(("outside", "ventricles", "other-csf", "cortex", "deep-grey", "white-matter", "cerebellum", "brain-stem"))
)
BRAIN = ("cortex", "deep-grey", "white-matter", "cerebellum", "brain-stem")
SPACING = (2.0, 2.0, 4.0)
HALF = np.array([66.0, 82.0, 62.0])
LEVELS = {  # of outside, ventricles, other fluid, cortex, deep grey, white matter, cerebellum, brain-stem
    Modality.FLAIR: (0, 150, 200, 560, 520, 480, 520, 480),
    Modality.T1: (0, 150, 200, 400, 450, 600, 420, 580),
    Modality.T2: (0, 900, 850, 500, 420, 350, 480, 380),
}


def anatomy_on(grid, *, width=1.0):
    world = grid.to_world(np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1).astype(float))
    world = world / (width, 1, 1)
    radius = np.sqrt(((world / HALF) ** 2).sum(axis=-1))
    anatomy = np.zeros(grid.shape, np.uint8)
    anatomy[radius < 1.04] = 2
    anatomy[radius < 1] = 3
    anatomy[radius < 0.9 + 0.03 * np.sin(world[..., 1] / 7) * np.cos(world[..., 2] / 6)] = 5  # cortex is folded
    anatomy[(np.abs(world) / (16, 26, 14)).max(axis=-1) < 1] = 1
    anatomy[(anatomy > 1) & (world[..., 2] < -35)] = 6
    anatomy[(anatomy > 1) & (world[..., 2] < -20) & (np.abs(world[..., :2]).max(axis=-1) < 14)] = 7
    return anatomy


def scan_of(modality, anatomy, grid, *, noise=15.0, seed=0):
    rng = np.random.default_rng([seed, list(Modality).index(modality)])
    voxels = np.array(LEVELS[modality], np.float32)[anatomy]
    voxels += (voxels > 0) * rng.normal(0, noise, grid.shape)
    return Scan(modality, np.maximum(voxels, 0).astype(np.float32), grid)


def grid_of(shape=(76, 90, 38), spacing=SPACING, centre=(0.0, 0.0, 0.0)):
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = np.array(centre) - np.array(spacing) * (np.array(shape) - 1) / 2
    return Grid(shape=shape, affine=affine)


def visit(grid=None, **changes):
    made_here = {name: changes.pop(name) for name in ("modalities", "width") if name in changes}
    found = build(grid, **made_here) if grid is not None or made_here else usual()
    return replace(found, **changes)


@cache
def usual():
    """The good visit, made once."""
    return build(None)


def build(grid, *, modalities=(Modality.FLAIR, Modality.T1, Modality.T2), width=1.0):
    grid = grid or grid_of()
    anatomy = anatomy_on(grid, width=width)
    lesions = np.zeros(grid.shape, bool)
    return Evidence(
        study=Study({s: scan_of(s, anatomy, grid) for s in modalities}),
        used=modalities,
        partial={},
        alignment={},
        anatomy=anatomy,
        names=NAMES,
        parenchyma=BRAIN,
        lesions=lesions,
        frame=find_frame(anatomy, grid),
        volumes=measure_volumes(anatomy, NAMES, lesions, grid, parenchyma=BRAIN),
        outline=Outline(0.96, 0.0),
    )


def with_scan(found, modality, change):
    scan = found.study.scans[modality]
    return replace(found, study=Study({**found.study.scans, modality: replace(scan, voxels=change(scan.voxels))}))


def checked(found, *, load_ml=5.0, card=None):
    checks = check_quality(found, load_ml=load_ml, card=card or {})
    assert len({check.name for check in checks}) == len(checks)
    for check in checks:
        assert check.words.endswith((".", "?"))
        assert check.words[0].isupper() or check.words[0].isdigit()
    return {check.name: check for check in checks}


def fired(found, **options):
    return {name: check.status for name, check in checked(found, **options).items() if check.status != "pass"}


def test_a_good_visit_passes():
    checks = checked(visit())
    assert {check.status for check in checks.values()} == {"pass"}
    assert list(checks) == [
        "inputs",
        "field of view",
        "resolution",
        "noise",
        "alignment",
        "intensities",
        "contrast",
        "left and right",
        "brain volume",
        "brain outline",
        "lesion load",
    ]


def test_one_sequence_on_a_mirrored_grid_passes():
    grid = grid_of()
    affine = grid.affine @ np.diag([-1.0, -1.0, 1.0, 1.0])
    affine[:3, 3] += grid.affine[:3, :3] @ (np.array(grid.shape) - 1) * (1, 1, 0)
    assert fired(visit(Grid(shape=grid.shape, affine=affine), modalities=(Modality.FLAIR,))) == {}


@pytest.mark.parametrize(("cut_mm", "status"), [(20.0, "warn"), (60.0, "fail")])
def test_a_brain_cut_off_at_the_top(cut_mm, status):
    slices = int((HALF[2] * 2 - cut_mm) // 4) + 2
    grid = grid_of((76, 90, slices), centre=(0, 0, -HALF[2] - 8 + slices * 2))
    check = checked(visit(grid))["field of view"]
    assert check.status == status
    assert "upper" in check.words
    assert check.figures["upper_end_cm2"] > 40 > 15 > check.figures["front_end_cm2"]


def test_the_same_cut_fails_where_little_brain_is_left(monkeypatch):
    """Thick slices allow for large ends; a brain far below the usual volume then tells that much is missing."""
    slices = int((HALF[2] * 2 - 45) // 4) + 2
    grid = grid_of((76, 90, slices), centre=(0, 0, -HALF[2] - 8 + slices * 2))
    found = visit(grid)
    shown = checked(found)["field of view"].figures["upper_end_cm2"]
    allowed = (FLAT_MM2 + 2 * 2 * np.pi * RADIUS_MM * 4) / 100
    monkeypatch.setattr(field_of_view, "MISSING_MM2", (shown - allowed) * 100 * 1.5)
    statuses = []
    for usual_ml in ((100.0, 1800.0), (1700.0, 1800.0)):
        monkeypatch.setattr(field_of_view, "USUAL_BRAIN_ML", usual_ml)
        statuses.append(checked(found)["field of view"].status)
    assert statuses == ["warn", "fail"]


def test_a_brain_cut_off_within_the_array():
    found = visit()
    anatomy = found.anatomy.copy()
    anatomy[:, :25] = 0
    words = checked(replace(found, anatomy=anatomy))["field of view"].words
    assert "back" in words


def test_the_brain_stem_may_end_with_the_field_of_view():
    grid = grid_of()
    anatomy = anatomy_on(grid)
    anatomy[:, :, :11][anatomy[:, :, :11] != 7] = 0
    anatomy[:, :, :8] = 0
    assert checked(visit(grid, anatomy=anatomy))["field of view"].figures["lower_end_cm2"] < 5


def test_thick_slices_warn():
    grid = grid_of((76, 90, 22), (2.0, 2.0, 6.5))
    assert "resolution" in fired(visit(grid, modalities=(Modality.FLAIR,)))
    grid = grid_of((76, 90, 30), (2.0, 2.0, 5.0))
    assert "resolution" not in fired(visit(grid, modalities=(Modality.FLAIR,)))


def test_noise_is_measured_and_warned_of():
    assert checked(visit())["noise"].figures["flair_snr"] == pytest.approx(480 / 15, rel=0.1)
    rng = np.random.default_rng(1)
    noisy = with_scan(visit(), Modality.T2, lambda v: v + rng.normal(0, 70, v.shape).astype(np.float32) * (v > 0))
    check = checked(noisy)["noise"]
    assert check.status == "warn"
    assert "T2" in check.words
    assert "T1" not in check.words


def test_scans_that_do_not_lie_on_each_other():
    found = with_scan(visit(), Modality.T1, lambda v: np.roll(v, 2, axis=1))
    check = checked(found)["alignment"]
    assert check.status == "warn"
    assert "T1" in check.words
    assert check.figures["t1_off_mm"] >= 2
    assert check.figures["t2_off_mm"] < 1


def test_a_scan_of_another_head_has_nothing_in_common():
    t1 = visit().study.scans[Modality.T1].voxels
    stranger = np.random.default_rng(7).permutation(t1.ravel()).reshape(t1.shape)
    check = checked(with_scan(visit(), Modality.T1, lambda _: stranger))["alignment"]
    assert check.status == "warn"
    assert "little in common" in check.words


def test_what_registration_doubted_is_passed_on():
    doubt = Alignment(np.eye(4), "headers kept", 0.1, 0.1, "", ("registration found no overlap",))
    assert "no overlap" in checked(visit(alignment={Modality.T2: doubt}))["alignment"].words


def test_a_moved_scan_is_judged_where_alignment_puts_it():
    grid = grid_of()
    matrix = np.eye(4)
    matrix[1, 3] = 8.0  # four voxels
    found = with_scan(visit(grid), Modality.T2, lambda v: np.roll(v, 4, axis=1))
    aligned = replace(found, alignment={Modality.T2: Alignment(matrix, "rigid", 0.1, 0.3, "moved by 8 mm")})
    assert fired(aligned) == {}
    assert checked(aligned)["contrast"].figures["t2_fluid_to_white_matter"] == pytest.approx(900 / 350, rel=0.05)
    assert "alignment" in fired(found)


def test_a_clipped_scan():
    lesions = np.zeros(grid_of().shape, bool)
    lesions[20:35, 30:50, 20:24] = True
    bright = with_scan(visit(lesions=lesions), Modality.FLAIR, lambda v: np.where(lesions, 2000, v).astype(np.float32))
    clipped = with_scan(bright, Modality.FLAIR, lambda v: np.minimum(v, 650))
    check = checked(clipped)["intensities"]
    assert check.status == "warn"
    assert "clipped" in check.words
    assert "intensities" not in fired(with_scan(visit(), Modality.FLAIR, lambda v: v))


@pytest.mark.parametrize(("step", "status"), [(4.0, "warn"), (120.0, "fail")])
def test_few_levels(step, status):
    found = with_scan(visit(), Modality.FLAIR, lambda v: np.rint(v / step).astype(np.float32) * np.float32(step))
    assert fired(found)["intensities"] == status


def test_a_scan_below_zero():
    found = with_scan(visit(), Modality.T1, lambda v: v - np.float32(590) * (v > 0))
    assert "below zero" in checked(found)["intensities"].words


def test_a_standardised_scan_with_its_background_is_fine():
    found = with_scan(visit(), Modality.FLAIR, lambda v: (v - np.float32(300)) / np.float32(150))
    assert fired(found) == {}


def test_a_t2_given_as_flair():
    grid = grid_of()
    t2 = scan_of(Modality.T2, anatomy_on(grid), grid).voxels
    check = checked(with_scan(visit(grid), Modality.FLAIR, lambda _: t2))["contrast"]
    assert check.status == "fail"
    assert "FLAIR" in check.words
    flair = scan_of(Modality.FLAIR, anatomy_on(grid), grid).voxels
    assert fired(with_scan(visit(grid), Modality.T2, lambda _: flair))["contrast"] == "fail"


def test_half_a_brain():
    assert fired(visit(width=0.5))["left and right"] == "warn"
    lost = visit()
    anatomy = lost.anatomy.copy()
    anatomy[:30] = 0
    assert fired(replace(lost, anatomy=anatomy))["left and right"] == "warn"


def test_left_and_right_says_what_it_cannot_see():
    assert "cannot be seen" in checked(visit())["left and right"].words
    assert "cannot be seen" in checked(visit(frame=None))["left and right"].words


@pytest.mark.parametrize("millilitres", [600.0, 2100.0])
def test_an_unusual_brain_volume(millilitres):
    found = visit()
    assert fired(replace(found, volumes=replace(found.volumes, brain_ml=millilitres))) == {"brain volume": "warn"}


@pytest.mark.parametrize(("dice", "cut", "status"), [(0.6, 0.0, "warn"), (0.3, 0.0, "fail"), (0.95, 30.0, "fail")])
def test_two_networks_that_see_different_brains(dice, cut, status):
    assert fired(visit(outline=Outline(dice, cut))) == {"brain outline": status}


def test_where_no_locator_was_needed_nothing_is_said_of_it():
    assert "brain outline" not in checked(visit(outline=None))


def test_a_load_that_the_model_has_not_learned_from():
    assert fired(visit(), load_ml=120.0) == {"lesion load": "warn"}
    assert fired(visit(), load_ml=30.0, card={"training_load_ml": [0.5, 20]}) == {"lesion load": "warn"}
    assert fired(visit(), load_ml=0.0) == {}


def test_a_sequence_left_out():
    found = visit(used=(Modality.FLAIR, Modality.T2))
    assert fired(found) == {"inputs": "warn"}
    assert "T1" in checked(found)["inputs"].words
    assert "t1_snr" not in checked(found)["noise"].figures


def test_a_scan_that_cannot_be_used_is_told():
    found = visit()
    others = {s: scan for s, scan in found.study.scans.items() if s is not Modality.FLAIR}
    for study, words in (
        (
            replace(found.study, scans={Modality.FLAIR: found.study.reference}, left_out={Modality.T1: "it is empty"}),
            "",
        ),
        (
            replace(found.study, scans=others, left_out={Modality.FLAIR: "it is empty"}),
            " The results lie on the grid of",
        ),
    ):
        check = check_inputs(replace(found, study=study, used=tuple(study.modalities)))
        (name,) = study.left_out
        assert check.status == "warn"
        assert f"{name.upper()} was left out, for this scan cannot be used: it is empty.{words}" in check.words
        assert name in str(check.figures["given"]) and name not in str(check.figures["used"])


def test_a_model_without_anatomy_says_what_was_not_checked():
    grid = grid_of()
    blind = visit(grid, anatomy=np.zeros(grid.shape, np.uint8), names={0: "outside"}, frame=None, volumes=None)
    assert fired(blind) == {"anatomy": "warn"}
    assert list(checked(blind)) == ["inputs", "anatomy", "resolution", "lesion load"]


def test_nothing_in_the_figures_is_not_finite():
    flat = with_scan(visit(), Modality.FLAIR, lambda v: np.where(v > 300, 480, v).astype(np.float32))
    for check in checked(flat).values():
        assert all(value is None or isinstance(value, str) or np.isfinite(value) for value in check.figures.values())


def test_the_worst_of_all():
    assert worst([]) == "pass"
    assert worst([Check("a", "pass", "."), Check("b", "warn", ".")]) == "warn"
    assert worst([Check("a", "fail", "."), Check("b", "warn", ".")]) == "fail"


def test_a_sequence_that_shows_a_part_of_the_brain_is_told():
    check = checked(replace(usual(), partial={Modality.T1: 0.6}))["inputs"]
    assert check.status == "warn"
    assert "T1 shows only 60% of the brain" in check.words


GIVEN_WRONGLY = [(given, true) for given in Modality for true in Modality if given is not true]


@pytest.mark.parametrize(("given", "true"), GIVEN_WRONGLY)
def test_a_scan_given_as_another_sequence_fails_beside_two_right_ones(given, true):
    grid = grid_of()
    other = scan_of(true, anatomy_on(grid), grid, seed=1).voxels
    check = checked(with_scan(visit(grid), given, lambda _: other))["contrast"]
    assert check.status == "fail"
    assert given.upper() in check.words


@pytest.mark.parametrize(("grey", "status"), [(0.93, "fail"), (1.01, "warn"), (1.07, "pass"), (1.24, "pass")])
def test_grey_matter_tells_a_t1_from_a_flair(grey, status):
    """The ends of what was measured, and what lies between a T1 and a FLAIR."""
    grid = grid_of()
    anatomy = anatomy_on(grid)
    voxels = scan_of(Modality.FLAIR, anatomy, grid).voxels.copy()
    voxels[anatomy == 3] = np.float32(grey * LEVELS[Modality.FLAIR][5])
    assert checked(with_scan(visit(grid), Modality.FLAIR, lambda _: voxels))["contrast"].status == status


@pytest.mark.realdata
@pytest.mark.parametrize(("given", "true"), [("flair", "t1"), ("flair", "t2"), ("t1+flair", "flair+t1")])
def test_real_scans_given_as_another_sequence_fail(shared_data, given, true):
    """A T1 as FLAIR found no lesion and said nothing once."""
    folder = shared_data / "labelled" / "ljubljana-26"
    names = {"flair": "FLAIR.nii.gz", "t1": "T1.nii.gz", "t2": "T2.nii.gz"}
    files = {s: folder / names[t] for s, t in zip(given.split("+"), true.split("+"), strict=True)}
    result = dawson.segment(dawson.read_study(**files))
    assert {check.name: check.status for check in result.quality}["contrast"] == "fail"
