"""The format of Llama 3.1 and later: calls are JSON objects with `name` and `parameters`, without tags."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import CALL_START, without_bare
from rlvr.parsers.base import BY_TAGS, PlainReader, TextParser, read_call
from rlvr.parsers.plain import LLAMA3
from rlvr.parsers.rendering import call_json
from rlvr.parsers.strict_json import json_end
from rlvr.types import CallAttempt, Tool, ToolCall

_TAG = "<|python_tag|>"
_KEYS = ("parameters", "arguments")
_CONSTANTS = {"type": "function"}
_FIRST = re.compile(r"""[\s;,]*+(?=\{\s*+(?:["'}]|\w{1,40}+["']?+\s*+:)|\[\s*+\{)""")
_NEXT = re.compile(r"[\s;,]*+(?=\{|\[\s*+\{)")
_BETWEEN = " \t\r\n;,"


class Llama3JsonParser(TextParser):
    """JSON objects of just `name` and `parameters` (or `arguments`), several set apart by `;` or in a JSON list.

    `<|python_tag|>` may stand before them, and `"type": "function"` in them, as these models like to write. Text that
    begins with an object is an attempt at a call, and so is any brace right behind one; elsewhere, an object is one
    where it looks like a call.

    >>> Llama3JsonParser().parse('{"name": "f", "parameters": {"x": 1}}').calls
    (ToolCall(name='f', arguments={'x': 1}),)
    """

    name = "llama3_json"

    @property
    def plain_reader(self) -> PlainReader | None:
        return LLAMA3 if self.reasoning in BY_TAGS else None

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls' objects, joined by `; `.

        >>> Llama3JsonParser().render([ToolCall("f", {}), ToolCall("g", {"x": 1})])
        '{"name": "f", "parameters": {}}; {"name": "g", "parameters": {"x": 1}}'
        """
        return "; ".join(call_json(c, "parameters") for c in calls)

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        first, *tagged = text.split(_TAG)
        outside = [_read_objects(first, attempts)]
        for piece in tagged:
            if _NEXT.match(piece):
                outside.append(_read_objects(piece, attempts, tagged=True))
            else:
                attempts.append(CallAttempt(_TAG + piece, None, "json" if piece.strip() else "unclosed"))
        return "\n".join(o for o in outside if o)


def _read_objects(text: str, attempts: Attempts, *, tagged: bool = False) -> str:
    """Note the calls of a text, and return what stands around them; behind the tag, any brace begins one."""
    outside: list[str] = []
    position = 0
    while True:
        lead = (_NEXT if position or tagged else _FIRST).match(text, position)
        found = lead or CALL_START.search(text, position)
        start = len(text) if found is None else lead.end() if lead else found.start()
        kept = without_bare(text[position:start], attempts)
        outside.append(kept.strip(_BETWEEN if position else None))
        if found is None:
            return " ".join(o for o in outside if o)
        end = json_end(text, start)
        if end < 0:
            attempts.append(CallAttempt(text[start:], None, "unclosed"))
            end = len(text)
        else:
            _read_value(text[start:end], attempts)
        position = end


def _read_value(raw: str, attempts: Attempts) -> None:
    try:
        value = attempts.read_json(raw)
    except ValueError:
        attempts.append(CallAttempt(raw, None, "json"))
        return
    values = value if isinstance(value, list) else [value]
    attempts.extend(read_call(v, raw, _KEYS, _CONSTANTS) for v in values)
