"""ToolACE: dialogues whose calls are Python lists (Team-ACE/ToolACE, Apache-2.0).

As published: `system` (instructions with a JSON list of tools inside) and `conversations` of `from` (user, assistant,
tool) and `value`; a turn that calls is `[Market Trends API(country="us"), …]`, with names of several words, so that the
calls are read against the offered names. Read too: converted copies in ShareGPT's form, whose calls are JSON and whose
names were cut to their last word; a name that is not offered is restored where it ends exactly one that is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from rlvr.data.answers import AnswerError, calls_from_json, calls_from_python
from rlvr.data.coercion import coerce
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import speakers
from rlvr.parsers.strict_json import json_end
from rlvr.tools import is_valid
from rlvr.types import Tool, ToolCall

_WORDS = re.compile(r"\W+")
_ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "function_call": "call",
    "tool": "tool",
    "observation": "tool",
}


def read(row: Row) -> Dialogue:
    tools = offered_tools(_tools(row), row.where)
    turns = tuple(_turn(role, text, tools) for role, text in speakers(row, "conversations", _ROLES))
    row_id = row.value.get("id")
    return Dialogue(turns, tools, "" if row_id is None else str(row_id))


def _tools(row: Row) -> Any:
    """The list of tools that stands in the system prompt, between words that hold brackets too."""
    system = row.value.get("system")
    if not isinstance(system, str):
        raise NotUnderstood(row.where, "system", "no `system` with the list of tools")
    start = system.find("[{")
    if start < 0:
        return row.value.get("tools")
    end = json_end(system, start)
    if end < 0:
        raise NotUnderstood(row.where, "tools", "the list of tools in `system` is not closed")
    return system[start:end]


def _turn(role: str, text: str, tools: Sequence[Tool]) -> Turn:
    if role not in ("assistant", "call"):
        return Turn(role, text)
    try:
        calls = calls_from_json(text) if role == "call" else calls_from_python(text, tools)
    except AnswerError as error:
        return Turn("assistant", fault=error)
    if calls is None:
        return Turn("assistant", text)
    changes: list[str] = []
    return Turn("assistant", calls=tuple(_restored(c, tools, changes) for c in calls), changes=tuple(changes))


def _restored(call: ToolCall, tools: Sequence[Tool], changes: list[str]) -> ToolCall:
    """A call whose name was cut, under its whole name, where only one of those that end so takes its arguments."""
    if any(t.name == call.name for t in tools):
        return call
    ending = [t for t in tools if _WORDS.split(t.name)[-1] == call.name]
    if len(ending) > 1:
        ending = [t for t in ending if is_valid(t, coerce(t, call.arguments)[0])]
    if len(ending) != 1:
        return call
    whole = ending[0].name
    changes.append(f"name: {call.name!r} → {whole!r}")
    return replace(call, name=whole)


SOURCE = DialogueSource("toolace", read, "Apache-2.0", ("system", "conversations"), hub_id="Team-ACE/ToolACE")
