"""The one interface behind which completions are generated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from rlvr.prompts import RenderedPrompt


@dataclass(frozen=True, slots=True)
class Generation:
    """One completion. `token_ids` includes the end-of-sequence token where there is one; `text` leaves it out.

    `truncated`: it stopped at the length limit.
    """

    text: str
    token_ids: tuple[int, ...]
    truncated: bool


class Generator(Protocol):
    """A loaded model that completes prompts."""

    backend: str
    tokenizer: Any

    def generate(
        self,
        prompts: Sequence[RenderedPrompt],
        *,
        max_new_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        n: int = 1,
    ) -> list[list[Generation]]:
        """Return `n` completions for each prompt, in order. Temperature 0 is greedy.

        A prompt's `structure` holds its completions to a structural tag; `UsageError` where the engine has none.
        """
        ...

    def set_model(self, path: str | Path) -> None:
        """Take the weights of another checkpoint of the same architecture, without a new engine."""
        ...

    def close(self) -> None:
        """Free the model's memory."""
        ...
