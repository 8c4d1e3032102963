"""Mistral's format: `[TOOL_CALLS]`, then `name[ARGS]{…}` as newer models write it, or a JSON list of calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import without_bare
from rlvr.parsers.base import BY_TAGS, PlainReader, TextParser, read_call, read_marked
from rlvr.parsers.plain import MISTRAL
from rlvr.parsers.rendering import json_text, refuse
from rlvr.parsers.strict_json import json_end
from rlvr.types import CallAttempt, Tool, ToolCall

_MARK, _ARGS = "[TOOL_CALLS]", "[ARGS]"
_NAME_END = re.compile(r"\[ARGS\]|\[CALL_ID\]|\[TOOL_CALLS\]|\{")
_CALL_ID = re.compile(r"\[CALL_ID\]\s*+[A-Za-z0-9]{1,64}+\s*+\[ARGS\]")
_ID = re.compile(r"[A-Za-z0-9]{9}")
_STRAY = re.compile(r"\[(?:ARGS|CALL_ID)\]")
_UNMARKED = re.compile(r"\s*+[^\s{}\[\]()<>\"']{1,200}+\s*+(?:\[ARGS\])?+\s*+(?=\{)")
_UNMARKED_IN_WORDS = re.compile(r'(?<![\w.-])[^\W\d][\w.-]{0,199}+(?=\{\s{0,64}"[^"\n]{1,100}"\s{0,64}:)')
_SPACE = re.compile(r"\s*+")
_NO_NAME = re.compile(r"[\[{<\n]")


class MistralParser(TextParser):
    """Each `[TOOL_CALLS]` begins a stretch: `name[ARGS]{…}` (also with `[CALL_ID]…`, or without `[ARGS]`), or a list.

    Objects of the list hold just `name` and `arguments`, and may hold an `id` of nine letters and digits. A call ends
    where its JSON ends. The markers are special tokens: trainers that strip those leave text without a call.

    >>> MistralParser().parse('[TOOL_CALLS]f[ARGS]{"x": 1}').calls
    (ToolCall(name='f', arguments={'x': 1}),)
    >>> MistralParser().parse('[TOOL_CALLS] [{"name": "f", "arguments": {"x": 1}}]').calls
    (ToolCall(name='f', arguments={'x': 1}),)
    """

    name = "mistral"

    @property
    def plain_reader(self) -> PlainReader | None:
        return MISTRAL if self.reasoning in BY_TAGS else None

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls as newer models write them. Raises `UsageError` for a name that holds markup or `{`.

        >>> MistralParser().render([ToolCall("f", {"x": 1}), ToolCall("g", {})])
        '[TOOL_CALLS]f[ARGS]{"x": 1}[TOOL_CALLS]g[ARGS]{}'
        """
        for call in calls:
            if call.name != call.name.strip() or not call.name or _NO_NAME.search(call.name):
                raise refuse(self.name, "the name", call.name)
        return "".join(f"{_MARK}{c.name}{_ARGS}{json_text(dict(c.arguments))}" for c in calls)

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        if _MARK not in text:
            if _is_unmarked(text, attempts):
                attempts.append(CallAttempt(text, None, "bare"))
                return ""
            text = _without_unmarked(text, attempts)
        return read_marked(text, _MARK, attempts, _read_stretch, _around)


def _around(text: str, attempts: Attempts) -> str:
    attempts.extend(CallAttempt(m.group(), None, "stray") for m in _STRAY.finditer(text))
    return without_bare(text, attempts)


def _read_stretch(text: str, start: int, attempts: Attempts) -> int:
    """Read what the marker at `start` begins; returns the position behind it."""
    begin = _after_space(text, start + len(_MARK))
    if text.startswith("[", begin) and not text.startswith((_MARK, _ARGS), begin):
        return _read_list(text, start, begin, attempts)
    found = _NAME_END.search(text, begin)
    if found is None:
        attempts.append(CallAttempt(text[start:], None, "unclosed"))
        return len(text)
    mark, name = found.group(), text[begin : found.start()].strip()
    arguments = found.start() if mark == "{" else found.end()
    if mark == "[CALL_ID]":
        id_end = _CALL_ID.match(text, found.start())
        arguments = id_end.end() if id_end else len(text)
    if mark == _MARK or not text.startswith("{", arguments := _after_space(text, arguments)):
        end = found.start() if mark == _MARK else arguments
        attempts.append(CallAttempt(text[start:end], None, "unclosed" if end == len(text) else "json"))
        return end
    end = json_end(text, arguments)
    if end < 0:
        attempts.append(CallAttempt(text[start:], None, "unclosed"))
        return len(text)
    value = _try_json(text[arguments:end], attempts)
    raw = text[start:end]
    if value is None or _NO_NAME.search(name):
        attempts.append(CallAttempt(raw, None, "json"))
    else:
        attempts.append(CallAttempt(raw, ToolCall(name, value)) if name else CallAttempt(raw, None, "shape"))
    return end


def _read_list(text: str, start: int, begin: int, attempts: Attempts) -> int:
    end = json_end(text, begin)
    if end < 0:
        attempts.append(CallAttempt(text[start:], None, "unclosed"))
        return len(text)
    raw = text[start:end]
    values = _try_json(text[begin:end], attempts)
    if values is None:
        attempts.append(CallAttempt(raw, None, "json"))
        return end
    attempts.extend((read_call(_without_id(v), raw) for v in values) if values else [CallAttempt(raw, None, "shape")])
    return end


def _without_id(value: Any) -> Any:
    """A list's entry without the id that Mistral's older templates write: nine letters and digits, so no room."""
    if isinstance(value, dict) and isinstance(value.get("id"), str) and _ID.fullmatch(value["id"]):
        return {k: v for k, v in value.items() if k != "id"}
    return value


def _is_unmarked(text: str, attempts: Attempts) -> bool:
    """Whether a text is names with an object each to its end, as calls read whose special tokens were stripped."""
    position = 0
    while position < len(text):
        head = _UNMARKED.match(text, position)
        end = -1 if head is None else json_end(text, head.end())
        if head is None or end < 0 or _try_json(text[head.end() : end], attempts) is None:
            return False
        position = _after_space(text, end)
    return position > 0


def _without_unmarked(text: str, attempts: Attempts) -> str:
    """The text without such calls among words: a name, and right behind it an object with a quoted key."""
    kept: list[str] = []
    position = 0
    while (head := _UNMARKED_IN_WORDS.search(text, position)) is not None:
        end = json_end(text, head.end())
        end = len(text) if end < 0 else end
        attempts.append(CallAttempt(text[head.start() : end], None, "bare"))
        kept.append(text[position : head.start()])
        position = end
    return "".join((*kept, text[position:]))


def _try_json(text: str, attempts: Attempts) -> Any:
    try:
        return attempts.read_json(text)
    except ValueError:
        return None


def _after_space(text: str, position: int) -> int:
    found = _SPACE.match(text, position)
    return found.end() if found else position
