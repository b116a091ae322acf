"""The split: patients are never divided, counts are met where they can be, and what is not as wanted is said."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.cases.case import Case
from dawson.cases.split import SETS, Split, patients_of, read_split, write_split
from dawson.cases.splitting import k_folds, parse_wanted, split_cases
from dawson.cases.subset_sum import group_counts
from dawson.core.errors import DawsonError, InputError, UsageError
from dawson.core.study import Modality


def cohort(patients: int, seed: int, *, most_visits: int = 4) -> tuple[list[Case], dict[str, float]]:
    """Patients with one to several visits of one to three sequences, and their loads, some of them zero."""
    rng = np.random.default_rng(seed)
    cases, loads = [], {}
    for number in range(patients):
        load = float(rng.lognormal(1.5, 1.0)) * (rng.random() > 0.1)
        for visit in range(int(rng.integers(1, most_visits + 1))):
            chosen = rng.permutation(list(Modality))[: int(rng.integers(1, 4))]
            scans = {s: Path(f"{number}-{visit}-{s}.nii") for s in Modality if s in chosen}
            cases.append(Case(f"p{number}", f"v{visit}", scans, Path(f"{number}-{visit}.nii")))
            loads[cases[-1].name] = load * float(rng.uniform(0.8, 1.2))
    return cases, loads


def regular(patients: int, visits: int = 1) -> tuple[list[Case], dict[str, float]]:
    """Patients with all three sequences at each visit."""
    cases = [
        Case(f"p{n:03d}", f"v{v}", {s: Path(f"{n}-{v}-{s}.nii") for s in Modality}, Path(f"{n}-{v}.nii"))
        for n in range(patients)
        for v in range(visits)
    ]
    return cases, {case.name: float(i % 7) for i, case in enumerate(cases)}


def counts(split: Split) -> list[int]:
    return [len(split[name]) for name in SETS]


def patients(split: Split, name: str) -> set[str]:
    return {volume.case.patient for volume in split[name]}


def check_no_leak(split: Split, cases: list[Case]) -> None:
    for one, other in itertools.combinations(SETS, 2):
        assert not patients(split, one) & patients(split, other)
    volumes = [volume.key for name in SETS for volume in split[name]]
    assert sorted(volumes) == sorted((c.patient, c.visit, s.value) for c in cases for s in c.scans)


@settings(max_examples=200)
@given(st.integers(3, 40), st.integers(0, 2**31), st.sampled_from(["0.8/0.125/0.075", "0.6/0.2/0.1", "0.7/0.3/0"]))
def test_no_patient_is_in_two_sets(number: int, seed: int, wanted: str) -> None:
    cases, loads = cohort(number, seed)
    split = split_cases(cases, loads, wanted, seed=seed % 1000)
    check_no_leak(split, cases)
    assert split.train and split.validation and bool(split.test) == (not wanted.endswith("/0"))


@settings(max_examples=30)
@given(st.integers(3, 20), st.integers(0, 2**31), st.integers(3, 6))
def test_no_patient_is_in_two_folds(number: int, seed: int, k: int) -> None:
    cases, loads = cohort(number, seed)
    if k > number:
        with pytest.raises(UsageError, match=f"{k} folds"):
            k_folds(cases, loads, k, seed=1)
        return
    folds = k_folds(cases, loads, k, seed=1)
    for fold in folds:
        check_no_leak(fold, cases)
        assert fold.train and fold.validation and fold.test and not fold.unused
    tested = [patient for fold in folds for patient in sorted(patients(fold, "test"))]
    assert sorted(tested) == sorted({case.patient for case in cases})  # each once


def test_the_paper_s_counts_are_met_exactly() -> None:
    cases, loads = cohort(50, 7)
    total = sum(len(case.scans) for case in cases)
    split = split_cases(cases, loads, f"{total - 52}/32/20", seed=1)
    assert counts(split) == [total - 52, 32, 20, 0]
    assert split.notes == ()


@settings(max_examples=60)
@given(st.lists(st.integers(1, 6), min_size=3, max_size=7), st.integers(1, 8), st.integers(0, 8), st.integers(0, 3))
def test_nothing_is_nearer_to_the_wanted_counts(sizes: list[int], validation: int, test: int, unused: int) -> None:
    """Against all ways to put up to seven patients into four groups."""
    wanted = [sum(sizes) - validation - test - unused, validation, test, unused]
    if wanted[0] < 1:
        return
    best: int | None = None
    for groups in itertools.product(range(4), repeat=len(sizes)):
        off = distance(sizes, groups, wanted)
        best = off if off is not None and (best is None or off < best) else best
    if best is None:
        return
    for groups in group_counts(np.array(sizes), wanted, np.random.default_rng(0)):
        assert distance(sizes, tuple(groups.tolist()), wanted) == best


def distance(sizes: list[int], groups: tuple[int, ...], wanted: list[int]) -> int | None:
    """Sum of differences from what is wanted; None where a wanted set is empty or one not wanted is not."""
    got = [sum(size for size, own in zip(sizes, groups, strict=True) if own == g) for g in range(4)]
    for group in range(4):
        if (wanted[group] > 0 and got[group] == 0 and group < 3) or (wanted[group] == 0 and got[group] > 0):
            return None
    return sum(abs(g - w) for g, w in zip(got, wanted, strict=True))


def test_counts_that_cannot_be_met_are_met_nearly_and_said() -> None:
    cases, loads = regular(20)  # every patient has three volumes
    split = split_cases(cases, loads, "40/11/9", seed=0)
    assert counts(split) in ([39, 12, 9, 0], [42, 9, 9, 0])
    assert any("validation" in note and "instead of 11" in note for note in split.notes)


def test_what_is_not_asked_for_stays_unused_and_is_said() -> None:
    cases, loads = regular(20)
    split = split_cases(cases, loads, "30/9/6", seed=0)
    assert counts(split) == [30, 9, 6, 15]
    assert len(split.notes) == 1
    assert "15 of 60 volumes (of 5 patients) stay unused" in split.notes[0]


def test_more_than_there_is_cannot_be_asked_for() -> None:
    cases, loads = regular(5)
    with pytest.raises(UsageError, match=r"204/32/20 asks for 256 volumes, but the cases have 15"):
        split_cases(cases, loads, "204/32/20", seed=0)


@pytest.mark.parametrize(("number", "words"), [(1, "one patient only"), (2, "2 patients only")])
def test_too_few_patients_are_refused(number: int, words: str) -> None:
    cases, loads = regular(number, visits=4)
    with pytest.raises(UsageError, match=words):
        split_cases(cases, loads, "0.8/0.1/0.1", seed=0)
    if number == 2:
        assert counts(split_cases(cases, loads, "0.5/0.5/0", seed=0)) == [12, 12, 0, 0]


def test_the_seed_decides_and_the_order_of_cases_does_not() -> None:
    cases, loads = cohort(30, 3)
    one, same, other = (split_cases(cases, loads, "0.7/0.2/0.1", seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert patients(one, "test") != patients(other, "test")
    turned = split_cases(cases[::-1], loads, "0.7/0.2/0.1", seed=1)
    assert [patients(turned, name) for name in SETS] == [patients(one, name) for name in SETS]


def test_sets_resemble_the_cohort_in_load_and_sequences() -> None:
    """More than a split at random does, on average over cohorts."""

    def off(split: Split, loads: dict[str, float]) -> float:
        high = np.median([*loads.values()])

        def shares(name: str) -> np.ndarray:
            volumes = split[name]
            return np.array(
                [
                    np.mean([loads[v.case.name] > high for v in volumes]),
                    *(np.mean([v.modality is s for v in volumes]) for s in Modality),
                ]
            )

        return float(np.abs(shares("validation") - shares("train")).sum())

    ours, random = [], []
    for seed in range(8):
        cases, loads = cohort(40, seed)
        ours.append(off(split_cases(cases, loads, "0.7/0.2/0.1", seed=0), loads))
        names = sorted({case.patient for case in cases})
        order = np.random.default_rng(seed).permutation(names).tolist()
        sets = {"train": order[:28], "validation": order[28:36], "test": order[36:]}
        volumes = [v for name in SETS for v in split_cases(cases, loads, "0.7/0.2/0.1", seed=0)[name]]
        anyhow = {name: tuple(v for v in volumes if v.case.patient in own) for name, own in sets.items()}
        random.append(off(Split(**anyhow), loads))
    assert np.mean(ours) < 0.6 * np.mean(random), (ours, random)


def test_a_large_cohort_is_split_exactly_in_little_time() -> None:
    cases, loads = cohort(600, 1)
    total = sum(len(case.scans) for case in cases)
    split = split_cases(cases, loads, f"{total - 401}/201/100", seed=0)
    assert counts(split) == [total - 401, 201, 100, 100]
    check_no_leak(split, cases)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("204/32/20", (204, 32, 20)), ("0.8/0.125/0.075", (0.8, 0.125, 0.075)), (" 5 / 1 / 0 ", (5, 1, 0))],
)
def test_wishes_are_understood(text: str, wanted: tuple[float, ...]) -> None:
    assert parse_wanted(text) == wanted
    assert [type(n) for n in parse_wanted(text)] == [type(n) for n in wanted]


@pytest.mark.parametrize("text", ["", "204", "204/32", "1/2/3/4", "a/b/c", "-1/2/3", "0.8/0.3/0.1", "nan/1/1", "0/1/1"])
def test_wishes_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="split"):
        parse_wanted(text)


def test_a_written_split_is_read_again(tmp_path: Path) -> None:
    cases, loads = cohort(12, 5)
    cases[3] = Case("p odd", "", cases[3].scans, cases[3].mask)  # a visit without a name
    loads[cases[3].name] = 1.0
    split = split_cases(cases, loads, "0.6/0.2/0.1", seed=0)
    file = write_split(tmp_path / "new" / "split.tsv", split)
    again = read_split(file, cases)
    assert [again[name] for name in SETS] == [split[name] for name in SETS]
    assert [entry.name for entry in file.parent.iterdir()] == ["split.tsv"]
    fewer = read_split(file, [case for case in cases if case.patient != "p1"])
    assert any("not among the cases" in note for note in fewer.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda rows: [*rows[:-1], rows[-1].rsplit("\t", 1)[0] + "\ttest"], "patients in two sets: p003"),
        (lambda rows: rows[:-1], "lacks 1 volumes of the cases .p003_v0 T2"),
        (lambda rows: [*rows, rows[-1]], "a second time"),
        (lambda rows: ["patient\tset", *rows[1:]], "does not have one column each of patient, visit"),
        (lambda rows: [*rows, "p009\tv0\tflair\tother"], "line 14 is not"),
        (lambda rows: [row.replace("train", "unused") for row in rows], "to train on"),
    ],
)
def test_a_split_that_cannot_hold_is_refused(tmp_path: Path, change, words: str) -> None:
    cases, _ = regular(4)
    names = {"p000": "train", "p001": "validation", "p002": "test", "p003": "train"}
    rows = ["patient\tvisit\tsequence\tset"]
    rows += [f"{c.patient}\t{c.visit}\t{s}\t{names[c.patient]}" for c in cases for s in c.scans]
    file = tmp_path / "split.tsv"
    file.write_text("\n".join(rows) + "\n")
    assert counts(read_split(file, cases)) == [6, 3, 3, 0]
    file.write_text("\n".join(row.replace("validation", "unused") for row in rows) + "\n")
    assert counts(read_split(file, cases)) == [6, 0, 3, 3]
    file.write_text("\n".join(change(rows)) + "\n")
    with pytest.raises(InputError, match=words):
        read_split(file, cases)


def test_a_split_that_is_not_there_or_cannot_be_written(tmp_path: Path) -> None:
    cases, loads = regular(4)
    with pytest.raises(InputError, match="cannot be read"):
        read_split(tmp_path / "gone.tsv", cases)
    (tmp_path / "file").touch()
    with pytest.raises(DawsonError, match="could not be written"):
        write_split(tmp_path / "file" / "split.tsv", split_cases(cases, loads, "6/3/3", seed=0))


SPLITS = {
    "as written": ("patient\tvisit\tsequence\tset\nA\tn/a\tflair\ttrain\nB\tn/a\tflair\ttest\n", None),
    "a byte order mark": ("\ufeffpatient\tvisit\tsequence\tset\nA\tn/a\tflair\ttrain\nB\tn/a\tflair\ttest\n", None),
    "Windows line ends": ("patient\tvisit\tsequence\tset\r\nA\tn/a\tflair\ttrain\r\nB\tn/a\tflair\ttest\r\n", None),
    "other order and columns": (
        "set\tage\tsequence\tpatient\tvisit\ntrain\t3\tflair\tA\t\ntest\t4\tflair\tB\t\n",
        None,
    ),
    "an unused scan": (
        "patient\tvisit\tsequence\tset\nA\tn/a\tflair\ttrain\nB\tn/a\tflair\ttest\nB\tn/a\tt1\tunused\n",
        None,
    ),
    "no column set": ("patient\tvisit\tsequence\nA\tn/a\tflair\n", "does not have one column each of"),
    "a column twice": ("patient\tvisit\tsequence\tset\tset\nA\tn/a\tflair\ttrain\ttest\n", "one column each of"),
    "nothing": ("", "does not have one column each of"),
    "two sets": ("patient\tvisit\tsequence\tset\nA\tn/a\tflair\ttrain\nA\tn/a\tt1\ttest\n", "in two sets: A .test and"),
    "a short line": ("patient\tvisit\tsequence\tset\nA\tn/a\tflair\n", "line 2 has no patient or no set, or"),
    "no patient": ("patient\tvisit\tsequence\tset\n\tn/a\tflair\ttest\n", "line 2 has no patient"),
    "no text": (b"patient\xff\tset\n", "cannot be read"),
}


@pytest.mark.parametrize("kind", SPLITS)
def test_training_and_evaluation_read_the_same_splits(tmp_path: Path, kind: str) -> None:
    content, words = SPLITS[kind]
    file = tmp_path / "split.tsv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    cases = [Case(name, "", {Modality.FLAIR: tmp_path / f"{name}.nii"}, tmp_path / "m.nii") for name in ("A", "B")]
    if words is None:
        split = read_split(file, cases)
        for name in ("train", "test"):
            assert {scan.case.patient for scan in split[name]} == patients_of(file, name) != set()
    else:
        for read in (lambda: read_split(file, cases), lambda: patients_of(file, "test")):
            with pytest.raises(InputError, match=words):
                read()


def test_evaluation_needs_no_more_than_patients_and_sets(tmp_path: Path) -> None:
    file = tmp_path / "split.tsv"
    file.write_text("patient\tset\nA\tholdout\nB\ttrain\n")
    assert patients_of(file, "holdout") == {"A"}
    with pytest.raises(UsageError, match="no set 'tset'"):
        patients_of(file, "tset")


def test_names_that_spreadsheets_would_run_come_back(tmp_path: Path) -> None:
    cases, _ = regular(4)
    cases = [Case(f"={case.patient}", f"-{case.visit}", case.scans, case.mask) for case in cases]
    split = split_cases(cases, {case.name: 1.0 for case in cases}, "6/3/3", seed=0)
    again = read_split(write_split(tmp_path / "split.tsv", split), cases)
    assert [again[name] for name in SETS] == [split[name] for name in SETS]
