"""What is read a plain value at a time is what is read step by step: the same value, or the same fault and place."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.parsers.functiongemma import GemmaGrammar
from rlvr.parsers.literals import Grammar, LiteralError, read_literal
from rlvr.parsers.python_literals import PYTHON, PythonGrammar
from rlvr.parsers.strict_json import MAX_DEPTH

GEMMA = GemmaGrammar()
NEVER = re.compile(r"(?!)")


class SlowPython(PythonGrammar):
    item = pair = NEVER


class SlowGemma(GemmaGrammar):
    item = pair = NEVER


PAIRS: dict[str, tuple[Grammar, Grammar]] = {"python": (PYTHON, SlowPython()), "gemma": (GEMMA, SlowGemma())}
PIECES = [
    "[", "]", "{", "}", "(", ")", ",", ":", " ", "\n", "[]", "{}", "()", "[[", "({", '"a"', "'b'", '"a": ', "'a':1,",
    "a:", "1", "-2", "+3", "0", "00", "1.5", ".5", "5.", "1e9", "1e400", "9" * 19, "1_0", "True", "true", "None",
    "null", "Tru", '"\\n"', "'\\x41'", "'\\'", '"\\ud800"', "\ud800", "r'a'", "'a' 'b'", "é", "\\", '"', "'",
    "<escape>臺北<escape>",
]  # fmt: skip


def outcome(text: str, grammar: Grammar) -> Any:
    """What was read and where it ended, or the fault and its place; `repr` tells 1, 1.0 and True apart."""
    try:
        return repr(read_literal(text, 0, grammar))
    except LiteralError as error:
        return error.fault, error.position


@pytest.mark.parametrize("name", PAIRS)
@given(st.lists(st.sampled_from(PIECES), max_size=24).map("".join), st.sampled_from(["", "[", "{", "[{", "(["]))
@settings(max_examples=600)
def test_quickly_and_step_by_step_are_the_same(name: str, text: str, before: str) -> None:
    quick, slow = PAIRS[name]
    assert outcome(before + text, quick) == outcome(before + text, slow)


@pytest.mark.parametrize("inner", ["", "1", "[]", "{}", "'a'", "1, []"])
@pytest.mark.parametrize("depth", range(MAX_DEPTH - 2, MAX_DEPTH + 3))
def test_depth_ends_in_the_same_place(depth: int, inner: str) -> None:
    for opener, closer in ("[]", "()", ("{'a':", "}")):
        text = opener * depth + inner + closer * depth
        assert outcome(text, PYTHON) == outcome(text, PAIRS["python"][1])


def test_the_quick_way_is_taken() -> None:
    """Else the two above would compare nothing."""
    assert PYTHON.item.match("1, 'a']") and PYTHON.item.match("[[{")  # noqa: PT018
    assert PYTHON.pair.match("'a': 1}")
    assert GEMMA.item.match("1,")
