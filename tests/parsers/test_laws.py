"""What holds for every parser and every text: one outcome, no exception, linear time, little memory."""

from __future__ import annotations

import gc
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.errors import UsageError
from rlvr.parsers import MAX_CHARS, PARSERS, REASONING, Parser, get_parser
from rlvr.types import Outcome, Tool, ToolCall

TOOLS = [
    Tool("f", "", {"type": "object", "properties": {"x": {"type": "integer"}, "o": {"type": "object"}}}),
    Tool("Market Trends API", "", {"type": "object", "properties": {}}),
    Tool("User Feed (Video Posts) V2", "", {"type": "object", "properties": {"x": {"type": ["number", "null"]}}}),
]
CALLS = [get_parser(n).render([ToolCall("f", {"x": 1, "o": {"a": ["b"]}})]) for n in PARSERS]
PIECES = [
    *CALLS,
    "<tool_call>", "</tool_call>", "<think>", "</think>", "<|im_end|>", "</s>", "[TOOL_CALLS]", "[ARGS]", "[CALL_ID]",
    "<|python_tag|>", "<|python_start|>", "<|python_end|>", "<start_function_call>", "<end_function_call>", "<escape>",
    "call:", "call:f{", "<function=", "<function=f>", "</function>", "<parameter=", "<parameter=x>", "</parameter>",
    '{"name": "f", "arguments": ', '{"name": "f", "parameters": {}}', "{'name': 'f'", "[", "]", "{", "}", "(", ")",
    '"', "'", '"""', "\\", "\n", "\r", " ", ",", ";", ":", "=", "f(", "x=", "[f(x=", "Market Trends API(", "```json",
    "```", "é", "\ud800", "\ufeff", "\x00", "1e999", "NaN", "-", "0x", "1_", "\\u12", "null", "True", "#", ">", "<tool",
]  # fmt: skip
pieces = st.sampled_from(PIECES)
hostile_text = st.lists(pieces | st.text(max_size=5), max_size=14).map("".join)

every_parser = pytest.mark.parametrize("name", list(PARSERS))


@every_parser
@given(text=st.text() | hostile_text, opened=st.booleans(), reasoning=st.sampled_from(list(REASONING)))
def test_any_text_gets_one_outcome(name: str, text: str, opened: bool, reasoning: str) -> None:
    parser = get_parser(name, reasoning)
    parsed = parser.parse(text, reasoning_opened=opened, tools=TOOLS)
    assert parsed == get_parser(name, reasoning).parse(text, reasoning_opened=opened, tools=TOOLS)
    broken = any(a.fault is not None for a in parsed.attempts)
    assert (parsed.outcome is Outcome.MALFORMED) == broken
    assert (parsed.outcome is Outcome.CALLS) == (bool(parsed.attempts) and not broken)
    assert (parsed.outcome is Outcome.EMPTY) == (not parsed.attempts and not parsed.text)
    assert all((a.call is None) == (a.fault is not None) for a in parsed.attempts)
    assert parsed.text == parsed.text.strip()
    assert parsed.reasoning == parsed.reasoning.strip()


@every_parser
@given(text=hostile_text)
def test_what_is_read_can_be_written_as_json(name: str, text: str) -> None:
    for call in get_parser(name).parse(text, tools=TOOLS).calls:
        again = get_parser("hermes").parse(get_parser("hermes").render([call]))
        assert [c.to_json() for c in again.calls] == [call.to_json()]


@every_parser
@given(text=hostile_text)
def test_what_a_format_reads_it_writes_and_reads_again(name: str, text: str) -> None:
    parser = get_parser(name)
    calls = parser.parse(text, tools=TOOLS).calls
    try:
        again = parser.parse(parser.render(calls), tools=TOOLS)
    except UsageError:
        return
    assert [c.to_json() for c in again.calls] == [c.to_json() for c in calls]


OPENERS = {
    "hermes": "<tool_call>",
    "llama3_json": '; {"name": "f", "parameters": ',
    "pythonic": " [f(x=",
    "mistral": "[TOOL_CALLS]",
    "qwen3_coder": "<tool_call>",
    "functiongemma": "<start_function_call>",
    "xlam": '[{"name": "f", "arguments": ',
}


@every_parser
@given(text=st.text(alphabet="abc ,.") | st.just("Let me do that."))
def test_an_opened_call_is_never_an_abstention(name: str, text: str) -> None:
    parsed = get_parser(name, "none").parse(text.strip() + OPENERS[name], tools=TOOLS)
    assert parsed.outcome is Outcome.MALFORMED


@every_parser
def test_truncated_stands_beside_the_outcome(name: str) -> None:
    text = get_parser(name).render([ToolCall("f", {"x": 1})])
    parsed = get_parser(name).parse(text, truncated=True, tools=TOOLS)
    assert (parsed.truncated, parsed.outcome) == (True, Outcome.CALLS)


FOREIGN = [
    "<|python_start|>[f(x=1)]<|python_end|>",
    "<|tool_call_start|>[f(x=1)]<|tool_call_end|>",
    "<|tool_call>call:f{x:1}<tool_call|>",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.f:0",
    "<|START_ACTION|>[]<|END_ACTION|>",
    "<|channel|>commentary to=functions.f<|message|>{}",
    '<function_calls>\n<invoke name="f">\n</invoke>\n</function_calls>',
    '<invoke name="f"></invoke>',
]


@every_parser
@pytest.mark.parametrize("text", FOREIGN)
def test_the_markup_of_formats_that_no_parser_reads_is_no_abstention(name: str, text: str) -> None:
    parsed = get_parser(name).parse(f"Let me see. {text}", tools=TOOLS)
    assert (parsed.outcome, parsed.calls) == (Outcome.MALFORMED, ())


