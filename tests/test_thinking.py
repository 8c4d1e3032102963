"""Thinking told on and off, on the real chat templates: what the prompt ends in, and what the parser makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.parsers import get_parser
from rlvr.prompts import render, thinking_kwargs
from rlvr.types import Example, GoldCall, Tool

pytest.importorskip("transformers", reason="needs the train extra")
trl = pytest.importorskip("trl", reason="needs the train extra")
TEMPLATES = Path(trl.__file__).parent / "chat_templates"

TOOL = Tool("get_weather", "Weather.", {"type": "object", "properties": {"city": {"type": "string"}}})
WANTED = GoldCall("get_weather", {"city": "Hanoi"})
EXAMPLE = Example("ex-1", "t", "simple", ({"role": "user", "content": "Hanoi?"},), (TOOL,), (WANTED,))
CALL = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Hanoi"}}\n</tool_call>'


@pytest.fixture
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def with_template(tokenizer: Any, name: str) -> Any:
    tokenizer.chat_template = (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    return tokenizer


def prompt_of(tokenizer: Any, thinking: bool | None) -> Any:
    return render(EXAMPLE, tokenizer, "hermes", thinking_kwargs(tokenizer, thinking))


def test_qwen3_thinks_unless_it_is_told_not_to(tokenizer: Any) -> None:
    with_template(tokenizer, "qwen3")
    plain, on, off = (prompt_of(tokenizer, t) for t in (None, True, False))
    assert plain == on
    assert on.text.endswith("<|im_start|>assistant\n")
    assert off.text == on.text + "<think>\n\n</think>\n\n"
    assert tokenizer.decode(off.token_ids) == off.text
    assert not on.reasoning_opened  # the model opens the block itself
    assert not off.reasoning_opened  # the block is closed again


@pytest.mark.parametrize("name", ["qwen3_5_think", "qwen3_6"])
def test_a_template_that_opens_the_block_says_so_to_the_parser(name: str, tokenizer: Any) -> None:
    with_template(tokenizer, name)
    on, off = prompt_of(tokenizer, True), prompt_of(tokenizer, False)
    assert on.text.rstrip().endswith("<think>")
    assert on.reasoning_opened
    assert off.text.rstrip().endswith("</think>")
    assert not off.reasoning_opened


def test_the_parser_reads_each_completion_by_its_prompt(tokenizer: Any) -> None:
    hermes = get_parser("hermes")
    with_template(tokenizer, "qwen3")
    off, on = prompt_of(tokenizer, False), prompt_of(tokenizer, True)
    read = hermes.parse(CALL, reasoning_opened=off.reasoning_opened)
    assert (read.reasoning, [c.name for c in read.calls]) == ("", ["get_weather"])
    read = hermes.parse(f"<think>\nHm.\n</think>\n\n{CALL}", reasoning_opened=on.reasoning_opened)
    assert (read.reasoning, [c.name for c in read.calls]) == ("Hm.", ["get_weather"])
    opened = prompt_of(with_template(tokenizer, "qwen3_5_think"), True)
    read = hermes.parse(f"Hm.\n</think>\n\n{CALL}", reasoning_opened=opened.reasoning_opened)
    assert (read.reasoning, [c.name for c in read.calls]) == ("Hm.", ["get_weather"])
    never_closed = hermes.parse(CALL, reasoning_opened=opened.reasoning_opened)
    assert never_closed.calls == ()  # a call inside the reasoning is none


@pytest.mark.parametrize("name", ["qwen2_5", "llama3_2", "qwen3_instruct_2507"])
def test_a_template_without_the_switch_is_told(name: str, tokenizer: Any) -> None:
    with_template(tokenizer, name)
    assert thinking_kwargs(tokenizer, None) == {}
    for value, word in ((True, "true"), (False, "false")):
        with pytest.raises(UsageError, match=f"thinking: {word}: this model's chat template has no switch"):
            thinking_kwargs(tokenizer, value)


def test_it_reaches_a_prompt_whose_template_takes_no_tools(tokenizer: Any) -> None:
    tokenizer.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "<|im_start|>assistant\n{% if enable_thinking is defined and enable_thinking %}<think>\n{% endif %}"
    )
    on = prompt_of(tokenizer, True)
    assert "You may call one or more functions" in on.text
    assert on.reasoning_opened
    assert not prompt_of(tokenizer, False).reasoning_opened


def test_training_rows_follow_the_recipe(tokenizer: Any) -> None:
    from rlvr.data.targets import TargetOptions
    from rlvr.training.dataset import grpo_rows, render_all, warmup_rows

    with_template(tokenizer, "qwen3_5_think")
    for thinking in (True, False):
        rendered = render_all([EXAMPLE], tokenizer, "hermes", 2000, thinking)
        (row,) = grpo_rows(rendered, tokenizer)
        assert row["reasoning_opened"] is thinking
        (taught,) = warmup_rows(rendered, tokenizer, "hermes", TargetOptions(0.0, 0.0, 0.0), 0)
        text = tokenizer.decode(taught["input_ids"])
        assert text.count("<think>") == text.count("</think>") == 1
        assert text.endswith(f"</think>\n\n{CALL}<|im_end|>")
    rendered = render_all([EXAMPLE], tokenizer, "hermes", 2000, True)
    (taught,) = warmup_rows(rendered, tokenizer, "hermes", TargetOptions(1.0, 1.0, 0.0), 0)
    text = tokenizer.decode(taught["input_ids"])
    assert text.count("<think>") == text.count("</think>") == 1


def test_a_warm_up_that_is_not_to_think_has_no_reasoning_targets(tmp_path: Path) -> None:
    from rlvr.errors import ConfigError
    from rlvr.training.recipe import load_recipe

    path = tmp_path / "recipe.yaml"
    text = "kind: warmup\nname: w\nmodel: m\nthinking: false\ntrl: {}\ndata: {sources: [{source: builtin, count: 2}]}\n"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"set to 0: targets\.reasoning_many, targets\.reasoning_one$"):
        load_recipe(path)
    quiet = ["targets.reasoning_many=0", "targets.reasoning_one=0"]
    with pytest.raises(ConfigError, match=r"set to 0: targets\.reasoning_refusals$"):
        load_recipe(path, [*quiet, "targets.reasoning_refusals=0.5"])
    assert load_recipe(path, quiet)[0].thinking is False
