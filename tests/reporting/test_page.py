"""The page is one file that asks for nothing, holds every fact, and takes no text for markup."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from dawson.reporting.facts import facts
from dawson.reporting.page import page
from dawson.results.read import read_result

VOID = {"meta", "img", "input", "br"}
HOSTILE = "</script><script>alert(1)</script><b onclick='x'>&amp;\"'"


class Parsed(HTMLParser):
    """Tags that were opened and not closed, attributes, and the text that a reader sees."""

    def __init__(self, text):
        super().__init__()
        self.open, self.attributes, self.tags, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.text += data


@pytest.fixture(scope="module")
def result(result_folder):
    return read_result(result_folder)


@pytest.fixture(scope="module")
def plain(result):
    return page(result, viewer=False)


def test_it_is_whole_and_asks_for_nothing(plain):
    parsed = Parsed(plain)
    assert parsed.open == []
    sources = [value for _, name, value in parsed.attributes if name in ("src", "href")]
    assert len(sources) == 5  # mosaic, three lesions, projection
    assert all(value.startswith("data:image/png;base64,") for value in sources)
    assert not re.search(r"https?://|@import|url\(", plain)
    assert "default-src 'none'" in plain
    assert "'unsafe-inline'" not in re.search(r"script-src [^\";]*", plain).group()
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on")]
    assert not [name for _, name, _ in parsed.attributes if name == "style"]


def test_every_picture_has_its_words(plain):
    parsed = Parsed(plain)
    alts = [value for tag, name, value in parsed.attributes if (tag, name) == ("img", "alt")]
    assert len(alts) == 5
    assert all(len(alt) > 20 for alt in alts)
    assert parsed.tags.count("h1") == 1
    assert ("html", "lang", "en") in parsed.attributes


def test_it_says_all_the_facts(plain, result):
    text = " ".join(Parsed(plain).text.split())
    told = facts(result)
    words = [told.title, told.verdict, told.notice, told.lesions_note, *told.regions_notes]
    words += [line.words for line in told.quality]
    words += [part for figure in told.figures for part in (figure.label, figure.value, figure.note)]
    words += [cell for table in (told.regions, told.lesions) for row in table.rows for cell in row]
    words += [part for pair in (*told.notes, *told.provenance) for part in pair]
    for word in words:
        assert " ".join(word.split()) in text


def test_it_is_the_same_each_time(plain, result_folder):
    assert page(read_result(result_folder), viewer=False) == plain


def test_the_viewer_can_be_left_out(plain, result):
    whole = page(result)
    assert 'id="canvas"' in whole
    assert 'id="canvas"' not in plain
    assert len(plain) < 2_500_000 < len(whole) < 15_000_000


def test_a_failure_is_said_in_words(write_result, tmp_path):
    def change(summary):
        failed = {"name": "field of view", "status": "fail", "words": "Half of the brain is cut off."}
        summary["quality"] = {"status": "fail", "checks": [failed]}

    text = page(read_result(write_result(tmp_path / "out", change=change)), viewer=False)
    assert 'class="verdict fail"' in text
    assert "Half of the brain is cut off." in text
    assert "must not be used" in Parsed(text).text


def hostile(value):
    """The same value with every text in it replaced."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, dict):
        return {key: hostile(inner) for key, inner in value.items()}
    return [hostile(inner) for inner in value] if isinstance(value, list) else value


def test_no_text_of_a_result_becomes_markup(write_result, tmp_path, plain):
    kept = ("status", "reference", "sequences")

    def change(summary):
        for key in summary:
            if key not in (*kept, "quality"):
                summary[key] = hostile(summary[key])
        summary["quality"]["checks"] = [{**c, "name": HOSTILE, "words": HOSTILE} for c in summary["quality"]["checks"]]

    out = write_result(tmp_path / "out", change=change)
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    table = (out / "lesions.csv").read_text()
    (out / "lesions.csv").write_text(re.sub(r"periventricular|deep|high", lambda _: cell, table))
    text = page(read_result(out), viewer=False)
    parsed = Parsed(text)
    assert parsed.open == []
    assert parsed.tags.count("script") == Parsed(plain).tags.count("script")
    assert "b" not in parsed.tags
    assert HOSTILE in parsed.text


def test_no_file_or_folder_is_named(write_result, tmp_path):
    out = write_result(tmp_path / "Jane^Doe-1970")
    assert "Doe-1970" not in page(read_result(out), viewer=False)
