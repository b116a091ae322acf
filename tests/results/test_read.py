"""A result is read back as it was written; what is damaged, old or mixed is refused in one sentence."""

from __future__ import annotations

import gzip
import json
import shutil
import tracemalloc
import zlib

import nibabel as nib
import numpy as np
import pytest

from dawson.core.errors import InputError
from dawson.results.read import read_result


@pytest.fixture
def copied(result_folder, tmp_path):
    return shutil.copytree(result_folder, tmp_path / "out")


def edit(folder, change):
    summary = json.loads((folder / "summary.json").read_text())
    change(summary)
    (folder / "summary.json").write_text(json.dumps(summary))


def test_everything_comes_back(result_folder):
    result = read_result(result_folder)
    assert [lesion.id for lesion in result.lesions] == [1, 2, 3, 4]
    assert result.lesions[0].region == "periventricular"
    assert result.lesions[0].confidence == "high"
    assert result.modalities == ("flair", "t1")
    assert result.display.shape == (*result.grid.shape, 2)
    assert result.display.dtype == np.uint8
    assert result.mask.dtype == bool
    assert set(np.unique(result.anatomy)) == {0, 1, 5}
    load = result.mask.sum() * result.grid.voxel_volume / 1000
    assert load == pytest.approx(result.summary["lesion_load_ml"], rel=1e-5)


def test_empty_cells_are_none(copied):
    table = (copied / "lesions.csv").read_text().replace("periventricular", "").replace("high", "")
    (copied / "lesions.csv").write_text(table)
    first = read_result(copied).lesions[0]
    assert first.region is None
    assert first.confidence is None


def test_the_nearest_voxel_is_one_of_the_lesion(result_folder):
    result = read_result(result_folder)
    for lesion in result.lesions:
        voxel = result.nearest_voxel(lesion)
        assert result.mask[voxel]
        apart = result.grid.to_world(np.array(voxel, float)) - lesion.centroid
        assert np.linalg.norm(apart) < lesion.long_axis_mm


def test_one_sequence_may_be_stored_in_three_dimensions(copied):
    image = nib.load(copied / "display.nii.gz")
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj)[..., 0], image.affine), copied / "display.nii.gz")
    edit(copied, lambda s: s["display"].update(sequences=["flair"]))
    assert read_result(copied).display.shape[3] == 1


def test_what_is_no_result_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        read_result(tmp_path / "nowhere")
    with pytest.raises(InputError, match="holds no result"):
        read_result(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder"):
        read_result(tmp_path / "file")


def test_an_older_result_is_refused_with_a_remedy(copied):
    edit(copied, lambda s: s.pop("quality"))
    with pytest.raises(InputError, match=r"older dawson.*segment the visit again"):
        read_result(copied)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"lesion_count": NaN}', "[" * 100_000, "\ud800"])
def test_a_damaged_summary_is_refused(copied, text):
    (copied / "summary.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        read_result(copied)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.update(lesion_count="4"), "lesion_count is of another kind"),
        (lambda s: s.update(lesion_count=True), "lesion_count is of another kind"),
        (lambda s: s.update(lesion_count=3), "4 rows but"),
        (lambda s: s.update(lesion_load_ml=1.0), "sum up to"),
        (lambda s: s["regions"]["deep"].pop("count"), "regions.deep.count is missing"),
        (lambda s: s.update(regions=[]), "regions is no table"),
        (lambda s: s["quality"].update(status="fine"), "none of fail, pass, warn"),
        (lambda s: s.update(warnings=[1]), "warnings is of another kind"),
        (lambda s: s.pop("notice"), "notice is missing"),
    ],
)
def test_a_summary_of_another_kind_is_refused(copied, change, words):
    edit(copied, change)
    with pytest.raises(InputError, match=words):
        read_result(copied)


@pytest.mark.parametrize("cell", ["nan", "inf", "many", ""])
def test_a_damaged_table_is_refused(copied, cell):
    table = (copied / "lesions.csv").read_text().replace("0.8123", cell)
    (copied / "lesions.csv").write_text(table)
    with pytest.raises(InputError, match="no table of lesions"):
        read_result(copied)


