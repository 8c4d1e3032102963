"""A match explains itself: pairs, verdicts with reasons, and the cheapest change; expected values by hand."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from rlvr.rewards import score
from rlvr.rewards.matching import CHANGES, REASONS, Match, apply_changes, match_calls
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

GUEST = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer", "default": 30}}}
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "days": {"type": "integer", "default": 1},
        "unit": {"type": "string", "enum": ["C", "F"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "guests": {"type": "array", "items": GUEST},
    },
    "required": ["city"],
}
TOOLS = {name: Tool(name, "", PARAMETERS) for name in ("trip", "stay")}


def match(calls: list[Any], gold: list[Any], mode: str = "typed") -> Match:
    made = [ToolCall(c.pop("$name", "trip"), c) for c in map(dict, calls)]
    wanted = [GoldCall(c.pop("$name", "trip"), c) for c in map(dict, gold)]
    return match_calls(made, wanted, TOOLS, mode)


@pytest.mark.parametrize(
    ("calls", "gold", "changes"),
    [
        ([{"city": "Rome"}], [{"city": "Rome"}], []),
        ([{"city": "rome", "days": 1}], [{"city": "Rome"}], []),
        ([{"city": "Rome", "days": "3"}], [{"city": "Rome", "days": 3}], ["set days to 3 (call 1)"]),
        ([{"days": 3}], [{"city": "Rome", "days": 3}], ['add city: "Rome" (call 1)']),
        ([{"city": "Rome", "note": "x"}], [{"city": "Rome"}], ["drop note (call 1)"]),
        ([{"city": "Rome", "days": 2}], [{"city": "Rome"}], ["drop days (call 1)"]),
        ([{"$name": "stay", "city": "Rome"}], [{"city": "Rome"}], ['name it "trip" (call 1)']),
        ([{"town": "Rome"}], [{"city": "Rome"}], ['add city: "Rome" (call 1)', "drop town (call 1)"]),
        ([], [{"city": "Rome"}], ['add the call {"name": "trip", "arguments": {"city": "Rome"}}']),
        ([{"city": "Rome"}, {"city": "Rome"}], [{"city": "Rome"}], ["drop the call (call 2)"]),
        ([{"$name": "stay", "days": 9}, {"city": "Rome"}], [{"city": "Rome"}], ["drop the call (call 1)"]),
        (
            [{"city": "Oslo", "days": 3}, {"city": "Rome", "days": 2}],
            [{"city": "Rome", "days": 2}, {"city": "Oslo", "days": 4}],
            ["set days to 4 (call 1)"],  # each call is held against the wanted one that it is nearest to
        ),
        (
            [{"city": "Rome", "guests": [{"name": "Ann", "age": 4}, {"name": "Bo", "age": 6}]}],
            [{"city": "Rome", "guests": [{"name": "Ann", "age": 4}, {"name": "Bo", "age": 5}]}],
            ["set guests[1].age to 5 (call 1)"],
        ),
        (
            [{"city": "Rome", "guests": [{"age": 30}, {"name": "Bo", "hat": True}]}],
            [{"city": "Rome", "guests": [{"name": "Ann"}, {"name": "Bo"}]}],
            ['add guests[0].name: "Ann" (call 1)', "drop guests[1].hat (call 1)"],
        ),
        (
            [{"city": "Rome", "tags": ["a"]}],
            [{"city": "Rome", "tags": ["a", "b"]}],
            ['set tags to ["a", "b"] (call 1)'],
        ),
        ([{"city": "Oslp"}], [{"city": OneOf(("Rome", "Oslo"))}], ['set city to "Oslo" (call 1)']),
        ([{"city": "Bonn"}], [{"city": OneOf(("Rome", "Oslo"))}], ['set city to "Rome" (call 1)']),
        ([{"city": "Rome", "unit": ""}], [{"city": "Rome", "unit": OneOf(("C",), True)}], ['set unit to "C" (call 1)']),
        ([{"city": "Rome", "unit": "C"}], [{"city": "Rome", "unit": OneOf((), True)}], ["drop unit (call 1)"]),
        (
            [{"city": "Rome", "tags": ["x", "y"]}],
            [{"city": "Rome", "tags": OneOf((["a", "b", "c"],), True)}],
            ["drop tags (call 1)"],  # one change; to write the wanted list would be three values
        ),
    ],
)
def test_the_cheapest_change(calls: list[Any], gold: list[Any], changes: list[str]) -> None:
    found = match(calls, gold)
    assert found.changes is not None
    assert list(map(str, found.changes)) == changes
    assert {c.kind for c in found.changes} <= set(CHANGES)
    made = [ToolCall(c.pop("$name", "trip"), c) for c in map(dict, calls)]
    mended = apply_changes(made, found.changes)
    assert match_calls(mended, [GoldCall("trip", g) for g in gold], TOOLS).matched
    assert [c.to_json() for c in made] == [ToolCall(c.pop("$name", "trip"), c).to_json() for c in map(dict, calls)]


def test_the_change_depends_on_the_mode() -> None:
    calls, gold = [{"city": "rome"}], [{"city": "Rome"}]
    assert match(calls, gold, "typed").changes == match(calls, gold, "bfcl").changes == ()
    assert list(map(str, match(calls, gold, "exact").changes or ())) == ['set city to "Rome" (call 1)']
    left_out = [{"city": "Rome", "days": 1}], [{"city": "Rome"}]
    assert match(*left_out).changes == ()
    assert list(map(str, match(*left_out, "bfcl").changes or ())) == ["drop days (call 1)"]


def test_where_no_change_is_known_there_is_none() -> None:
    # The official checker wants what the schema requires, and takes no argument that the answer does not list.
    assert match([{"days": 1}], [{"days": 1}], "bfcl").changes is None
    assert match([{"days": 2}], [{"days": 1}], "typed").changes is not None


def test_every_pair_and_argument_has_a_reason() -> None:
    found = match(
        [
            {"city": "Oslo", "days": 2.0, "unit": "c", "tags": ["A B"], "x": 1},
            {"$name": "stay", "city": "Bonn"},
            {"city": "Parys"},
        ],
        [
            {"city": "Paris", "days": 1, "unit": OneOf(("F",), True)},
            {"city": "Oslo", "days": 2, "unit": "C", "tags": ["ab"]},
        ],
    )
    assert (found.matched, found.reason) == (False, "wrong_count")
    assert [(p.predicted, p.wanted, p.reason) for p in found.pairs] == [
        (2, 0, "wrong_arguments"),
        (0, 1, "wrong_arguments"),
        (1, None, "extra"),
    ]
    assert [(a.name, a.equal, a.reason, a.credit) for a in found.pairs[0].arguments] == [
        ("city", False, "similar", pytest.approx(0.8)),
        ("days", True, "equal_default", 1.0),
        ("unit", True, "left_out", 1.0),
    ]
    assert [(a.name, a.reason, a.credit, a.rules) for a in found.pairs[1].arguments] == [
        ("city", "equal", 1.0, ()),
        ("days", "wrong_type", 0.0, ()),
        ("unit", "wrong_value", 0.0, ("enum_exact",)),
        ("tags", "equal_normalised", 1.0, ()),
        ("x", "invented", 0.0, ()),
    ]
    assert [p.credit for p in found.pairs] == [pytest.approx(0.8), pytest.approx(2 / 5), 0.0]
    assert found.credit == pytest.approx(1.2)
    assert found.rules == ("default_equals_omission", "enum_exact")
    assert {a.reason for p in found.pairs for a in p.arguments} <= set(REASONS)


def test_a_match_as_json() -> None:
    found = match([{"city": "Rome", "days": 2}], [{"city": "Rome", "days": 3}])
    equal = {"name": "city", "equal": True, "credit": 1.0, "reason": "equal", "rules": []}
    wrong = {"name": "days", "equal": False, "credit": 0.0, "reason": "wrong_value", "rules": []}
    pair = {"predicted": 0, "wanted": 0, "matched": False, "credit": 0.5, "reason": "wrong_arguments"}
    assert json.loads(json.dumps(found.to_json())) == {
        "matched": False,
        "credit": 0.5,
        "mode": "typed",
        "reason": "wrong_calls",
        "pairs": [{**pair, "arguments": [equal, wrong]}],
        "rules": [],
        "changes": [{"kind": "set", "call": 0, "path": ["days"], "value": 3}],
    }


def test_a_breakdown_says_what_would_be_right(call: Any, gold: Any) -> None:
    tool = {"name": "trip", "parameters": PARAMETERS}
    b = score(call("trip", city="Rome", days=2), tools=[tool], ground_truth=[gold("trip", city="Rome", days=3)])
    assert b.explain().splitlines()[-1] == "  to match: set days to 3 (call 1)"
    assert b.to_json()["match"]["changes"] == [{"kind": "set", "call": 0, "path": ["days"], "value": 3}]
    right = score(call("trip", city="Rome"), tools=[tool], ground_truth=[gold("trip", city="Rome")])
    assert "to match" not in right.explain()
    assert right.to_json()["match"]["changes"] == []


def test_a_schema_that_refers_to_itself_in_each_alternative_takes_no_exponential_time() -> None:
    either = [{"type": "object", "properties": {"n": {"$ref": "#/$defs/t"}, k: {"type": "string"}}} for k in "ab"]
    schema = {"type": "object", "properties": {"n": {"$ref": "#/$defs/t"}}, "$defs": {"t": {"anyOf": either}}}
    tool = {"f": Tool("f", "", schema)}

    def deep(bottom: str) -> dict[str, Any]:
        value: dict[str, Any] = {"a": bottom}
        for _ in range(40):
            value = {"n": value}
        return value

    start = time.process_time()
    assert match_calls([ToolCall("f", deep("RED"))], [GoldCall("f", deep("red"))], tool).matched
    wrong = match_calls([ToolCall("f", deep("blue"))], [GoldCall("f", deep("red"))], tool)
    assert not wrong.matched
    assert wrong.changes is not None
    assert [(c.kind, len(c.path), c.value) for c in wrong.changes] == [("set", 41, "red")]
    assert time.process_time() - start < 2.0
