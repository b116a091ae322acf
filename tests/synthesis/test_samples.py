"""The generator: what it promises of every patch, and of what it paints."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dawson.core.study import Modality
from dawson.recipe import Synthesis
from dawson.synthesis import samples
from dawson.synthesis.contrast import draw_contrast, draw_random_contrast
from dawson.synthesis.label_maps import HeadModel, LesionMap
from dawson.synthesis.samples import Sample, synthesize, vary
from dawson.synthesis.scanner import scan
from dawson.synthesis.scanner.fields import blur_matrix
from dawson.synthesis.scanner.motion import Motion, draw_motion
from dawson.synthesis.scanner.noise import noise_field
from dawson.synthesis.scanner.slices import (
    Acquisition,
    build_acquisition,
    draw_acquisition,
    draw_slices,
    slice_matrices,
)
from dawson.synthesis.tissues import (
    INDEX,
    Anatomy,
    anatomy_of_tissue,
    tissue_of_value,
)
from dawson.synthesis.visibility import rater_outline

SIZE = 64
ALL = tuple(Modality)


@pytest.mark.parametrize("seed", range(6))
def test_a_patch_is_what_the_network_expects(toy_head: HeadModel, toy_lesions: list[LesionMap], seed: int) -> None:
    sample = synthesize([toy_head], toy_lesions, Synthesis(), SIZE, np.random.default_rng(seed))
    assert sample.images.shape == (3, SIZE, SIZE, SIZE)
    assert sample.lesion.shape == sample.anatomy.shape == (SIZE,) * 3
    assert np.isfinite(sample.images.numpy()).all()
    assert 0 <= float(sample.images.min()) <= float(sample.images.max()) <= 4
    assert set(np.unique(sample.lesion)) <= {0, 1}
    assert int(sample.anatomy.max()) < len(Anatomy)


def test_the_seed_decides_everything(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    one, same, other = (
        synthesize([toy_head], toy_lesions, Synthesis(), SIZE, np.random.default_rng(seed)) for seed in (3, 3, 4)
    )
    assert np.array_equal(one.images, same.images)
    assert np.array_equal(one.lesion, same.lesion)
    assert not np.array_equal(one.images, other.images)


def test_asked_for_sequences_are_painted_and_no_others(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    rng = np.random.default_rng(0)
    sample = synthesize([toy_head], toy_lesions, Synthesis(), SIZE, rng, modalities=(Modality.T2,))
    assert [bool(channel.any()) for channel in sample.images] == [False, False, True]


@pytest.mark.parametrize(("motion", "times"), [(0.0, 0), (1.0, 3)])
def test_each_sequence_of_a_patient_who_moves_shows_it(
    toy_head: HeadModel, toy_lesions: list[LesionMap], monkeypatch: pytest.MonkeyPatch, motion: float, times: int
) -> None:
    drawn = []

    def draw(shape: tuple[int, ...], sliced: int, rng: np.random.Generator, *, spacing: float) -> Motion:
        drawn.append((sliced, spacing))
        return draw_motion(shape, sliced, rng, spacing=spacing)

    monkeypatch.setattr(scan, "draw_motion", draw)
    settings = replace(Synthesis(), motion=motion, thick=1.0, thickest_mm=6.0)
    synthesize([toy_head], toy_lesions, settings, 24, np.random.default_rng(2), modalities=ALL, spacing=2.0)
    assert len(drawn) == times and all(spacing == 2.0 and -1 <= sliced < 3 for sliced, spacing in drawn)


def test_healthy_patches_have_no_lesion_and_others_do(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    middle = np.array(toy_head.tissue.shape) / 2
    counts = {}
    for healthy in (0.0, 1.0):
        settings = replace(Synthesis(), healthy=healthy, whole_load=1.0, stripped=0.0)
        counts[healthy] = [
            int(
                synthesize(
                    [toy_head], toy_lesions, settings, SIZE, np.random.default_rng(s), centre=middle
                ).lesion.sum()
            )
            for s in range(5)
        ]
    assert max(counts[1.0]) == 0
    assert sum(count > 0 for count in counts[0.0]) >= 4


def test_lesions_are_bright_on_flair_and_t2(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    middle = np.array(toy_head.tissue.shape) / 2
    settings = replace(
        Synthesis(),
        healthy=0.0,
        whole_load=1.0,
        stripped=0.0,
        thick=0.0,
        noise=(0.005, 0.01),
        bias=0.0,
        misalignment_mm=0.0,
    )
    seen = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        sample = synthesize([toy_head], toy_lesions, settings, SIZE, rng, modalities=ALL, centre=middle)
        lesion, white = sample.lesion.bool(), (sample.anatomy == Anatomy.WHITE_MATTER) & ~sample.lesion.bool()
        if int(lesion.sum()) < 30:
            continue
        seen += 1
        for channel in (0, 2):
            image = sample.images[channel]
            assert float(image[lesion].median()) > 1.05 * float(image[white].median())
    assert seen >= 3


def test_stripping_leaves_nothing_outside_and_labels_follow(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    settings = replace(Synthesis(), stripped=1.0)
    sample = synthesize([toy_head], toy_lesions, settings, SIZE, np.random.default_rng(1), modalities=ALL)
    outside = (sample.images == 0).all(0)
    assert bool(outside.any())
    assert int(sample.anatomy[outside].max()) == 0
    assert int(sample.lesion[outside].max()) == 0


def test_another_look_mirrors_image_and_labels_alike(toy_head: HeadModel, toy_lesions: list[LesionMap]) -> None:
    sample = synthesize(
        [toy_head], toy_lesions, Synthesis(), SIZE, np.random.default_rng(2), modalities=(Modality.FLAIR,)
    )
    other = vary(sample, np.random.default_rng(0))
    assert np.array_equal(other.lesion, np.flip(sample.lesion.numpy(), 0))
    assert np.array_equal(other.anatomy, np.flip(sample.anatomy.numpy(), 0))
    was, now = np.flip(sample.images[0].numpy(), 0).ravel(), other.images[0].numpy().ravel()
    assert np.corrcoef(np.argsort(np.argsort(was)), np.argsort(np.argsort(now)))[0, 1] > 0.99


@pytest.mark.parametrize(("thickness", "distance"), [(2.0, 2.0), (3.7, 4.0), (6.5, 8.0)])
def test_slicing_keeps_constants_and_loses_detail(thickness: float, distance: float) -> None:
    acquire, back = slice_matrices(96, thickness, distance, 0.3)
    assert np.allclose(acquire.sum(1), 1, atol=1e-5)
    assert np.allclose(back.sum(1), 1, atol=1e-5)
    ramp = np.arange(96.0)
    inner = slice(12, 84)
    assert np.allclose((back @ (acquire @ ramp.astype(np.float32))).numpy()[inner], ramp[inner], atol=0.6)
    wave = np.sin(ramp * np.pi).astype(np.float32) + np.cos(ramp * np.pi).astype(np.float32)
    assert float((back @ (acquire @ wave)).abs().max()) < 0.6 * float(np.abs(wave).max())


def test_contrasts_rank_tissues_as_scanners_do() -> None:
    rng = np.random.default_rng(0)
    means = np.stack([draw_contrast(ALL, rng) for _ in range(200)])
    flair, t1, t2 = (
        np.median(means[:, row] / means[:, row, [INDEX["cerebral white matter"]]], axis=0) for row in range(3)
    )
    cortex, fluid, lesion = INDEX["cerebral cortex"], INDEX["lateral ventricle"], INDEX["lesion"]
    assert fluid_dark(flair[fluid]) and 1 < flair[cortex] < flair[lesion]
    assert t1[fluid] < t1[cortex] < 1
    assert 1 < t2[cortex] < t2[lesion] < t2[fluid]


def test_random_contrasts_know_no_order_but_show_lesions() -> None:
    rng = np.random.default_rng(0)
    means = np.stack([draw_random_contrast(ALL, rng) for _ in range(200)])
    white, cortex, lesion = (means[..., INDEX[name]] for name in ("cerebral white matter", "cerebral cortex", "lesion"))
    assert np.all(np.abs(lesion / white - 1) > 0.19)
    for row in range(3):
        assert 0.3 < np.mean(lesion[:, row] > white[:, row]) < 0.7
        assert 0.3 < np.mean(cortex[:, row] > white[:, row]) < 0.7
    fluids = means[..., [INDEX["lateral ventricle"], INDEX["third ventricle"], INDEX["other CSF"]]]
    assert np.all(fluids == fluids[..., :1]) and np.all(means[..., INDEX["air"]] == 0)


def fluid_dark(value: float) -> bool:
    return value < 0.6


@pytest.mark.parametrize(("distance", "length"), [(4.0, 8), (5.0, 16), (6.5, 8), (8.0, 16)])
def test_on_thick_slices_lesions_are_drawn_as_long_as_they_are(distance: float, length: int) -> None:
    """A rater's border at 0.42 of the height: a little longer than the lesion, on average over where slices lie."""
    n, found = 64, []
    lesion = torch.zeros(n, n, n)
    lesion[28:36, 28:36, 24 : 24 + length] = 1
    for phase in np.linspace(0, 1, 12, endpoint=False):
        acquire, back = slice_matrices(n, 0.9 * distance, distance, float(phase))
        seen = rater_outline(lesion, Acquisition((None, None, acquire), (None, None, back), 0.9 * distance), 0.42)
        found.append(int(seen[32, 32].sum()))
        assert not seen[20, 32].any()
    assert length <= np.mean(found) <= 1.25 * length


