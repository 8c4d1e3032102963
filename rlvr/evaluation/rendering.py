"""How an evaluation renders prompts that are more than the plain ones: thinking told on or off, structured outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlvr.errors import UsageError
from rlvr.extras import has
from rlvr.prompts import RenderedPrompt, render, thinking_kwargs
from rlvr.rollouts.structured import FORMATS, structural_tag, usable_by_xgrammar
from rlvr.types import Example


def rendering(
    *, thinking: bool | None = None, structured: bool = False
) -> Callable[[Example, Any, str], RenderedPrompt]:
    """A `render` for `evaluate`: `thinking` is told to the chat template, `structured` adds the tools' structural tag.

    Raises `UsageError` at the first prompt where the chat template knows no thinking.
    """
    told: dict[int, dict[str, Any]] = {}

    def rendered(example: Example, tokenizer: Any, parser: str) -> RenderedPrompt:
        if id(tokenizer) not in told:
            told[id(tokenizer)] = thinking_kwargs(tokenizer, thinking)
        prompt = render(example, tokenizer, parser, told[id(tokenizer)])
        if not structured:
            return prompt
        return replace(prompt, structure=structural_tag(example.tools, parser, usable_by_xgrammar))

    return rendered


def check_structured(parser: str, backend: str) -> None:
    """Raise `UsageError` where structured outputs cannot be had: another format, or another engine than vLLM."""
    if parser not in FORMATS:
        raise UsageError(f"--structured is for the formats {' and '.join(FORMATS)}; --parser is {parser}.")
    if backend != "vllm" or not has("xgrammar"):
        raise UsageError(f"--structured needs vLLM (rollout {backend} has no structured outputs). Use --rollout vllm.")
