"""The PDF, read back."""

from __future__ import annotations

import csv
import io
import json

import pytest

from dawson.results.read import read_result

pypdf = pytest.importorskip("pypdf", reason="pypdf, which reads PDFs back, is not installed")

from dawson.reporting.facts import facts  # noqa: E402
from dawson.reporting.figures import Drawn  # noqa: E402
from dawson.reporting.pdf import document as module  # noqa: E402
from dawson.reporting.pdf.document import pdf  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def quick_pictures():
    """Pictures that take no time; what they show is tested elsewhere."""
    from PIL import Image

    packed = io.BytesIO()
    Image.new("RGB", (500, 400)).save(packed, format="PNG")
    with pytest.MonkeyPatch.context() as patch:
        picture = packed.getvalue()

        def draw(result):
            return Drawn(picture, tuple((row.id, picture) for row in result.lesions[:3]), picture)

        patch.setattr(module, "draw", draw)
        yield


def pages(content):
    return [" ".join(page.extract_text().split()) for page in pypdf.PdfReader(io.BytesIO(content)).pages]


def many_lesions(folder, count):
    """Make the result one of many lesions, ever smaller ones, whose sum stays what the summary says."""
    file = folder / "lesions.csv"
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    load = sum(float(row["volume_ml"]) for row in rows)
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0], lineterminator="\n")
        writer.writeheader()
        for number in range(1, count + 1):
            share = 2 * load * (count + 1 - number) / (count * (count + 1))
            writer.writerow(rows[number % len(rows)] | {"id": number, "volume_ml": f"{share:.6f}"})
    summary = json.loads((folder / "summary.json").read_text())
    (folder / "summary.json").write_text(json.dumps(summary | {"lesion_count": count}))
    return folder


def test_it_tells_the_facts_of_the_summary(result_folder):
    result = read_result(result_folder)
    told = pages(pdf(result))
    said, text = facts(result), " ".join(told)
    assert len(told) == 2
    assert said.verdict in told[0]
    for figure in said.figures:
        assert figure.label in text and figure.value in text
    for row in (*said.regions.rows, *said.lesions.rows):
        assert " ".join(row) in text
    for term, meaning in (*said.notes, *said.provenance):
        assert f"{term}." in text
        assert meaning.split()[0] in text
    packed = text.replace(" ", "")
    assert result.summary["model"]["sha256"] in packed
    assert f"{result.summary['lesion_load_ml']:.3f}" in text


def test_every_page_has_its_number_and_the_notice(result_folder):
    result = read_result(result_folder)
    for number, text in enumerate(pages(pdf(result)), start=1):
        assert f"Page {number} of 2" in text
        assert result.summary["notice"] in text


def test_the_same_result_gives_the_same_bytes_and_plain_metadata(result_folder):
    result = read_result(result_folder)
    content = pdf(result)
    assert content == pdf(result)
    metadata = pypdf.PdfReader(io.BytesIO(content)).metadata
    assert metadata.title == "Multiple sclerosis lesions on brain MRI"
    assert str(result_folder) not in str(metadata) and not metadata.author


def test_only_the_largest_lesions_where_there_are_too_many(write_result, tmp_path):
    result = read_result(many_lesions(write_result(tmp_path / "out"), 300))
    told = pages(pdf(result))
    text = " ".join(told)
    assert len(told) == 2
    said = facts(result).lesions.rows
    shown = sum(" ".join(row) in text for row in said)
    assert 5 < shown <= 60
    assert f"The {shown} largest of 300 lesions; lesions.csv holds all." in text
    assert all(" ".join(row) in text for row in said[:shown])


def test_no_lesion(write_result, tmp_path):
    result = read_result(write_result(tmp_path / "out", lesions=False))
    assert "No lesion was found" in " ".join(pages(pdf(result)))


def test_a_failed_check_stands_on_every_page(write_result, tmp_path):
    def change(summary):
        summary["quality"]["status"] = "fail"
        summary["quality"]["checks"].append({"name": "noise", "status": "fail", "words": "There is only noise."})

    result = read_result(write_result(tmp_path / "out", change=change))
    told = pages(pdf(result))
    assert "There is only noise." in told[0]
    assert all("Quality control failed" in text and "must not be used" in text for text in told)


def test_markup_and_odd_characters_are_shown_as_text(write_result, tmp_path):
    odd = "<b>bold</b> <img src='x'/> & </para> 脑 \u202e\x07 μm ≥"

    def change(summary):
        summary["model"]["name"] = odd
        summary["quality"]["checks"][0]["words"] = odd
        summary["warnings"] = [odd]

    result = read_result(write_result(tmp_path / "out", change=change))
    text = " ".join(pages(pdf(result)))
    assert text.count("<b>bold</b> <img src='x'/> & </para> [U+8111] [U+202E][U+0007] μm ≥") >= 2


def test_endless_texts_are_never_cut(write_result, tmp_path):
    def change(summary):
        summary["region_rules"] = "rule " * 800 + "last-rule"
        summary["warnings"] = [f"warning {n} " * 40 for n in range(30)]
        summary["load_interval"]["method"] = "method " * 2000 + "last-method"
        summary["model"]["name"] = "x" * 3000

    result = read_result(write_result(tmp_path / "out", change=change))
    told = pages(pdf(result))
    assert len(told) > 2
    assert f"Page {len(told)} of {len(told)}" in told[-1]
    text = " ".join(told)
    assert "last-rule" in text and "last-method" in text and "warning 29" in text
