"""One table over all parsers: what odd JSON, odd characters and odd nesting give. docs/parsers.md repeats it."""

from __future__ import annotations

from typing import Any

import pytest

from rlvr.parsers import PARSERS, get_parser, parse_messages
from rlvr.types import Outcome, Tool, ToolCall

TOOLS = [Tool("f", "", {"type": "object", "properties": {"o": {"type": "object"}, "s": {"type": "string"}}})]
AROUND = {
    "hermes": '<tool_call>{{"name": "f", "arguments": {{"o": {0}}}}}</tool_call>',
    "llama3_json": '{{"name": "f", "parameters": {{"o": {0}}}}}',
    "pythonic": "[f(o={0})]",
    "mistral": '[TOOL_CALLS]f[ARGS]{{"o": {0}}}',
    "qwen3_coder": "<tool_call><function=f><parameter=o>{0}</parameter></function></tool_call>",
    "functiongemma": "<start_function_call>call:f{{o:{0}}}<end_function_call>",
    "xlam": '[{{"name": "f", "arguments": {{"o": {0}}}}}]',
}
"""A call of `f` with one argument, an object, as each format writes it."""

GEMMA = str.maketrans({'"': None})


def write(name: str, value: str) -> str:
    """The call around a value that is given as JSON; FunctionGemma writes keys without quotes."""
    return AROUND[name].format(value.translate(GEMMA) if name == "functiongemma" else value)


DIGITS = "9" * 308
SAME: dict[str, tuple[str, str | None]] = {
    "a plain object": ('{"a": 1}', None),
    "a key twice": ('{"a": 1, "a": 2}', "json"),
    "a key twice, deeper": ('{"a": [{"b": 1, "b": 1}]}', "json"),
    "NaN": ('{"a": NaN}', "json"),
    "Infinity": ('{"a": Infinity}', "json"),
    "-Infinity": ('{"a": -Infinity}', "json"),
    "a float too large": ('{"a": 1e999}', "json"),
    "308 digits": (f'{{"a": {DIGITS}}}', None),
    "309 digits": (f'{{"a": {DIGITS}9}}', "json"),
    "5000 digits": (f'{{"a": {"9" * 5000}}}', "json"),
    "a leading zero": ('{"a": 007}', "json"),
    "a comma missing": ('{"a": 1 "b": 2}', "json"),
    "60 lists, one in the other": (f'{{"a": {"[" * 60}{"]" * 60}}}', None),
    "70 lists, one in the other": (f'{{"a": {"[" * 70}{"]" * 70}}}', "json"),
    "50000 lists, one in the other": (f'{{"a": {"[" * 50_000}{"]" * 50_000}}}', "json"),
    "a comment": ('{"a": 1 /* one */}', "json"),
    "a byte-order mark inside": ('{"a": \ufeff1}', "json"),
}


@pytest.mark.parametrize("name", list(PARSERS))
@pytest.mark.parametrize("odd", list(SAME))
def test_odd_values_have_one_result_in_every_format(name: str, odd: str) -> None:
    value, fault = SAME[odd]
    parsed = get_parser(name).parse(write(name, value), tools=TOOLS)
    assert [a.fault for a in parsed.attempts] == [fault]
    assert parsed.outcome is (Outcome.MALFORMED if fault else Outcome.CALLS)


@pytest.mark.parametrize(("depth", "outcome"), [(62, Outcome.CALLS), (63, Outcome.MALFORMED)])
def test_arguments_may_be_nested_as_deep_in_every_format(depth: int, outcome: Outcome) -> None:
    value: Any = []
    for _ in range(depth - 2):
        value = [value]
    call = ToolCall("f", {"o": value})
    texts = {n: get_parser(n).render([call]) for n in PARSERS}
    for name, text in texts.items():
        assert get_parser(name).parse(text, tools=TOOLS).outcome is outcome, name
    listed = "<tool_call>" + texts["xlam"] + "</tool_call>"
    assert get_parser("hermes").parse(listed).outcome is outcome
    chat = [{"role": "assistant", "tool_calls": [{"function": call.to_json()}]}]
    assert parse_messages(chat, get_parser("hermes")).outcome is outcome


STRINGS = {
    "hermes": '<tool_call>{{"name": "f", "arguments": {{"s": "{0}"}}}}</tool_call>',
    "llama3_json": '{{"name": "f", "parameters": {{"s": "{0}"}}}}',
    "pythonic": '[f(s="{0}")]',
    "mistral": '[TOOL_CALLS]f[ARGS]{{"s": "{0}"}}',
    "qwen3_coder": "<tool_call><function=f><parameter=s>{0}</parameter></function></tool_call>",
    "functiongemma": "<start_function_call>call:f{{s:<escape>{0}<escape>}}<end_function_call>",
    "xlam": '[{{"name": "f", "arguments": {{"s": "{0}"}}}}]',
}
ESCAPED = ("hermes", "llama3_json", "pythonic", "mistral", "xlam")
"""The formats whose strings know escapes; in the others a backslash is a backslash."""


