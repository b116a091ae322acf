"""Masks are read strictly: what is not plainly a mask is refused, in words."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from dawson.core.errors import InputError
from dawson.core.grid import Grid
from dawson.evaluation.matching.grids import bring_to_grid, outside_ml, same_lattice
from dawson.nifti.mask import read_anatomy, read_mask, read_probability
from fixtures.masks import AFFINE, LARGE, SHAPE, SMALL, blob


@pytest.mark.parametrize(
    ("value", "dtype"), [(1, np.uint8), (255, np.uint8), (1, np.float32), (0.25, np.float64), (7, np.int16)]
)
def test_one_value_beside_zero_is_a_mask(tmp_path, save_mask, value, dtype):
    file = save_mask(tmp_path / "m.nii.gz", blob(LARGE) * float(value), dtype=dtype)
    assert np.array_equal(read_mask(file).mask, blob(LARGE) > 0)


def test_scaling_is_applied_before_judging(tmp_path):
    image = nib.Nifti1Image(blob(LARGE), AFFINE)
    image.header.set_slope_inter(255.0, 0.0)
    nib.save(image, tmp_path / "m.nii")
    read = read_mask(tmp_path / "m.nii")
    assert read.mask.sum() == blob(LARGE).sum()
    assert read.values == (255.0,)


def test_an_empty_mask_is_a_mask(tmp_path, save_mask):
    assert not read_mask(save_mask(tmp_path / "m.nii.gz", blob())).mask.any()


def test_a_label_is_picked(tmp_path, save_mask):
    file = save_mask(tmp_path / "m.nii.gz", blob(LARGE) + 4 * blob(SMALL))
    assert np.array_equal(read_mask(file, label=4).mask, blob(SMALL) > 0)
    assert not read_mask(file, label=9).mask.any()


def nan(voxels):
    voxels[0, 0, 0] = np.nan
    return voxels


BAD = {
    "beside 0 it holds 2 values (1, 4)": lambda: blob(LARGE) + 4 * blob(SMALL),
    "1 of its voxels are NaN": lambda: nan(blob(LARGE).astype(np.float32)),
    "negative values": lambda: -blob(LARGE).astype(np.int16),
    "marks every voxel": lambda: np.ones(SHAPE, np.uint8),
    "4D image of 2 volumes": lambda: np.stack([blob(LARGE)] * 2, axis=-1),
    "2D image": lambda: blob(LARGE)[:, :, 0],
}


@pytest.mark.parametrize("finding", BAD)
def test_what_is_no_mask_is_refused(tmp_path, save_mask, finding):
    file = save_mask(tmp_path / "m.nii.gz", BAD[finding]())
    with pytest.raises(InputError) as caught:
        read_mask(file)
    assert finding in str(caught.value)
    assert str(file) in str(caught.value)


def test_files_that_cannot_be_read_are_refused(tmp_path, save_mask):
    file = save_mask(tmp_path / "m.nii.gz", np.random.default_rng(0).integers(0, 2, SHAPE).astype(np.uint8))
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(InputError, match="truncated"):
        read_mask(file)
    with pytest.raises(InputError, match="no such file"):
        read_mask(tmp_path / "none.nii.gz")
    with pytest.raises(InputError, match="a folder"):
        read_mask(tmp_path)
    (tmp_path / "m.txt").write_text("0 1")
    with pytest.raises(InputError, match="does not end in"):
        read_mask(tmp_path / "m.txt")


def test_probabilities_lie_between_0_and_1(tmp_path, save_mask):
    file = save_mask(tmp_path / "p.nii.gz", blob(LARGE) * np.float32(0.3))
    assert read_probability(file)[0].max() == pytest.approx(0.3)
    with pytest.raises(InputError, match="no probabilities"):
        read_probability(save_mask(tmp_path / "q.nii.gz", blob(LARGE) * 50))


def test_anatomy_has_its_names_from_the_table_beside_it(tmp_path, save_mask):
    file = save_mask(tmp_path / "anatomy.nii.gz", blob(LARGE) * 3)
    (tmp_path / "anatomy.tsv").write_text("index\tname\n3\tcortex\n")
    labels, _, names = read_anatomy(file)
    assert labels.max() == 3
    assert names == {3: "cortex"}


@pytest.mark.parametrize("table", ["number\tname\n3\tcortex\n", "index\tname\nthree\tcortex\n", "index\tname\n\xff"])
def test_a_table_that_names_no_labels_is_refused(tmp_path, save_mask, table):
    file = save_mask(tmp_path / "anatomy.nii.gz", blob(LARGE) * 3)
    (tmp_path / "anatomy.tsv").write_bytes(table.encode("latin-1"))
    with pytest.raises(InputError, match=r"anatomy\.tsv: this is no table of anatomy labels"):
        read_anatomy(file)


def turned(array):
    """The same voxels, stored LAS and with i and k exchanged."""
    affine = AFFINE @ np.array([[0, 0, -1, SHAPE[0] - 1], [0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1.0]])
    return array.transpose(2, 1, 0)[:, :, ::-1], Grid((SHAPE[2], SHAPE[1], SHAPE[0]), affine)


def test_another_order_of_the_same_voxels_is_turned_without_loss():
    grid, mask = Grid(SHAPE, AFFINE), blob(LARGE, SMALL) > 0
    stored, source = turned(mask)
    assert same_lattice(source, grid)
    assert np.array_equal(bring_to_grid(stored, source, grid, allowed=False), mask)


def test_another_grid_is_refused_unless_resampling_is_allowed():
    grid, mask = Grid(SHAPE, AFFINE), blob(LARGE) > 0
    finer = Grid(tuple(2 * n for n in SHAPE), AFFINE @ np.diag([0.5, 0.5, 0.5, 1.0]))
    with pytest.raises(InputError, match="another grid than the truth"):
        bring_to_grid(mask, grid, finer, allowed=False)
    fine = bring_to_grid(mask, grid, finer, allowed=True)
    assert fine.dtype == np.bool_
    assert fine.mean() == pytest.approx(mask.mean(), rel=0.3)


def test_the_same_shape_placed_elsewhere_is_another_grid():
    moved = AFFINE.copy()
    moved[0, 3] += 1.0
    with pytest.raises(InputError, match="the same size, placed elsewhere"):
        bring_to_grid(blob(LARGE) > 0, Grid(SHAPE, moved), Grid(SHAPE, AFFINE), allowed=False)


def moved(distance):
    """The grid, moved along its first axis."""
    affine = AFFINE.copy()
    affine[0, 3] += distance
    return Grid(SHAPE, affine)


@pytest.mark.parametrize("distance", [500.0, -20.5])
def test_a_mask_that_lies_nowhere_near_is_refused_not_empty(distance):
    with pytest.raises(InputError, match="lies nowhere where the truth lies"):
        bring_to_grid(blob(LARGE) > 0, moved(distance), Grid(SHAPE, AFFINE), allowed=True)


def test_what_lies_outside_of_the_truths_grid_is_measured():
    mask, grid = blob(LARGE) > 0, Grid(SHAPE, AFFINE)  # x from -2 to -7 mm, a voxel of 2 mm³, 18 voxels in a plane
    assert outside_ml(mask, moved(0.0), grid) == 0.0
    assert outside_ml(mask, moved(1.0), grid) == 0.0
    assert outside_ml(mask, moved(4.4), grid) == pytest.approx(2 * 18 * 2 / 1000)
    kept = bring_to_grid(mask, moved(4.4), grid, allowed=True)
    assert kept.sum() == mask.sum() - 2 * 18
