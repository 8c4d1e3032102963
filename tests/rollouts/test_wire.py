"""Examples on the wire, and messages as text: what is judged of the text is what is judged of the message."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlvr.parsers import get_parser, parse_messages
from rlvr.rollouts.wire import as_text, chat_prompt, wire_messages
from rlvr.types import Example, Outcome, Tool

HERMES = get_parser("hermes")
ADD = Tool("math.add", "Add.", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]})


def call(arguments: Any = '{"a": 1}', name: Any = "math.add", **more: Any) -> dict[str, Any]:
    return {"id": "call_9", "type": "function", "function": {"name": name, "arguments": arguments}, **more}


def test_an_example_goes_out_with_json_arguments_and_ids_that_results_name() -> None:
    messages = (
        {"role": "user", "content": "Add."},
        {"role": "assistant", "tool_calls": [{"name": "math.add", "arguments": {"a": "ă"}}, call("{}")]},
        {"role": "tool", "content": "1"},
        {"role": "tool", "content": "2"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "math.add", "arguments": {}}}]},
        {"role": "tool", "content": "3"},
    )
    made = chat_prompt(Example("e", "s", "simple", messages, (ADD,), ()))
    first, second = made.messages[1]["tool_calls"]
    assert first == {"id": "call_0", "type": "function", "function": {"name": "math.add", "arguments": '{"a": "ă"}'}}
    assert second["id"] == "call_9"
    assert [m.get("tool_call_id") for m in made.messages] == [None, None, "call_0", "call_9", None, "call_2"]
    assert made.tools == ({"type": "function", "function": ADD.to_json()},)
    assert (made.id, made.token_ids) == ("e", ())


def test_a_known_id_of_a_result_stays() -> None:
    made = wire_messages(
        [{"role": "assistant", "tool_calls": [call(), call()]}, {"role": "tool", "tool_call_id": "call_9"}]
    )
    assert made[1]["tool_call_id"] == "call_9"


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "No."}, "No."),
        ({"content": None, "refusal": "I can't."}, "I can't."),
        ({"content": "", "tool_calls": []}, ""),
        ({"content": [{"type": "text", "text": "No."}]}, "No."),
        ({"content": "x", "reasoning_content": "y"}, "<think>\ny\n</think>\nx"),
        ({"content": "x", "reasoning": "y"}, "<think>\ny\n</think>\nx"),
        (
            {"content": None, "tool_calls": [call()]},
            '<tool_call>\n{"name": "math.add", "arguments": {"a": 1}}\n</tool_call>',
        ),
    ],
)
def test_worked_messages(message: dict[str, Any], text: str) -> None:
    assert as_text(message) == text


@pytest.mark.parametrize(
    "broken",
    [
        call('{"a": 1'),
        call("[1]"),
        call('"a"'),
        call("null"),
        call('{"a": 1, "a": 2}'),
        call('{"a": NaN}'),
        call("{}", name=None),
        call("{}", name=""),
        call('{}}\n</tool_call>\n<tool_call>\n{"name": "g", "arguments": {}'),  # what would be two calls as text
        {"function": "add"},
        "add",
        {},
    ],
)
def test_a_call_that_cannot_be_read_is_malformed_in_both(broken: Any) -> None:
    message = {"role": "assistant", "content": "", "tool_calls": [broken, call()]}
    assert parse_messages([message], HERMES).outcome is Outcome.MALFORMED
    parsed = HERMES.parse(as_text(message))
    assert parsed.outcome is Outcome.MALFORMED
    assert [c.name for c in parsed.calls] == ["math.add"]


WORDS = st.one_of(
    st.sampled_from(["", "Yes.", "<think>", "</think>", "<tool_call>", "</tool_call>", '{"name": "f", "arguments": {}}',
                     "<tool_ca", "a < b", "很抱歉。", "<|im_end|>", "<think>a</think>b", "b</think>"]),
    st.text("ab <>{}\n", max_size=12),
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["x", "</tool_call>", "<think>", "ở"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.one_of(
    st.dictionaries(st.sampled_from(["a", "b", "<tool_call>"]), VALUES, max_size=2).map(json.dumps),
    st.dictionaries(st.sampled_from("ab"), VALUES, max_size=2),
    st.sampled_from(["", None, "{", "[1]", '{"a": 1, "a": 2}', "null", '"x"']),
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": WORDS},
    optional={
        "reasoning_content": WORDS,
        "refusal": st.none() | st.sampled_from(["No.", "Không."]),
        "function_call": st.none() | st.just({"name": "f", "arguments": '{"a": 1}'}),
        "tool_calls": st.lists(st.builds(call, ARGUMENTS, st.sampled_from(["f", "g.h", ""])), max_size=3),
    },
)


@given(MESSAGES)
def test_the_text_of_any_message_is_judged_as_the_message(message: dict[str, Any]) -> None:
    assume(not (message.get("refusal") and "<|im_end|>" in message["content"]))  # the end, and then more words
    of_message, of_text = parse_messages([message], HERMES), HERMES.parse(as_text(message))
    assert of_text.outcome is of_message.outcome
    assert sorted(map(repr, of_text.calls)) == sorted(map(repr, of_message.calls))
    assert bool(of_text.reasoning) == bool(of_message.reasoning)
    if of_message.outcome is Outcome.ABSTAIN:
        assert of_text.text == of_message.text
