"""What a reply is: calls that the server read, calls that it left as text or took for reasoning, or the model's words.

This is where a fault of the server is told from a choice of the model: a whole call of an offered tool that stands in
the text was written by the model and not read by the server; words, or a broken call, are the model's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from rlvr.errors import UsageError
from rlvr.evaluation.serving.reply import Reply
from rlvr.parsers import Parser, get_parser
from rlvr.types import Outcome, Tool, ToolCall

FORMATS = ("hermes", "qwen3_coder", "mistral", "functiongemma", "llama3_json", "xlam", "pythonic")
"""Those whose calls are looked for in texts; the ones with markup of their own come first."""


class Kind(StrEnum):
    CALLS = "calls"
    LEFT = "calls left in the text"
    SWALLOWED_CALLS = "calls taken for reasoning"
    SWALLOWED_WORDS = "an answer taken for reasoning"
    BROKEN = "a broken call"
    CUT = "cut at the limit of tokens"
    WORDS = "words"
    EMPTY = "nothing"

    def __str__(self) -> str:
        return self.value


SWALLOWED = (Kind.SWALLOWED_CALLS, Kind.SWALLOWED_WORDS)


@dataclass(frozen=True, slots=True)
class Reading:
    """`left`: whole calls that stand where no client looks for them, in `format`; `canonical`: they are written as the
    format's own parser writes them, so that a server for this format has to read them."""

    kind: Kind
    left: tuple[ToolCall, ...] = ()
    format: str = ""
    canonical: bool = False


def read(reply: Reply, tools: Sequence[Tool]) -> Reading:
    """Say what a reply is, by what of it reached the client."""
    found = find_calls(reply.content, tools)
    if reply.calls:
        return Reading(Kind.CALLS, *_parts(found))
    if found is not None:
        return Reading(Kind.LEFT, *_parts(found))
    if reply.cut:
        return Reading(Kind.CUT)
    if reply.content.strip():
        broken = get_parser("hermes").parse(reply.content, tools=tools).outcome is Outcome.MALFORMED
        return Reading(Kind.BROKEN if broken else Kind.WORDS)
    if reply.reasoning.strip():
        swallowed = find_calls(reply.reasoning, tools, reasoning="none")
        return Reading(Kind.SWALLOWED_WORDS if swallowed is None else Kind.SWALLOWED_CALLS, *_parts(swallowed))
    return Reading(Kind.EMPTY)


@dataclass(frozen=True, slots=True)
class Found:
    """Whole calls in a text."""

    calls: tuple[ToolCall, ...]
    format: str
    canonical: bool


def find_calls(text: str, tools: Sequence[Tool], reasoning: str = "think") -> Found | None:
    """Whole calls in a text, of which one at least is of an offered tool; `None` where there are none.

    >>> tool = Tool("now", "", {"type": "object", "properties": {}})
    >>> find_calls('<tool_call>{"name": "now", "arguments": {}}</tool_call>', [tool]).format
    'hermes'
    >>> find_calls("I call now.", [tool]) is None
    True
    """
    offered = {t.name for t in tools}
    if not any(name in text for name in offered):
        return None
    first: Found | None = None
    for name in FORMATS:
        parser = get_parser(name, reasoning)
        parsed = parser.parse(text, tools=tools)
        if parsed.outcome is Outcome.CALLS and any(c.name in offered for c in parsed.calls):
            found = Found(parsed.calls, name, _is_canonical(parser, parsed.calls, text))
            if found.canonical:  # several formats read a JSON list: the one that writes it so is meant
                return found
            first = first or found
    return first


def object_of(arguments: object) -> dict[str, object] | None:
    """A call's arguments where they are as they should be, a JSON object in a string; else `None`."""
    if not isinstance(arguments, str):
        return None
    try:
        value = json.loads(arguments)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def counted(kinds: Iterable[Kind]) -> str:
    """`3 words, 1 nothing`: how often each kind was met."""
    tally: dict[Kind, int] = {}
    for kind in kinds:
        tally[kind] = tally.get(kind, 0) + 1
    return ", ".join(f"{n} {kind}" for kind, n in tally.items())


def _parts(found: Found | None) -> tuple[tuple[ToolCall, ...], str, bool]:
    return ((), "", False) if found is None else (found.calls, found.format, found.canonical)


def _is_canonical(parser: Parser, calls: Sequence[ToolCall], text: str) -> bool:
    try:
        return _squeezed(parser.render(calls)) in _squeezed(text)
    except UsageError:  # what the format cannot write
        return False


def _squeezed(text: str) -> str:
    return "".join(text.split())