N = MAX_CHARS - 100
SNIPPETS = [
    *PIECES, *(c + " " for c in CALLS), '{"a":1,"b":2,', '{"a":', '["', "[f(x=[", "[f(x='", '[f(x="\\', "f(x=1), ",
    "[f(x=1), ", '[f(x={"a":', "[f(", "[a(b ", "[Market ", "[User Feed (", "(((", "<tool_call><function=f>",
    "<parameter=x>\n1\n</parameter>", "<function=f><parameter=x>", "<start_function_call>call:f{",
    "<start_function_call>call:f{a:<escape>", "call:f{a:[", "<start_function_call>call:f{}", "[TOOL_CALLS]f",
    "[TOOL_CALLS]f[ARGS]{", "[TOOL_CALLS]f[ARGS]{}", "[TOOL_CALLS][", "[TOOL_CALLS]f[CALL_ID]",
    '[{"name":"f","arguments":{}},',
    "<|python_tag|>{", '"a" "b" ', "\\'", "1", "a", "a.", " ,", "{ ", "[ ", "<", "</", "<|", "x=", "9_9", "tool call ",
]  # fmt: skip
PREFIXES = ["", "<tool_call>", "[f(x=", "[", "[TOOL_CALLS]", "[TOOL_CALLS]f[ARGS]", "<start_function_call>call:f{x:",
            "<tool_call>\n<function=f>\n<parameter=x>\n", "<|python_tag|>", "[f(x='", '[{"name": "f", "arguments": ',
            ]  # fmt: skip


def seconds(parser: Parser, text: str, times: int = 1) -> float:
    best = float("inf")
    gc.disable()  # else what other tests left on the heap is walked again and again, the more the longer the text
    try:
        for _ in range(times):
            start = time.process_time()  # of the process: other work matters less
            parser.parse(text, tools=TOOLS)
            best = min(best, time.process_time() - start)
    finally:
        gc.enable()
    return best


@pytest.mark.slow
@every_parser
@pytest.mark.parametrize("prefix", PREFIXES)
def test_hostile_text_is_parsed_in_linear_time(name: str, prefix: str) -> None:
    parser = get_parser(name)
    for snippet in SNIPPETS:
        text = prefix + snippet * (N // 4 // len(snippet))
        if seconds(parser, text) > 0.03:  # quadratic time would make it 16; a floor keeps the clock's noise out
            assert seconds(parser, text, 3) < 10 * seconds(parser, text[: len(text) // 4], 3) + 0.01, repr(snippet)


# Texts that are whole but for their end, by how they begin, what is repeated, and how they end. Each once made a parser
# copy or search all of the text for each of its parts.
WHOLE = [
    ("[", "{},", "{}] and more"),
    ("[", "[],", "[]]\ud800"),
    ("```\n[", "{},", "{}] and more"),
    ("<tool_call>[", "{},", "{}]</tool_call>\ud800"),
    ("<tool_call>", "<function=f></function>", "</tool_call>\ud800"),
    ("[TOOL_CALLS] [", "{},", "{}]\ud800"),
    ("<|python_tag|>[", "{},", "{}]\ud800"),
    ("words ", "[f(x='\n", ""),
    ("words ", "[f(x=1), f ", ""),
    ("[", "f(x=1), ", "f(x=1)] and more \ud800"),
    ("<start_function_call>call:f{o:[", "{},", "{}]}<end_function_call>\ud800"),
    ("words ", "<start_function_call>call:f{a:[1 ", ""),
    ("", "<tool_call>\ud800</tool_call>", ""),
]


@pytest.mark.slow
@every_parser
@pytest.mark.parametrize("whole", WHOLE, ids=lambda w: w[0] + w[1])
def test_a_megabyte_that_is_read_takes_time_and_memory_as_its_size(
    name: str, whole: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlvr.parsers.base.MAX_CHARS", 10**7)
    parser, (before, unit, after) = get_parser(name), whole
    long, short = (before + unit * (size // len(unit)) + after for size in (10**6, 10**6 // 8))
    took = seconds(parser, long, 2)
    if took > 0.3:  # quadratic time would make it 64
        assert took < 20 * seconds(parser, short, 3) + 0.1
    tracemalloc.start()
    parser.parse(short, tools=TOOLS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 250 * len(short)


@every_parser
def test_some_hostile_text_is_parsed_in_little_time_and_memory(name: str) -> None:
    parser = get_parser(name)
    for snippet in (OPENERS[name], "[f(x='", CALLS[list(PARSERS).index(name)]):
        text = OPENERS[name] + snippet * (N // 4 // len(snippet))
        tracemalloc.start()
        started = time.process_time()
        parser.parse(text, tools=TOOLS)
        took, peak = time.process_time() - started, tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert took < 20, repr(snippet)  # it takes some 0.1 s of CPU; generous, since memory is traced beside it
        assert peak < 50_000_000 / 4, repr(snippet)


@every_parser
def test_a_megabyte_is_malformed_without_being_parsed(name: str) -> None:
    for text in ("a" * 10**6, CALLS[0] + " " * 10**6, "{" * 10**6, "[" * 10**6 + "]" * 10**6, OPENERS[name] * 10**5):
        parsed = get_parser(name).parse(text, truncated=True)
        assert parsed.outcome is Outcome.MALFORMED
        assert [a.fault for a in parsed.attempts] == ["unclosed"]
        assert parsed.truncated
        assert not parsed.calls
