"""One schema for the summary: what is written passes it, and each field is held to its kind."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dawson.results.schema import Summary, json_schema, plain, validate
from dawson.results.write import write

pytestmark = pytest.mark.usefixtures("small_pictures")


@pytest.fixture(scope="module")
def summary(result_folder):
    return json.loads((result_folder / "summary.json").read_text("utf-8"))


def paths(value, at=()):
    """Every place in a summary, as keys."""
    if at:
        yield at
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in inner:
        yield from paths(part, (*at, key))


def test_what_is_written_is_what_the_schema_reads(make, tmp_path):
    written = write(make(), tmp_path)
    model = {"version": None}  # optional, and named when it is read
    assert plain(validate(written)) == written
    assert plain(validate(written), defaults=True)["model"] == model | written["model"]
    declared = {field.alias or name for name, field in Summary.model_fields.items()}
    assert set(written) == declared


def test_further_fields_are_kept(summary):
    content = summary | {"added_later": {"deep": [1, None]}}
    content["model"] = content["model"] | {"licence": "free"}
    assert plain(validate(content)) == content


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_field_of_another_kind_is_named(summary, data):
    free = {("model", name) for name in ("accuracy", "trained_on")}
    places = [at for at in paths(summary) if at[:2] not in free]
    at = data.draw(st.sampled_from(places))
    changed = copy.deepcopy(summary)
    part = changed
    for key in at[:-1]:
        part = part[key]
    part[at[-1]] = object()
    with pytest.raises(ValueError, match=r"is (missing|no table|no list|none of|of another kind|no finite)") as caught:
        validate(changed)
    assert str(caught.value).startswith(str(at[0]))


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_numbers_are_finite(summary, number):
    with pytest.raises(ValueError, match="lesion_load_ml"):
        validate(summary | {"lesion_load_ml": number})


def test_the_json_schema_names_every_field(summary):
    schema = json_schema()
    assert set(summary) <= set(schema["properties"])
    assert schema["$defs"]["Region"]["properties"]["count_long_axis_3mm"]["description"]
