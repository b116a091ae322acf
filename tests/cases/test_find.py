"""Finding cases and looking into them: every problem of a cohort in one message, before any work starts."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from dawson.cases import check, facts_cache
from dawson.cases.case import Case
from dawson.cases.check import check_cases
from dawson.cases.find import find_cases
from dawson.core.errors import InputError
from dawson.core.study import Modality

WriteHead = Callable[..., Path]


@pytest.fixture
def touch() -> Callable[[Path], Path]:
    def make(file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return file

    return make


def listed(error: pytest.ExceptionInfo[InputError]) -> list[str]:
    return [line.strip() for line in str(error.value).splitlines()[1:]]


def bids(root: Path, touch: Callable[[Path], Path]) -> Path:
    """Two patients, one with sessions, masks in derivatives and beside the scans."""
    for name in (
        "sub-02/ses-b/anat/sub-02_ses-b_FLAIR.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T2w.nii",
        "sub-02/ses-a/anat/sub-02_ses-a_ce-gadolinium_T1w.nii.gz",
        "sub-02/ses-a/anat/sub-02_ses-a_T1w.json",
        "sub-02/ses-a/dwi/sub-02_ses-a_dwi.nii.gz",
        "sub-01/anat/sub-01_FLAIR.nii.gz",
        "sub-01/anat/._sub-01_FLAIR.nii.gz",
        "sub-01/anat/sub-01_label-L_roi.nii.gz",
        "derivatives/raters/sub-02/ses-a/anat/sub-02_ses-a_space-orig_label-lesion_desc-final_mask.nii.gz",
        "derivatives/raters/sub-02/ses-b/anat/sub-02_ses-b_label-lesion_dseg.nii.gz",
        "derivatives/raters/sub-02/ses-b/anat/sub-02_ses-b_label-brain_mask.nii.gz",
    ):
        touch(root / name)
    return root


def test_a_bids_data_set_is_sorted_by_patient_and_visit(tmp_path: Path, touch: Callable[[Path], Path]) -> None:
    cases = find_cases(bids(tmp_path, touch))
    assert [case.name for case in cases] == ["sub-01", "sub-02_ses-a", "sub-02_ses-b"]
    assert [tuple(case.scans) for case in cases] == [
        (Modality.FLAIR,),
        (Modality.T1, Modality.T2),
        (Modality.FLAIR,),
    ]
    assert cases[1].mask.name == "sub-02_ses-a_space-orig_label-lesion_desc-final_mask.nii.gz"
    assert cases[1].scans[Modality.T1].name == "sub-02_ses-a_T1w.nii.gz"
    assert pickle.loads(pickle.dumps(cases)) == cases


def test_all_problems_of_a_bids_data_set_are_told_at_once(tmp_path: Path, touch: Callable[[Path], Path]) -> None:
    root = bids(tmp_path, touch)
    touch(root / "sub-02/ses-a/anat/sub-02_ses-a_run-2_T1w.nii.gz")  # two of one sequence
    touch(root / "sub-01/anat/sub-01_label-lesion_mask.nii.gz")  # two masks
    touch(root / "sub-03/anat/sub-03_FLAIR.nii.gz")  # no mask
    touch(root / "sub-04/anat/sub-04_T2star.nii.gz")  # no scan at all
    touch(root / "derivatives/raters/sub-02/ses-c/anat/sub-02_ses-c_label-L_mask.nii.gz")  # no scan at one visit
    with pytest.raises(InputError) as error:
        find_cases(root)
    lines = listed(error)
    assert len(lines) == 5 and "5 problems" in str(error.value)
    for line, words in zip(
        sorted(lines),
        (
            ("sub-01:", "2 lesion masks", "label-L_roi.nii.gz", "table"),
            ("sub-02_ses-a:", "2 scans for T1", "run-2", "table cases.tsv"),
            ("sub-02_ses-c:", "no scan"),
            ("sub-03:", "no lesion mask", "sub-03_label-lesion_mask"),
            ("sub-04:", "no FLAIR, T1w or T2w"),
        ),
        strict=True,
    ):
        assert all(word in line for word in words), line


def test_a_table_names_files_relative_to_itself(tmp_path: Path, touch: Callable[[Path], Path]) -> None:
    for name in ("b/f.nii.gz", "b/m.nii.gz", "a1.nii", "a2.nii", "am.nii"):
        touch(tmp_path / "scans" / name)
    table = tmp_path / "cases.tsv"
    table.write_text(
        "\ufeffPatient\tvisit\tFLAIR\tT1w\tt2\tmask\tage\n"
        "Zoë\tn/a\tscans/b/f.nii.gz\tn/a\t\tscans/b/m.nii.gz\t30\n\n"
        "Ada\tyear 1\t\tscans/a1.nii\tscans/a2.nii\tscans/am.nii\n",
        "utf-8",
    )
    cases = find_cases(table)
    assert [case.name for case in cases] == ["Ada_year 1", "Zoë"]
    assert cases[0].scans == {Modality.T1: tmp_path / "scans/a1.nii", Modality.T2: tmp_path / "scans/a2.nii"}
    assert cases[1].visit == ""
    assert find_cases(tmp_path) == cases  # the folder with the table in it
    comma = tmp_path / "other.csv"
    comma.write_text(table.read_text("utf-8-sig").replace("\t", ","), "utf-8")
    assert find_cases(comma) == cases


def test_a_table_may_name_masks_of_what_nobody_is_sure_of(tmp_path: Path, touch: Callable[[Path], Path]) -> None:
    for name in ("f1.nii", "f2.nii", "m1.nii", "m2.nii", "u1.nii"):
        touch(tmp_path / name)
    table = tmp_path / "cases.tsv"
    table.write_text("patient\tflair\tmask\tunsure\na\tf1.nii\tm1.nii\tu1.nii\nb\tf2.nii\tm2.nii\tn/a\n")
    one, other = find_cases(table)
    assert one.unsure == tmp_path / "u1.nii" and other.unsure is None
    assert pickle.loads(pickle.dumps(one)).unsure == one.unsure
    table.write_text("patient\tflair\tmask\tunsure\na\tf1.nii\tm1.nii\tu9.nii\nb\tf2.nii\tm2.nii\tm2.nii\n")
    with pytest.raises(InputError) as error:
        find_cases(table)
    assert "line 2: unsure 'u9.nii' does not exist" in str(error.value)
    table.write_text("patient\tflair\tmask\tunsure\na\tf1.nii\tm1.nii\tm1.nii\n")
    with pytest.raises(InputError, match="used as mask of a and as unsure of a"):
        find_cases(table)


def test_all_problems_of_a_table_are_told_by_line(tmp_path: Path, touch: Callable[[Path], Path]) -> None:
    for name in ("f1", "f2", "m1", "m2"):
        touch(tmp_path / f"{name}.nii")
    (tmp_path / "cases.tsv").write_text(
        "patient\tvisit\tflair\tmask\n"
        "a\t1\tf1.nii\tm1.nii\n"
        "a\t1\tf2.nii\tm2.nii\n"  # named twice
        "b\t1\tgone.nii\tm2.nii\n"
        "c\t1\t\tm2.nii\n"
        "d\t1\tf2.nii\tn/a\n"
        "\t1\tf2.nii\tm2.nii\n"
        "e/f\t1\tf2.nii\tm2.nii\n"
        "g\t1\tf2.nii\tm2.nii\tmore\n"
        "h\t1\tf1.nii\tm2.nii\n",  # a scan of another patient
        "utf-8",
    )
    with pytest.raises(InputError) as error:
        find_cases(tmp_path)
    text = str(error.value)
    for words in (
        "line 3: a_1 is in line 2 already",
        "line 4: FLAIR 'gone.nii' does not exist",
        "line 5: c has no scan",
        "line 6: d has no lesion mask",
        "line 7: no patient",
        "line 8: 'e/f' cannot be used",
        "line 9: 5 cells under 4 columns",
        "f1.nii: used as FLAIR of a_1 and as FLAIR of h_1",
    ):
        assert words in text
    assert len(listed(error)) == 8


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"visit\tflair\tmask\n", "no column patient"),
        (b"patient\tvisit\tmask\n", "no column flair, t1 or t2"),
        (b"patient\tt1\tT1w\tmask\n", "more than one column for t1"),
        (b"", "no column patient and no column mask"),
        (b"\x80\x81", "UTF-8"),
        (b"patient\tflair\tmask\n", "holds no case"),
    ],
)
def test_what_is_no_table_of_cases_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "cases.tsv").write_bytes(content)
    with pytest.raises(InputError, match=words):
        find_cases(tmp_path / "cases.tsv")


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        find_cases(tmp_path / "gone")
    with pytest.raises(InputError, match="neither sub-"):
        find_cases(tmp_path)


def write_mask(file: Path, like: Path, *, dtype: str = "uint8", value: float = 1, lesions: int = 2) -> Path:
    reference = nib.load(like)
    voxels = np.zeros(reference.shape, dtype)
    for number in range(lesions):
        voxels[8 + 5 * number, 12, 10:12] = value
    nib.save(nib.Nifti1Image(voxels, reference.affine), file)
    return file


@pytest.fixture
def cohort(tmp_path: Path, write_head: WriteHead) -> list[Case]:
    """Three patients: FLAIR and T1 on different grids, the mask on the T1's in the last; the second has no lesion."""
    cases = []
    for number in range(3):
        folder = tmp_path / f"p{number}"
        folder.mkdir()
        flair = write_head(folder / "flair.nii.gz", seed=2 * number)
        affine = nib.load(flair).affine.copy()
        affine[2, 3] += 2
        t1 = write_head(folder / "t1.nii.gz", seed=2 * number + 1, affine=affine)
        mask = write_mask(folder / "mask.nii.gz", t1 if number == 2 else flair, lesions=0 if number == 1 else 2)
        cases.append(Case(f"p{number}", "", {Modality.FLAIR: flair, Modality.T1: t1}, mask))
    return cases