def test_volumes_of_two_runs_are_refused(copied):
    mask = nib.load(copied / "lesions.nii.gz")
    voxels = np.asarray(mask.dataobj).copy()
    voxels[:10, :10, :10] = 1
    nib.save(nib.Nifti1Image(voxels, mask.affine), copied / "lesions.nii.gz")
    with pytest.raises(InputError, match="the mask holds"):
        _ = read_result(copied).mask


@pytest.mark.parametrize("name", ["anatomy", "display"])
def test_volumes_on_another_grid_are_refused(copied, name):
    image = nib.load(copied / f"{name}.nii.gz")
    affine = image.affine + np.array([[0, 0, 0, 3.0]] + [[0] * 4] * 3)
    nib.save(nib.Nifti1Image(np.asarray(image.dataobj), affine), copied / f"{name}.nii.gz")
    with pytest.raises(InputError, match="does not lie on the grid"):
        _ = getattr(read_result(copied), name)


def test_a_display_of_other_sequences_is_refused(copied):
    edit(copied, lambda s: s["display"].update(sequences=["flair"]))
    with pytest.raises(InputError, match="2 volumes but"):
        _ = read_result(copied).display


def damages(content):
    return [content[:-20], content[:2000], b"", b"hello", gzip.compress(b"hello"), gzip.compress(b"\0" * 5000)]


@pytest.mark.parametrize("kind", range(6))
def test_a_damaged_display_is_refused(copied, kind):
    file = copied / "display.nii.gz"
    file.write_bytes(damages(file.read_bytes())[kind])
    with pytest.raises(InputError, match="segment the visit again"):
        _ = read_result(copied).display


def test_a_missing_file_is_named(copied):
    for name, attribute in (("display.nii.gz", "display"), ("anatomy.nii.gz", "anatomy")):
        (copied / name).unlink()
        with pytest.raises(InputError, match="no such file") as caught:
            getattr(read_result(copied), attribute)
        assert caught.value.file == copied / name
    (copied / "lesions.csv").unlink()
    with pytest.raises(InputError, match="no such file"):
        read_result(copied)


@pytest.mark.parametrize("ids", ["1,2,3,3", "1,2,3,1000", "0,1,2,3"])
def test_ids_are_those_that_dawson_gives(write_result, tmp_path, ids):
    out = write_result(tmp_path / "out")
    head, *lines = (out / "lesions.csv").read_text().splitlines()
    changed = [f"{number},{line.split(',', 1)[1]}" for number, line in zip(ids.split(","), lines, strict=True)]
    (out / "lesions.csv").write_text("\n".join([head, *changed]) + "\n")
    with pytest.raises(InputError, match="ids"):
        read_result(out)


BOMB = 400_000_000  # bytes of zeros, which gzip stores in 400 kB


def pack(header, voxels, more=0):
    """A .nii.gz of a header and its voxels, with zeros behind them."""
    packer = zlib.compressobj(wbits=31)
    parts = [packer.compress(header.binaryblock + bytes(4) + voxels.tobytes(order="F"))]
    parts += [packer.compress(bytes(10_000_000)) for _ in range(more // 10_000_000)]
    return b"".join([*parts, packer.flush()])


def header_of(file, shape=None):
    header = nib.load(file).header.copy()
    header["vox_offset"] = 352
    if shape is not None:
        header.set_data_shape(shape)
    return header


@pytest.mark.parametrize("name", ["lesions", "anatomy", "display"])
@pytest.mark.parametrize("declared", [False, True], ids=["behind the voxels", "declared by the header"])
def test_a_bomb_is_refused_before_it_takes_memory(copied, name, declared):
    file = copied / f"{name}.nii.gz"
    voxels = np.asarray(nib.load(file).dataobj)
    grown = (600, 600, 700, *voxels.shape[3:]) if declared else None
    file.write_bytes(pack(header_of(file, grown), voxels, BOMB))
    assert file.stat().st_size < 1_000_000
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            _ = {"lesions": lambda r: r.mask, "anatomy": lambda r: r.anatomy, "display": lambda r: r.display}[name](
                read_result(copied)
            )
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()
    assert str(caught.value).count(". ") == 0
    assert caught.value.file == file