@pytest.mark.parametrize("name", list(PARSERS))
@pytest.mark.parametrize(
    ("odd", "escaped", "plain"),
    [
        ("a pair of surrogates, escaped", ("\\ud83c\\udf27", "🌧"), ("\\ud83c\\udf27", "\\ud83c\\udf27")),
        ("a lone surrogate, escaped", ("\\ud83c", None), ("\\ud83c", "\\ud83c")),
        ("a lone surrogate", ("\ud83c", None), ("\ud83c", None)),
        ("a byte-order mark", ("\ufeff", "\ufeff"), ("\ufeff", "\ufeff")),
        ("NUL, escaped", ("\\u0000", "\x00"), ("\\u0000", "\\u0000")),
        ("an escape cut short", ("\\u12", None), ("\\u12", "\\u12")),
        ("a line separator", ("\u2028", "\u2028"), ("\u2028", "\u2028")),
    ],
)
def test_odd_characters_in_strings(
    name: str, odd: str, escaped: tuple[str, str | None], plain: tuple[str, str | None]
) -> None:
    written, read = escaped if name in ESCAPED else plain
    parsed = get_parser(name).parse(STRINGS[name].format(written), tools=TOOLS)
    if read is None:
        assert parsed.outcome is Outcome.MALFORMED
        assert [a.fault for a in parsed.attempts] == ["json"]
    else:
        assert [c.arguments for c in parsed.calls] == [{"s": read}]
        assert parsed.outcome is Outcome.CALLS


MARKED = {"hermes", "llama3_json", "mistral", "qwen3_coder", "functiongemma"}
"""The formats that read a call with text beside it; a list of calls must be all there is."""


@pytest.mark.parametrize("name", list(PARSERS))
def test_a_byte_order_mark_before_a_call_is_text_beside_it(name: str) -> None:
    parsed = get_parser(name).parse("\ufeff" + write(name, "{}"), tools=TOOLS)
    assert parsed.outcome is (Outcome.CALLS if name in MARKED else Outcome.MALFORMED)
    assert (parsed.text == "\ufeff") or name not in MARKED


@pytest.mark.parametrize("name", list(PARSERS))
def test_a_million_brackets_are_malformed(name: str) -> None:
    for text in (write(name, "[" * 10**6 + "]" * 10**6), "[" * 10**6, "{" * 10**6):
        parsed = get_parser(name).parse(text, tools=TOOLS)
        assert (parsed.outcome, parsed.calls) == (Outcome.MALFORMED, ())


@pytest.mark.parametrize("name", list(PARSERS))
def test_brackets_of_every_length_that_is_parsed_are_text_or_malformed(name: str) -> None:
    for n in (1, 10, 1000, 100_000):
        for text in ("[" * n, "{" * n, "[" * n + "]" * n, "(" * n):
            parsed = get_parser(name).parse(text, tools=TOOLS)
            assert parsed.outcome in (Outcome.ABSTAIN, Outcome.MALFORMED)
            assert parsed.calls == ()


OPEN_CLOSE = {
    "hermes": ("<tool_call>", "</tool_call>"),
    "qwen3_coder": ("<tool_call>", "</tool_call>"),
    "functiongemma": ("<start_function_call>", "<end_function_call>"),
}


@pytest.mark.parametrize("name", list(OPEN_CLOSE))
def test_nested_unclosed_and_stray_tags_are_malformed_and_whole_calls_are_kept(name: str) -> None:
    opening, closing = OPEN_CLOSE[name]
    call = write(name, "{}")
    for text, faults in [
        (opening + call, ["unclosed", None]),
        (call + closing, [None, "stray"]),
        (opening + call + closing, ["unclosed", None, "stray"]),
        (call + opening, [None, "unclosed"]),
        (opening + opening + call, ["unclosed", "unclosed", None]),
        (closing + call, ["stray", None]),
    ]:
        parsed = get_parser(name).parse(text, tools=TOOLS)
        assert [a.fault for a in parsed.attempts] == faults, text
        assert parsed.outcome is Outcome.MALFORMED
        assert [c.name for c in parsed.calls] == ["f"]


@pytest.mark.parametrize("name", ["", " ", " \t", "\r "])
def test_a_call_of_functiongemma_has_a_name(name: str) -> None:
    """Found by fuzzing: spaces were a name, and the name that was left of them empty."""
    parsed = get_parser("functiongemma").parse(f"<start_function_call>call:{name}{{city:4}}<end_function_call>")
    assert parsed.outcome is Outcome.MALFORMED
    assert not parsed.calls
