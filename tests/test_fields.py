"""Fields of a JSON object that may hold anything: every getter answers, and never with another type."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import fields

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=8,
)


@given(JSON)
def test_every_getter_answers_with_its_type_whatever_a_field_holds(value: Any) -> None:
    node = {"key": value}
    number, whole = fields.number(node, "key"), fields.integer(node, "key")
    assert number is None or (isinstance(number, float) and math.isfinite(number))
    assert whole is None or type(whole) is int
    assert isinstance(fields.text(node, "key"), str)
    assert isinstance(fields.flag(node, "key"), bool)
    assert isinstance(fields.mapping(node, "key"), dict)
    assert all(isinstance(row, dict) for row in fields.rows(node, "key"))
    assert all(isinstance(text, str) for text in fields.strings(node, "key"))
    assert all(one is None or math.isfinite(one) for one in fields.numbers(node, "key"))


@given(st.integers(-(2**53), 2**53) | st.floats(-1e18, 1e18))
def test_a_number_survives_json(value: float) -> None:
    assert fields.number(json.loads(json.dumps({"x": value})), "x") == value


@pytest.mark.parametrize("value", [None, "1", [], {}, True, math.nan, math.inf, -math.inf, 10**19, -(10**400), 1e300])
def test_what_is_no_conceivable_number_is_none(value: object) -> None:
    assert fields.number({"x": value}, "x") is None
    assert fields.integer({"x": value}, "x") is None
    assert fields.numbers({"x": [value]}, "x") == (None,)


@pytest.mark.parametrize("value", ["yes", "true", 1, [0], None])
def test_nothing_but_true_is_a_yes(value: object) -> None:
    assert not fields.flag({"x": value}, "x")
    assert fields.flag({"x": True}, "x")


def test_entries_of_another_type_are_left_out_of_rows_and_texts() -> None:
    node = {"x": [{"a": 1}, "b", 3, None, {"c": 2}]}
    assert fields.rows(node, "x") == ({"a": 1}, {"c": 2})
    assert fields.strings(node, "x") == ("b",)
    assert fields.numbers(node, "x") == (None, None, 3.0, None, None)
    assert fields.rows({}, "x") == ()
    assert fields.strings({"x": "text"}, "x") == ()
