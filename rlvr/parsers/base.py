"""What every parser of a tool-call format offers, and what they share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rlvr.types import CallAttempt, Outcome, ParsedCompletion, ToolCall

MAX_CHARS = 200_000
"""Text longer than this is malformed without being parsed; no sampler that is set up sanely comes near it."""

END_MARKERS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "<|im_start|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
)
"""What chat templates end a turn with; stripped from the very end of a completion before it is parsed."""

_SHOWN = 200

ParserName = str


class Parser(Protocol):
    """Takes a completion apart and writes calls back as text; one implementation a tool-call format."""

    @property
    def name(self) -> str: ...

    @property
    def reasoning(self) -> str: ...

    def parse(self, text: str, *, truncated: bool = False, reasoning_opened: bool = False) -> ParsedCompletion:
        """Take one completion apart; total over all strings, in linear time.

        `truncated` says that the completion was cut at the length limit; it is copied into the result.
        `reasoning_opened` says that the prompt ended inside an opened reasoning block.
        """
        ...

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The canonical text of `calls`; `parse` reads it back as the same calls."""
        ...


def strip_end_markers(text: str) -> str:
    """Cut chat end markers and whitespace from the end.

    >>> strip_end_markers("Hello.<|im_end|>\\n<|endoftext|>")
    'Hello.'
    """
    end = len(text)
    while end:
        if text[end - 1].isspace():
            end -= 1
        elif text.endswith(END_MARKERS, 0, end):
            end -= next(len(m) for m in END_MARKERS if text.endswith(m, 0, end))
        else:
            break
    return text[:end]


def read_call(value: Any, raw: str) -> CallAttempt:
    """A call from a parsed JSON value: an object of just a `name` and an object of `arguments`, else a `shape` fault.

    Further keys are a fault too: they would be a place to write what nobody counts.
    """
    if isinstance(value, Mapping) and len(value) == 2:
        name, arguments = value.get("name"), value.get("arguments")
        if isinstance(name, str) and name and isinstance(arguments, Mapping):
            return CallAttempt(raw, ToolCall(name, arguments))
    return CallAttempt(raw, None, "shape")


def assemble(
    attempts: Sequence[CallAttempt], text: str, reasoning: str = "", *, truncated: bool = False
) -> ParsedCompletion:
    """Give the parts of a completion their outcome; one broken attempt makes all of it malformed."""
    text = text.strip()
    if attempts:
        outcome = Outcome.MALFORMED if any(a.fault is not None for a in attempts) else Outcome.CALLS
    else:
        outcome = Outcome.ABSTAIN if text else Outcome.EMPTY
    return ParsedCompletion(outcome, tuple(attempts), text, reasoning, truncated)


def too_long(text: str, truncated: bool) -> ParsedCompletion:
    """The result for text above `MAX_CHARS`: malformed, its beginning being the one attempt, never read to its end."""
    attempt = CallAttempt(text[:_SHOWN], None, "unclosed")
    return ParsedCompletion(Outcome.MALFORMED, (attempt,), "", "", truncated)
