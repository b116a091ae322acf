"""What an evaluation keeps is found again, whatever a case is called."""

from __future__ import annotations

import json

import pytest

from dawson.core.errors import InputError
from dawson.evaluation.kept_results import folder_name, read_kept, result_folder
from fixtures.masks import LARGE, SHAPE, blob

NAMES = ["A", "Ada_year 1", "Zoë", "P1+2", "100%", "=1+1"]


def test_every_case_has_a_folder_of_its_own():
    names = [*NAMES, ".hidden", "a/b", "a%2Fb", "..", "%2E."]
    folders = {folder_name(name) for name in names}
    assert len(folders) == len(names)
    assert not any(folder.startswith(".") or "/" in folder for folder in folders)


@pytest.mark.parametrize("name", NAMES)
def test_results_are_read_by_the_names_of_cases(tmp_path, save_mask, name):
    scan = save_mask(tmp_path / "flair.nii.gz", blob(LARGE))
    mask = save_mask(tmp_path / "mask.nii.gz", blob(LARGE))
    patient, _, visit = name.partition("_")
    table = tmp_path / "cases.tsv"
    table.write_text(f"patient\tvisit\tflair\tmask\n{patient}\t{visit}\t{scan.name}\t{mask.name}\n", "utf-8")
    folder = result_folder(tmp_path / "evaluation", name, "flair")
    save_mask(folder / "probability.nii.gz", blob(LARGE))
    (folder / "summary.json").write_text(json.dumps({"rule": {"threshold": 0.4, "peak": 0.6}}))
    (kept,) = read_kept(table, tmp_path / "evaluation")
    assert (kept.case.name, kept.inputs, kept.threshold, kept.peak) == (name, "flair", 0.4, 0.6)
    assert kept.truth.shape == SHAPE
    assert kept.truth.any()


def test_an_evaluation_of_other_cases_is_refused(tmp_path, save_mask):
    for name in ("flair", "mask"):
        save_mask(tmp_path / f"{name}.nii.gz", blob(LARGE))
    table = tmp_path / "cases.tsv"
    table.write_text("patient\tflair\tmask\nA\tflair.nii.gz\tmask.nii.gz\n")
    with pytest.raises(InputError, match="holds no predictions of t1"):
        list(read_kept(table, tmp_path / "evaluation", inputs=["t1"]))
    result_folder(tmp_path / "evaluation", "B", "flair").mkdir(parents=True)
    with pytest.raises(InputError, match="is of a case that"):
        list(read_kept(table, tmp_path / "evaluation"))
