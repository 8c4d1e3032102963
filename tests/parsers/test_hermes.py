"""The Hermes parser: four outcomes, named faults, total and linear, and the inverse of its own rendering."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.errors import UsageError
from rlvr.parsers import PARSERS, Parser, get_parser
from rlvr.types import Outcome, ToolCall

CALL = '{"name": "f", "arguments": {"x": 1}}'
BLOCK = f"<tool_call>\n{CALL}\n</tool_call>"
F = ToolCall("f", {"x": 1})

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
PIECES = [
    "<tool_call>", "</tool_call>", "<think>", "</think>", "<|im_end|>", "</s>", CALL, '{"name": "f", "arguments": ',
    "[", "]", "{", "}", '"', "\\", "\n", " ", "hello", "é", "\ud800", "[TOOL_CALLS]", "```json", "[f(x=1)]",
    '{"name": 5}', "null", "NaN", "<tool", "<function=f>",
]  # fmt: skip
pieces = st.sampled_from(PIECES)
hostile_text = st.lists(pieces | st.text(max_size=5), max_size=12).map("".join)
clean_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
tagged_text = st.lists(st.sampled_from([p for p in PIECES if p != "\ud800"]) | clean_text, max_size=4).map("".join)
tool_calls = st.builds(
    ToolCall,
    (clean_text | tagged_text).filter(bool),
    st.dictionaries(clean_text | tagged_text, json_values | tagged_text, max_size=4),
)


def has_surrogate(call: ToolCall) -> bool:
    try:
        json.dumps(call.to_json(), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


@pytest.mark.parametrize(
    ("text", "outcome", "faults", "outside"),
    [
        ("", Outcome.EMPTY, [], ""),
        (" \n\t", Outcome.EMPTY, [], ""),
        ("<|im_end|>", Outcome.EMPTY, [], ""),
        ("I cannot do that.", Outcome.ABSTAIN, [], "I cannot do that."),
        ("Use {braces} and [lists] freely, e.g. {\"name\": \"Ann\"}.", Outcome.ABSTAIN, [], None),
        (BLOCK, Outcome.CALLS, [None], ""),
        (BLOCK + "<|im_end|>\n", Outcome.CALLS, [None], ""),
        (BLOCK + "\n" + BLOCK, Outcome.CALLS, [None, None], ""),
        (f"Sure. {BLOCK} Done.", Outcome.CALLS, [None], "Sure.  Done."),
        (f"<tool_call>[{CALL}, {CALL}]</tool_call>", Outcome.CALLS, [None, None], ""),
        ('<tool_call>{"arguments": {}, "name": "f"}</tool_call>', Outcome.CALLS, [None], ""),
        (f"<tool_call>{CALL}", Outcome.MALFORMED, ["unclosed"], ""),
        (f"{BLOCK}\n<tool_call>", Outcome.MALFORMED, [None, "unclosed"], ""),
        (f"<tool_call>{CALL}\n{BLOCK}", Outcome.MALFORMED, ["unclosed", None], ""),
        ("Let me see <tool_ca", Outcome.MALFORMED, ["unclosed"], "Let me see"),
        (f"{BLOCK}</tool_call>", Outcome.MALFORMED, [None, "stray"], ""),
        ("</tool_call>", Outcome.MALFORMED, ["stray"], ""),
        (f"{CALL}\n</tool_call>", Outcome.MALFORMED, ["bare", "stray"], ""),
        ("<tool_call></tool_call>", Outcome.MALFORMED, ["json"], ""),
        ("<tool_call>{'name': 'f', 'arguments': {}}</tool_call>", Outcome.MALFORMED, ["json"], ""),
        (f"<tool_call>{CALL} {CALL}</tool_call>", Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "arguments": {"x": 1, "x": 2}}</tool_call>', Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "arguments": {"x": NaN}}</tool_call>', Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "arguments": {"x": -Infinity}}</tool_call>', Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "arguments": {"x": 1e999}}</tool_call>', Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "arguments": {"x": "\\ud800"}}</tool_call>', Outcome.MALFORMED, ["json"], ""),
        ('<tool_call>{"name": "f", "parameters": {}}</tool_call>', Outcome.MALFORMED, ["shape"], ""),
        ('<tool_call>{"name": "f", "arguments": "{}"}</tool_call>', Outcome.MALFORMED, ["shape"], ""),
        ('<tool_call>{"name": "f"}</tool_call>', Outcome.MALFORMED, ["shape"], ""),
        ('<tool_call>{"name": "", "arguments": {}}</tool_call>', Outcome.MALFORMED, ["shape"], ""),
        ('<tool_call>{"why": "…", "name": "f", "arguments": {}}</tool_call>', Outcome.MALFORMED, ["shape"], ""),
        ("<tool_call>[]</tool_call>", Outcome.MALFORMED, ["shape"], ""),
        (f"<tool_call>[{CALL}, 5]</tool_call>", Outcome.MALFORMED, [None, "shape"], ""),
        (CALL, Outcome.MALFORMED, ["bare"], ""),
        (f"[{CALL}, {CALL}]", Outcome.MALFORMED, ["bare"], ""),
        (f"```json\n{CALL}\n```", Outcome.MALFORMED, ["bare"], None),
        (f"I will call {CALL} now.", Outcome.MALFORMED, ["bare"], "I will call  now."),
        ('{"name": "f", "arguments": {"x": ', Outcome.MALFORMED, ["bare"], ""),
        ("{'name': 'f', 'arguments': {}}", Outcome.MALFORMED, ["bare"], ""),
        ('{"id": "1", "name": "f", "arguments": {}} x', Outcome.MALFORMED, ["bare"], "x"),
        ('{"function": {"name": "f", "arguments": {}}}', Outcome.MALFORMED, ["bare"], ""),
        ("[f(x=1)]", Outcome.MALFORMED, ["bare"], ""),
        (f"<Tool_Call>{CALL}</Tool_Call>", Outcome.MALFORMED, ["bare", "bare", "bare"], ""),
        ('[TOOL_CALLS] [{"name": "f"}]', Outcome.MALFORMED, ["bare"], None),
        (f"{BLOCK} {CALL}", Outcome.MALFORMED, [None, "bare"], ""),
    ],
)  # fmt: skip
def test_outcomes_and_faults(
    hermes: Parser, text: str, outcome: Outcome, faults: list[str | None], outside: str | None
) -> None:
    parsed = hermes.parse(text)
    assert parsed.outcome is outcome
    assert [a.fault for a in parsed.attempts] == faults
    assert all((a.call is None) == (a.fault is not None) for a in parsed.attempts)
    if outside is not None:
        assert parsed.text == outside


@pytest.mark.parametrize(
    ("text", "opened", "outcome", "reasoning"),
    [
        (f"<think>so</think>{BLOCK}", False, Outcome.CALLS, "so"),
        (f"so</think>{BLOCK}", True, Outcome.CALLS, "so"),
        (f"so</think>{BLOCK}", False, Outcome.CALLS, "so"),
        (f"<think>{BLOCK}</think>", False, Outcome.EMPTY, BLOCK),
        (f"<think>{BLOCK}", False, Outcome.EMPTY, BLOCK),
        (BLOCK, True, Outcome.EMPTY, BLOCK),
        (f"{BLOCK}<think>and {BLOCK}", False, Outcome.CALLS, f"and {BLOCK}"),
        ("<think>\n\n</think>Hello.", False, Outcome.ABSTAIN, ""),
        ("<think>a</think>b<think>c</think>d", False, Outcome.ABSTAIN, "a\nc"),
    ],
)
def test_what_stands_in_reasoning_is_no_call(
    hermes: Parser, text: str, opened: bool, outcome: Outcome, reasoning: str
) -> None:
    parsed = hermes.parse(text, reasoning_opened=opened)
    assert (parsed.outcome, parsed.reasoning) == (outcome, reasoning)


def test_reasoning_none_takes_the_tags_as_text() -> None:
    parsed = get_parser("hermes", "none").parse(f"<think>{BLOCK}</think>")
    assert parsed.calls == (F,)
    assert parsed.text == "<think></think>"


def test_a_call_may_quote_the_markup_and_a_tag_in_a_string_does_not_open_a_block(hermes: Parser) -> None:
    parsed = hermes.parse('<tool_call>{"name": "f", "arguments": {"q": "what is <tool_call>?"}}</tool_call>')
    assert parsed.calls == (ToolCall("f", {"q": "what is <tool_call>?"}),)


def test_truncated_stands_beside_the_outcome(hermes: Parser) -> None:
    assert hermes.parse(BLOCK, truncated=True).truncated
    assert hermes.parse(BLOCK, truncated=True).outcome is Outcome.CALLS


def test_unicode_is_written_as_it_is(hermes: Parser) -> None:
    call = ToolCall("thời_tiết", {"city": "臺北", "emoji": "🌧️", "quote": '"', "line": "a\nb"})
    text = hermes.render([call])
    assert "臺北" in text
    assert "thời_tiết" in text
    assert "🌧️" in text
    assert hermes.parse(text).calls == (call,)


@given(st.lists(tool_calls, min_size=1, max_size=4))
def test_parsing_inverts_rendering(calls: list[ToolCall]) -> None:
    hermes = get_parser("hermes")
    parsed = hermes.parse(hermes.render(calls))
    if any(has_surrogate(c) for c in calls):  # no well-formed text carries a lone surrogate
        assert parsed.outcome is Outcome.MALFORMED
    else:
        assert parsed.outcome is Outcome.CALLS
        assert [c.to_json() for c in parsed.calls] == [c.to_json() for c in calls]
        assert (parsed.text, parsed.reasoning) == ("", "")


@given(hostile_text)
def test_a_broken_attempt_is_never_an_abstention(text: str) -> None:
    parsed = get_parser("hermes", "none").parse(f"{text}<tool_call>")
    assert parsed.outcome is Outcome.MALFORMED


def test_depth_is_bounded(hermes: Parser) -> None:
    def nested(depth: int) -> str:
        value: Any = 1
        for _ in range(depth):
            value = [value]
        return "<tool_call>" + json.dumps({"name": "f", "arguments": {"x": value}}) + "</tool_call>"

    assert hermes.parse(nested(50)).outcome is Outcome.CALLS
    assert [a.fault for a in hermes.parse(nested(70)).attempts] == ["json"]


@pytest.mark.parametrize(
    ("name", "reasoning", "message"),
    [
        ("hermess", "think", "unknown parser 'hermess'. Did you mean hermes?"),
        ("xml", "think", f"unknown parser 'xml'. Known: {', '.join(sorted(PARSERS))}."),
        ("hermes", "thinking", "unknown reasoning parser 'thinking'. Did you mean think?"),
    ],
)
def test_unknown_names_are_refused(name: str, reasoning: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        get_parser(name, reasoning)
    assert str(caught.value) == message
