"""Which parser a chat template asks for: on the templates that TRL carries, and by what others are known by."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rlvr.errors import UsageError
from rlvr.parsers import PARSERS, detect, get_parser
from rlvr.types import Tool, ToolCall

TRL = find_spec("trl")
FOLDER = Path(TRL.origin or "").parent / "chat_templates" if TRL else None
TEMPLATES = sorted(FOLDER.glob("*.jinja")) if FOLDER else []
needs_trl = pytest.mark.skipif(not TEMPLATES, reason="TRL, whose wheel carries chat templates, is not installed")

EXPECTED = {
    "hermes": ["qwen2_5", "qwen3", "qwen3_instruct_2507", "qwen3_vl"],
    "llama3_json": ["llama3_1", "llama3_2"],
    "qwen3_coder": [
        "nemotron_3_5_lightning", "nemotron_3_nano", "nemotron_3_super", "nemotron_3_ultra", "qwen3_5_nothink",
        "qwen3_5_think", "qwen3_6", "qwen3_8",
    ],
}  # fmt: skip
FOREIGN = {
    "DeepSeek's": ["deepseek_r1_distill", "deepseekv3"],
    "Gemma 4's": ["diffusion_gemma", "gemma4", "gemma4_v2", "gemma4_v3", "gemma4_v4", "gemma4_v5"],
    "GLM's": ["glm4moe"],
    "Harmony's": ["gptoss"],
    "LFM2's": ["lfm2", "lfm2_v2", "lfm2_2_5", "lfm2_2_5_v2", "lfm2_2_5_vl"],
    "Muse's": ["muse_glimmer"],
}
KNOWN = {stem: name for name, stems in EXPECTED.items() for stem in stems}
OTHERS = {stem: whose for whose, stems in FOREIGN.items() for stem in stems}


def stem(template: Path) -> str:
    """The model's name; a training variant asks for the same."""
    return template.stem.removesuffix("_training")


@needs_trl
def test_every_template_that_trl_carries_is_recognised_or_refused() -> None:
    recognised = 0
    for template in TEMPLATES:
        source = template.read_text(encoding="utf-8")
        if stem(template) in KNOWN:
            assert detect(source) == KNOWN[stem(template)], template
            recognised += 1
            continue
        whose = OTHERS.get(stem(template))
        with pytest.raises(UsageError, match=f"in {whose} format" if whose else "no tool-call format that is known"):
            detect(source)
    assert recognised >= 20


CALL = ToolCall("get_weather", {"city": "Hà Nội", "days": 3, "metric": True, "tags": ["a", 1]})
TYPES = {"city": "string", "days": "integer", "metric": "boolean", "tags": "array"}
TOOL = Tool("get_weather", "", {"type": "object", "properties": {k: {"type": t} for k, t in TYPES.items()}})
MESSAGES = [
    {"role": "user", "content": "How is the weather in Hanoi?"},
    {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": CALL.to_json()}]},
]
TURNS = ("<|im_start|>assistant\n", "<|start_header_id|>assistant<|end_header_id|>\n\n")


def rendered(template: str) -> str:
    """The assistant's turn as the template writes it, without transformers."""
    sandbox = pytest.importorskip("jinja2.sandbox")
    env = sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    env.filters["tojson"] = lambda value, **kw: json.dumps(value, ensure_ascii=False, **kw)
    env.globals["raise_exception"] = lambda message: pytest.fail(message)
    source = re.sub(r"\{%-?\s*(?:end)?generation\s*-?%\}", "", template)
    tools = [{"type": "function", "function": TOOL.to_json()}]
    text: str = env.from_string(source).render(messages=MESSAGES, tools=tools, bos_token="<s>", eos_token="</s>")
    return max((text.rpartition(turn)[2] for turn in TURNS), key=lambda t: len(text) - len(t))


@needs_trl
@pytest.mark.parametrize("template", [t for t in TEMPLATES if stem(t) in KNOWN], ids=lambda t: t.stem)
def test_the_parser_that_is_chosen_reads_what_the_template_writes(template: Path) -> None:
    source = template.read_text(encoding="utf-8")
    parsed = get_parser(detect(source)).parse(rendered(source), tools=[TOOL])
    assert parsed.calls == (CALL,)
    assert parsed.text == ""


SHOWN: list[tuple[str, str]] = [
    ("functiongemma", "{{- '<start_function_call>call:' + call['name'] + '{' -}}"),
    ("mistral", "{{- '[TOOL_CALLS]' + call['name'] + '[ARGS]' + arguments }}"),
    ("mistral", "{{ '[TOOL_CALLS] [' }}"),
    ("pythonic", "Answer in the form [func_name1(params_name1=params_value1), func_name2(params)]"),
    ("xlam", "When using tools, make calls in a single JSON array:"),
    ("hermes", '<tool_call>\n{"name": <function-name>, "arguments": <args>}\n</tool_call>'),
]


@pytest.mark.parametrize(("name", "template"), SHOWN)
def test_formats_whose_templates_trl_does_not_carry_are_known_by_their_marks(name: str, template: str) -> None:
    assert detect(template) == name
    assert name in PARSERS


class Tokenizer:
    def __init__(self, chat_template: Any) -> None:
        self.chat_template = chat_template


def test_a_tokenizer_is_asked_for_its_template_and_one_for_tools_goes_first() -> None:
    hermes, mistral = SHOWN[5][1], SHOWN[1][1]
    assert detect(Tokenizer(hermes)) == "hermes"
    assert detect(Tokenizer({"default": mistral, "tool_use": hermes})) == "hermes"
    assert detect(Tokenizer({"default": mistral})) == "mistral"
    assert detect([{"name": "default", "template": mistral}, {"name": "tool_use", "template": hermes}]) == "hermes"


@pytest.mark.parametrize("tokenizer", [Tokenizer(None), Tokenizer(""), Tokenizer({}), None, "", object(), []])
def test_without_a_template_the_parser_must_be_named(tokenizer: Any) -> None:
    with pytest.raises(UsageError, match=r"no chat template to choose the parser from. Name the parser"):
        detect(tokenizer)


def test_a_template_without_calls_is_refused_with_what_to_do() -> None:
    with pytest.raises(UsageError, match=r"shows no tool-call format that is known. Name the parser: hermes where"):
        detect("{% for m in messages %}{{ m.content }}{% endfor %}")


def test_a_format_in_anothers_brackets_is_another_format() -> None:
    """Seed-OSS writes Qwen3-Coder's functions between tags of its own."""
    template = "{{ '<seed:tool_call>\\n<function=' ~ name ~ '>\\n<parameter=' ~ key ~ '>' }}"
    with pytest.raises(UsageError, match="Seed-OSS's"):
        detect(template)
    with pytest.raises(UsageError, match="no tool-call format that is known"):
        detect(template.replace("<seed:tool_call>", "<other>"))
    assert detect(template.replace("<seed:tool_call>", "<tool_call>")) == "qwen3_coder"
