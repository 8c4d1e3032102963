"""Structural tags of an example's tools, held against the grammar engine that vLLM takes for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.rollouts.structured import structural_tag, usable_by_xgrammar
from rlvr.types import Outcome, Tool, ToolCall

WEATHER = Tool(
    "get_weather",
    "Weather.",
    {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "days"],
    },
)
STOCK = Tool("stock.price", "A share.", {"type": "object", "properties": {"symbol": {"type": "string"}}})


def test_the_tag_has_a_call_of_every_tool_in_the_format_of_the_parser() -> None:
    for parser in ("hermes", "llama3_json"):
        shape = json.loads(structural_tag([WEATHER, STOCK], parser))["format"]
        made = [f"{t['begin']}{{}}{t['end']}" for t in shape["tags"]]
        assert made == [get_parser(parser).render([ToolCall(n, {})]) for n in ("get_weather", "stock.price")]
        assert shape["tags"][0]["content"]["json_schema"] == WEATHER.parameters
        assert shape["at_least_one"] is False


def test_no_tool_no_tag_and_another_format_is_told() -> None:
    assert structural_tag([]) == ""
    with pytest.raises(UsageError, match="hermes and llama3_json, got the format 'pythonic'"):
        structural_tag([WEATHER], "pythonic")


def test_a_schema_that_no_grammar_can_be_made_of_lets_any_object_through() -> None:
    shape = json.loads(structural_tag([WEATHER], usable=lambda schema: False))["format"]
    assert shape["tags"][0]["content"]["json_schema"] == {"type": "object"}


@pytest.fixture(scope="module")
def accepts(tiny_model: Path) -> Any:
    """Whether a completion, with the end of sequence, is possible under the tag of the two tools."""
    xgrammar = pytest.importorskip("xgrammar", reason="comes with vLLM")
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    compiler = xgrammar.GrammarCompiler(xgrammar.TokenizerInfo.from_huggingface(tokenizer), max_threads=1)
    tags = {p: structural_tag([WEATHER, STOCK], p) for p in ("hermes", "llama3_json")}
    compiled = {parser: compiler.compile_structural_tag(tag) for parser, tag in tags.items()}

    def possible(parser: str, text: str) -> bool:
        matcher = xgrammar.GrammarMatcher(compiled[parser])
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
        return all(matcher.accept_token(i) for i in ids) and matcher.is_terminated()

    return possible


RIGHT = ToolCall("get_weather", {"city": "Hà Nội", "days": 3})
REFUSAL = "I'm sorry, but none of the available functions can do that."


@pytest.mark.parametrize("parser", ["hermes", "llama3_json"])
def test_a_right_completion_stays_possible(parser: str, accepts: Any) -> None:
    render = get_parser(parser).render
    both = [RIGHT, ToolCall("stock.price", {"symbol": "VNM"})]
    called = render([RIGHT])
    for text in (REFUSAL, "很抱歉，我無法訂披薩。", "", called, render(both), f"Let me see.\n{called}"):
        assert accepts(parser, text), text
        parsed = get_parser(parser).parse(text)
        assert parsed.outcome is not Outcome.MALFORMED
    thought = f"<think>\nWhich one?\n</think>\n{render([RIGHT])}"
    assert accepts(parser, thought)


@pytest.mark.parametrize("parser", ["hermes", "llama3_json"])
@pytest.mark.parametrize(
    "call",
    [
        ToolCall("get_wether", {"city": "Hanoi", "days": 3}),  # no such tool
        ToolCall("get_weather", {"city": "Hanoi", "days": "3"}),  # text for a number
        ToolCall("get_weather", {"city": "Hanoi"}),  # a required argument is missing
        ToolCall("get_weather", {"city": "Hanoi", "days": 3, "unit": "K"}),  # not of the enum
        ToolCall("get_weather", {"city": "Hanoi", "days": 3, "zone": 7}),  # an argument that there is not
    ],
)
def test_a_call_that_breaks_its_schema_is_impossible(parser: str, call: ToolCall, accepts: Any) -> None:
    text = get_parser(parser).render([call])
    assert not accepts(parser, text)
    assert not accepts(parser, "Let me see.\n" + text)


@pytest.mark.parametrize(
    ("parser", "text"),
    [
        ("hermes", "<tool_call>"),
        ("hermes", '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hanoi", "days": 3}}'),
        ("hermes", "<tool_call>get_weather(city='Hanoi')</tool_call>"),
        ("llama3_json", '{"name": "get_weather", "parameters": {"city": "Hanoi", "days": 3}'),
        ("llama3_json", '{"city": "Hanoi"}'),
    ],
)
def test_broken_markup_is_impossible(parser: str, text: str, accepts: Any) -> None:
    assert get_parser(parser).parse(text).outcome is Outcome.MALFORMED
    assert not accepts(parser, text)


def test_what_xgrammar_cannot_read_is_seen() -> None:
    pytest.importorskip("xgrammar", reason="comes with vLLM")
    assert usable_by_xgrammar(WEATHER.parameters)
    assert not usable_by_xgrammar({"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}, "required": ["a"]})


def test_transformers_refuses_a_structure(tiny_model: Path) -> None:
    from rlvr.prompts import RenderedPrompt
    from rlvr.rollouts.transformers import TransformersGenerator

    generator = TransformersGenerator.__new__(TransformersGenerator)
    with pytest.raises(UsageError, match="transformers has no structured outputs"):
        generator.generate([RenderedPrompt("a", (1,), structure="{}")], max_new_tokens=1)


def test_eval_says_what_structured_needs() -> None:
    from rlvr.evaluation.rendering import check_structured

    with pytest.raises(UsageError, match="--structured needs vLLM"):
        check_structured("hermes", "transformers")
    with pytest.raises(UsageError, match="--parser is pythonic"):
        check_structured("pythonic", "vllm")
