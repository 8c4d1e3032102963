"""How the trained model will be served: what preflight holds the run's own reading of completions against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rlvr.errors import did_you_mean
from rlvr.parsers import PARSERS


@dataclass(frozen=True, slots=True)
class ServingOptions:
    """The server that the model is trained for, in vLLM's words.

    `tool_parser` is its `--tool-call-parser` (left out: the recipe's `parser`), `reasoning_parser` its
    `--reasoning-parser`, `none` where it is started without one.
    """

    tool_parser: str | None = None
    reasoning_parser: Literal["none", "deepseek_r1", "qwen3"] = "none"

    def __post_init__(self) -> None:
        if self.tool_parser is not None and self.tool_parser not in PARSERS:
            raise ValueError(f"tool_parser: got {self.tool_parser!r}.{did_you_mean(self.tool_parser, PARSERS)}")
