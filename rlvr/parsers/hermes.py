"""The Hermes format, also Qwen's: each call is a JSON object between `<tool_call>` and `</tool_call>`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import without_bare
from rlvr.parsers.base import BY_TAGS, PlainReader, TextParser, cut_marker, read_call
from rlvr.parsers.plain import HERMES
from rlvr.parsers.rendering import call_json
from rlvr.types import CallAttempt, Tool, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_TAG = re.compile(r"(</?tool_call>)")
_BROKEN = object()


class HermesParser(TextParser):
    """One block a call; a JSON list inside one block gives several.

    A block ends at the first closing tag, as servers have it; it is read strictly (`strict_json`), and may hold
    nothing but an object of `name` and `arguments`, or a list of such objects.

    >>> parsed = HermesParser().parse('<tool_call>{"name": "f", "arguments": {}}</tool_call>')
    >>> parsed.outcome.value, parsed.calls
    ('calls', (ToolCall(name='f', arguments={}),))
    """

    name = "hermes"

    @property
    def plain_reader(self) -> PlainReader | None:
        return HERMES if self.reasoning in BY_TAGS else None

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls' blocks, joined by line breaks. `<` is escaped only where the JSON would hold a tag.

        >>> print(HermesParser().render([ToolCall("weather", {"city": "Hà Nội"})]))
        <tool_call>
        {"name": "weather", "arguments": {"city": "Hà Nội"}}
        </tool_call>
        """
        return "\n".join(f"{_OPEN}\n{call_json(c)}\n{_CLOSE}" for c in calls)

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        if text.startswith(_OPEN) and text.endswith(
            _CLOSE
        ):  # what most completions are: blocks, and nothing beside them
            first, *more = text[len(_OPEN) : -len(_CLOSE)].split(_CLOSE)
            if len(more) + 1 == text.count(_OPEN) and all(map(_opens, more)):
                for body in (first, *(block.partition(_OPEN)[2] for block in more)):
                    attempts.extend(_calls_of(_loaded(body, attempts), f"{_OPEN}{body}{_CLOSE}"))
                return ""
        outside: list[str] = []
        position, pieces = 0, _TAG.split(text)
        while position < len(pieces):
            piece = pieces[position]
            if piece == _OPEN:
                position = _read_blocks(pieces, position, attempts)
            elif piece == _CLOSE:
                attempts.append(CallAttempt(piece, None, "stray"))
                position += 1
            else:
                outside.append(_read_outside(piece, attempts, last=position == len(pieces) - 1))
                position += 1
        return "".join(outside)


def _opens(block: str) -> bool:
    """Whether what follows a closing tag is whitespace and one block's beginning."""
    before, opening, _ = block.partition(_OPEN)
    return bool(opening) and not before.strip()


def _read_blocks(pieces: list[str], start: int, attempts: Attempts) -> int:
    """Read from the opening tag at `start` to the first closing one; returns the position behind it.

    Opening tags in between are text of the call where all of it parses, else each opens a block of its own that
    the one before it never closed.
    """
    end = start + 1
    while end < len(pieces) and pieces[end] != _CLOSE:
        end += 1
    inner = pieces[start + 1 : end]
    if end == len(pieces):
        for body in _bodies(inner):
            attempts.append(CallAttempt(_OPEN + body, None, "unclosed"))
        return end
    whole = "".join(inner)
    value = _loaded(whole, attempts)
    if value is _BROKEN and _OPEN in inner:
        *unclosed, whole = _bodies(inner)
        attempts.extend(CallAttempt(_OPEN + body, None, "unclosed") for body in unclosed)
        value = _loaded(whole, attempts)
    attempts.extend(_calls_of(value, f"{_OPEN}{whole}{_CLOSE}"))
    return end + 1


def _bodies(inner: list[str]) -> list[str]:
    """Texts between opening tags; tags stand at every second place."""
    return [piece for piece in inner if piece != _OPEN] or [""]


def _loaded(body: str, attempts: Attempts) -> Any:
    """What stands between two tags, as a value, or `_BROKEN`."""
    try:
        return attempts.read_json(body)
    except ValueError:
        return _BROKEN


def _calls_of(value: Any, raw: str) -> Iterable[CallAttempt]:
    if value is _BROKEN:
        return (CallAttempt(raw, None, "json"),)
    if isinstance(value, list) and value:
        return (read_call(v, raw) for v in value)
    return (read_call(value, raw),)


def _read_outside(text: str, attempts: Attempts, *, last: bool) -> str:
    """Note bare calls in text that stands outside blocks, and return what is left of it."""
    kept = without_bare(text, attempts)
    cut = cut_marker(kept, _OPEN) if last else -1
    if cut < 0:
        return kept
    attempts.append(CallAttempt(kept[cut:], None, "unclosed"))
    return kept[:cut]
