"""The shortcut for completions that are calls and nothing else says what `parse` says, or leaves a text alone."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rlvr.parsers import MAX_CHARS, PARSERS, get_parser
from rlvr.types import Outcome, ToolCall

HAVE_ONE = ("hermes", "llama3_json", "mistral", "xlam")
every_shortcut = pytest.mark.parametrize("name", HAVE_ONE)

strings = st.text(max_size=12) | st.sampled_from(
    ['a": 1', '":', '" :', "10:30", "https://a.b/?c=[1]", "{}", 'it\'s "so"', "\\", "\u0301", "臺北", "\x7f", "<think>"]
)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
    max_leaves=6,
)
tool_calls = st.builds(
    ToolCall, st.sampled_from(["f", "get_weather", "a.b"]), st.dictionaries(strings, values, max_size=3)
)
DAMAGE = [
    "<tool_call>", "</tool_call>", "<think>", "</think>", "\n", " ", "\t", '"', "\\", "\\ud800", "\\u00e9", "\ud800",
    ":", '":', '" :', '"a" : 1, ', '"a":1,', ",", "{", "}", "[", "]", "[ARGS]", "[TOOL_CALLS]", "NaN", "-Infinity",
    "1e999", "-0", "00", "9" * 309, "<|im_end|>", "\ufeff", "\x00", "true", "é", ";", "\u00a0", "1.0", "1.",
]  # fmt: skip


def agrees(name: str, text: str) -> list[tuple[str, dict[str, Any]]] | None:
    """What the shortcut reads, after `parse` was seen to say the same."""
    for reasoning in ("think", "none"):
        parser = get_parser(name, reasoning)
        read = parser.plain_reader
        assert read is not None
        calls = read(text)
        if calls is not None:
            parsed = parser.parse(text)
            assert parsed.outcome is Outcome.CALLS
            assert (parsed.text, parsed.reasoning) == ("", "")
            # repr tells 1, 1.0 and True apart, and shows the order of keys
            assert repr([(c.name, c.arguments) for c in parsed.calls]) == repr(calls)
    return calls


@every_shortcut
@given(data=st.data())
@settings(max_examples=100)
def test_it_says_what_parse_says(name: str, data: Any) -> None:
    text = get_parser(name).render(data.draw(st.lists(tool_calls, min_size=1, max_size=3)))
    agrees(name, text)
    for piece in data.draw(st.lists(st.sampled_from(DAMAGE), max_size=2)):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 3))
        text = text[:at] + piece + text[at + cut :]
        agrees(name, text)


@every_shortcut
def test_it_reads_what_render_writes(name: str) -> None:
    call = ToolCall("book", {"city": "Hà Nội", "at": "10:30", "n": [1, 2.5, {"a": None}], "ok": True})
    assert agrees(name, get_parser(name).render([call])) == [("book", call.arguments)]
    if name != "llama3_json":  # several objects are left to `parse`
        assert agrees(name, get_parser(name).render([call, call])) == [("book", call.arguments)] * 2


ODD = {
    "a key that stands twice": '{"a": 1, "a": 2}',
    "a key that stands twice, one apart from its colon": '{"a": 1, "a" :2}',
    "a key that stands twice, colons in strings": '{"a": ":", "a": 2, "b": ":"}',
    "a key that stands twice inside": '{"b": [{"a": 1, "a": 2}]}',
    "no number": '{"a": NaN}',
    "too large a float": '{"a": 1e999}',
    "too long an integer": '{"a": ' + "9" * 309 + "}",
    "a lone surrogate": '{"a": "\ud800"}',
    "a lone surrogate, escaped": '{"a": "\\ud800"}',
    "a control character": '{"a": "\x01"}',
    "brackets without end": '{"a": ' + "[" * 63 + "]" * 63 + "}",
    "brackets beyond Python": '{"a": ' + "[" * 5000 + "}",
    "arguments that are no object": "[1]",
}


@every_shortcut
@pytest.mark.parametrize("what", list(ODD))
def test_what_is_odd_is_left_to_parse(name: str, what: str) -> None:
    marked = get_parser(name).render([ToolCall("f", {"mark": 0})])
    written = marked.replace('{"mark": 0}', ODD[what])
    assert ODD[what] in written
    assert agrees(name, written) is None
    assert get_parser(name).parse(written).outcome is Outcome.MALFORMED


@every_shortcut
def test_what_stands_around_the_calls_is_left_to_parse(name: str) -> None:
    text = get_parser(name).render([ToolCall("f", {"a": 1})])
    assert agrees(name, text) is not None
    for other in (f" {text}", f"{text}\n", f"{text}<|im_end|>", f"<think>Hm.</think>{text}", f"{text} Done.", ""):
        assert agrees(name, other) is None
    long = get_parser(name).render([ToolCall("f", {"a": "x" * MAX_CHARS})])
    assert agrees(name, long) is None
    assert get_parser(name).parse(long).outcome is Outcome.MALFORMED


def test_keys_beside_a_name_and_arguments_are_left_to_parse() -> None:
    for body in (
        '{"name": "f", "arguments": {}, "id": 1}',
        '{"name": "", "arguments": {}}',
        '{"name": 1, "arguments": {}}',
    ):
        assert agrees("hermes", f"<tool_call>\n{body}\n</tool_call>") is None
        assert agrees("xlam", f"[{body}]") is None


def test_reasoning_that_is_told_apart_without_tags_has_no_shortcut() -> None:
    for name in PARSERS:
        for reasoning in ("deepseek_r1", "qwen3"):
            assert get_parser(name, reasoning).plain_reader is None
        assert (get_parser(name).plain_reader is not None) == (name in HAVE_ONE)


def test_colons_are_counted_in_the_text_that_is_read() -> None:
    """The proof that no key was lost: as many keys as colons, or as `":` where none stands apart."""
    taken = '{"name": "f", "arguments": {"at": "10:30", "to": "a:b"}}'
    assert len(re.findall('":', taken)) == 4
    assert agrees("hermes", f"<tool_call>\n{taken}\n</tool_call>") == [("f", {"at": "10:30", "to": "a:b"})]
    apart = taken.replace('"at":', '"at" :')
    assert agrees("hermes", f"<tool_call>\n{apart}\n</tool_call>") is None
    assert json.loads(apart) == json.loads(taken)