def test_without_slices_lesions_are_drawn_at_their_border() -> None:
    lesion = torch.zeros(20, 20, 20)
    lesion[8:12, 8:12, 8:12] = 1
    seen = rater_outline(lesion, Acquisition((None,) * 3, (None,) * 3, 1.0), 0.42)
    assert torch.equal(seen, lesion.bool())


def test_another_look_never_hides_the_sequence_that_lesions_are_drawn_on() -> None:
    images = torch.ones(3, 4, 4, 4)
    images[1:] *= 0.5
    sample = Sample(images, torch.zeros(4, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, 4, dtype=torch.uint8))
    varied = [vary(sample, np.random.default_rng(seed), drop=1.0).images for seed in range(30)]
    left = {tuple(bool(channel.any()) for channel in images) for images in varied}
    assert left == {(True, False, True), (True, True, False)}


@pytest.mark.parametrize("value", [25, 57, 77])
def test_what_the_owner_of_a_label_map_had_is_no_lesion_of_the_patient(value: int) -> None:
    """Nothing marks such places as lesion, so they must not look like one."""
    assert tissue_of_value()[value] == INDEX["cerebral white matter"]


@pytest.mark.parametrize("value", [30, 62])
def test_spaces_below_the_putamen_are_no_vessels(value: int) -> None:
    """FreeSurfer calls them so; painted as vessels they shine like lesions within the brain."""
    tissue = tissue_of_value()[value]
    assert tissue == INDEX["perivascular space"]
    assert anatomy_of_tissue()[tissue] == Anatomy.DEEP_GREY