def test_what_is_found_in_cases(cohort: list[Case]) -> None:
    told: list[tuple[int, int]] = []
    facts = check_cases(cohort, progress=lambda done, of: told.append((done, of)), workers=2)
    assert told == [(n, 9) for n in range(1, 10)]
    assert [f.name for f in facts] == ["p0", "p1", "p2"]
    assert [f.lesions for f in facts] == [2, 0, 2]
    assert facts[0].load_ml == pytest.approx(4 * 8 * 8 * 7 / 1000)
    assert [f.reference for f in facts] == [Modality.FLAIR, Modality.FLAIR, Modality.T1]
    assert set(facts[0].sha256) == {*cohort[0].scans.values(), cohort[0].mask}


def test_a_second_check_reads_only_what_has_changed(
    cohort: list[Case], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = check_cases(cohort, cache=tmp_path / "cache")
    read: list[Path] = []
    real = check.read_mask
    monkeypatch.setattr(check, "read_mask", lambda file: read.append(file) or real(file))
    monkeypatch.setattr(check, "read_scan", lambda file, modality: pytest.fail("an unchanged scan was read again"))
    assert check_cases(cohort, cache=tmp_path / "cache") == first
    assert read == []
    write_mask(cohort[1].mask, cohort[1].scans[Modality.FLAIR], lesions=3)
    assert check_cases(cohort, cache=tmp_path / "cache")[1].lesions == 3
    assert read == [cohort[1].mask]
    (tmp_path / "cache" / facts_cache.CHECKED).write_text("{broken")
    monkeypatch.undo()
    assert check_cases(cohort, cache=tmp_path / "cache")[0] == first[0]


def test_ctrl_c_keeps_what_was_read(cohort: list[Case], tmp_path: Path) -> None:
    def interrupt(done: int, of: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        check_cases(cohort, cache=tmp_path, workers=1, progress=interrupt)
    assert len(json.loads((tmp_path / facts_cache.CHECKED).read_text())["files"]) >= 4
    assert [f.lesions for f in check_cases(cohort, cache=tmp_path)] == [2, 0, 2]


def test_all_problems_in_files_are_told_at_once(cohort: list[Case], write_head: WriteHead, tmp_path: Path) -> None:
    zero, one, two = cohort
    write_mask(zero.mask, write_head(tmp_path / "small.nii.gz", voxels=np.ones((20, 28, 24))))  # another scan's
    flair = one.scans[Modality.FLAIR]
    flair.write_bytes(flair.read_bytes()[:-300])
    write_mask(one.mask, one.scans[Modality.T1], dtype="float32", value=np.nan)
    two.scans[Modality.T1].write_bytes(zero.scans[Modality.T1].read_bytes())  # the same scan under two names
    with pytest.raises(InputError) as error:
        check_cases(cohort, source=tmp_path / "cases.tsv")
    lines = sorted(listed(error))
    assert len(lines) == 4
    assert "T1 of p0 and T1 of p2 are one and the same scan" in lines[0]
    assert "p0: " in lines[1] and "a mask of another scan" in lines[1] and "20 × 28 × 24" in lines[1]
    assert "p1: " in lines[2] and "truncated" in lines[2]
    assert "p1: " in lines[3] and "NaN or infinite" in lines[3]


def test_what_is_unsure_lies_on_the_grid_of_the_mask(cohort: list[Case], tmp_path: Path) -> None:
    zero = cohort[0]
    flair, t1 = zero.scans[Modality.FLAIR], zero.scans[Modality.T1]
    right = replace(zero, unsure=write_mask(tmp_path / "right.nii.gz", flair, lesions=3))
    assert check_cases([right])[0].sha256.keys() == {flair, t1, zero.mask, right.unsure}
    wrong = replace(zero, unsure=write_mask(tmp_path / "wrong.nii.gz", t1))
    with pytest.raises(InputError, match=r"wrong.nii.gz: lies on another grid than the mask"):
        check_cases([wrong])


def test_a_flipped_mask_is_refused(cohort: list[Case]) -> None:
    image = nib.load(cohort[0].mask)
    affine = image.affine @ np.diag([-1, 1, 1, 1])
    nib.save(nib.Nifti1Image(np.asanyarray(image.dataobj), affine), cohort[0].mask)
    with pytest.raises(InputError, match="a mask moved or flipped"):
        check_cases(cohort)


def test_a_cohort_without_lesions_is_refused(cohort: list[Case]) -> None:
    with pytest.raises(InputError, match="the class to learn is empty"):
        check_cases([cohort[1]])


def test_cases_check_and_split_load_neither_torch_nor_openvino() -> None:
    code = (
        "import sys, dawson.cases.find, dawson.cases.check, dawson.cases.split; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'openvino')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.realdata
def test_the_real_scans_pass_the_check(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "labelled" / "mslesseg-P18-T1"
    names = {name: folder / f"{name}.nii.gz" for name in ("FLAIR", "T1", "lesion")}
    (tmp_path / "cases.tsv").write_text(
        f"patient\tflair\tt1\tmask\nP18\t{names['FLAIR']}\t{names['T1']}\t{names['lesion']}\n", "utf-8"
    )
    (facts,) = check_cases(find_cases(tmp_path))
    assert facts.load_ml == pytest.approx(0.77, abs=0.01)
    assert facts.reference is Modality.FLAIR


@pytest.mark.parametrize("changed", ["a.hdr", "a.img"])
def test_facts_of_a_pair_are_forgotten_where_either_half_has_changed(tmp_path: Path, changed: str) -> None:
    for name in ("a.hdr", "a.img"):
        (tmp_path / name).write_bytes(b"one")
    for given in ("a.hdr", "a.img"):
        cache = facts_cache.FactsCache(tmp_path / "cache")
        cache.put(tmp_path / given, facts_cache.stamp_of(tmp_path / given), {"kind": "scan"})
        cache.save()
    (tmp_path / changed).write_bytes(b"another")
    again = facts_cache.FactsCache(tmp_path / "cache")
    assert [again.get(tmp_path / given, "scan") for given in ("a.hdr", "a.img")] == [None, None]
