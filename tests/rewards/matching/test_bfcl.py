"""`bfcl`: the official AST checker's verdict, each quirk held by a case written by hand.

The rules were read in the official checker of release 2026.3.23, which a differential run over its own questions, calls
mutated at random, compared with ours.
"""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.data.sources.bfcl import to_example
from rlvr.rewards.matching import match_calls
from rlvr.types import ToolCall


def matched(
    properties: dict[str, Any], possible: dict[str, list[Any]], given: dict[str, Any], required: Any = ()
) -> bool:
    return matched_all([("f", properties, list(required))], [("f", possible)], [("f", given)])


def matched_all(functions: list[Any], golds: list[Any], calls: list[Any]) -> bool:
    question = {
        "id": "parallel_0",
        "question": [[{"role": "user", "content": "q"}]],
        "function": [
            {"name": n, "description": "", "parameters": {"type": "dict", "properties": p, "required": r}}
            for n, p, r in functions
        ],
    }
    example = to_example(question, {"id": "parallel_0", "ground_truth": [{n: a} for n, a in golds]})
    tools = {t.name: t for t in example.tools}
    return match_calls([ToolCall(n, a) for n, a in calls], example.ground_truth, tools, "bfcl").matched


INTEGER, FLOAT, STRING, BOOLEAN, ANY = ({"type": t} for t in ("integer", "float", "string", "boolean", "any"))
DICT = {"type": "dict", "properties": {}}


