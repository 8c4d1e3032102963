"""Partial credit: full, part, none, near miss and exploit; the best assignment."""

from __future__ import annotations

import itertools
import random
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.rewards.matching import MAX_CALLS, match_calls
from rlvr.rewards.matching.assignment import best_assignment
from rlvr.rewards.matching.strings import (
    MAX_PARTIAL,
    SIMILARITY_THRESHOLD,
    _edit_distance,
    looks_pinned,
    typed_form,
)
from rlvr.rewards.matching.texts import Text, Texts
from rlvr.types import GoldCall, Tool, ToolCall

TOOLS = {
    n: Tool(
        n,
        "",
        {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "n": {"type": "integer"},
                "k": {"type": "integer", "default": 3},
            },
        },
    )
    for n in ("f", "g")
}


def credit(calls: list[tuple[str, dict[str, Any]]], gold: list[tuple[str, dict[str, Any]]]) -> float:
    return match_calls([ToolCall(*c) for c in calls], [GoldCall(*g) for g in gold], TOOLS).credit


@pytest.mark.parametrize(
    ("calls", "gold", "expected"),
    [
        ([("f", {"city": "Paris", "n": 1})], [("f", {"city": "Paris", "n": 1})], 1.0),
        ([("f", {"city": "Paris", "n": 2})], [("f", {"city": "Paris", "n": 1})], 0.5),
        ([("f", {"city": "Paris"})], [("f", {"city": "Paris", "n": 1})], 0.5),
        ([("f", {"city": "Paris", "n": 1, "bogus": 1})], [("f", {"city": "Paris", "n": 1})], 2 / 3),
        ([("f", {"city": "Parys"})], [("f", {"city": "Paris"})], 0.8),
        ([("g", {"city": "Paris", "n": 1})], [("f", {"city": "Paris", "n": 1})], 0.0),
        ([("f", {})], [("f", {"n": 1})], 0.0),
        ([("f", {"n": 1})], [("f", {})], 0.0),
        ([("f", {})], [("f", {})], 1.0),
        ([("f", {"n": 2, "k": 3})], [("f", {"n": 1})], 0.0),  # padding with a default earns nothing
        ([("f", {"n": 2})], [("f", {"n": 1, "k": 3})], 0.0),
        ([("f", {"n": 1}), ("f", {"n": 1})], [("f", {"n": 1})], 1.0),
        ([("f", {"n": i}) for i in range(10)], [("f", {"n": 1})], 1.0),
        ([("f", {"n": 2}), ("f", {"n": 1})], [("f", {"n": 1}), ("f", {"n": 2})], 2.0),
        ([], [("f", {})], 0.0),
        ([("f", {})], [], 0.0),
        ([], [], 0.0),
    ],
)
def test_credit(calls: list[Any], gold: list[Any], expected: float) -> None:
    assert credit(calls, gold) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("wanted", "given_", "low", "high"),
    [
        ("San Francisco", "San Fransisco", 0.9, MAX_PARTIAL),
        ("Paris", "Parys", 0.8, 0.8),
        ("Paris", "London", 0, 0),
        ("Paris", "Paris, the capital of France", 0, 0),  # no credit for holding the answer
        ("Paris", "what is the weather in Paris tomorrow", 0, 0),
        ("Flight 12", "Flight 13", 0, 0),
        ("12 Main Street", "12 Main Sreet", 0, 0),
        ("a@b.org", "a@b.orgg", 0, 0),
        ("user_name", "user_nam", 0, 0),
        ("臺北市政府", "臺北市政廳", 0.8, 0.8),
        ("*", "", 0, 0),
        ("x" * 200, "x" * 199, 0, 0),
        ("Paris", "paris", 1, 1),
        ("Paris", 5, 0, 0),
    ],
)
def test_the_credit_of_a_string(wanted: str, given_: Any, low: float, high: float) -> None:
    """What the matcher asks of a wanted string, alone and as one of two that are acceptable."""
    text = Text(wanted, {})
    assert low <= text.credit(given_) <= high
    assert text.credit(given_) == text.verdict(given_).credit == Texts([text, Text("a_b", {})]).credit(given_)


def test_a_pinned_string_earns_nothing_nearby() -> None:
    for schema in ({"enum": ["Paris", "Parma"]}, {"const": "Paris"}, {"format": "x"}, {"pattern": "^P"}):
        assert [Text("Paris", schema).credit(given_) for given_ in ("Paris", "Parys", "paris")] == [1, 0, 0]


def slow_distance(a: str, b: str) -> int:
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        current = [i]
        for j, y in enumerate(b, 1):
            current.append(min(previous[j] + 1, current[-1] + 1, previous[j - 1] + (x != y)))
        previous = current
    return previous[-1]


