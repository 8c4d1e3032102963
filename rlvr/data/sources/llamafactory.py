"""LLaMA-Factory's content parts: `messages[].content` lists `{type, value}`.

The types are `text`, `tools`, `reasoning` and `tool_calls` (older files: one `tool_call` each).

The tools stand in a part of the system message, or in a column `tools` (older files). A message with `loss_weight: 0`
is history only. Reasoning is dropped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.data.answers import calls_from_json
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.messages import ROLES, called
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import messages_of

_KINDS = {"text": "text", "tools": "tools", "reasoning": "reasoning", "tool_calls": "calls", "tool_call": "calls"}


def read(row: Row) -> Dialogue:
    messages = messages_of(row, "messages")
    tools: Any = row.value.get("tools")
    turns = []
    for i, message in enumerate(messages):
        parts = _parts(message, row, i)
        tools = parts.get("tools") or tools
        turns.append(_turn(message, parts, row, i))
    return Dialogue(tuple(turns), offered_tools(tools, row.where), str(row.value.get("id") or ""))


def _parts(message: Mapping[str, Any], row: Row, i: int) -> dict[str, str]:
    """The text of each kind of part that a message has."""
    content = message.get("content")
    if isinstance(content, str):
        return {"text": content}
    if not isinstance(content, list):
        raise NotUnderstood(row.where, "message", f"messages[{i}] has no list of parts: got {content!r:.60}")
    out: dict[str, str] = {}
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        value = part.get("value") if isinstance(part, Mapping) else None
        if not isinstance(kind, str) or kind not in _KINDS or not isinstance(value, str):
            raise NotUnderstood(row.where, "message", f"messages[{i}] has a part of unknown kind: {part!r:.60}")
        kind = _KINDS[kind]
        out[kind] = f"{out[kind]}\n{value}" if kind in out else value
    return out


def _turn(message: Mapping[str, Any], parts: Mapping[str, str], row: Row, i: int) -> Turn:
    role = ROLES.get(str(message.get("role")))
    if role is None or role == "call":
        raise NotUnderstood(row.where, "role", f"messages[{i}] is by {message.get('role')!r}, which is no known role")
    text = parts.get("text", "")
    if role != "assistant":
        return Turn(role, text)
    learned = message.get("loss_weight") is None or message["loss_weight"] != 0
    if "calls" not in parts:
        return Turn("assistant", text, target=learned)
    return called(lambda: calls_from_json(parts["calls"]), text=text, target=learned)


SOURCE = DialogueSource("llamafactory", read, "Apache-2.0", ("messages",))
