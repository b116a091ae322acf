"""Scans told by their names in a folder, and studies put together from folders and files."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from dawson.cases.scan_names import NotUsed, modality_of_name
from dawson.cases.visit import find_scans, read_study
from dawson.core.errors import AccessError, DawsonError, InputError, UsageError
from dawson.core.study import Modality

Write = Callable[..., Path]
FLAIR, T1, T2 = Modality.FLAIR, Modality.T1, Modality.T2


def folder_of(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"not read here")
    return folder


def check_refusal(error: DawsonError, file: Path, *words: str) -> None:
    message = str(error)
    assert message.startswith(f"{file}: ") and message.endswith(".") and "\n" not in message
    for word in words:
        assert word in message


# --- names ---


@pytest.mark.parametrize(
    ("modality", "names"),
    [
        (
            FLAIR,
            "FLAIR flair 3DFLAIR t2_flair T2FLAIR FLAIR_3D sub-x_ses-y_FLAIR study1_FLAIR ax-t2-flair-fs "
            "sub-T1_acq-T2_FLAIR sub-01_space-T1w_FLAIR t2_space_dark-fluid_sag FLAIR_N4_reg FLAIR(2)",
        ),
        (
            T1,
            "T1 t1 T1w T1W study2_T1W sub-01_T1w T1_MPRAGE mprage 3DT1 T1-3D t1_tfe_sag T1_FFE sagT1 FSPGR "
            "3D_BRAVO T1_brain sub-01_ses-1_acq-mprage_run-2_T1w T1_pre_contrast t1_weighted T1_without_gd",
        ),
        (T2, "T2 t2 T2w study1_T2W sub-T1_ses-2_T2w t2_tse_tra axT2 T2_SPACE T2TSE"),
        (
            NotUsed.RESULT,
            "lesions lesion FLAIR_lesion FLAIR-lesionmask T1_mask brainmask T1_brain_mask sub-01_T1w_dseg "
            "sub-01_label-WM_probseg FLAIR_seg1 probability anatomy gt roi_T2 FLAIR_label T1map T1_map "
            "consensus_FLAIR FLAIR_prob sub-01_desc-brain_mask",
        ),
        (
            NotUsed.CONTRAST,
            "T1ce T1gd T1_Gd T1c t1_post T1_post-contrast T1+C sub-01_ce-gadolinium_T1w sub-01_acq-gd_T1w "
            "T1_KM GADO T1wCE FLAIR_gd",
        ),
        (
            NotUsed.OTHER,
            "T2star T2_star T2* t2s sub-01_T2starw T2_GRE SWI t2_swi DWI PD PD_T2 t2_tirm STIR DIR MP2RAGE",
        ),
        (NotUsed.SEVERAL, "T1_to_FLAIR T1_FLAIR T1FLAIR T1_T2_reg"),
        (NotUsed.UNKNOWN, "scan T3 T11 patient1 at1as"),
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".NII.GZ"])
def test_names(modality: Modality | NotUsed, names: str, ending: str) -> None:
    told = {name: modality_of_name(name + ending) for name in names.split()}
    assert told == dict.fromkeys(names.split(), modality)


# --- folders ---


def test_folder_of_one_visit(tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        "t2.nii",
        "FLAIR.nii.gz",
        "T1.nii.gz",
        "lesion.nii.gz",
        "._FLAIR.nii.gz",
        "old/FLAIR.nii.gz",
        "FLAIR.json",
    )
    (folder / "FLAIR2.nii.gz").mkdir()
    found = find_scans(str(folder))
    assert list(found.items()) == [
        (FLAIR, folder / "FLAIR.nii.gz"),
        (T1, folder / "T1.nii.gz"),
        (T2, folder / "t2.nii"),
    ]


def test_bids_anat(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "anat/sub-1_FLAIR.nii.gz", "anat/sub-1_T1w.nii.gz", "dwi/sub-1_dwi.nii.gz")
    assert find_scans(folder) == {
        FLAIR: folder / "anat/sub-1_FLAIR.nii.gz",
        T1: folder / "anat/sub-1_T1w.nii.gz",
    }
    assert find_scans(folder / "anat") == find_scans(folder)


@pytest.mark.parametrize("names", [("study1_FLAIR.nii.gz", "study2_FLAIR.nii.gz"), ("FLAIR.nii", "FLAIR.nii.gz")])
def test_ambiguous_folder(tmp_path: Path, names: tuple[str, str]) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(folder_of(tmp_path, *names, "T1.nii.gz"))
    check_refusal(caught.value, tmp_path, f"2 scans named FLAIR in this folder ({', '.join(names)})", "--flair")


def test_no_known_name_lists_all_and_why(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(folder_of(tmp_path, "scan.nii.gz", "T1ce.nii.gz", "anat/mask.nii.gz", "t2star.nii.gz"))
    check_refusal(
        caught.value,
        tmp_path,
        "scan.nii.gz: names no sequence",
        "T1ce.nii.gz: contrast-enhanced",
        "anat/mask.nii.gz: a mask or result",
        "t2star.nii.gz: another sequence",
        "--flair",
        "FLAIR.nii.gz",
    )


def test_long_lists_are_cut(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(folder_of(tmp_path, *(f"scan{n:02}.nii.gz" for n in range(40))))
    check_refusal(caught.value, tmp_path, "scan11.nii.gz", "and 28 more")
    assert "scan12" not in str(caught.value)


def test_folder_without_nifti(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(folder_of(tmp_path, "ses-1/anat/sub-1_FLAIR.nii.gz", "notes.txt", ".hidden"))
    check_refusal(caught.value, tmp_path, "(found: notes.txt, ses-1/)", "give the folder of one visit")


def test_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(tmp_path)
    check_refusal(caught.value, tmp_path, "found: nothing", "--flair")


@pytest.mark.parametrize(("name", "content"), [("s/1.dcm", b""), ("s/IM0001", bytes(128) + b"DICM"), ("2.IMA", b"")])
def test_dicom_folder(tmp_path: Path, name: str, content: bytes) -> None:
    (folder_of(tmp_path, name) / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        find_scans(tmp_path)
    check_refusal(caught.value, tmp_path, "DICOM", "does not read yet", "dcm2niix")


@pytest.mark.parametrize("name", ["absent", "a\0b", "x" * 5000])
def test_folder_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError) as caught:
        find_scans(tmp_path / name)
    check_refusal(caught.value, tmp_path / name, "check the path")


def test_file_instead_of_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_study(folder_of(tmp_path, "FLAIR.nii.gz") / "FLAIR.nii.gz")
    check_refusal(caught.value, tmp_path / "FLAIR.nii.gz", "not the folder of a visit", "--flair")


# --- studies ---


def test_study_from_files(tmp_path: Path, write_head: Write) -> None:
    t2, flair = write_head(tmp_path / "a.nii.gz", seed=1), write_head(tmp_path / "b.nii.gz", seed=2)
    study = read_study(t2=str(t2), flair=flair)
    assert study.modalities == (FLAIR, T2) and study.reference.file == flair
    assert study.scans[T2].modality is T2 and study.warnings == ()


def test_study_from_folder_tells_what_was_left_out(tmp_path: Path, write_head: Write) -> None:
    for seed, name in enumerate(("FLAIR.nii.gz", "T1.nii.gz", "T1_Gd.nii.gz", "SWI.nii.gz", "lesion.nii.gz")):
        write_head(tmp_path / name, seed=seed)
    study = read_study(tmp_path)
    assert study.modalities == (FLAIR, T1)
    assert study.warnings == (
        "flair: another scan in the folder is not used (another sequence)",
        "flair: another scan in the folder is not used (contrast-enhanced)",
    )


def test_study_of_nothing() -> None:
    with pytest.raises(UsageError, match=r"no scan was given; give at least one of FLAIR, T1 and T2"):
        read_study()


def test_folder_together_with_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_study(tmp_path, t1="T1.nii.gz")
    check_refusal(caught.value, tmp_path, "both", "either the folder of a visit or the files")


@pytest.mark.parametrize("again", ["same", "link", "copy"])
def test_one_scan_for_two_sequences(tmp_path: Path, write_head: Write, again: str) -> None:
    first = write_head(tmp_path / "a.nii.gz")
    second = first if again == "same" else tmp_path / "b.nii.gz"
    if again == "link":
        second.symlink_to(first)
    if again == "copy":
        shutil.copy(first, second)
    with pytest.raises(UsageError) as caught:
        read_study(flair=first, t1=second)
    check_refusal(caught.value, second, "the same scan was given as FLAIR and as T1", "its own scan")


@pytest.mark.parametrize("dangling", [False, True])
def test_missing_file(tmp_path: Path, write_head: Write, dangling: bool) -> None:
    write_head(tmp_path / "FLAIR.nii.gz")
    if dangling:  # as in a git-annex clone whose content was never fetched
        (tmp_path / "T1.nii.gz").symlink_to(tmp_path / "nowhere")
    files = {"flair": tmp_path / "FLAIR.nii.gz", "t1": tmp_path / "T1.nii.gz"}
    with pytest.raises(InputError) as caught:
        read_study(**({"folder": tmp_path} if dangling else files))
    check_refusal(caught.value, tmp_path / "T1.nii.gz", "no such file", "check the path")


# --- a bad scan beside a good one ---

Damage = Callable[[Path, Write], Path]


def of_voxels(make: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Write a scan whose voxels are what ``make`` gives for those of a head."""

    def damage(file: Path, write_head: Write) -> Path:
        voxels = nib.load(write_head(file)).get_fdata()
        return write_head(file, voxels=make(voxels), dtype=np.float32)

    return damage


