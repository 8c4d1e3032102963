"""Completions that are message lists, as trainers with conversational prompts and servers hand them over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.parsers.attempts import Attempts, Room, TooMuch
from rlvr.parsers.base import MAX_CHARS, SURROGATE, Parser, assemble, read_call, too_deep, too_long, too_much
from rlvr.types import CallAttempt, ParsedCompletion, Tool

REASONING_KEYS = ("reasoning_content", "reasoning", "thinking", "reasoning_details", "thinking_blocks")
"""Where servers and TRL's response schemas put the reasoning of a message; the first that holds some is taken."""

_REASONING_PARTS = ("thinking", "reasoning")
_PARTS_DEEP = 4

CALL_KEYS = ("tool_calls", "function_call")
_CALLING_PARTS = ("tool_use", "tool_call", "tool-call", "function_call")
_NAME_KEYS, _ARGUMENT_KEYS = ("name", "toolName"), ("arguments", "input", "args")
_SHOWN = 2000
_BROKEN = object()


def parse_messages(
    messages: Sequence[Mapping[str, Any]],
    parser: Parser,
    *,
    truncated: bool = False,
    reasoning_opened: bool = False,
    tools: Sequence[Tool] = (),
) -> ParsedCompletion:
    """Take a completion apart that is a list of messages; those of other roles than `assistant` are skipped.

    `content` (a string, or a list of parts with `text`) is parsed as text, and `refusal` is text; `tool_calls`, and the
    one `function_call` of older APIs, are calls beside it, their `arguments` an object or a JSON string, and none where
    it is missing or blank, as servers leave it for tools without parameters. So are parts of the content, and items in
    a message's place, of type `tool_use` (with `input`), `tool_call` or `function_call`. What stands under
    `REASONING_KEYS`, or in parts of the content of type `thinking` or `reasoning`, is reasoning. Anything in the calls
    that is none is a faulty attempt. Their contents and arguments together may have `MAX_CHARS` characters, as one text
    may. Total: whatever the messages hold, nothing is raised.

    >>> from rlvr.parsers import get_parser
    >>> call = {"type": "function", "function": {"name": "f", "arguments": "{}"}}
    >>> parse_messages([{"role": "assistant", "content": "", "tool_calls": [call]}], get_parser("hermes")).outcome.value
    'calls'
    """
    attempts = Attempts.of_many()
    texts: list[str] = []
    reasonings: list[str] = []
    content, room = "", Room(MAX_CHARS)
    try:
        for message in messages:
            if not isinstance(message, Mapping) or message.get("role", "assistant") != "assistant":
                continue
            content = words_of(message.get("content"))
            if len(content) > MAX_CHARS:
                return too_long(content, truncated)
            room.take(len(content))
            separate = thoughts_of(message).strip()
            # Where the server already took the reasoning out, the content no longer starts inside it.
            parsed = parser.parse(content, reasoning_opened=reasoning_opened and not separate, tools=tools)
            refusal = words_of(message.get("refusal"))
            room.take(len(refusal))
            texts += [parsed.text, refusal]
            reasonings += [separate, parsed.reasoning]
            attempts.extend(parsed.attempts)
            attempts.extend(_structured(c, attempts, room) for c in calls_of(message))
        attempts.check()
    except TooMuch:
        shown = content or _shown(message.get("tool_calls"))
        return too_much(shown, attempts, _joined(reasonings), truncated=truncated)
    return assemble(attempts, _joined(texts), _joined(reasonings), truncated=truncated)


def _joined(parts: Sequence[str]) -> str:
    return "\n".join(part for part in parts if part)


def words_of(content: Any) -> str:
    """The text of a message's `content`: a string, or the parts that are no reasoning."""
    if isinstance(content, str):
        return content
    parts = [p if isinstance(p, str) else p.get("text", p.get("refusal")) for p in _parts(content) if not _thinks(p)]
    return "".join(p for p in parts if isinstance(p, str))


def thoughts_of(message: Mapping[str, Any]) -> str:
    """The reasoning of a message: under the first key that holds some, and in the parts of its content."""
    apart = next((text for key in REASONING_KEYS if (text := _thought(message.get(key)))), "")
    return _joined([apart, _thought([p for p in _parts(message.get("content")) if _thinks(p)])])


def calls_of(message: Mapping[str, Any]) -> list[Any]:
    """The entries of a message's calls, whatever they hold: under `CALL_KEYS`, and those of its content's parts, or of
    items that stand for a message, that call (Anthropic's `tool_use`, a Responses API's `function_call`, …)."""
    found: list[Any] = [message] if _calls(message) else []
    for value in (message.get(key) for key in CALL_KEYS):
        if value is not None:
            found.extend(value if isinstance(value, Sequence) and not isinstance(value, str) else (value,))
    return found + [part for part in _parts(message.get("content")) if _calls(part)]


def name_of(body: Mapping[str, Any]) -> Any:
    """The tool's name in a structured call."""
    return next((body[key] for key in _NAME_KEYS if body.get(key) is not None), None)


def arguments_of(body: Mapping[str, Any]) -> Any:
    """The arguments of a structured call, under the key that its kind of API has for them; `{}` where they are missing
    or blank: servers that stream write nothing for a tool without parameters."""
    arguments = next((body[key] for key in _ARGUMENT_KEYS if body.get(key) is not None), None)
    return {} if arguments is None or (isinstance(arguments, str) and not arguments.strip()) else arguments


def _parts(content: Any) -> list[Any]:
    mixed = content if isinstance(content, Sequence) and not isinstance(content, str) else ()
    return [p for p in mixed if isinstance(p, (str, Mapping))]


def _calls(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _CALLING_PARTS


def _thinks(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in _REASONING_PARTS


def _thought(value: Any, deep: int = _PARTS_DEEP) -> str:
    """Reasoning as a string, or as parts that hold it under one of the keys in use, as a string or as parts again."""
    if isinstance(value, str) or not deep:
        return value if isinstance(value, str) else ""
    keys = ("thinking", "text", "summary", "content")
    held = (p if isinstance(p, str) else next((p[k] for k in keys if p.get(k)), None) for p in _parts(value))
    return "".join(_thought(h, deep - 1) for h in held)


def _structured(value: Any, attempts: Attempts, room: Room) -> CallAttempt:
    """One entry of `tool_calls`; arguments that are objects go through JSON too, so that both ways are read alike.

    `room` is for characters. Raises `TooMuch` where none is left.
    """
    raw = _shown(value)
    body = value.get("function", value) if isinstance(value, Mapping) else None
    if not isinstance(body, Mapping):
        return CallAttempt(raw, None, "shape")
    name, arguments = name_of(body), arguments_of(body)
    try:
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        if len(text) <= MAX_CHARS:
            room.take(len(text))
        read = attempts.read_json(text) if len(text) <= MAX_CHARS else _BROKEN
    except (TypeError, ValueError, RecursionError):
        read = _BROKEN
    if read is _BROKEN or (isinstance(name, str) and SURROGATE.search(name)):
        return CallAttempt(raw, None, "json")
    attempt = read_call({"name": name, "arguments": read}, raw)
    return CallAttempt(raw, None, "json") if too_deep(attempt.call) else attempt


def _shown(value: Any) -> str:
    """A value as text for people, its beginning where it is long; what is nested too deeply to be shown is not."""
    try:
        return repr(value)[:_SHOWN]
    except RecursionError:
        return "…"
