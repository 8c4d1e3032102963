"""Lists of messages as APIs take them: OpenAI's (also the legacy `function_call`), Anthropic's blocks, their kin."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from rlvr.data.answers import AnswerError, call_of, calls_from_json
from rlvr.data.rows import Row
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.parts import NO_TEXT, part_text, text_of_parts
from rlvr.data.sources.rejects import NotUnderstood
from rlvr.errors import did_you_mean
from rlvr.types import ToolCall

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "model": "assistant",
    "tool": "tool",
    "function": "tool",
    "tool_response": "tool",
    "observation": "tool",
    "tool_call": "call",
    "function_call": "call",
}
"""Whom the published forms name, and which of our roles each is; `call` is an assistant whose text is its calls."""


def api_turns(messages: Sequence[Mapping[str, Any]], row: Row) -> Iterator[Turn]:
    """The turns of a list of messages.

    `content` is a string or a list of parts; calls stand in `tool_calls`, in `function_call`, in parts of type
    `tool_use`, or are the content itself (roles `tool_call`, `function_call`). An assistant's message with `weight` or
    `loss_weight` 0 is not learned from. Reasoning is dropped. Raises `NotUnderstood` on other roles, and on images.
    """
    for i, message in enumerate(messages):
        role = message.get("role", message.get("from"))
        if not isinstance(role, str) or role not in ROLES:
            hint = did_you_mean(str(role), ROLES)
            raise NotUnderstood(row.where, "role", f"messages[{i}] is by {role!r}, which is no known role.{hint}")
        content = message.get("content", message.get("value"))
        if ROLES[role] in ("assistant", "call"):
            yield _assistant(message, ROLES[role], content, row, i)
        else:
            yield from _spoken(ROLES[role], content, message, row, i)


def called(read: Callable[[], Sequence[ToolCall]], **fields: Any) -> Turn:
    """An assistant's turn with the calls that `read` gives, or with the reason why they cannot be read."""
    try:
        return Turn("assistant", calls=tuple(read()), **fields)
    except AnswerError as error:
        return Turn("assistant", fault=error, **fields)


def written(value: Any, where: str) -> str:
    """A tool's result as text: JSON, where it is no string."""
    try:
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise NotUnderstood(where, "message", f"a tool's result cannot be written as JSON: {error}") from None


def _assistant(message: Mapping[str, Any], role: str, content: Any, row: Row, i: int) -> Turn:
    learned = all(message.get(k) is None or message[k] != 0 for k in ("weight", "loss_weight"))
    learned = learned and message.get("loss") is not False
    if role == "call":
        return called(partial(_content_calls, content), target=learned)
    text = text_of_parts(content, row.where, f"messages[{i}]").strip() or str(message.get("refusal") or "")
    found = list(message.get("tool_calls") or ())
    if message.get("function_call"):
        found.append(message["function_call"])
    if isinstance(content, list):
        found += [p for p in content if isinstance(p, Mapping) and p.get("type") == "tool_use"]
    return called(lambda: [call_of(c) for c in found], text=text, target=learned, call_ids=_ids(found))


def _ids(calls: Sequence[Any]) -> tuple[str, ...]:
    """The ids of an API's calls, where they have some."""
    return tuple(str(c["id"]) for c in calls if isinstance(c, Mapping) and c.get("id"))


def _content_calls(content: Any) -> Sequence[ToolCall]:
    """The calls that a message is, as text or as JSON."""
    if isinstance(content, str):
        return calls_from_json(content)
    return [call_of(c) for c in (content if isinstance(content, list) else [content])]


def _spoken(role: str, content: Any, message: Mapping[str, Any], row: Row, i: int) -> Iterator[Turn]:
    """A message of another than the assistant; Anthropic's user brings the tools' results."""
    if role == "tool":
        text = content if isinstance(content, str) else _result(content, row, i)
        yield Turn("tool", text, name=str(message.get("name") or ""), answers=str(message.get("tool_call_id") or ""))
        return
    rest = content
    if role == "user" and isinstance(content, list):
        for part in content:
            if isinstance(part, Mapping) and part.get("type") == "tool_result":
                yield Turn("tool", _result(part.get("content"), row, i), answers=str(part.get("tool_use_id") or ""))
        rest = [p for p in content if not (isinstance(p, Mapping) and p.get("type") == "tool_result")]
        if not rest:
            return
    yield Turn(role, text_of_parts(rest, row.where, f"messages[{i}]"))


def _result(content: Any, row: Row, i: int) -> str:
    """A tool's result: text, parts of text, or any JSON value."""
    if isinstance(content, list) and content and all(isinstance(p, Mapping) and "type" in p for p in content):
        shown = ("[image]" if p["type"] in NO_TEXT else part_text(p, row.where, f"messages[{i}]") for p in content)
        return "".join(shown)
    return "" if content is None else written(content, row.where)