def few(voxels: np.ndarray) -> np.ndarray:
    """One voxel in two hundred, the rest zero."""
    kept = np.random.default_rng(0).random(voxels.shape) < 0.005
    return np.where(kept, voxels, 0.0)


def cut(file: Path, write_head: Write) -> Path:
    content = write_head(file).read_bytes()
    file.write_bytes(content[: len(content) // 2])
    return file


def no_nifti(file: Path, _: Write) -> Path:
    file.write_text("no scan at all")
    return file


def no_orientation(file: Path, write_head: Write) -> Path:
    return write_head(file, sform=0, qform=0)


BAD = {
    "a few of its voxels": (of_voxels(few), "which is not the size of a human head"),
    "constant": (of_voxels(lambda v: np.full_like(v, 7.0)), "all of its voxels have the value 7"),
    "empty": (of_voxels(np.zeros_like), "all of its voxels are zero"),
    "NaN": (of_voxels(lambda v: np.full_like(v, np.nan)), "all of its voxels are NaN"),
    "a mask": (of_voxels(lambda v: v > 300), "looks like a mask"),
    "4D": (of_voxels(lambda v: np.stack([v, v], axis=-1)), "4D image"),
    "truncated": (cut, "truncated"),
    "no NIfTI": (no_nifti, "not a NIfTI file"),
    "no orientation": (no_orientation, "no orientation"),
}


@pytest.mark.parametrize(("damage", "why"), BAD.values(), ids=BAD)
def test_a_bad_scan_is_left_out_beside_a_good_one(tmp_path: Path, write_head: Write, damage: Damage, why: str) -> None:
    write_head(tmp_path / "FLAIR.nii.gz")
    bad = damage(tmp_path / "T1.nii.gz", write_head)
    study = read_study(tmp_path)
    assert study.modalities == (FLAIR,) and list(study.left_out) == [T1]
    assert why in study.left_out[T1]
    assert study.warnings == (f"t1: left out, for this scan cannot be used: {study.left_out[T1]}",)
    assert str(tmp_path) not in study.warnings[0]
    for given in ({"folder": tmp_path}, {"flair": tmp_path / "FLAIR.nii.gz", "t1": bad}):
        with pytest.raises(InputError) as caught:
            read_study(**given, strict=True)
        check_refusal(caught.value, bad, why)


def test_a_bad_reference_gives_way_to_the_next_scan(tmp_path: Path, write_head: Write) -> None:
    no_nifti(tmp_path / "FLAIR.nii.gz", write_head)
    write_head(tmp_path / "T1.nii.gz")
    study = read_study(tmp_path)
    assert study.reference.modality is T1 and list(study.left_out) == [FLAIR]


@pytest.mark.parametrize("names", [["FLAIR.nii.gz"], ["FLAIR.nii.gz", "T1.nii.gz"]])
def test_where_no_scan_is_left_the_visit_is_refused(tmp_path: Path, write_head: Write, names: list[str]) -> None:
    for name in names:
        no_nifti(tmp_path / name, write_head)
    with pytest.raises(InputError) as caught:
        read_study(tmp_path)
    check_refusal(caught.value, tmp_path / "FLAIR.nii.gz", "not a NIfTI file", *names[1:])


@pytest.mark.parametrize("kind", ["missing", "folder", "no ending", "unreadable"])
def test_a_slip_of_the_path_is_never_left_out(
    tmp_path: Path, write_head: Write, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = write_head(tmp_path / "a.nii.gz"), tmp_path / ("b.txt" if kind == "no ending" else "b.nii.gz")
    if kind == "folder":
        bad.mkdir()
    elif kind != "missing":
        bad.write_bytes(b"no scan at all")
    if kind == "unreadable":  # by permission; root reads all the same, so the system's answer is made here
        usual = Path.open

        def refuse(file: Path, *args: Any, **options: Any) -> Any:
            if file == bad:
                raise PermissionError(13, "Permission denied")
            return usual(file, *args, **options)

        monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(AccessError) as caught:
        read_study(flair=good, t1=bad)
    check_refusal(caught.value, bad)
