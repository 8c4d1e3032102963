"""Prompts: what each kind of chat template makes of an example, held against templates of real model families."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import DataError, UsageError
from rlvr.parsers import PARSERS, get_parser
from rlvr.prompts import render, takes_tools
from rlvr.types import Example, GoldCall, Outcome, Tool, ToolCall

pytest.importorskip("transformers", reason="needs the train extra")
trl = pytest.importorskip("trl", reason="needs the train extra")
TEMPLATES = Path(trl.__file__).parent / "chat_templates"

WEATHER = Tool(
    "get_weather",
    "Weather in a city.",
    {"type": "object", "properties": {"city": {"type": "string", "description": 'Như "Hà Nội"'}}, "required": ["city"]},
)
STOCK = Tool("stock.price", "Price of a share.", {"type": "object", "properties": {"symbol": {"type": "string"}}})
CALL = {"type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Huế"}'}}
TURNS: tuple[dict[str, Any], ...] = (
    {"role": "user", "content": "Thời tiết ở Huế?"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "name": "get_weather", "content": "nắng"},
    {"role": "user", "content": "台北呢？"},
)


def example(*messages: dict[str, Any], tools: tuple[Tool, ...] = (WEATHER, STOCK)) -> Example:
    given = messages or ({"role": "user", "content": "Weather in Hanoi?"},)
    gold = (GoldCall("get_weather", {"city": "Hanoi"}),)
    return Example("ex-1", "t", "simple", given, tools, gold)


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def with_template(tokenizer: Any, name: str) -> Any:
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer


TAKE_TOOLS = ("qwen3", "llama3_2", "qwen2_5", "qwen3_instruct_2507", "glm4moe")
TAKE_NONE = ("llama3", "gemma", "phi3", "qwen2_5_vl")


@pytest.mark.parametrize("name", TAKE_TOOLS)
@pytest.mark.parametrize("messages", [(), TURNS], ids=["one turn", "more turns"])
def test_a_template_that_takes_tools_writes_them(name: str, messages: Any, tokenizer: Any) -> None:
    with_template(tokenizer, name)
    if name == "llama3_2" and messages:
        messages = messages[:1]  # it knows no name for a tool's result
    assert takes_tools(tokenizer)
    given = example(*messages)
    prompt = render(given, tokenizer)
    assert all(tool.name in prompt.text for tool in given.tools)
    assert given.query in prompt.text
    assert "Như" in prompt.text
    assert "You may call one or more functions to help with the user's query" not in prompt.text
    assert tokenizer.decode(prompt.token_ids) == prompt.text
    assert not prompt.reasoning_opened


@pytest.mark.parametrize("name", TAKE_NONE)
def test_a_template_that_takes_none_gets_a_system_prompt(name: str, tokenizer: Any) -> None:
    with_template(tokenizer, name)
    if name == "qwen2_5_vl":
        tokenizer.chat_template = tokenizer.chat_template.replace("tools", "nothing")
    assert not takes_tools(tokenizer)
    prompt = render(example(), tokenizer)
    for tool in (WEATHER, STOCK):
        listed = json.dumps({"type": "function", "function": tool.to_json()}, ensure_ascii=False)
        assert prompt.text.count(listed) == 1
    assert "<tools>" in prompt.text
    assert "<tool_call>" in prompt.text
    assert "Weather in Hanoi?" in prompt.text


@pytest.mark.parametrize("parser", [name for name in PARSERS if name != "hermes"])
def test_a_template_that_takes_none_is_asked_for_the_parsers_own_format(parser: str, tokenizer: Any) -> None:
    with_template(tokenizer, "phi3")
    text = render(example(*TURNS), tokenizer, parser).text
    earlier = get_parser(parser).render([ToolCall("get_weather", {"city": "Huế"})])
    assert earlier in text  # the turn before, as the model itself is to write it
    assert json.dumps(WEATHER.to_json(), ensure_ascii=False) in text
    shown = text.split("made-up functions:\n")[1].split("\nIf no function fits")[0]
    made_up = (Tool("first_function", "", {"type": "object"}), Tool("second_function", "", {"type": "object"}))
    read = get_parser(parser).parse(shown, tools=made_up)
    assert [c.name for c in read.calls] == ["first_function", "second_function"]
    assert read.outcome is Outcome.CALLS
    assert ("<tool_call>" in text) == (parser == "qwen3_coder")


def test_an_unknown_parser_is_told(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match="Did you mean hermes"):
        render(example(), tokenizer, "hermez")


def test_no_template_at_all_means_chatml(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    prompt = render(example({"role": "system", "content": "Be brief."}, *TURNS), tokenizer)
    assert prompt.text.startswith("<|im_start|>system\nBe brief.\n\nYou may call one or more functions")
    assert '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Huế"}}\n</tool_call><|im_end|>' in prompt.text
    assert "<|im_start|>user\n<tool_response>\nnắng\n</tool_response><|im_end|>" in prompt.text
    assert prompt.text.endswith("台北呢？<|im_end|>\n<|im_start|>assistant\n")


def test_a_template_that_refuses_a_system_message_gets_it_in_the_user_turn(tokenizer: Any) -> None:
    with_template(tokenizer, "gemma")
    prompt = render(example({"role": "system", "content": "Be brief."}, TURNS[0]), tokenizer)
    assert "Be brief.\n\nYou may call" in prompt.text
    assert prompt.text.index("get_weather") < prompt.text.index("Thời tiết")


def test_without_tools_nothing_is_added(tokenizer: Any) -> None:
    prompt = render(example(tools=()), tokenizer)
    assert prompt.text == "<|im_start|>user\nWeather in Hanoi?<|im_end|>\n<|im_start|>assistant\n"


@pytest.mark.parametrize(
    ("end", "opened"), [("<think>\n", True), ("<think>", True), ("<think>\n\n</think>\n\n", False)]
)
def test_a_prefilled_reasoning_tag_is_seen(end: str, opened: bool, tokenizer: Any) -> None:
    tokenizer.chat_template += "{{- '" + end.replace("\n", "\\n") + "' -}}"
    assert render(example(), tokenizer).reasoning_opened is opened


def test_a_family_that_prefills_its_reasoning(tokenizer: Any) -> None:
    assert render(example(tools=()), with_template(tokenizer, "deepseek_r1_distill")).reasoning_opened


def test_no_second_beginning_of_sequence(tokenizer: Any) -> None:
    from tokenizers.processors import TemplateProcessing

    bos, start = "<|endoftext|>", tokenizer.convert_tokens_to_ids("<|endoftext|>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single=f"{bos} $A", special_tokens=[(bos, start)])
    tokenizer.chat_template = "{{- bos_token -}}" + tokenizer.chat_template
    assert tokenizer("x")["input_ids"][0] == start  # it adds one of its own
    prompt = render(example(), tokenizer)
    assert prompt.text.startswith(bos)
    assert list(prompt.token_ids).count(start) == 1

    from rlvr.training.dataset import Rendered, grpo_rows

    row = grpo_rows(Rendered((example(),), (prompt,), 0, 0), tokenizer)[0]
    assert tuple(tokenizer(row["prompt"])["input_ids"]) == prompt.token_ids


def test_the_same_example_gives_the_same_prompt(tokenizer: Any) -> None:
    assert render(example(*TURNS), tokenizer) == render(example(*TURNS), tokenizer)


def test_a_template_that_loses_a_tool_is_told(tokenizer: Any) -> None:
    tokenizer.chat_template = "{% if tools %}{{ tools[0].function.name }}{% endif %}{{ messages[-1].content }}"
    with pytest.raises(DataError, match=r"ex-1: tool 'stock\.price' did not reach the rendered prompt"):
        render(example(), tokenizer)


def test_a_template_that_raises_is_told(tokenizer: Any) -> None:
    refusing = "{% if messages[0].content != 'probe' %}{{ raise_exception('no') }}{% endif %}"
    tokenizer.chat_template = "{{ tools[0].function.name if tools }}" + refusing
    with pytest.raises(DataError, match=r"ex-1: the chat template refuses it: .*no"):
        render(example(), tokenizer)


@pytest.mark.parametrize("call", [{"function": {"name": "f", "arguments": "{oops"}}, {"function": {}}, "f", None, 3])
def test_an_earlier_call_that_is_none_is_told(call: Any, tokenizer: Any) -> None:
    messages = (TURNS[0], {"role": "assistant", "content": "", "tool_calls": [call]}, TURNS[3])
    with pytest.raises(DataError, match="ex-1: a call in an earlier turn cannot be read"):
        render(example(*messages), tokenizer)


def test_without_tools_a_system_message_reaches_templates_that_refuse_one(tokenizer: Any) -> None:
    messages = ({"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi?"})
    text = render(example(*messages, tools=()), with_template(tokenizer, "gemma")).text
    assert "Be short.\n\nHi?" in text


def test_without_tools_and_without_a_chat_template_the_prompt_is_chatml(tokenizer: Any) -> None:
    tokenizer.chat_template = None
    text = render(example(tools=()), tokenizer).text
    assert text.endswith("<|im_start|>user\nWeather in Hanoi?<|im_end|>\n<|im_start|>assistant\n")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (0, "0"),
        (False, "false"),
        ([], "[]"),
        ({"ok": True, "v": None}, '{"ok": true, "v": null}'),
        ([{"type": "text", "text": "năm"}, {"type": "text", "text": " 五"}], "năm 五"),
        (None, ""),
    ],
)
@pytest.mark.parametrize("template", [None, "qwen2_5"])
def test_a_result_that_is_no_text_is_written_as_json(
    tokenizer: Any, content: Any, text: str, template: str | None
) -> None:
    turns = [{**m, "content": content} if m["role"] == "tool" else m for m in TURNS]
    tokenizer.chat_template = None if template is None else with_template(tokenizer, template).chat_template
    assert f"<tool_response>\n{text}\n</tool_response>" in render(example(*turns), tokenizer).text
