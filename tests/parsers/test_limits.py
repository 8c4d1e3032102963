"""How much one completion may hold: at the limit it is read, one above it is malformed, the same in every format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.parsers import MAX_CALLS, MAX_CONTAINERS, PARSERS, get_parser, parse_messages
from rlvr.parsers.attempts import TooMuch, containers_in
from rlvr.parsers.literals import skip_space
from rlvr.parsers.pythonic import _Names
from rlvr.parsers.strict_json import json_end
from rlvr.rewards import score
from rlvr.types import Outcome, ParsedCompletion, Tool, ToolCall

TOOLS = [Tool("f", "", {"type": "object", "properties": {"o": {"type": ["array", "object"]}, "s": {"type": "string"}}})]
every_format = pytest.mark.parametrize("name", list(PARSERS))


def read(name: str, calls: Sequence[ToolCall]) -> ParsedCompletion:
    return get_parser(name).parse(get_parser(name).render(calls), tools=TOOLS)


def structured(calls: Sequence[ToolCall], *, as_text: bool, content: str = "") -> ParsedCompletion:
    entries = [
        {"function": {"name": c.name, "arguments": json.dumps(c.arguments) if as_text else c.arguments}} for c in calls
    ]
    return parse_messages([{"role": "assistant", "content": content, "tool_calls": entries}], get_parser("hermes"))


def holding(containers: int) -> ToolCall:
    """A call whose arguments are made of so many lists and objects: their own, a list, and what is in it."""
    return ToolCall("f", {"o": [[] if i % 2 else {} for i in range(containers - 2)]})


def is_too_much(parsed: ParsedCompletion) -> bool:
    return (parsed.outcome, parsed.calls, [a.fault for a in parsed.attempts]) == (Outcome.MALFORMED, (), ["json"])


def test_the_limits_are_what_the_docs_say() -> None:
    assert (MAX_CALLS, MAX_CONTAINERS) == (1_000, 10_000)


@every_format
def test_lists_and_objects_at_the_limit_and_one_above(name: str) -> None:
    parsed = read(name, [holding(10_000)])
    assert parsed.outcome is Outcome.CALLS
    assert parsed.calls == (holding(10_000),)
    assert is_too_much(read(name, [holding(10_001)]))


@every_format
def test_those_of_all_calls_are_counted_together(name: str) -> None:
    assert read(name, [holding(4_000), holding(3_000), holding(3_000)]).outcome is Outcome.CALLS
    assert is_too_much(read(name, [holding(4_000), holding(3_000), holding(3_001)]))


@every_format
def test_calls_at_the_limit_and_one_above(name: str) -> None:
    parsed = read(name, [ToolCall("f", {})] * 1_000)
    assert (parsed.outcome, len(parsed.calls)) == (Outcome.CALLS, 1_000)
    assert is_too_much(read(name, [ToolCall("f", {})] * 1_001))


@every_format
def test_brackets_in_strings_are_no_lists(name: str) -> None:
    call = ToolCall("f", {"s": '[{"(' * 20_000, "o": ["[" * 20_000]})
    assert read(name, [call]).calls == (call,)


@pytest.mark.parametrize("as_text", [True, False])
def test_messages_have_the_same_limits(as_text: bool) -> None:
    assert structured([holding(10_000)], as_text=as_text).calls == (holding(10_000),)
    assert is_too_much(structured([holding(10_001)], as_text=as_text))
    assert structured([holding(5_000)] * 2, as_text=as_text).outcome is Outcome.CALLS
    assert is_too_much(structured([holding(5_000), holding(5_001)], as_text=as_text))
    assert len(structured([ToolCall("f", {})] * 1_000, as_text=as_text).calls) == 1_000
    assert is_too_much(structured([ToolCall("f", {})] * 1_001, as_text=as_text))


def test_what_a_message_says_and_carries_is_counted_together() -> None:
    block = get_parser("hermes").render([ToolCall("f", {})])
    assert len(structured([ToolCall("f", {})] * 999, as_text=True, content=block).calls) == 1_000
    assert is_too_much(structured([ToolCall("f", {})] * 1_000, as_text=True, content=block))
    large = get_parser("hermes").render([holding(5_000)])
    assert structured([holding(5_000)], as_text=True, content=large).outcome is Outcome.CALLS
    assert is_too_much(structured([holding(5_001)], as_text=True, content=large))


ATTEMPTS = {
    "hermes": ("</tool_call>", "<tool_call>[1]</tool_call>", '{"name": "f", "arguments": {}} '),
    "llama3_json": ("{};", "<tool_call>"),
    "pythonic": ("[f(x=1)] so ", "<tool_call>"),
    "mistral": ("[TOOL_CALLS]f[ARGS]1", "[ARGS]"),
    "qwen3_coder": ("</tool_call>", "<tool_call></tool_call>"),
    "functiongemma": ("<end_function_call>", "<start_function_call>call:f{a:b}<end_function_call>"),
    "xlam": ("<tool_call>",),
}


@every_format
def test_attempts_that_are_no_calls_count_too(name: str) -> None:
    for unit in ATTEMPTS[name]:
        words = "Well. " * (name == "pythonic")
        parsed = get_parser(name).parse(words + unit * 1_000, tools=TOOLS)
        assert (parsed.outcome, len(parsed.attempts), parsed.calls) == (Outcome.MALFORMED, 1_000, ()), unit
        more = get_parser(name).parse(words + unit * 1_500, tools=TOOLS)
        assert [a.fault for a in more.attempts] == [*(a.fault for a in parsed.attempts), "json"], unit
        assert (more.outcome, more.text) == (Outcome.MALFORMED, ""), unit


LISTS = {
    "hermes": "<tool_call>[{0}]</tool_call>",
    "llama3_json": "[{0}]",
    "mistral": "[TOOL_CALLS] [{0}]",
    "xlam": "[{0}]",
}


@pytest.mark.parametrize("name", list(LISTS))
def test_the_entries_of_a_list_are_attempts_each(name: str) -> None:
    def faults(count: int) -> list[str | None]:
        return [a.fault for a in get_parser(name).parse(LISTS[name].format(", ".join(["{}"] * count))).attempts]

    assert faults(1_000) == ["shape"] * 1_000
    assert faults(1_001) == faults(2_000) == ["shape"] * 1_000 + ["json"]


@every_format
def test_the_reasoning_before_it_is_kept_and_so_is_truncated(name: str) -> None:
    text = "<think>Many.</think>" + get_parser(name).render([ToolCall("f", {})] * 1_001)
    parsed = get_parser(name).parse(text, truncated=True, tools=TOOLS)
    assert is_too_much(parsed)
    assert (parsed.reasoning, parsed.truncated) == ("Many.", True)
    assert parsed.attempts[0].raw == get_parser(name).render([ToolCall("f", {})] * 1_001)[:200]


@every_format
def test_more_than_is_read_earns_as_much_in_every_format(name: str) -> None:
    tools = [{"name": "f", "parameters": {"type": "object", "properties": {"o": {"type": "array"}}}}]
    for calls in ([holding(10_001)], [ToolCall("f", {"o": []})] * 1_001):
        completion = get_parser(name).render(calls)
        wanted = score(completion, tools=tools, ground_truth=[{"name": "f", "arguments": {"o": []}}], parser=name)
        assert (wanted.scores["format"], wanted.scores["correctness"]) == (0.2, 0.0)
        unwanted = score(completion, tools=tools, ground_truth=[], expects="refuse", lang="en", parser=name)
        assert (unwanted.scores["format"], unwanted.scores["refusal"]) == (0.0, -1.0)


# Beside lists and objects, what a literal's reader reads step by step takes the same room, of which there is some more.
ODD = {
    "in hexadecimals": "0x1",
    "joined": "'a' 'b'",
    "with a prefix": "r'a'",
    "in parentheses": "(1)",
    "behind a comma": "[1,]",
}


@pytest.mark.parametrize("unit", list(ODD.values()), ids=list(ODD))
def test_literals_that_are_read_step_by_step_are_limited(unit: str) -> None:
    def parsed(count: int) -> ParsedCompletion:
        return get_parser("pythonic").parse(f"[f(o=[{', '.join([unit] * count)}])]", tools=TOOLS)

    assert parsed(9_998).outcome is Outcome.CALLS
    assert len(parsed(9_998).calls[0].arguments["o"]) == 9_998
    assert is_too_much(parsed(12_001))  # with the list itself one more than there is room for


def test_arguments_without_names_are_limited() -> None:
    parsed = get_parser("pythonic").parse(f"[f({'1, ' * 12_001})]", tools=TOOLS)
    assert [a.fault for a in parsed.attempts] == ["shape"]
    assert is_too_much(get_parser("pythonic").parse(f"[f({'1, ' * 12_002})]", tools=TOOLS))


def test_words_with_many_bracketed_words_are_limited() -> None:
    """Each may be the beginning of a list of calls, and is read until it is none."""
    words = "Do [see(1)] please. "
    assert get_parser("pythonic").parse(words * 999 + "[see(1)]", tools=[]).outcome is Outcome.ABSTAIN
    assert is_too_much(get_parser("pythonic").parse(words * 1_000 + "[see(1)]", tools=[]))


ODD_NAMES = [Tool(n, "", {}) for n in ("f", "it's", "(x)", "a[0]", "User Feed (Video Posts) V2", "Market Trends API")]
name_pieces = [*(t.name for t in ODD_NAMES), "[", "[ ", "\n", " ", "(", ")", "x=1", "é.b", "'", ","]


@given(st.lists(st.sampled_from(name_pieces), max_size=12).map("".join), st.sampled_from([[], ODD_NAMES]))
def test_no_bracket_is_passed_over_that_opens_a_list_of_calls(text: str, tools: list[Tool]) -> None:
    names = _Names(tools)
    opening = names.opening()
    for start in (i for i, char in enumerate(text) if char == "["):
        if names.starts_call(text, skip_space(text, start + 1)):
            assert opening.match(text, start)


def test_an_answer_of_many_lists_is_an_answer() -> None:
    """No call is in it, so nothing is built, and nothing is counted."""
    answer = "Here: " + "[" + "[1], " * 15_000 + "[]]"
    for name in PARSERS:
        assert get_parser(name).parse(answer, tools=TOOLS).outcome is Outcome.ABSTAIN, name


def test_nothing_leaves_a_parser() -> None:
    assert not issubclass(TooMuch, ValueError)  # what readers of JSON catch
    for name in PARSERS:
        for calls in ([holding(30_000)], [holding(20)] * 1_100):
            assert is_too_much(read(name, calls)), name


def naive_end(text: str, start: int) -> int:
    depth, quoted, position = 0, False, start
    opening, closing = text[start], {"{": "}", "[": "]"}[text[start]]
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif char == '"':
            quoted = not quoted
        elif not quoted and char in (opening, closing):
            depth += 1 if char == opening else -1
            if depth == 0:
                return position + 1
        position += 1
    return -1


brackets = st.text(alphabet='[]{}"\\a\n', max_size=30)


@given(before=brackets, opening=st.sampled_from("[{"), after=brackets)
def test_where_a_bracket_closes_is_what_reading_by_characters_says(before: str, opening: str, after: str) -> None:
    text = before + opening + after
    assert json_end(text, len(before)) == naive_end(text, len(before))


json_values = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\a', max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="[{\"'", max_size=3), inner),
    max_leaves=12,
)


@given(json_values)
def test_lists_and_objects_are_counted_in_the_text_as_in_the_value(value: Any) -> None:
    def count(value: Any) -> int:
        if isinstance(value, dict):
            value = list(value.values())
        return 1 + sum(map(count, value)) if isinstance(value, list) else 0

    assert containers_in(json.dumps(value)) == count(value)
