"""What the viewer is given: whole lesions on the right lattice, no more than the page has room for."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re

import nibabel as nib
import numpy as np
import pytest

from dawson.reporting import viewer
from dawson.reporting.page import page
from dawson.reporting.render import asset
from dawson.results.read import read_result


def unpacked(text):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(text)))


@pytest.fixture(scope="module")
def result(result_folder):
    return read_result(result_folder)


@pytest.fixture(scope="module")
def found(result):
    return viewer.viewer_data(result).volumes


def volumes(image, ids):
    voxel = abs(np.linalg.det(image.affine[:3, :3])) / 1000
    return {number: (ids == number).sum() * voxel for number in np.unique(ids[ids > 0]).tolist()}


def test_lesions_keep_their_ids_and_volumes(result, found):
    image = unpacked(found["volume-lesions"])
    ids = np.asarray(image.dataobj)
    assert volumes(image, ids) == pytest.approx({lesion.id: lesion.volume_ml for lesion in result.lesions}, abs=1e-5)
    for lesion in result.lesions:
        centre = nib.affines.apply_affine(image.affine, np.argwhere(ids == lesion.id).mean(axis=0))
        assert centre == pytest.approx(lesion.centroid, abs=0.01)


def test_scans_are_cut_to_the_head_and_lie_where_they_lay(result, found):
    for number in range(2):
        image = unpacked(found[f"volume-{number}"])
        cut = np.asarray(image.dataobj)
        assert cut.dtype == np.uint8
        assert cut.size < 0.9 * result.mask.size
        first = np.rint(result.grid.to_index(image.affine[:3, 3])).astype(int)
        where = tuple(slice(f, f + n) for f, n in zip(first, cut.shape, strict=True))
        assert np.array_equal(cut, result.display[(*where, number)])
        assert result.display[..., number][result.anatomy > 0].sum() == cut[(result.anatomy > 0)[where]].sum()


def test_each_place_to_jump_to_lies_in_its_lesion(result, found):
    image = unpacked(found["volume-lesions"])
    ids = np.asarray(image.dataobj)
    content = viewer.viewer_data(result).content
    assert content["sequences"] == ["FLAIR", "T1"]
    assert [lesion["id"] for lesion in content["lesions"]] == [1, 2, 3, 4]
    for lesion in content["lesions"]:
        index = np.rint(nib.affines.apply_affine(np.linalg.inv(image.affine), lesion["mm"])).astype(int)
        assert ids[tuple(index)] == lesion["id"]


def test_too_large_a_scan_is_shown_coarser_and_loses_no_lesion(result, monkeypatch):
    monkeypatch.setattr(viewer, "BUDGET", 60_000)
    found = viewer.viewer_data(result).volumes
    assert sum(len(found[f"volume-{n}"]) for n in range(2)) <= 60_000
    image = unpacked(found["volume-lesions"])
    ids = np.asarray(image.dataobj)
    assert set(np.unique(ids)) == {0, 1, 2, 3, 4}
    for lesion in result.lesions:
        centre = nib.affines.apply_affine(image.affine, np.argwhere(ids == lesion.id).mean(axis=0))
        assert centre == pytest.approx(lesion.centroid, abs=float(max(image.header.get_zooms())) / 2 + 0.01)


def test_data_can_neither_end_its_element_nor_open_a_comment(write_result, tmp_path):
    text = "</script><!--<script>&amp;\u2028"
    out = write_result(tmp_path / "out")
    table = (out / "lesions.csv").read_text().replace("right, middle third, upper third", text)
    (out / "lesions.csv").write_text(table)
    whole = page(read_result(out))
    data = re.search(r'<script type="application/json" id="viewer-data">(.*?)</script>', whole, re.DOTALL).group(1)
    assert not re.search(r"[<>&]", data)
    assert text in json.loads(data)["lesions"][0]["words"]


def test_the_library_is_the_one_that_is_named():
    text = asset("niivue.umd.js")
    assert hashlib.sha256(text.encode()).hexdigest() in asset("README.md")
    assert "</script" not in text.lower()
    assert "<!--" not in text
    assert "BSD 2-Clause" in asset("NIIVUE-LICENSE.txt")
