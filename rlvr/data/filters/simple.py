"""The filters that look at one example alone: length, number of tools, its own schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rlvr.errors import DataError, UsageError
from rlvr.prompts import Tokenizer, render
from rlvr.tools import check_ground_truth
from rlvr.types import Example

_MOST_WORDS = 300


@dataclass(frozen=True, slots=True)
class PromptLength:
    """Drops an example whose rendered prompt, tools included, has more than `max_prompt_tokens` tokens.

    It is dropped whole and never cut: a prompt without its last tool, or a call without its end, teaches what is
    wrong. Codes: `too_long`; `not_rendered` where the chat template refuses it.
    """

    tokenizer: Tokenizer
    max_prompt_tokens: int
    parser: str = "hermes"
    name: ClassVar[str] = "prompt_length"

    def __post_init__(self) -> None:
        if self.max_prompt_tokens < 1:
            raise UsageError(f"max_prompt_tokens: got {self.max_prompt_tokens}, expected at least 1")

    def why_not(self, example: Example) -> str | None:
        try:
            length = self.length(example)
        except DataError:
            return "not_rendered"
        return "too_long" if length > self.max_prompt_tokens else None

    def length(self, example: Example) -> int:
        """Tokens of the prompt as the model sees it. Raises `DataError` where it cannot be rendered."""
        return len(render(example, self.tokenizer, self.parser).token_ids)


@dataclass(frozen=True, slots=True)
class ToolCount:
    """Keeps the examples that offer between `least` and `most` tools. Codes: `too_few_tools`, `too_many_tools`."""

    least: int = 1
    most: int | None = None
    name: ClassVar[str] = "tool_count"

    def __post_init__(self) -> None:
        if self.least < 0 or (self.most is not None and self.most < self.least):
            raise UsageError(f"tools: got [{self.least}, {self.most}], expected [least, most] with 0 <= least <= most")

    def why_not(self, example: Example) -> str | None:
        if len(example.tools) < self.least:
            return "too_few_tools"
        return "too_many_tools" if self.most is not None and len(example.tools) > self.most else None

    def in_words(self, example: Example) -> str:
        bound = f"at least {self.least}" if len(example.tools) < self.least else f"at most {self.most}"
        return f"{len(example.tools)} tools; {bound} are wanted"


@dataclass(frozen=True, slots=True)
class OwnSchema:
    """Drops an example whose ground truth calls a tool that is not offered, or breaks the tool's schema.

    A reward would give no completion its full score. Code: `own_schema`; `problems` says what is wrong.
    """

    name: ClassVar[str] = "own_schema"

    def why_not(self, example: Example) -> str | None:
        return "own_schema" if self.problems(example) else None

    def in_words(self, example: Example) -> str:
        return "; ".join(self.problems(example))[:_MOST_WORDS]

    def problems(self, example: Example) -> list[str]:
        return check_ground_truth(example.ground_truth, example.tools)