def test_noise_has_a_grain_and_keeps_its_strength() -> None:
    generator = torch.Generator().manual_seed(3)
    soft = blur_matrix(SIZE, 0.9)
    noise = noise_field(torch.Size((SIZE, SIZE, 12)), (soft, soft, None), generator).numpy()
    assert noise.std() == pytest.approx(1.0, abs=0.05)
    assert noise[0].std() == pytest.approx(1.0, abs=0.1)  # at the border as well

    def neighbours(axis: int) -> float:
        near, far = (
            np.take(noise, range(1, noise.shape[axis]), axis),
            np.take(noise, range(noise.shape[axis] - 1), axis),
        )
        return float(np.corrcoef(near.ravel(), far.ravel())[0, 1])

    expected = np.exp(-1 / (4 * 0.9**2))  # of white noise after a Gaussian
    assert neighbours(0) == pytest.approx(expected, abs=0.05)
    assert neighbours(1) == pytest.approx(expected, abs=0.05)
    assert neighbours(2) == pytest.approx(0.0, abs=0.05)


def test_most_scans_have_grain_along_their_slices_only() -> None:
    drawn = [
        build_acquisition(draw_acquisition(SIZE, draw_slices(rng, thick_probability=1.0, thickest_mm=8.0), rng))
        for rng in map(np.random.default_rng, range(60))
    ]
    grainy = [a for a in drawn if any(g is not None for g in a.grain)]
    assert 40 < len(grainy) < 60
    for acquisition in grainy:
        for cut, grain in zip(acquisition.interpolate, acquisition.grain, strict=True):
            assert (cut is None) != (grain is None)


def test_most_patients_are_cut_alike_in_all_sequences(
    toy_head: HeadModel, toy_lesions: list[LesionMap], monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts: list[tuple[int, float]] = []
    real = samples.draw_acquisition
    monkeypatch.setattr(
        samples, "draw_acquisition", lambda n, s, rng, **rest: cuts.append(s) or real(n, s, rng, **rest)
    )
    for seed in range(30):
        synthesize([toy_head], toy_lesions, Synthesis(), 16, np.random.default_rng(seed), modalities=ALL)
    patients = [cuts[at : at + 3] for at in range(0, len(cuts), 3)]
    alike = [p for p in patients if len({axis for axis, _ in p}) == 1]
    assert 18 <= len(alike) < 30
    assert all(distance <= Synthesis().thickest_mm for _, distance in cuts)
    assert {axis < 0 for p in alike for axis, _ in p} == {True, False}


@pytest.mark.parametrize(("shown", "kept"), [(ALL, Modality.FLAIR), ((Modality.T1, Modality.T2), Modality.T2)])
def test_what_raters_draw_on_is_never_left_out(shown: tuple[Modality, ...], kept: Modality) -> None:
    images = torch.zeros(3, 4, 4, 4)
    for modality in shown:
        images[ALL.index(modality)] = 1
    sample = Sample(images, torch.zeros(4, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, 4, dtype=torch.uint8))
    left = [vary(sample, np.random.default_rng(seed), drop=1.0).images for seed in range(12)]
    assert all(bool(one[ALL.index(kept)].any()) for one in left)
    assert all(sum(bool(channel.any()) for channel in one) == len(shown) - 1 for one in left)
