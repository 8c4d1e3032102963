"""Chooses the parser of a model from its chat template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.errors import UsageError

_KNOWN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("functiongemma", ("<start_function_call>",)),
    ("mistral", ("[TOOL_CALLS]",)),
    ("qwen3_coder", ("<tool_call>", "<function=", "<parameter=")),
    ("xlam", ("in a single JSON array",)),
    ("pythonic", ("[func_name1(",)),
    ("hermes", ("<tool_call>", '"arguments"')),
    ("hermes", ("<tool_call>", '\\"arguments\\"')),
    ("llama3_json", ("<|start_header_id|>", '"parameters": ')),
)
"""What a template of a format holds, all of it; the first that fits is taken."""

_FOREIGN = {
    "<arg_key>": "GLM's",
    "<|tool_call>": "Gemma 4's",
    "<|tool_call_start|>": "LFM2's",
    "<|tool_list_start|>": "LFM2's",
    "<｜tool▁call": "DeepSeek's",
    "<|channel|>": "Harmony's",
    "<atem:": "Muse's",
    "<|START_ACTION|>": "Cohere's",
    "<seed:tool_call>": "Seed-OSS's",
}
"""Marks of formats that no parser here reads."""


def detect(tokenizer: Any) -> str:
    """The name of the parser that reads what a model's chat template writes as tool calls.

    `tokenizer` is one, or a chat template itself: its text, or a mapping (or list of mappings with `name` and
    `template`) of several, of which the one called `tool_use` is read where it is there.
    Raises `UsageError` where there is no template, where it writes no calls, and where no parser here reads them.

    >>> detect("{{ '<tool_call>\\\\n{\\"name\\": \\"' + name + '\\", \\"arguments\\": ' }}")
    'hermes'
    """
    template = _template(tokenizer)
    for mark, whose in _FOREIGN.items():
        if mark in template:
            raise UsageError(f"the chat template writes tool calls in {whose} format (`{mark}`), which no parser reads."
                             " Name the parser of the format that your prompts ask for.")  # fmt: skip
    for name, marks in _KNOWN:
        if all(mark in template for mark in marks):
            return name
    raise UsageError(
        "the chat template shows no tool-call format that is known. Name the parser: hermes where rlvr writes the tools"
        " into the prompt itself."
    )


def _template(tokenizer: Any) -> str:
    template = tokenizer
    if not isinstance(tokenizer, (str, Mapping, Sequence)):
        template = getattr(tokenizer, "chat_template", None)
    if isinstance(template, Sequence) and not isinstance(template, str):
        template = {t["name"]: t["template"] for t in template if isinstance(t, Mapping)}
    if isinstance(template, Mapping):
        template = template.get("tool_use", template.get("default"))
    if not isinstance(template, str) or not template:
        raise UsageError("the tokenizer has no chat template to choose the parser from. Name the parser.")
    return template
