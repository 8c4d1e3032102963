"""The compiled schemas give `jsonschema`'s verdicts, never fetch anything, and end soon whatever they are given."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from jsonschema.validators import extend

from rlvr.errors import DataError
from rlvr.tools import normalise_tool
from rlvr.tools.validation import is_valid, validate
from rlvr.types import Tool

CHECKER = Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _, v: isinstance(v, int) and not isinstance(v, bool)
)
ORACLE = extend(Draft202012Validator, type_checker=CHECKER)

NAMES = ["a", "b", "ab", "c"]
values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 1.5, -2.0]),
        st.sampled_from(["", "a", "ab", "b1", "abc"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
small = st.integers(0, 3)
SIMPLE: dict[str, st.SearchStrategy[Any]] = {
    "type": st.sampled_from(["string", "integer", "number", "boolean", "array", "object", "null", ["string", "null"]]),
    "enum": st.lists(values, min_size=1, max_size=3),
    "const": values,
    "minimum": st.integers(-2, 2), "maximum": st.integers(-2, 2),
    "exclusiveMinimum": st.integers(-2, 2), "exclusiveMaximum": st.integers(-2, 2),
    "multipleOf": st.sampled_from([1, 2, 0.5]),
    "minLength": small, "maxLength": small, "minItems": small, "maxItems": small,
    "minProperties": small, "maxProperties": small,
    "uniqueItems": st.booleans(),
    "pattern": st.sampled_from(["^a", "b$", "[0-9]", "a|b"]),
    "required": st.lists(st.sampled_from(NAMES), unique=True, max_size=2),
    "dependentRequired": st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES)), max_size=2),
}  # fmt: skip


def schemas() -> st.SearchStrategy[Any]:
    return st.recursive(st.booleans() | st.fixed_dictionaries({}, optional=SIMPLE), _larger, max_leaves=8)


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    some = st.lists(inner, min_size=1, max_size=3)
    more: dict[str, st.SearchStrategy[Any]] = {
        "properties": st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        "patternProperties": st.dictionaries(st.sampled_from(["^a", "b$"]), inner, max_size=2),
        "additionalProperties": inner,
        "propertyNames": inner,
        "items": inner,
        "prefixItems": some,
        "contains": inner,
        "allOf": some,
        "anyOf": some,
        "oneOf": some,
        "not": inner,
        "if": inner,
        "then": inner,
        "else": inner,
        "dependentSchemas": st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
        "unevaluatedProperties": inner,
        "unevaluatedItems": inner,
        "$ref": st.sampled_from(["#/$defs/one", "#/$defs/two"]),
        "required": SIMPLE["required"],
        "type": SIMPLE["type"],
    }
    keys = st.lists(st.sampled_from(sorted(more)), unique=True, min_size=1, max_size=3)
    return keys.flatmap(lambda chosen: st.fixed_dictionaries({k: more[k] for k in chosen}))


leaf = st.fixed_dictionaries({}, optional={k: SIMPLE[k] for k in ("type", "enum", "minimum", "required", "maxLength")})


@given(schemas(), st.fixed_dictionaries({"one": leaf, "two": leaf}), st.lists(values, min_size=1, max_size=6))
@settings(max_examples=500, deadline=None, derandomize=True)
def test_the_verdicts_are_those_of_jsonschema(schema: Any, defs: Any, samples: list[Any]) -> None:
    root = {"type": "object", "properties": {"a": schema}, "$defs": defs}
    tool = Tool("f", "", root)
    oracle = ORACLE(root)
    for value in samples:
        expected = oracle.is_valid({"a": value})
        assert is_valid(tool, {"a": value}) == expected
        assert (validate(tool, {"a": value}) == []) == expected


NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["value"],
}


def test_recursion_in_a_schema() -> None:
    tool = normalise_tool(
        {
            "name": "f",
            "parameters": {
                "type": "object",
                "properties": {"list": {"$ref": "#/$defs/node"}},
                "$defs": {"node": NODE},
            },
        }
    )
    assert is_valid(tool, {"list": {"value": 1, "next": {"value": 2, "next": None}}})
    assert not is_valid(tool, {"list": {"value": 1, "next": {"value": "2"}}})
    assert validate(tool, {"list": {"value": "1"}}) == ["list.value: '1' is not of type 'integer'"]


def deep(levels: int, name: str = "n", bottom: Any = None) -> Any:
    value: Any = {} if bottom is None else bottom
    for _ in range(levels):
        value = {name: value}
    return value


@pytest.mark.parametrize("key", ["anyOf", "oneOf", "allOf"])
def test_a_schema_that_refers_to_itself_twice_is_not_gone_through_twice(key: str) -> None:
    node = {key: [{"properties": {"n": {"$ref": "#/$defs/t"}}}, {"properties": {"n": {"$ref": "#/$defs/t"}}}]}
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/t"}}, "$defs": {"t": node}}
    tool = Tool("f", "", schema)
    start = time.process_time()
    validate(tool, deep(60))
    validate(tool, deep(60, bottom={"n": 1}))
    assert time.process_time() - start < 1.0


def test_references_to_elsewhere_are_refused_and_not_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for reference in ("https://example.org/s.json", "other.json#/x", "//host/x", "urn:x", "file:///etc/passwd"):
        parameters = {"type": "object", "properties": {"x": {"$ref": reference}}}
        with pytest.raises(DataError, match=r"tool 'f': cannot be checked: \$ref .*points outside the schema"):
            normalise_tool({"name": "f", "parameters": parameters})
        # Also for a tool that was made by hand: nothing is fetched, and what is not known is not asserted.
        assert validate(Tool("f", "", parameters), {"x": 1}) == []


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string", "nullable": True}, ["x", None], [1]),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, [1, None], ["1", 1.5]),
        ({"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 10}]}, [1, 10.5], [12, "x", 1.5]),
        ({"allOf": [{"type": "integer"}, {"minimum": 3}]}, [3], [2, 3.0]),
        ({"not": {"enum": ["x"]}}, ["y"], ["x"]),
        ({"if": {"type": "string"}, "then": {"minLength": 2}, "else": {"minimum": 2}}, ["ab", 2], ["a", 1]),
        ({"const": 1}, [1, 1.0], [True, 2]),
        ({"enum": [1, "a", None]}, [1, "a", None], [True, "b"]),
        ({"enum": [[1, {"a": True}]]}, [[1, {"a": True}]], [[1, {"a": 1}]]),
        ({"type": "array", "uniqueItems": True}, [[1, True, "1"], [[1], [2]]], [[1, 1.0], [{"a": 1}, {"a": 1}]]),
        ({"type": "array", "prefixItems": [{"type": "integer"}], "items": False}, [[1]], [[1, 2], ["x"]]),
        ({"multipleOf": 0.5}, [1.5, 2], [1.25]),
        ({"unevaluatedProperties": False, "allOf": [{"properties": {"k": {}}}]}, [{"k": 1}], [{"l": 1}]),
        ({"$dynamicRef": "#d", "$defs": {"d": {"$dynamicAnchor": "d", "type": "integer"}}}, [1], ["x"]),
        ({"$ref": "#/properties/x/$defs/d", "nullable": True, "$defs": {"d": {"type": "integer"}}}, [1, None], ["x"]),
        ({"anyOf": [{"type": "integer"}], "nullable": True}, [1, None], ["x"]),
        ({"type": ["integer", "string"], "nullable": True}, [1, "x", None], [1.5]),
    ],
)
def test_keywords_one_by_one(schema: dict[str, Any], good: list[Any], bad: list[Any]) -> None:
    # `$dynamicRef` looks from the root, where `#d` is found as an anchor.
    tool = Tool(
        "f", "", normalise_tool({"name": "f", "parameters": {"type": "object", "properties": {"x": schema}}}).parameters
    )
    for value in good:
        assert validate(tool, {"x": value}) == []
        assert is_valid(tool, {"x": value})
    for value in bad:
        assert validate(tool, {"x": value}) != []
        assert not is_valid(tool, {"x": value})


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ({"type": ["string", "null"]}, 5, "x: 5 is not of type 'string', 'null'"),
        ({"enum": ["a", "b"]}, "c", "x: 'c' is not one of ['a', 'b']"),
        ({"pattern": "^a"}, "b", "x: 'b' does not match '^a'"),
        ({"minimum": 3}, 2, "x: 2 is less than the minimum of 3"),
        ({"maxItems": 1}, [1, 2], "x: [1, 2] is too long"),
        ({"anyOf": [{"type": "integer"}]}, "a", "x: 'a' is not valid under any of the given schemas"),
        ({"type": "array", "items": {"type": "integer"}}, [1, "a"], "x[1]: 'a' is not of type 'integer'"),
        ({"additionalProperties": False}, {"k": 1}, "x.k: 1 is not allowed"),
    ],
)
def test_the_problem_is_named(schema: dict[str, Any], value: Any, problem: str) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"x": schema}})
    assert validate(tool, {"x": value}) == [problem]


HOSTILE: dict[str, tuple[dict[str, Any], Any]] = {
    "unique objects": ({"type": "array", "uniqueItems": True}, [{"a": i} for i in range(20_000)]),
    "a nested quantifier": ({"type": "string", "pattern": "^(a+)+$"}, "a" * 190_000 + "b"),
    "names under patterns": ({"type": "object", "patternProperties": {"(a|aa)+$": {}}}, {"a" * 190_000: 1}),
    "many problems": ({"type": "array", "items": {"type": "integer"}}, ["x"] * 60_000),
    "a large enum": ({"enum": [[i] for i in range(2000)]}, [3000]),
    "a huge integer": ({"multipleOf": 0.1, "maximum": 1.5}, 10**4000),
    "deep": ({"type": "object"}, deep(64)),
}


@pytest.mark.parametrize("name", list(HOSTILE))
def test_hostile_values_end_soon(name: str) -> None:
    schema, value = HOSTILE[name]
    tool = Tool("f", "", {"type": "object", "properties": {"x": schema}})
    start = time.process_time()
    verdict = is_valid(tool, {"x": value})
    problems = validate(tool, {"x": value})
    assert time.process_time() - start < 1.0  # below 0.1 s where nothing else runs
    assert verdict == (problems == [])
    assert len(problems) <= 20
    assert all(len(p) < 200 for p in problems)
