"""Patterns of schemas: the answers of Python's `re` where both read them, in time that grows with the text alone."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.tools.patterns import Budget, OverBudgetError, compile_pattern

ATOMS = ["a", "b", "[ab]", "[^a]", ".", r"\d", r"\w", r"\s", r"\W", "(?:a|bc)", "(a*)", "-", r"\b", "[a-c1]", r"\.",
         "(|a)", "(?P<n>ab)", r"\x61", r"\u0062", "[-a]", "[]b]", "{", "{,", "x{2", "_"]  # fmt: skip
QUANTIFIERS = ["", "", "", "*", "+", "?", "{2}", "{1,3}", "{0,2}?", "*?", "{2,}"]

pieces = st.builds(
    lambda atom, q: atom + q, st.sampled_from([a for a in ATOMS if a != r"\b"]), st.sampled_from(QUANTIFIERS)
)
patterns = st.lists(
    st.lists(pieces | st.sampled_from(["^", "$", r"\b"]), max_size=5).map("".join), min_size=1, max_size=3
).map("|".join)
texts = st.text(alphabet="ab1c-x .\n_{", max_size=12)


@given(patterns, st.lists(texts, min_size=1, max_size=5))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_the_answer_is_that_of_re(source: str, samples: list[str]) -> None:
    try:
        expected = re.compile(source.replace("$", r"\Z"), re.ASCII)
    except re.error:
        return
    pattern = compile_pattern(source)
    if pattern is None:
        return
    for text in samples:
        found = pattern.search(text, Budget())
        assert found == bool(expected.search(text))
        assert found == pattern.search(text, Budget()), "what is remembered changes nothing"


@pytest.mark.parametrize(
    ("source", "yes", "no"),
    [
        (r"^\d{4}-\d{2}-\d{2}$", ["2024-01-02"], ["2024-1-2", "a2024-01-02", "2024-01-02\n", "２０２４-01-02"]),
        (r"^[A-Z]{2}\d+$", ["AB1", "XY99"], ["A1", "ab1", "AB"]),
        (r"^(red|green)$", ["red", "green"], ["blue", "redgreen"]),
        ("cat", ["concatenate"], ["dog"]),
        (r"^\S+@\S+\.[a-z]+$", ["a@b.org"], ["a b@c.org", "a@b"]),
        (r"\bend\b", ["the end", "end."], ["bend", "ending"]),
        (r"^[\w.-]+$", ["a.b-c_1"], ["a b", "é"]),
        ("^[一-鿿]+$", ["臺北"], ["Taipei"]),
        ("", ["", "x"], []),
        ("^$", [""], ["x"]),
    ],
)
def test_patterns_as_schemas_have_them(source: str, yes: list[str], no: list[str]) -> None:
    pattern = compile_pattern(source)
    assert pattern is not None
    assert [t for t in yes if not pattern.search(t, Budget())] == []
    assert [t for t in no if pattern.search(t, Budget())] == []


@pytest.mark.parametrize(
    "source",
    [r"(?=a)b", r"(?!a)", r"(?<=a)b", r"(a)\1", r"(?P=n)", r"\p{L}+", "(?i)abc", "(", ")", "[", "*a", "a**", "a{3,2}",
     "a{1001}", "(a{100}){100}", "[z-a]", "x" * 3000, "(" * 60 + ")" * 60, "a\\", r"\xg1", r"[\d-z]", "[[a]]",
     "x{,2}", "x{,}"],
)  # fmt: skip
def test_what_cannot_be_bounded_or_read_is_not_asserted(source: str) -> None:
    assert compile_pattern(source) is None


@given(st.text(alphabet="()[]{}|*+?^$\\ab1,-<>P:=!dwsbx0", max_size=30))
@settings(max_examples=400, deadline=None, derandomize=True)
def test_reading_a_pattern_never_raises(source: str) -> None:
    compile_pattern(source)


@pytest.mark.parametrize("source", ["(a+)+$", "(a|aa)*b", "(.*)*x", "(a?){30}a{30}", "(x+x+)+y", "^(([a-z])+.)+[A-Z]$",
                                    "(a|b|ab)*c", "(){999}", "((){999}){999}"])  # fmt: skip
@pytest.mark.parametrize("text", ["a" * 200_000, "ab" * 100_000, "x" * 200_000])
def test_hostile_patterns_and_texts_end_soon(source: str, text: str) -> None:
    pattern = compile_pattern(source)
    assert pattern is not None
    start = time.process_time()
    with contextlib.suppress(OverBudgetError):
        pattern.search(text, Budget())
    assert time.process_time() - start < 1.0  # 0.02 s where nothing else runs


def test_the_budget_counts_the_same_whatever_was_searched_before() -> None:
    pattern = compile_pattern("^(a|ab|b)*c$")
    assert pattern is not None
    spent = []
    for _ in range(2):
        budget = Budget()
        pattern.search("abab" * 50, budget)
        spent.append(budget.left)
    assert spent[0] == spent[1] < Budget().left
