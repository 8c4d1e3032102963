"""The Hermes format, also Qwen's: each call is a JSON object between `<tool_call>` and `</tool_call>`."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from rlvr.parsers.bare import find_bare
from rlvr.parsers.base import END_MARKERS, MAX_CHARS, assemble, read_call, strip_end_markers, too_long
from rlvr.parsers.reasoning import split_reasoning
from rlvr.parsers.strict_json import loads_strict
from rlvr.types import CallAttempt, ParsedCompletion, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_TAG = re.compile(r"(</?tool_call>)")
_CUT_TAG_FROM = len("<tool")
_MARKUP = re.compile(
    "|".join(re.escape(m) for m in ("<tool_call>", "</tool_call>", "<think>", "</think>", *END_MARKERS))
)


class HermesParser:
    """One block a call; a JSON list inside one block gives several.

    A block ends at the first closing tag, as servers have it; it is read strictly (`strict_json`), and may hold
    nothing but an object of `name` and `arguments`, or a list of such objects.
    """

    name = "hermes"

    def __init__(self, reasoning: str = "think") -> None:
        self.reasoning = reasoning

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls' blocks, joined by line breaks. `<` is escaped only where the JSON would hold a tag.

        >>> print(HermesParser().render([ToolCall("weather", {"city": "Hà Nội"})]))
        <tool_call>
        {"name": "weather", "arguments": {"city": "Hà Nội"}}
        </tool_call>
        """
        return "\n".join(f"{_OPEN}\n{_render_json(c)}\n{_CLOSE}" for c in calls)

    def parse(self, text: str, *, truncated: bool = False, reasoning_opened: bool = False) -> ParsedCompletion:
        """Take one completion apart (see `Parser.parse`).

        >>> parsed = HermesParser().parse('<tool_call>{"name": "f", "arguments": {}}</tool_call>')
        >>> parsed.outcome.value, parsed.calls
        ('calls', (ToolCall(name='f', arguments={}),))
        """
        if len(text) > MAX_CHARS:
            return too_long(text, truncated)
        reasoning, rest = split_reasoning(strip_end_markers(text), self.reasoning, reasoning_opened)
        attempts: list[CallAttempt] = []
        outside: list[str] = []
        position, pieces = 0, _TAG.split(rest)
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
        return assemble(attempts, "".join(outside), reasoning, truncated=truncated)


def _render_json(call: ToolCall) -> str:
    text = json.dumps(call.to_json(), ensure_ascii=False)
    return text.replace("<", "\\u003c") if _MARKUP.search(text) else text


def _read_blocks(pieces: list[str], start: int, attempts: list[CallAttempt]) -> int:
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
    if _OPEN in inner and _parses(whole) is None:
        *unclosed, last = _bodies(inner)
        attempts.extend(CallAttempt(_OPEN + body, None, "unclosed") for body in unclosed)
        whole = last
    attempts.extend(_read_body(whole))
    return end + 1


def _bodies(inner: list[str]) -> list[str]:
    """Texts between opening tags; tags stand at every second place."""
    return [piece for piece in inner if piece != _OPEN] or [""]


def _parses(body: str) -> list[object] | None:
    try:
        return [loads_strict(body)]
    except ValueError:
        return None


def _read_body(body: str) -> list[CallAttempt]:
    raw = f"{_OPEN}{body}{_CLOSE}"
    parsed = _parses(body)
    if parsed is None:
        return [CallAttempt(raw, None, "json")]
    value = parsed[0]
    if isinstance(value, list):
        return [read_call(v, raw) for v in value] or [CallAttempt(raw, None, "shape")]
    return [read_call(value, raw)]


def _read_outside(text: str, attempts: list[CallAttempt], *, last: bool) -> str:
    """Note bare calls in text that stands outside blocks, and return what is left of it."""
    found, kept = find_bare(text)
    attempts.extend(CallAttempt(raw, None, "bare") for raw in found)
    if last:
        cut = kept.rfind("<tool")
        tail = kept[cut:] if cut >= 0 else ""
        if len(tail) >= _CUT_TAG_FROM and _OPEN.startswith(tail):  # cut in the middle of the opening tag
            attempts.append(CallAttempt(tail, None, "unclosed"))
            return kept[:cut]
    return kept
