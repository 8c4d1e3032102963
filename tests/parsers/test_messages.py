"""Completions that are message lists are read like the same completion as text."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.parsers import MAX_CHARS, Parser, get_parser, parse_messages
from rlvr.rewards.parsing import parse_completion
from rlvr.types import Outcome, ToolCall

F = ToolCall("f", {"x": 1})
BLOCK = '<tool_call>{"name": "f", "arguments": {"x": 1}}</tool_call>'


def assistant(content: Any = "", **rest: Any) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": content, **rest}]


def tool_call(arguments: Any, name: Any = "f") -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize(
    "messages",
    [
        assistant(BLOCK),
        assistant([{"type": "text", "text": BLOCK}]),
        assistant(None, tool_calls=[tool_call({"x": 1})]),
        assistant("", tool_calls=[tool_call('{"x": 1}')]),
        assistant("", tool_calls=[{"name": "f", "arguments": {"x": 1}}]),
        assistant(None, function_call={"name": "f", "arguments": '{"x": 1}'}, tool_calls=None),
        [{"role": "user", "content": "hi"}, *assistant(BLOCK), {"role": "tool", "content": BLOCK}],
    ],
)
def test_every_way_to_carry_a_call(hermes: Parser, messages: list[dict[str, Any]]) -> None:
    parsed = parse_messages(messages, hermes)
    assert (parsed.outcome, parsed.calls, parsed.text) == (Outcome.CALLS, (F,), "")


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (tool_call("{x: 1}"), "json"),
        (tool_call('{"x": 1, "x": 2}'), "json"),
        (tool_call({"x": float("nan")}), "json"),
        (tool_call({"x": object()}), "json"),
        (tool_call("[1]"), "shape"),
        (tool_call("null"), "shape"),
        (tool_call({}, name=None), "shape"),
        ("f()", "shape"),
        (5, "shape"),
    ],
)
def test_broken_entries_are_attempts(hermes: Parser, entry: Any, fault: str) -> None:
    parsed = parse_messages(assistant("", tool_calls=[entry]), hermes)
    assert parsed.outcome is Outcome.MALFORMED
    assert [a.fault for a in parsed.attempts] == [fault]


@pytest.mark.parametrize("function", [{}, {"arguments": None}, {"arguments": ""}, {"arguments": " \n"}])
def test_arguments_that_a_server_leaves_out_are_none(hermes: Parser, function: dict[str, Any]) -> None:
    """As vLLM's stream does for a tool without parameters; where some are required the schema refuses them."""
    entry = {"type": "function", "function": {"name": "f", **function}}
    parsed = parse_messages(assistant("", tool_calls=[entry]), hermes)
    assert (parsed.outcome, parsed.calls) == (Outcome.CALLS, (ToolCall("f", {}),))


@pytest.mark.parametrize(
    "message",
    [
        {
            "content": [
                {"type": "thinking", "thinking": [{"type": "text", "text": "so"}]},
                {"type": "text", "text": BLOCK},
            ]
        },
        {"content": [{"type": "thinking", "thinking": "so"}, BLOCK]},
        {"content": [{"type": "reasoning", "text": "so"}, {"type": "text", "text": BLOCK}]},
        {"content": BLOCK, "reasoning_details": [{"type": "reasoning.text", "text": "so"}]},
        {"content": BLOCK, "reasoning": None, "reasoning_details": [{"type": "reasoning.summary", "summary": "so"}]},
        {"content": BLOCK, "thinking_blocks": [{"type": "thinking", "thinking": "so", "signature": "x"}]},
    ],
)
def test_reasoning_in_parts_counts_as_reasoning(hermes: Parser, message: dict[str, Any]) -> None:
    parsed = parse_messages([{"role": "assistant", **message}], hermes)
    assert (parsed.outcome, parsed.calls, parsed.reasoning, parsed.text) == (Outcome.CALLS, (F,), "so", "")


def test_reasoning_in_parts_of_any_shape_raises_nothing(hermes: Parser) -> None:
    deep: Any = "so"
    for _ in range(9):
        deep = [{"type": "thinking", "thinking": deep}]
    for parts in (
        deep,
        [{"type": "thinking"}],
        [{"type": "reasoning", "text": 5}],
        [{"type": ["thinking"]}],
        5,
        [None],
    ):
        assert parse_messages(assistant(parts, reasoning_details=parts), hermes).outcome is Outcome.EMPTY


def test_reasoning_beside_the_content_counts(hermes: Parser) -> None:
    parsed = parse_messages(assistant(BLOCK, reasoning_content=" so "), hermes, reasoning_opened=True)
    assert (parsed.outcome, parsed.reasoning) == (Outcome.CALLS, "so")
    inside = parse_messages(assistant(f"so</think>{BLOCK}"), hermes, reasoning_opened=True)
    assert (inside.outcome, inside.reasoning) == (Outcome.CALLS, "so")


