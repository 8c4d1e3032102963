"""Dialects of answers → calls: how published data sets write that an assistant calls a tool.

calls_from_json      {"name", "arguments" or "parameters"}, lists of them, several after one another, in a fence or not
calls_in_tags        the same inside <tool_call>…</tool_call>, in JSON or in Python (Hermes, ToolRL)
calls_from_python    [f(a=1), g()] (ToolACE)
calls_after_mark     <functioncall> {"name": "f", "arguments": '{…}'} (Glaive)
call_of              one object, OpenAI's and Anthropic's too
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rlvr.errors import RlvrError
from rlvr.parsers import get_parser
from rlvr.parsers.literals import LiteralError, read_literal, skip_space
from rlvr.parsers.python_literals import PYTHON
from rlvr.parsers.strict_json import json_end, loads_strict
from rlvr.types import Outcome, Tool, ToolCall

_BLOCK = re.compile(r"<tool_call>(.*?)(</tool_call>|(?=<tool_call>)|\Z)", re.DOTALL)
_FENCE = re.compile(r"\s*```[a-zA-Z]*\n?(.*?)(?:```\s*)?\Z", re.DOTALL)
_QUOTED_ARGUMENTS = re.compile(r'\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*+")\s*,\s*"arguments"\s*:\s*\'', re.DOTALL)
_BETWEEN = re.compile(r"(?:[\s,]|\\n)*+")  # line breaks may stand escaped where nothing is quoted
_ARGUMENT_KEYS = ("arguments", "parameters", "input", "args")
_SHOWN = 80


class AnswerError(RlvrError):
    """An answer that cannot be read in its dialect."""

    code = "broken_call"


class NoCallError(AnswerError):
    """An answer that was read, and what it says is no call: it has no name, or arguments that are no object."""

    code = "no_call"


def call_of(value: Any) -> ToolCall:
    """One call: an object with a name and its arguments, which may be a JSON string, or missing where there are none.

    OpenAI's `{"function": {…}}` and Anthropic's `{"type": "tool_use", "input": …}` are calls too.

    >>> call_of({"name": "f", "parameters": '{"a": 1}'})
    ToolCall(name='f', arguments={'a': 1})
    """
    if not isinstance(value, Mapping):
        raise NoCallError(f"a call must be an object, got {value!r:.80}")
    body = value["function"] if isinstance(value.get("function"), Mapping) else value
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise NoCallError(f"a call has no name: {value!r:.80}")
    found = next((body[k] for k in _ARGUMENT_KEYS if body.get(k) is not None), None)
    return ToolCall(name, arguments_of(found, name))


def arguments_of(value: Any, name: str) -> dict[str, Any]:
    """The arguments of a call: an object, or one written as JSON or Python."""
    if isinstance(value, str):
        value = read_value(value, f"the arguments of {name}") if value.strip() else None
    if value is None or value == []:
        return {}
    if not isinstance(value, Mapping):
        raise NoCallError(f"the arguments of {name} must be an object, got {value!r:.80}")
    return {str(k): v for k, v in value.items()}


def read_value(text: str, what: str) -> Any:
    """One value in JSON, else as a Python literal."""
    try:
        return loads_strict(text)
    except ValueError as error:
        reason = str(error)
    try:
        value, end = read_literal(text, 0, PYTHON)
    except LiteralError:
        raise AnswerError(f"{what} can be read neither as JSON ({reason}) nor as Python: {text:.{_SHOWN}}") from None
    if skip_space(text, end) != len(text):
        raise AnswerError(f"{what} has more than one value: {text:.{_SHOWN}}")
    return value


def calls_from_json(text: str) -> tuple[ToolCall, ...]:
    """Calls that stand alone: an object, a list of objects, or objects after one another; a fence is passed over.

    >>> [c.name for c in calls_from_json('{"name": "f", "arguments": {}}\\n{"name": "g"}')]
    ['f', 'g']
    """
    fenced = _FENCE.match(text) if "```" in text else None
    values = read_values(fenced[1] if fenced else text)
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    return tuple(call_of(v) for v in values)


def calls_in_tags(text: str) -> tuple[tuple[ToolCall, ...], str]:
    """The calls of the blocks in a text, and what stands outside them. A block that never closes ends with the text.

    >>> calls_in_tags("Yes. <tool_call>{'name': 'f', 'arguments': {'a': True}}</tool_call>")
    ((ToolCall(name='f', arguments={'a': True}),), 'Yes.')
    """
    calls: list[ToolCall] = []
    for block in _BLOCK.finditer(text):
        calls.extend(calls_from_json(block[1]))
    outside = _BLOCK.sub("", text).strip() if calls else text.strip()
    return tuple(calls), outside


def calls_from_python(text: str, tools: Sequence[Tool]) -> tuple[ToolCall, ...] | None:
    """The calls of a bracketed list, read against the names on offer; `None` where the text is none, but words.

    Raises `AnswerError` where an offered tool is called in it and the list cannot be read: cut short, without its
    brackets, or with words around it.
    """
    parsed = get_parser("pythonic", reasoning="none").parse(text, tools=tools)
    if parsed.outcome is Outcome.CALLS:
        return parsed.calls
    if parsed.outcome is Outcome.MALFORMED:
        faults = ", ".join(dict.fromkeys(a.fault for a in parsed.attempts if a.fault))
        raise AnswerError(f"a list of calls cannot be read ({faults}): {text.strip():.{_SHOWN}}")
    return None


def calls_after_mark(text: str, mark: str = "<functioncall>") -> tuple[tuple[ToolCall, ...], str]:
    """The call behind a mark, whose arguments are JSON in single quotes inside JSON, and the words before it.

    >>> calls_after_mark('Sure. <functioncall> {"name": "f", "arguments": \\'{"a": "it\\'s"}\\'}')
    ((ToolCall(name='f', arguments={'a': "it's"}),), 'Sure.')
    """
    before, *blocks = text.split(mark)
    return tuple(_quoted_call(block.strip()) for block in blocks), before.strip()


def _quoted_call(text: str) -> ToolCall:
    opened = _QUOTED_ARGUMENTS.match(text)
    if opened is None:
        return call_of(read_value(text, "a call"))
    closed = text.rfind("'")
    if closed < opened.end() or text[closed + 1 :].strip() != "}":
        raise AnswerError(f"the quoted arguments are not closed: {text:.{_SHOWN}}")
    inner = text[opened.end() : closed]
    name = str(read_value(opened[1], "a call's name"))
    try:
        return ToolCall(name, arguments_of(loads_strict(inner), name))
    except ValueError:
        return ToolCall(name, arguments_of(inner.replace("\\'", "'"), name))


def read_values(text: str) -> list[Any]:
    """JSON or Python values after one another, with nothing but space and commas between; at least one."""
    values: list[Any] = []
    position = _after(text, 0)
    while position < len(text):
        end = json_end(text, position) if text[position] in "{[" else -1
        value: Any = None
        if end > 0:
            try:
                value = loads_strict(text[position:end])
            except ValueError:
                end = -1
        if end <= 0:
            try:
                value, end = read_literal(text, position, PYTHON)
            except LiteralError:
                raise AnswerError(f"neither JSON nor Python: {text[position:]:.{_SHOWN}}") from None
        values.append(value)
        position = _after(text, end)
    if not values:
        raise AnswerError("a call was announced, and there is none")
    return values


def _after(text: str, position: int) -> int:
    found = _BETWEEN.match(text, position)
    return found.end() if found else position


def blocks_of(text: str, *tags: str) -> Iterator[tuple[str, str]]:
    """Yield (tag, text) of the blocks `<tag> … </tag>` that stand in a text, in order; nesting is not looked for."""
    opening = re.compile("<(" + "|".join(map(re.escape, tags)) + ")>")
    position = 0
    while found := opening.search(text, position):
        closing = f"</{found[1]}>"
        end = text.find(closing, found.end())
        inner = text[found.end() : end if end >= 0 else len(text)]
        yield found[1], inner.strip()
        if end < 0:
            return
        position = end + len(closing)