def array(of: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": of}}


@pytest.mark.parametrize(
    ("schema", "accepted", "given", "expected"),
    [
        # numbers: a float may be written as an integer at the top, never the other way round, and not inside an array
        (INTEGER, [5], 5, True),
        (INTEGER, [5], 5.0, False),
        (INTEGER, [1], True, False),
        (INTEGER, [5], "5", False),
        (FLOAT, [5.0], 5, True),
        (FLOAT, [5], 5.0, True),
        (FLOAT, [5.0], 10**400, False),
        (array("float"), [[5.0, 2.5]], [5, 2.5], False),
        (array("float"), [[5, 2.5]], [5, 2.5], True),
        (array("float"), [[2.5, 5]], [2.5, 5], False),
        ({"type": "tuple", "items": FLOAT}, [[1.5, 2.0]], [1.5, 2.0], True),
        # strings: case, spaces and ,./-_*^ do not count, ' is "
        (STRING, ["New York"], "new_york", True),
        (STRING, ["2024-04-01"], "20240401", True),
        (STRING, ["it's"], 'it"s', True),
        (STRING, ["a:b"], "ab", False),
        (STRING, ["*"], "-", True),
        ({"type": "string", "enum": ["low", "high"]}, ["low"], "LOW", True),
        (array("string"), [["A b"]], ["ab"], True),
        (array("string"), [["a", "b"]], ["b", "a"], False),
        (array("array"), [[["A b"]]], [["ab"]], False),
        # the mark "" is an accepted answer too: an empty string passes, and an empty array
        (STRING, ["x", ""], "", True),
        (STRING, ["x"], "", False),
        (array("string"), [["x"], ""], [], True),
        (array("integer"), [[1], ""], ["x"], False),
        (array("dict"), [[{"a": [1]}], ""], [], True),
        (INTEGER, [5, ""], "", False),
        (DICT, [{"a": [1]}, ""], {}, False),
        # a string among an array's answers is read as the list of its characters
        (array("string"), [["x"], "ab"], ["a", "b"], True),
        # the first answer's type is accepted beside the schema's, and then compared literally
        (INTEGER, ["n", ""], "n", True),
        (INTEGER, ["n"], "N", False),
        (INTEGER, ["n", 5], 5, True),
        (STRING, [5], 5, True),
        (STRING, [True], True, True),
        (STRING, [None], None, True),
        (STRING, ["x", None], None, False),
        (BOOLEAN, ["any"], "any", True),
        (ANY, ["Data"], "data", True),
        (ANY, [5], 5, True),
        (ANY, [5], 5.0, False),
        (array("float"), ["x**2"], "x**2", True),
        (array("string"), [[["a"]]], [["a"]], True),
        # objects: keys list their answers; below them values are literal, so 1 equals true and 1.0
        (DICT, [{"a": [1], "b": ["x", ""]}], {"a": 1}, True),
        (DICT, [{"a": [1], "b": ["x"]}], {"a": 1}, False),
        (DICT, [{"a": [1]}], {"a": 1, "c": 2}, False),
        (DICT, [{"a": [1]}], {"a": True}, True),
        (DICT, [{"a": [1]}], {"a": 1.0}, True),
        (DICT, [{"a": ["New York"]}], {"a": "new york"}, True),
        (DICT, [{"a": [["New York"]]}], {"a": ["new york"]}, False),
        (DICT, [{"a": [{"b": 1}]}], {"a": {"b": 1}}, True),
        (DICT, [{"a": [{"b": [1]}]}], {"a": {"b": 1}}, False),
        (DICT, [{"a": [1]}, {"a": [2]}], {"a": 2}, True),
        (DICT, [{}], {}, True),
        (array("dict"), [[{"a": [1, 2]}, {"b": ["x"]}]], [{"a": 2}, {"b": "X"}], True),
        (array("dict"), [[{"a": [1]}, {"b": [1]}]], [{"b": 1}, {"a": 1}], False),
        (array("dict"), [[{"a": [1]}]], [{"a": 1}, {"a": 1}], False),
        # where the official code would raise there is no match
        (array("dict"), [[{"a": [1]}], ""], ["x"], False),
    ],
)
def test_values(schema: dict[str, Any], accepted: list[Any], given: Any, expected: bool) -> None:
    assert matched({"a": schema}, {"a": accepted}, {"a": given}) == expected


P = {"a": INTEGER, "b": {**INTEGER, "default": 1}}


@pytest.mark.parametrize(
    ("possible", "given", "required", "expected"),
    [
        ({"a": [5], "b": [1, ""]}, {"a": 5}, ["a"], True),
        ({"a": [5], "b": [1]}, {"a": 5}, ["a"], False),  # an omitted default that is not marked
        ({"a": [5]}, {"a": 5, "b": 1}, ["a"], False),  # a default given that is not listed
        ({"a": [5], "b": [1, ""]}, {"a": 5}, ["a", "b"], False),  # marked, and required by the schema
        ({"a": [5]}, {"a": 5}, ["a", "b"], False),  # required, and not listed
        ({"a": [5], "c": [1]}, {"a": 5, "c": 1}, ["a"], False),  # listed, and unknown to the schema
        ({"a": [5], "b": [""]}, {"a": 5}, ["a"], True),
        ({}, {}, [], True),
        ({}, {"a": 5}, [], False),
    ],
)
def test_arguments(possible: dict[str, Any], given: dict[str, Any], required: list[str], expected: bool) -> None:
    assert matched(P, possible, given, required) == expected


def test_a_required_string_marked_optional_is_the_empty_string() -> None:
    assert matched({"a": STRING}, {"a": [""]}, {"a": ""}, ["a"])
    assert not matched({"a": STRING}, {"a": [""]}, {}, ["a"])


def test_names_are_compared_as_written() -> None:
    f = ("math.gcd", {"a": INTEGER}, [])
    assert matched_all([f], [("math.gcd", {"a": [1]})], [("math.gcd", {"a": 1})])
    assert not matched_all([f], [("math.gcd", {"a": [1]})], [("math_gcd", {"a": 1})])


def test_order_does_not_matter_but_counts_do() -> None:
    f = ("f", {"a": INTEGER}, [])
    golds = [("f", {"a": [1]}), ("f", {"a": [2]})]
    one, two = ("f", {"a": 1}), ("f", {"a": 2})
    assert matched_all([f], golds, [two, one])
    assert not matched_all([f], golds, [one])
    assert not matched_all([f], golds, [one, two, two])
    assert not matched_all([f], golds, [one, one])


def test_wanted_calls_are_served_greedily() -> None:
    f = ("f", {"a": INTEGER}, [])
    golds = [("f", {"a": [1, 2]}), ("f", {"a": [1]})]
    one, two = ("f", {"a": 1}), ("f", {"a": 2})
    assert matched_all([f], golds, [two, one])
    assert not matched_all([f], golds, [one, two])  # the first wanted call takes what only the second could use


def test_the_greedy_verdict_is_named_as_a_difference() -> None:
    question = {
        "id": "parallel_1",
        "question": [[{"role": "user", "content": "q"}]],
        "function": [{"name": "f", "parameters": {"type": "dict", "properties": {"a": INTEGER}}}],
    }
    example = to_example(question, {"ground_truth": [{"f": {"a": [1, 2]}}, {"f": {"a": [1]}}]})
    calls = [ToolCall("f", {"a": 1}), ToolCall("f", {"a": 2})]
    tools = {t.name: t for t in example.tools}
    match = match_calls(calls, example.ground_truth, tools, "bfcl")
    assert (match.matched, match.credit, match.rules) == (False, 2.0, ("best_assignment",))
    assert match_calls(calls, example.ground_truth, tools, "typed").matched
