"""Dialects of answers: what each becomes, and what is no call."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from rlvr.data.answers import (
    AnswerError,
    NoCallError,
    blocks_of,
    call_of,
    calls_after_mark,
    calls_from_json,
    calls_from_python,
    calls_in_tags,
)
from rlvr.tools import normalise_tool
from rlvr.types import ToolCall

F = ToolCall("f", {"a": 1})
G = ToolCall("g", {})


@pytest.mark.parametrize(
    "value",
    [
        {"name": "f", "arguments": {"a": 1}},
        {"name": "f", "arguments": '{"a": 1}'},
        {"name": "f", "arguments": "{'a': 1}"},
        {"name": "f", "parameters": {"a": 1}},
        {"type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}},
        {"type": "function_call", "call_id": "x", "name": "f", "arguments": '{"a": 1}'},
    ],
)
def test_one_call(value: Any) -> None:
    assert call_of(value) == F


@pytest.mark.parametrize("arguments", [None, "", {}, "{}", [], "null"])
def test_no_arguments(arguments: Any) -> None:
    assert call_of({"name": "g", "arguments": arguments}) == G


@pytest.mark.parametrize(
    "value",
    [5, "f", [], {"arguments": {}}, {"name": ""}, {"name": "f", "arguments": 5}, {"name": "f", "arguments": "[1]"}],
)
def test_what_was_read_and_is_no_call(value: Any) -> None:
    with pytest.raises(NoCallError):
        call_of(value)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "arguments": {"a": 1}}\n{"name": "g", "arguments": {}}',
        '[{"name": "f", "arguments": {"a": 1}}, {"name": "g", "arguments": {}}]',
        "```json\n[{'name': 'f', 'arguments': {'a': 1}}, {'name': 'g'}]\n```",
        '{"name": "f", "arguments": {"a": 1}}, {"name": "g"}',
        '\\n{"name": "f", "arguments": {"a": 1}}\\n{"name": "g"}\\n',
    ],
)
def test_several_calls(text: str) -> None:
    assert calls_from_json(text) == (F, G)


@pytest.mark.parametrize("text", ["", "  ", "f(a=1)", '{"name": "f", "arguments": {"a": 1}', '{"name": "f"} and more'])
def test_text_that_cannot_be_read(text: str) -> None:
    with pytest.raises(AnswerError):
        calls_from_json(text)


def test_python_values_in_json_shape_keep_their_types() -> None:
    (call,) = calls_from_json("{'name': 'f', 'arguments': {'a': True, 'b': None, 'c': (1, 2), 'd': \"it's\"}}")
    assert call.arguments == {"a": True, "b": None, "c": [1, 2], "d": "it's"}


def test_blocks_and_the_words_around_them() -> None:
    blocks = '<tool_call>\n{"name": "f", "arguments": {"a": 1}}\n</tool_call>\n<tool_call>{"name": "g"}</tool_call>'
    text = f"Yes.\n{blocks} Done."
    assert calls_in_tags(text) == ((F, G), "Yes.\n\n Done.")
    assert calls_in_tags("no tags at all ") == ((), "no tags at all")
    assert calls_in_tags('<tool_call>{"name": "g"}') == ((G,), "")
    assert calls_in_tags('<tool_call>{"name": "g"}<tool_call>{"name": "g"}</tool_call>')[0] == (G, G)


def test_python_lists_are_read_against_the_offered_names() -> None:
    tools = [normalise_tool({"name": n, "parameters": {}}) for n in ("Feed (V2)", "a/b", "f")]
    calls = calls_from_python('[Feed (V2)(x="1, 2"), a/b(), f(a=1)]', tools)
    assert calls == (ToolCall("Feed (V2)", {"x": "1, 2"}), ToolCall("a/b", {}), F)
    assert calls_from_python("I cannot do [that].", tools) is None
    assert calls_from_python("", tools) is None
    with pytest.raises(AnswerError, match="cannot be read"):
        calls_from_python("[f(a=1, b=)]", tools)
    for text in ("[f(a=1), f(a=2", "[f(a=1)] Please wait.", "Sure: [f(a=1)]", "f(a=1)"):
        with pytest.raises(AnswerError, match="cannot be read"):
            calls_from_python(text, tools)
    for words in ("I called f(a) for you.", "[Note] I used f (a tool) here.", "[1] Paris (France) is nice"):
        assert calls_from_python(words, tools) is None


def test_quoted_arguments_after_a_mark() -> None:
    text = 'Sure. <functioncall> {"name": "f", "arguments": \'{"a": 1}\'} '
    assert calls_after_mark(text) == ((F,), "Sure.")
    assert calls_after_mark('<functioncall> {"name": "g", "arguments": {}}') == ((G,), "")
    assert calls_after_mark('<functioncall> {"name": "f", "arguments": \'{"a": "\\n"}\'}')[0][0].arguments == {
        "a": "\n"
    }
    assert calls_after_mark("just words") == ((), "just words")
    for broken in ('{"name": "f", "arguments": \'{"a": 1}', '{"name": "f", "arguments": \'{"a": }\'}', "f()"):
        with pytest.raises(AnswerError):
            calls_after_mark(f"<functioncall> {broken}")


def test_blocks_of_several_tags() -> None:
    text = "<user> a </user> x <obs>b</obs><user>never closed"
    assert list(blocks_of(text, "user", "obs")) == [("user", "a"), ("obs", "b"), ("user", "never closed")]


@pytest.mark.parametrize(
    "unit", ["<tool_call>", "<tool_call>{", "[", "{", '{"name": "g"}\n', "<functioncall> {", "'", "```"]
)
def test_long_answers_take_linear_time(unit: str) -> None:
    def seconds(size: int) -> float:
        text = unit * (size // len(unit))
        started = time.process_time()
        for read in (calls_from_json, calls_in_tags, calls_after_mark, lambda t: calls_from_python(t, ())):
            with suppress(AnswerError):
                read(text)
        return time.process_time() - started

    seconds(1000)
    assert min(seconds(80_000) for _ in range(2)) < 50 * max(min(seconds(5_000) for _ in range(3)), 2e-3)