@pytest.mark.parametrize("key", ["reasoning_content", "reasoning", "thinking"])
def test_every_key_that_servers_and_trl_put_reasoning_under(hermes: Parser, key: str) -> None:
    parsed = parse_messages(assistant("", tool_calls=[tool_call({"x": 1})], **{key: "so"}), hermes)
    assert (parsed.outcome, parsed.calls, parsed.reasoning) == (Outcome.CALLS, (F,), "so")


def test_arguments_nested_too_deeply_to_be_written_are_malformed_and_no_exception(hermes: Parser) -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    chat = assistant("", tool_calls=[tool_call({"x": deep})])
    parsed = parse_messages(chat, hermes)
    assert [a.fault for a in parsed.attempts] == ["json"]
    assert parse_completion(chat) == parsed
    assert len(parse_messages(assistant("", tool_calls=[tool_call({"x": "y" * 10**6})]), hermes).attempts[0].raw) < 5000


def test_a_name_that_cannot_be_written_is_malformed(hermes: Parser) -> None:
    parsed = parse_messages(assistant("", tool_calls=[tool_call({}, name="f\ud800")]), hermes)
    assert [a.fault for a in parsed.attempts] == ["json"]


def test_text_and_emptiness(hermes: Parser) -> None:
    assert parse_messages(assistant("No."), hermes, truncated=True).truncated
    assert parse_messages(assistant("No."), hermes).outcome is Outcome.ABSTAIN
    assert parse_messages([], hermes).outcome is Outcome.EMPTY
    assert parse_messages(assistant("x" * (MAX_CHARS + 1)), hermes).outcome is Outcome.MALFORMED


def test_messages_together_may_be_as_long_as_one_text(hermes: Parser) -> None:
    """Ten calls of a tenth each are read; one character more in any of them, or in words beside, is too much."""
    tenth = MAX_CHARS // 10 - len('{"a": ""}')
    calls = [tool_call({"a": "x" * tenth}) for _ in range(10)]
    assert len(parse_messages(assistant("", tool_calls=calls), hermes).calls) == 10
    for more in (
        assistant("N", tool_calls=calls),
        assistant("", tool_calls=[*calls[1:], tool_call({"a": "y" * (tenth + 1)})]),
    ):
        parsed = parse_messages(more, hermes)
        assert (parsed.outcome, parsed.calls) == (Outcome.MALFORMED, ())
    assert parse_messages([*assistant("x" * (MAX_CHARS - 1)), *assistant("No.")], hermes).outcome is Outcome.MALFORMED


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["role", "content", "tool_calls", "reasoning_content"]),
            st.none() | st.text() | st.integers() | st.lists(st.text() | st.dictionaries(st.text(), st.text())),
        )
    )
)
def test_total(messages: list[dict[str, Any]]) -> None:
    assert parse_messages(messages, get_parser("hermes")).outcome in set(Outcome)


@pytest.mark.parametrize(
    "messages",
    [
        assistant(None, refusal="I can't."),
        assistant("", refusal="I can't."),
        assistant([{"type": "refusal", "refusal": "I can't."}]),
    ],
)
def test_a_refusal_beside_the_content_is_text(hermes: Parser, messages: list[dict[str, Any]]) -> None:
    parsed = parse_messages(messages, hermes)
    assert (parsed.outcome, parsed.text) == (Outcome.ABSTAIN, "I can't.")


def test_an_older_call_beside_a_refusal_is_a_call(hermes: Parser) -> None:
    parsed = parse_messages(assistant("I can't.", function_call={"name": "f", "arguments": "{"}), hermes)
    assert parsed.outcome is Outcome.MALFORMED


@pytest.mark.parametrize("part", [
    {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}},
    {"type": "tool_call", "id": "t", "name": "f", "args": {"x": 1}},
    {"type": "tool-call", "toolCallId": "t", "toolName": "f", "input": {"x": 1}},
    {"type": "function_call", "call_id": "t", "name": "f", "arguments": '{"x": 1}'},
])  # fmt: skip
def test_parts_of_the_content_that_call_are_calls(hermes: Parser, part: dict[str, Any]) -> None:
    """A refusal beside one is no refusal; alone, or in a message's place, it is the call that it is."""
    refusing = parse_messages(assistant([{"type": "text", "text": "I can't."}, part]), hermes)
    assert (refusing.outcome, refusing.calls, refusing.text) == (Outcome.CALLS, (F,), "I can't.")
    assert parse_messages(assistant([part]), hermes).calls == (F,)
    item = parse_messages([{"type": "message", "role": "assistant", "content": "So."}, part], hermes)
    assert (item.outcome, item.calls, item.text) == (Outcome.CALLS, (F,), "So.")
    broken = {k: v for k, v in part.items() if k not in ("name", "toolName")}
    assert parse_messages(assistant([broken]), hermes).outcome is Outcome.MALFORMED
