"""What counts as reasoning under each policy, also where the prompt opened the block."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.parsers import REASONING, get_parser
from rlvr.parsers.reasoning import split_reasoning
from rlvr.types import Outcome

CALL = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'

# The text, whether the prompt opened a block, then (reasoning, rest) under think, deepseek_r1 and qwen3, by hand.
TABLE = [
    ("<think>a</think>b", False, ("a", "b"), ("a", "b"), ("a", "b")),
    ("a</think>b", False, ("a", "b"), ("a", "b"), ("a", "b")),
    ("a</think>b", True, ("a", "b"), ("a", "b"), ("a", "b")),
    ("<think>a</think>b", True, ("a", "b"), ("a", "b"), ("a", "b")),
    ("b", False, ("", "b"), ("b", ""), ("b", "")),
    ("b", True, ("b", ""), ("b", ""), ("b", "")),
    ("<think>a", False, ("a", ""), ("a", ""), ("a", "")),
    ("b<think>a</think>c", False, ("a", "bc"), ("b\na", "c"), ("ba", "c")),
    ("<think>a</think>b</think>c", False, ("a\nb", "c"), ("a", "b</think>c"), ("a", "bc")),
    ("<think>a</think>b<think>c</think>d", False, ("a\nc", "bd"), ("a", "b<think>c</think>d"), ("a", "b<think>cd")),
    ("<think><think>a</think>b", False, ("a", "b"), ("<think>a", "b"), ("a", "b")),
    ("</think>b", True, ("", "b"), ("", "b"), ("", "b")),
    ("a</think>b<think>c", False, ("a\nc", "b"), ("ab\nc", ""), ("a", "b<think>c")),
    ("a</think>b<think>c</think>d", False, ("a\nc", "bd"), ("ab\nc", "d"), ("a", "b<think>cd")),
    ("", True, ("", ""), ("", ""), ("", "")),
    (CALL, False, ("", CALL), (CALL, ""), ("", CALL)),
    (f"<think>a</think>{CALL}", False, ("a", CALL), ("a", CALL), ("a", CALL)),
    (f"a{CALL}", True, (f"a{CALL}", ""), (f"a{CALL}", ""), ("a", CALL)),
    (f"<think>a{CALL}</think>b", False, (f"a{CALL}", "b"), (f"a{CALL}", "b"), ("a", f"{CALL}b")),
]


@pytest.mark.parametrize(("text", "opened", "think", "deepseek_r1", "qwen3"), TABLE)
def test_each_policy_takes_what_it_says(
    text: str, opened: bool, think: tuple[str, str], deepseek_r1: tuple[str, str], qwen3: tuple[str, str]
) -> None:
    assert split_reasoning(text, "think", opened) == think
    assert split_reasoning(text, "deepseek_r1", opened) == deepseek_r1
    assert split_reasoning(text, "qwen3", opened) == qwen3
    assert split_reasoning(text, "none", opened) == ("", text)


@pytest.mark.parametrize(
    ("reasoning", "outcome"),
    [
        ("think", Outcome.EMPTY),
        ("none", Outcome.CALLS),
        ("deepseek_r1", Outcome.EMPTY),
        ("qwen3", Outcome.CALLS),  # as its server has it: a call ends the reasoning
    ],
)
def test_a_call_in_an_unclosed_block_is_a_call_where_the_server_runs_it(reasoning: str, outcome: Outcome) -> None:
    assert get_parser("hermes", reasoning).parse(f"<think>Let me see. {CALL}").outcome is outcome


tagged = st.lists(st.sampled_from(["<think>", "</think>", "a", " ", "\n", CALL, "<thi"]), max_size=8).map("".join)


@given(text=tagged, opened=st.booleans(), kind=st.sampled_from(list(REASONING)))
def test_nothing_but_tags_and_space_is_lost(text: str, opened: bool, kind: str) -> None:
    def letters(s: str) -> str:
        return "".join(s.replace("<think>", "").replace("</think>", "").split())

    reasoning, rest = split_reasoning(text, kind, opened)
    assert sorted(letters(reasoning) + letters(rest)) == sorted(letters(text))
