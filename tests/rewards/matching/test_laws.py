"""What holds for every input: gold matches itself, order means nothing, a call more never matches, modes explain
where they differ."""

from __future__ import annotations

import json
import random
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.rewards.matching import CHANGES, MODES, RULES, apply_changes, match_calls
from rlvr.types import GoldCall, OneOf, Tool, ToolCall

STRINGS = (
    "Paris",
    "paris",
    "New York",
    "new_york",
    "user_id",
    "2024-01-01",
    "a b",
    "Ａ",
    "a",
    "1.5",
    "15",
    "",
    "-",
    "é",
)
ATOMS: dict[str, tuple[Any, ...]] = {
    "string": STRINGS,
    "integer": (0, 1, 5, -5, 10**20),
    "number": (0.5, 5.0, 1.0, 2, -1e300),
    "boolean": (True, False),
}


@st.composite
def schemas(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    kind = draw(st.sampled_from([*ATOMS, *(["array", "object"] if depth else [])]))
    if kind == "array":
        return {"type": "array", "items": draw(schemas(depth=depth - 1))}
    if kind == "object":
        return object_schema(draw, depth)
    schema: dict[str, Any] = {"type": kind}
    if kind == "string" and draw(st.booleans()):
        schema["enum"] = list(STRINGS)
    if draw(st.integers(0, 3)) == 0:
        schema["default"] = ATOMS[kind][1]
    return schema


def object_schema(draw: st.DrawFn, depth: int) -> dict[str, Any]:
    properties = {n: draw(schemas(depth=depth - 1)) for n in ("a", "b", "c")[: draw(st.integers(0, 3))]}
    required = [n for n in properties if draw(st.booleans())]
    return {"type": "object", "properties": properties, "required": required}


def value_of(draw: st.DrawFn, schema: dict[str, Any]) -> Any:
    kind = schema["type"]
    if kind == "array":
        return [value_of(draw, schema["items"]) for _ in range(draw(st.integers(0, 3)))]
    if kind == "object":
        names = [n for n in schema["properties"] if n in schema["required"] or draw(st.booleans())]
        return {n: value_of(draw, schema["properties"][n]) for n in names}
    return draw(st.sampled_from(ATOMS[kind]))


def gold_of(draw: st.DrawFn, tool: Tool) -> GoldCall:
    arguments = value_of(draw, dict(tool.parameters))
    out: dict[str, Any] = {}
    for name, value in arguments.items():
        other = value_of(draw, tool.parameters["properties"][name])
        optional = name not in tool.parameters["required"] and draw(st.booleans())
        out[name] = OneOf((value, other), optional) if draw(st.integers(0, 2)) == 0 else value
    return GoldCall(tool.name, out)


@st.composite
def cases(draw: st.DrawFn) -> tuple[dict[str, Tool], list[GoldCall], list[ToolCall]]:
    """Tools, wanted calls, and calls near them."""
    tools = {n: Tool(n, "", object_schema(draw, 2)) for n in ("f", "g")[: draw(st.integers(1, 2))]}
    gold = [gold_of(draw, tools[draw(st.sampled_from(sorted(tools)))]) for _ in range(draw(st.integers(1, 4)))]
    calls = []
    for g in gold:
        call = g.canonical()
        for name in list(call.arguments):
            choice = draw(st.integers(0, 4))
            arguments = dict(call.arguments)
            if choice == 0:
                arguments[name] = value_of(draw, tools[g.name].parameters["properties"][name])
            elif choice == 1:
                arguments[name] = draw(st.sampled_from([None, "", [], {}, True, 1, 1.0, "PARIS", 5.0, [1.0], {"a": 1}]))
            elif choice == 2:
                del arguments[name]
            call = ToolCall(call.name, arguments)
        calls.append(call)
    return tools, gold, calls


def homogeneous(value: Any) -> bool:
    """Without arrays of mixed kinds: the official checker rejects those even where they are the answer itself."""
    if isinstance(value, OneOf):
        return all(homogeneous(v) for v in value.values)
    if isinstance(value, dict):
        return all(homogeneous(v) for v in value.values())
    if isinstance(value, list):
        return len({type(v) for v in value}) <= 1 and all(homogeneous(v) for v in value)
    return True


values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 2.5]) | st.sampled_from(["", "a", "A"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
    max_leaves=5,
)


@given(cases())
def test_the_ground_truth_matches_itself_in_every_mode(case: Any) -> None:
    tools, gold, _ = case
    for mode in MODES:
        if mode == "bfcl" and not all(homogeneous(dict(g.arguments)) for g in gold):
            continue
        match = match_calls([g.canonical() for g in gold], gold, tools, mode)
        assert match.matched or (mode == "bfcl" and match.credit == len(gold)), mode  # greedy may miss what is there
        assert match.credit == len(gold)


@given(cases(), st.integers(0, 2**32))
def test_order_of_calls_and_keys_means_nothing(case: Any, seed: int) -> None:
    tools, gold, calls = case
    rng = random.Random(seed)
    shuffled = [ToolCall(c.name, dict(rng.sample(list(c.arguments.items()), len(c.arguments)))) for c in calls]
    rng.shuffle(shuffled)
    golds = rng.sample(gold, len(gold))
    for mode in MODES:
        before, after = match_calls(calls, gold, tools, mode), match_calls(shuffled, golds, tools, mode)
        assert before.credit == after.credit
        if mode != "bfcl":  # the official checker serves the wanted calls greedily
            assert before.matched == after.matched


@given(cases(), st.booleans())
def test_a_call_too_many_never_matches_nor_adds_credit(case: Any, own: bool) -> None:
    tools, gold, calls = case
    right = [g.canonical() for g in gold]
    extra = right[0] if own else calls[0]
    for mode in MODES:
        assert not match_calls([*right, extra], gold, tools, mode).matched
        assert match_calls([*right, extra], gold, tools, mode).credit <= len(gold)
        assert not match_calls(right[1:], gold, tools, mode).matched
        assert match_calls([*calls, calls[0]], gold, tools, mode).credit <= len(gold)


@given(cases())
def test_credit_is_full_only_where_all_pairs_are_equal(case: Any) -> None:
    tools, gold, calls = case
    for mode in MODES:
        match = match_calls(calls, gold, tools, mode)
        perfect = all(p.matched for p in match.pairs)
        assert (match.credit == len(gold)) == perfect
        assert match.matched <= perfect
        assert 0 <= match.credit <= len(gold)
        assert match == match_calls(calls, gold, tools, mode)


@given(cases())
def test_where_typed_and_bfcl_differ_a_rule_says_why(case: Any) -> None:
    tools, gold, calls = case
    for call, want in zip(calls, gold, strict=True):
        typed, bfcl = (match_calls([call], [want], tools, mode) for mode in ("typed", "bfcl"))
        assert set(typed.rules) <= set(RULES)
        verdicts = {a.name: a.equal for a in bfcl.pairs[0].arguments}
        for argument in typed.pairs[0].arguments:
            assert (argument.equal != verdicts[argument.name]) == bool(argument.rules)
        if typed.matched != bfcl.matched:
            assert typed.rules


@given(st.text("aAé e\u0301\u0323İiß.-_,'\"1２臺台", max_size=6), st.data())
def test_where_they_differ_on_a_string_a_rule_says_why(wanted: str, data: Any) -> None:
    marks = data.draw(
        st.lists(st.sampled_from(["", "", "", " ", "-", "."]), min_size=len(wanted), max_size=len(wanted))
    )
    made = "".join(c + m for c, m in zip(wanted, marks, strict=True))
    given_ = data.draw(st.sampled_from([made, made.upper(), made.lower(), unicodedata.normalize("NFKC", made)]))
    tool = {"f": Tool("f", "", {"type": "object", "properties": {"a": {"type": "string"}}})}
    call, want = ToolCall("f", {"a": given_}), GoldCall("f", {"a": wanted})
    typed, bfcl = (match_calls([call], [want], tool, mode) for mode in ("typed", "bfcl"))
    assert (typed.matched != bfcl.matched) == bool(typed.rules)


@given(cases(), st.integers(0, 2**32))
def test_where_they_differ_on_several_calls_a_rule_says_why(case: Any, seed: int) -> None:
    tools, gold, calls = case
    random.Random(seed).shuffle(calls)
    typed, bfcl = (match_calls(calls, gold, tools, mode) for mode in ("typed", "bfcl"))
    if typed.matched != bfcl.matched:
        assert typed.rules
    if bfcl.matched != all(p.matched for p in bfcl.pairs):
        assert "best_assignment" in bfcl.rules


@given(cases())
def test_the_pairs_explain_the_score(case: Any) -> None:
    """Verdict and credit are worked out without the pairs, which say the same."""
    tools, gold, calls = case
    for mode in MODES:
        for made in (calls, calls[1:], [*calls, *calls]):
            match = match_calls(made, gold, tools, mode)
            assert match.credit == pytest.approx(sum(p.credit for p in match.pairs), abs=1e-9)
            assert sorted(p.predicted for p in match.pairs if p.predicted is not None) == list(range(len(made)))
            assert sorted(p.wanted for p in match.pairs if p.wanted is not None) == list(range(len(gold)))
            if mode != "bfcl":
                assert match.matched == all(p.matched for p in match.pairs)
            for pair in match.pairs:
                scored = [a.credit for a in pair.arguments if a.reason not in ("left_out", "equal_default")]
                if pair.reason == "equal":
                    assert pair.credit == 1
                elif pair.reason == "wrong_arguments":
                    mean = sum(scored) / len(scored) if scored else 0.0
                    assert pair.credit == pytest.approx(mean, abs=2e-6)
                    assert pair.credit < 1


@given(cases())
def test_one_wrong_value_lowers_the_credit_and_mending_it_lifts_it(case: Any) -> None:
    tools, gold, calls = case
    for call, want in zip(calls, gold, strict=True):
        before = match_calls([call], [want], tools)
        for argument in before.pairs[0].arguments:
            if argument.equal or argument.name not in want.canonical().arguments:
                continue
            mended = {**call.arguments, argument.name: want.canonical().arguments[argument.name]}
            after = match_calls([ToolCall(call.name, mended)], [want], tools)
            assert after.credit > before.credit


@given(cases(), st.integers(0, 2**32))
def test_the_cheapest_change_makes_the_calls_match(case: Any, seed: int) -> None:
    tools, gold, calls = case
    rng = random.Random(seed)
    made = rng.choices(calls, k=rng.randint(0, len(calls) + 2))
    for mode in ("typed", "exact"):
        match = match_calls(made, gold, tools, mode)
        assert match.changes is not None
        assert (match.changes == ()) == match.matched
        assert match_calls(apply_changes(made, match.changes), gold, tools, mode).matched
        for change in match.changes:
            assert change.kind in CHANGES
            assert str(change)
            json.dumps(change.to_json())
    official = match_calls(made, gold, tools, "bfcl")
    if official.changes is not None:
        assert match_calls(apply_changes(made, official.changes), gold, tools, "bfcl").matched


@given(cases(), st.data())
def test_no_smaller_change_is_known_than_undoing_one(case: Any, data: Any) -> None:
    """What was made wrong by one change is right after one."""
    tools, gold, _ = case
    right = [g.canonical() for g in gold]
    index = data.draw(st.integers(0, len(right) - 1))
    call = right[index]
    kind = data.draw(st.sampled_from(["drop", "invent", "wrong", "rename", "call gone", "call twice"]))
    names = [n for n, v in call.arguments.items() if not isinstance(v, (dict, list))]
    if kind in ("drop", "wrong") and not names:
        return
    arguments = dict(call.arguments)
    if kind == "drop":
        del arguments[data.draw(st.sampled_from(names))]
    elif kind == "wrong":
        arguments[data.draw(st.sampled_from(names))] = "something else entirely"
    elif kind == "invent":
        arguments["zzz"] = 1
    name = call.name + "_" if kind == "rename" else call.name
    made = [*right[:index], ToolCall(name, arguments), *right[index + 1 :]]
    if kind == "call gone":
        made = right[:index] + right[index + 1 :]
    elif kind == "call twice":
        made = [*right, call]
    changes = match_calls(made, gold, tools).changes
    assert changes is not None
    assert len(changes) <= 1


@given(values)
def test_what_is_written_alike_is_equal_in_typed_and_exact(value: Any) -> None:
    again = json.loads(json.dumps(value, sort_keys=True))
    tool = {"f": Tool("f", "", {"type": "object", "properties": {"a": {}}})}
    for mode in ("typed", "exact"):
        match = match_calls([ToolCall("f", {"a": again})], [GoldCall("f", {"a": value})], tool, mode)
        assert match.matched
        assert match.pairs[0].arguments[0].reason == "equal"