@given(st.text("abc", min_size=1, max_size=70), st.text("abc", min_size=1, max_size=70), st.integers(0, 40))
def test_the_fast_edit_distance_is_the_textbooks(a: str, b: str, most: int) -> None:
    distance = slow_distance(a, b)
    assert _edit_distance(a, b, 70) == distance
    assert _edit_distance(a, b, most) == distance if distance <= most else _edit_distance(a, b, most) > most


def test_many_long_near_strings_are_compared_quickly() -> None:
    tool = Tool("f", "", {"type": "object", "properties": {k: {"type": "string"} for k in "abcd"}})
    rng = random.Random(0)
    base = "".join(rng.choice("abcdefgh") for _ in range(120))

    def near() -> dict[str, str]:
        ends = rng.choice("stuv") + rng.choice("stuv")
        return {k: base.replace(base[i], "xyzw"[i]) + ends for i, k in enumerate("abcd")}

    start = time.process_time()
    match_calls([ToolCall("f", near()) for _ in range(MAX_CALLS)], [GoldCall("f", near())] * 8, {"f": tool})
    assert time.process_time() - start < 5


@given(st.text(max_size=40), st.text(max_size=40))
def test_credit_is_bounded_and_the_same_both_ways(a: str, b: str) -> None:
    """Of strings in ordinary words; what looks like an identifier is wanted as it is written, and may be given."""
    here, there = Text(a, {}).credit(b), Text(b, {}).credit(a)
    for value in (here, there):
        assert value in (0, 1) or SIMILARITY_THRESHOLD < value <= MAX_PARTIAL
    if not (looks_pinned(a) or looks_pinned(b)):
        assert here == there
        assert (here == 1) == (a == b or typed_form(a) == typed_form(b) != "")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Paris", None), ("New York", None), ("St. Louis", None), ("U.S.", None), ("covid-19", "identifier"),
        ("AAPL", None), ("order_id", "identifier"), ("Q3", "identifier"), ("2024", "identifier"),
        ("192.168.0.1", "address"), ("https://x.org/a", "address"), ("~/a", "address"), ("C:\\a", "address"),
        ("notes.txt", "address"), ("01/02/2024", "date"), ("2024-05", "date"), ("May 3, 2024", None), ("", None),
    ],
)  # fmt: skip
def test_what_looks_pinned(text: str, kind: str | None) -> None:
    assert looks_pinned(text) == kind


matrices = st.integers(1, 5).flatmap(
    lambda rows: st.integers(1, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.integers(0, 9), min_size=columns, max_size=columns), min_size=rows, max_size=rows
        )
    )
)


@given(matrices)
def test_the_assignment_is_the_best_one(weights: list[list[int]]) -> None:
    rows, columns = len(weights), len(weights[0])
    pairs = best_assignment(weights)
    assert len(pairs) == min(rows, columns)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)
    if rows <= columns:
        best = max(sum(weights[i][j] for i, j in enumerate(p)) for p in itertools.permutations(range(columns), rows))
    else:
        best = max(sum(weights[i][j] for j, i in enumerate(p)) for p in itertools.permutations(range(rows), columns))
    assert sum(weights[i][j] for i, j in pairs) == best


def test_too_many_calls_are_not_compared() -> None:
    gold = [GoldCall("f", {"n": i}) for i in range(MAX_CALLS)]
    calls = [g.canonical() for g in gold]
    assert match_calls(calls, gold, TOOLS).matched
    match = match_calls([*calls, calls[0]], gold, TOOLS)
    assert (match.matched, match.credit, match.pairs, match.reason) == (False, 0.0, (), "too_many_calls")


def test_the_pairs_name_what_is_missing_and_what_is_too_much() -> None:
    gold = [GoldCall("f", {"n": 1}), GoldCall("g", {})]
    match = match_calls([ToolCall("f", {"n": 1})], gold, TOOLS)
    assert [(p.predicted, p.wanted, p.reason) for p in match.pairs] == [(0, 0, "equal"), (None, 1, "missing")]
    match = match_calls([ToolCall("g", {}), ToolCall("g", {})], gold[1:], TOOLS)
    assert [(p.predicted, p.wanted, p.reason) for p in match.pairs] == [(0, 0, "equal"), (1, None, "extra")]
    assert match.reason == "wrong_count"


@pytest.mark.parametrize("unit", ["a", "a.", "1-", "é\u0323\u0301", "\u0301\u0323", " ", "@", "臺"])
def test_a_long_string_is_compared_in_time_that_grows_with_its_length(unit: str) -> None:
    gold = [GoldCall("f", {"city": "San Francisco"})]
    start = time.process_time()
    for text in (unit * (200_000 // len(unit)), "San Francisco" + unit * (190_000 // len(unit))):
        match_calls([ToolCall("f", {"city": text})], gold, TOOLS)
        match_calls([ToolCall("f", {"city": "San Francisco"})], [GoldCall("f", {"city": text})], TOOLS)
    assert time.process_time() - start < 2.0
