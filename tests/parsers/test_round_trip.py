"""Rendering and parsing undo each other, and the same calls are the same calls in every format."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rlvr.errors import UsageError
from rlvr.parsers import PARSERS, get_parser
from rlvr.tools.schemas import json_type
from rlvr.types import Outcome, Tool, ToolCall

NAMES = [
    "f", "get_weather", "store.set", "Market Trends API", "User Feed (Video Posts) V2", "products/list", "Q&A Notes",
    "resolve-library-id", "thời_tiết", "天氣", "Search Strong's Number API", "/email/valistring", "A", "A(b)",
]  # fmt: skip
KEYS = ["a", "city", "from", "user-id", "x.y", "n", "thành_phố", "数", "3fb4Mlh", "class"]
PIECES = [
    "<b>",
    "'",
    '"',
    '"""',
    "\\",
    "\n",
    "\t",
    ", ",
    ")]",
    "[",
    "{",
    "}",
    "臺北",
    "🌧️",
    "\x00",
    "\u2028",
    "#",
    "%",
    " ",
]
MARKUP = [
    "<tool_call>", "</tool_call>", "<think>", "</think>", "<|im_end|>", "</s>", "[TOOL_CALLS]", "[ARGS]", "<escape>",
    "<end_function_call>", "</parameter>", "<parameter=a>", "</function>", "<|python_tag|>", "```",
]  # fmt: skip

plain = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
texts = plain | st.lists(plain | st.sampled_from(PIECES), max_size=4).map("".join)
marked = st.lists(plain | st.sampled_from(PIECES + MARKUP), max_size=4).map("".join)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**300), 10**300)


def values(strings: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    return st.recursive(
        st.none() | st.booleans() | numbers | strings,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(strings, inner, max_size=3),
        max_leaves=8,
    )


def calls(strings: st.SearchStrategy[str]) -> st.SearchStrategy[list[ToolCall]]:
    arguments = st.dictionaries(st.sampled_from(KEYS), values(strings), max_size=3)
    return st.lists(st.builds(ToolCall, st.sampled_from(NAMES), arguments), min_size=1, max_size=3)


def tools_of(made: list[ToolCall]) -> list[Tool]:
    """Tools with these names whose schemas give each argument the type that its value has, by name and call."""
    properties: dict[str, dict[str, Any]] = {}
    for call in made:
        for key, value in call.arguments.items():
            known = properties.setdefault(call.name, {}).setdefault(key, {"type": []})["type"]
            known += [t] if (t := json_type(value)) not in known else []
    names = dict.fromkeys([*NAMES, *(c.name for c in made)])
    return [Tool(n, "", {"type": "object", "properties": properties.get(n, {})}) for n in names]


def ambiguous(made: list[ToolCall]) -> bool:
    """Whether the schema of `tools_of` lets a text be read in two ways, as formats without types do."""
    schemas = {t.name: t.parameters["properties"] for t in tools_of(made)}
    return any(len(p["type"]) > 1 for properties in schemas.values() for p in properties.values())


def dump(made: Any) -> str:
    """Calls as JSON, so that 1, 1.0 and true differ."""
    return json.dumps([c.to_json() for c in made], sort_keys=True)


def round_trip(name: str, made: list[ToolCall]) -> None:
    parser = get_parser(name)
    parsed = parser.parse(parser.render(made), tools=tools_of(made))
    assert parsed.outcome is Outcome.CALLS
    assert dump(parsed.calls) == dump(made)
    assert (parsed.text, parsed.reasoning) == ("", "")


@pytest.mark.parametrize("name", list(PARSERS))
@given(made=calls(texts))
def test_parsing_inverts_rendering(name: str, made: list[ToolCall]) -> None:
    assume(name != "qwen3_coder" or not ambiguous(made))
    round_trip(name, made)


@pytest.mark.parametrize("name", list(PARSERS))
@given(made=calls(marked))
def test_strings_that_hold_markup_are_written_so_that_they_can_be_read_or_refused(
    name: str, made: list[ToolCall]
) -> None:
    assume(name != "qwen3_coder" or not ambiguous(made))
    try:
        round_trip(name, made)
    except UsageError:
        assert name in ("qwen3_coder", "functiongemma")  # they have no escapes
        assert any(m in dump(made) for m in ("<", "```"))


@given(made=calls(texts))
def test_the_same_calls_are_the_same_in_every_format(made: list[ToolCall]) -> None:
    assume(not ambiguous(made))
    tools = tools_of(made)
    read = {n: get_parser(n).parse(get_parser(n).render(made), tools=tools) for n in PARSERS}
    assert {dump(p.calls) for p in read.values()} == {dump(made)}
    assert {p.outcome for p in read.values()} == {Outcome.CALLS}


@given(
    st.lists(st.builds(ToolCall, marked.filter(bool), st.dictionaries(marked, values(marked), max_size=3)), max_size=2)
)
def test_json_formats_write_any_name_and_key(made: list[ToolCall]) -> None:
    assume(made)
    for name in ("hermes", "llama3_json", "xlam"):
        round_trip(name, made)


@pytest.mark.parametrize("name", list(PARSERS))
@given(
    made=st.lists(
        st.builds(ToolCall, marked, st.dictionaries(marked, values(marked), max_size=2)), min_size=1, max_size=2
    )
)
def test_what_is_written_can_be_read_whatever_the_names(name: str, made: list[ToolCall]) -> None:
    """Names and keys of any kind: rendered and read back, or refused with the text that cannot be written."""
    assume(name != "qwen3_coder" or not ambiguous(made))
    assume(all(c.name for c in made))
    parser = get_parser(name)
    try:
        text = parser.render(made)
    except UsageError:
        return
    assert dump(parser.parse(text, tools=tools_of(made)).calls) == dump(made)


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("pythonic", ToolCall("f", {"first name": 1})),
        ("pythonic", ToolCall("", {})),
        ("mistral", ToolCall("f[ARGS]", {})),
        ("mistral", ToolCall("f{", {})),
        ("qwen3_coder", ToolCall("f", {"x": "</parameter>"})),
        ("qwen3_coder", ToolCall("f>", {})),
        ("functiongemma", ToolCall("f", {"x": ["<escape>"]})),
        ("functiongemma", ToolCall("f", {"<escape>": 1})),
    ],
)
def test_what_a_format_cannot_write_is_refused(name: str, call: ToolCall) -> None:
    with pytest.raises(UsageError, match=f"{name} cannot write .*Another format can"):
        get_parser(name).render([call])


@pytest.mark.parametrize("key", ["city ", "city\u00a0", "ci ty", "city\u2029"])
def test_pythonic_refuses_a_name_that_it_could_not_read_back(key: str) -> None:
    with pytest.raises(UsageError, match="an argument of the name"):
        get_parser("pythonic").render([ToolCall("f", {key: "x"})])
