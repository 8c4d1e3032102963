"""The XML-like format of Qwen3-Coder, Qwen3.5 and Nemotron 3: `<function=f><parameter=a>…`, without types.

<tool_call>
<function=get_weather>
<parameter=city>
Hanoi
</parameter>
</function>
</tool_call>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rlvr.parsers.attempts import Attempts
from rlvr.parsers.bare import without_bare
from rlvr.parsers.base import END_MARKERS, TextParser, cut_marker
from rlvr.parsers.rendering import refuse
from rlvr.parsers.untyped import read_untyped, types_of, write_untyped
from rlvr.types import CallAttempt, Tool, ToolCall

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_FUNCTION, _END_FUNCTION = "<function=", "</function>"
_PARAMETER, _END_PARAMETER = "<parameter=", "</parameter>"
_TAG = re.compile(r"(</?tool_call>|<function=|</function>|<parameter=|</parameter>)")
_ENDS_VALUE = (_PARAMETER, _END_FUNCTION, _OPEN, _CLOSE)
_UNWRITABLE = re.compile("|".join(map(re.escape, (_END_PARAMETER, *_ENDS_VALUE, "<think>", "</think>", *END_MARKERS))))


class Qwen3CoderParser(TextParser):
    """Blocks of one function each (several in one block are read too), its arguments typed by the tool's schema.

    A value is what stands between its tags, without one line break at either end. It is read by the types that the
    schema of the offered tool allows (`untyped.read_untyped`), as text where no such tool is offered. The format has no
    way to write its own tags inside a value.

    >>> text = "<tool_call>\\n<function=f>\\n<parameter=n>\\n5\\n</parameter>\\n</function>\\n</tool_call>"
    >>> tool = Tool("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}})
    >>> Qwen3CoderParser().parse(text, tools=[tool]).calls
    (ToolCall(name='f', arguments={'n': 5}),)
    """

    name = "qwen3_coder"
    reads_tools = True

    def render(self, calls: Sequence[ToolCall]) -> str:
        """The calls' blocks, joined by line breaks. Raises `UsageError` where a name or a string holds markup.

        >>> Qwen3CoderParser().render([ToolCall("f", {"n": 5})])
        '<tool_call>\\n<function=f>\\n<parameter=n>\\n5\\n</parameter>\\n</function>\\n</tool_call>'
        """
        return "\n".join(self._block(c) for c in calls)

    def _block(self, call: ToolCall) -> str:
        lines = [_OPEN, f"{_FUNCTION}{_name(call.name, 'the name')}>"]
        for key, value in call.arguments.items():
            text = write_untyped(value)
            if _UNWRITABLE.search(text):
                raise refuse(self.name, f"as {key!r}", text)
            lines += [f"{_PARAMETER}{_name(key, 'an argument of the name')}>", text, _END_PARAMETER]
        return "\n".join([*lines, _END_FUNCTION, _CLOSE])

    def _read(self, text: str, attempts: Attempts, tools: Sequence[Tool]) -> str:
        offered = {t.name: t for t in tools}
        pieces = _TAG.split(text)  # text at even places, tags at odd ones
        outside: list[str] = []
        position = 0
        while position < len(pieces):
            if position % 2 == 0:
                outside.append(without_bare(pieces[position], attempts))
                position += 1
            elif pieces[position] in (_OPEN, _FUNCTION, _PARAMETER):
                position = _read_block(pieces, position, offered, attempts)
            else:
                attempts.append(CallAttempt(pieces[position], None, "stray"))
                position += 1
        cut = max(cut_marker(outside[-1], _OPEN), cut_marker(outside[-1], _FUNCTION))
        if cut >= 0:
            attempts.append(CallAttempt(outside[-1][cut:], None, "unclosed"))
            outside[-1] = outside[-1][:cut]
        return "".join(outside)


def _name(name: str, what: str) -> str:
    if not name or name != name.strip() or re.search(r"[<>\n]", name):
        raise refuse("qwen3_coder", what, name)
    return name


def _read_block(pieces: list[str], start: int, offered: dict[str, Tool], attempts: Attempts) -> int:
    """Read the block whose tag stands at `start`; returns the place of what stands behind it.

    A block goes to its closing tag, or before the next opening one. Functions without the tag around them are bare.
    """
    marked = pieces[start] == _OPEN
    ends = (_OPEN, _CLOSE) if marked else (_OPEN, _CLOSE, _END_FUNCTION)
    end = start + 2
    while end < len(pieces) and pieces[end] not in ends:
        end += 2
    closed = end < len(pieces) and pieces[end] == (_CLOSE if marked else _END_FUNCTION)
    raw = "".join(pieces[start : end + closed])
    if marked and closed:
        attempts.extend(_functions(pieces, start + 2, end, raw, offered, attempts.read_json))
    else:
        attempts.append(CallAttempt(raw, None, "unclosed" if marked else "bare"))
    return end + closed


def _functions(
    pieces: list[str], position: int, end: int, raw: str, offered: dict[str, Tool], loads: Callable[[str], Any]
) -> Iterator[CallAttempt]:
    """The calls of a closed block, from the tag at `position` to that at `end`."""
    if pieces[position - 1].strip() or position == end:
        yield CallAttempt(raw, None, "json")
        return
    while position < end:
        attempt, position = _read_function(pieces, position, end, raw, offered, loads)
        yield attempt
        if attempt.fault is not None:
            return


def _read_function(
    pieces: list[str], position: int, end: int, raw: str, offered: dict[str, Tool], loads: Callable[[str], Any]
) -> tuple[CallAttempt, int]:
    """Read `<function=…>` to `</function>`; returns the place of the next tag."""
    name = _tag_name(pieces, position, _FUNCTION)
    if name is None or pieces[position + 1].partition(">")[2].strip():
        return CallAttempt(raw, None, "json"), end
    arguments: dict[str, Any] = {}
    position += 2
    while position < end and pieces[position] == _PARAMETER:
        key = _tag_name(pieces, position, _PARAMETER)
        if key is None or key in arguments:
            return CallAttempt(raw, None, "json"), end
        value, position = _value(pieces, position + 1)
        if position >= end or pieces[position] != _END_PARAMETER:
            return CallAttempt(raw, None, "unclosed"), end
        try:
            arguments[key] = read_untyped(value, types_of(offered.get(name), key), loads)
        except ValueError:
            return CallAttempt(raw, None, "json"), end
        if pieces[position + 1].strip():
            return CallAttempt(raw, None, "json"), end
        position += 2
    if position >= end or pieces[position] != _END_FUNCTION:
        return CallAttempt(raw, None, "unclosed" if position >= end else "json"), end
    if pieces[position + 1].strip():
        return CallAttempt(raw, None, "json"), end
    return CallAttempt(raw, ToolCall(name, arguments)), position + 2


def _tag_name(pieces: list[str], position: int, tag: str) -> str | None:
    """What stands after `tag` up to `>`; `None` where it is another tag or does not end in its line."""
    name, closed, _ = pieces[position + 1].partition(">")
    return name if pieces[position] == tag and closed and name and "\n" not in name else None


def _value(pieces: list[str], position: int) -> tuple[str, int]:
    """The text of a value that begins in the piece at `position`, and the place of the tag that ends it."""
    parts = [pieces[position].partition(">")[2]]
    position += 1
    while position < len(pieces) and pieces[position] != _END_PARAMETER and pieces[position] not in _ENDS_VALUE:
        parts += pieces[position : position + 2]
        position += 2
    value = "".join(parts)
    return value[value.startswith("\n") : len(value) - (value.endswith("\n") and value != "\n")], position
