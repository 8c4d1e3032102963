"""Lossless coercions: what becomes what, and what stays because something would be lost."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.data.coercion import coerce
from rlvr.tools import is_valid, normalise_tool
from rlvr.types import Tool


def tool(schema: Any, *, required: bool = True) -> Tool:
    parameters = {"type": "object", "properties": {"a": schema}, "required": ["a"] if required else []}
    return normalise_tool({"name": "f", "parameters": parameters})


INTEGER, NUMBER, STRING, BOOLEAN = ({"type": t} for t in ("integer", "number", "string", "boolean"))
ARRAY = {"type": "array", "items": INTEGER}
OBJECT = {"type": "object", "properties": {"n": INTEGER}, "required": ["n"]}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (INTEGER, "5", 5),
        (INTEGER, "-12", -12),
        (INTEGER, 5.0, 5),
        (NUMBER, "2.50", 2.5),
        (NUMBER, "7", 7),
        (NUMBER, "1e3", 1000.0),
        (BOOLEAN, "True", True),
        (BOOLEAN, "false", False),
        (STRING, 5, "5"),
        (STRING, 2.5, "2.5"),
        (ARRAY, "[1, 2]", [1, 2]),
        (ARRAY, "(1, 2)", [1, 2]),
        (ARRAY, ["1", 2.0], [1, 2]),
        (OBJECT, "{'n': '3'}", {"n": 3}),
        ({"type": ["integer", "null"]}, "None", None),
        ({"anyOf": [INTEGER, BOOLEAN]}, "true", True),
        ({"enum": [1, 2]}, "2", 2),
        ({"type": "string", "enum": ["1", "2"]}, 1, "1"),
        ({"$ref": "#/properties/a/$defs/x", "$defs": {"x": INTEGER}}, "5", 5),
    ],
)
def test_what_becomes_what(schema: Any, value: Any, expected: Any) -> None:
    out, changes = coerce(tool(schema), {"a": value})
    assert out == {"a": expected}
    assert type(out["a"]) is type(expected)
    assert changes
    assert is_valid(tool(schema), out)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (INTEGER, "007"),
        (INTEGER, "5.5"),
        (INTEGER, "-0"),
        (INTEGER, " 5"),
        (INTEGER, "5 days"),
        (INTEGER, 5.5),
        (INTEGER, True),
        (INTEGER, float(2**60)),
        (NUMBER, "0.1000000000000000055511151231257827"),
        (NUMBER, "nan"),
        (NUMBER, "1e999"),
        (BOOLEAN, "yes"),
        (BOOLEAN, 1),
        (STRING, True),
        (STRING, None),
        (STRING, ["x"]),
        (ARRAY, "1, 2"),
        (ARRAY, 5),
        (ARRAY, "[1, 2] and more"),
        (OBJECT, "[1]"),
        ({"type": "string", "enum": ["celsius"]}, "Celsius"),
    ],
)
def test_what_would_lose_something_stays(schema: Any, value: Any) -> None:
    given_ = {"a": value}
    assert coerce(tool(schema), given_) == (given_, [])


def test_null_leaves_out_what_may_be_left_out() -> None:
    assert coerce(tool(INTEGER, required=False), {"a": None}) == ({}, ["a: null → left out"])
    assert coerce(tool(INTEGER), {"a": None}) == ({"a": None}, [])
    allowed = tool({"type": ["integer", "null"]}, required=False)
    assert coerce(allowed, {"a": None}) == ({"a": None}, [])


def test_each_change_is_told_with_its_place() -> None:
    schema = {"type": "array", "items": OBJECT}
    out, changes = coerce(tool(schema), {"a": [{"n": 1}, {"n": "2"}]})
    assert out == {"a": [{"n": 1}, {"n": 2}]}
    assert changes == ["a[1].n: '2' → 2"]


def test_what_fits_is_returned_as_it_is_and_the_rest_is_not_mutated() -> None:
    fitting = {"a": 5}
    assert coerce(tool(INTEGER), fitting)[0] is fitting
    nested: dict[str, Any] = {"a": ["1"]}
    coerce(tool(ARRAY), nested)
    assert nested == {"a": ["1"]}


def test_deep_and_recursive_schemas_end() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/properties/a"}, "n": INTEGER}}
    value: dict[str, Any] = {"n": "1"}
    for _ in range(500):
        value = {"next": value, "n": "1"}
    out, changes = coerce(tool(node), {"a": value})
    assert out["a"]["n"] == 1
    assert 1 < len(changes) < 500


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None)
@given(VALUES, st.sampled_from([INTEGER, NUMBER, STRING, BOOLEAN, ARRAY, OBJECT, {}, {"type": ["integer", "string"]}]))
def test_coercing_twice_changes_nothing_more(value: Any, schema: Any) -> None:
    once, _ = coerce(tool(schema), {"a": value})
    again, changes = coerce(tool(schema), once)
    assert changes == []
    assert again == once
