"""The page is one file, safe to open, and says what its figures mean; writing is all or nothing."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from dawson.core.errors import UsageError
from dawson.evaluation.output import write as output
from dawson.evaluation.output.chart_style import Chart
from dawson.evaluation.output.page import evaluation_page
from dawson.evaluation.output.summary import summarise
from dawson.evaluation.output.write import check_evaluation_output, write_evaluation
from dawson.evaluation.run import evaluate

CHART = Chart("dice", "Dice <b>", 'A "quoted" caption', b"not really a picture")


VOID = {"meta", "img"}


class Parsed(HTMLParser):
    """Tags that were opened and not closed, and every attribute seen."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.text = [], [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_page_is_whole_and_asks_the_network_for_nothing(evaluated):
    text = evaluation_page(summarise(evaluated), [CHART], [])
    page = Parsed(text)
    assert page.open == []
    assert "script" not in page.tags
    sources = [value for name, value in page.attributes if name in ("src", "href")]
    assert sources
    assert all(value.startswith("data:image/png;base64,") for value in sources)
    assert not re.search(r"https?://|@import|url\(", text)
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text


def test_definitions_stand_beside_the_figures(evaluated):
    summary = summarise(evaluated)
    page = Parsed(evaluation_page(summary, [CHART], []))
    for text in (*summary["definitions"]["columns"].values(), *summary["definitions"]["cohort"].values()):
        assert text in page.text
    assert "26-connected" in page.text
    assert "not a medical device" in page.text
    assert "P01: P01_T1, P01_T2" in page.text


def test_names_from_outside_harm_nobody(mask_cohort):
    name = "<script>alert(1)</script>"
    evaluation = evaluate(mask_cohort / "truth", mask_cohort / "good", names=[name])
    page = Parsed(evaluation_page(summarise(evaluation), [CHART], []))
    assert "script" not in page.tags
    assert name in page.text


def with_markup(value):
    """The same with a tag in every text, names of fields left alone."""
    if isinstance(value, dict):
        return {key: with_markup(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_markup(inner) for inner in value]
    return f"{value}<script>&amp;" if isinstance(value, str) else value


def test_no_text_of_a_summary_is_taken_for_markup(evaluated):
    summary = summarise(evaluated)
    hostile = with_markup(summary) | {"settings": summary["settings"]}
    hostile["predictions"] = {f"{name}<script>": method for name, method in summary["predictions"].items()}
    page = Parsed(evaluation_page(hostile, [CHART], [CHART]))
    assert page.open == []
    assert not page.tags & {"script", "b"}
    for text in (summary["notice"], summary["rules"], *summary["definitions"]["columns"].values()):
        assert f"{text}<script>&amp;" in page.text


def test_everything_is_written_and_the_summary_vouches_for_it(evaluated, tmp_path):
    out = tmp_path / "evaluation"
    summary = write_evaluation(evaluated, out)
    assert json.loads((out / "summary.json").read_text()) == summary
    assert {file.name for file in out.iterdir()} == set(output.FILES)
    charts = sorted(file.name for file in (out / "charts").iterdir())
    assert charts == ["bland_altman.png", "dice.png", "recall_by_size.png", "worst_1.png", "worst_2.png", "worst_3.png"]
    assert (out / "evaluation.html").read_text().count("data:image/png;base64,") == len(charts)


def test_an_evaluation_is_replaced_only_where_asked(evaluated, tmp_path):
    write_evaluation(evaluated, tmp_path / "e")
    with pytest.raises(UsageError, match="--overwrite"):
        write_evaluation(evaluated, tmp_path / "e")
    (tmp_path / "e" / "charts" / "froc.png").write_bytes(b"old")
    write_evaluation(evaluated, tmp_path / "e", overwrite=True)
    assert not (tmp_path / "e" / "charts" / "froc.png").exists()


def test_a_picture_of_ones_own_is_never_deleted(evaluated, tmp_path):
    write_evaluation(evaluated, tmp_path / "e")
    (tmp_path / "e" / "charts" / "mine.png").write_bytes(b"mine")
    write_evaluation(evaluated, tmp_path / "e", overwrite=True)
    assert (tmp_path / "e" / "charts" / "mine.png").read_bytes() == b"mine"
    (tmp_path / "f" / "charts").mkdir(parents=True)
    (tmp_path / "f" / "charts" / "froc.png").write_bytes(b"mine")  # no evaluation is here
    write_evaluation(evaluated, tmp_path / "f", overwrite=True)
    assert (tmp_path / "f" / "charts" / "froc.png").read_bytes() == b"mine"


def test_a_failure_while_writing_leaves_nothing(evaluated, tmp_path, monkeypatch):
    def full(file, content):
        if file.name == "metrics.csv":
            raise OSError(28, "No space left on device")
        file.write_bytes(content)

    monkeypatch.setattr(output, "save", full)
    with pytest.raises(UsageError, match="No space left on device"):
        write_evaluation(evaluated, tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_results_of_a_segmentation_are_never_replaced(tmp_path):
    (tmp_path / "lesions.nii.gz").write_bytes(b"")
    with pytest.raises(UsageError, match="other results"):
        check_evaluation_output(tmp_path, overwrite=True)
    (tmp_path / "lesions.nii.gz").unlink()
    (tmp_path / "summary.json").write_text('{"schema": 1, "lesion_count": 3}')
    with pytest.raises(UsageError, match="other results"):
        check_evaluation_output(tmp_path, overwrite=True)
