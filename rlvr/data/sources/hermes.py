"""Hermes function calling v1: dialogues with calls in tags (NousResearch/hermes-function-calling-v1, Apache-2.0).

As published: `conversations` of `from` (system, human, gpt, tool) and `value`; the tools are a JSON string `tools`, or
stand between `<tools>` and `</tools>` in the system prompt; a call is JSON or a Python dictionary, in `<tool_call>`;
results are in `<tool_response>`. Rows of JSON mode offer no tools, and are counted as unused.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rlvr.data.answers import AnswerError, blocks_of, calls_in_tags
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import speakers

_ROLES = {"system": "system", "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant"}
_ROLES |= {"tool": "tool", "function": "tool"}


def read(row: Row) -> Dialogue:
    said = list(speakers(row, "conversations", _ROLES))
    system = next((text for role, text in said if role == "system"), "")
    tools = offered_tools(_tools(row.value.get("tools"), system), row.where)
    turns = tuple(turn for role, text in said for turn in _turns(role, text))
    meta = {k: row.value[k] for k in ("category", "subcategory", "task") if isinstance(row.value.get(k), str)}
    topic = {"topic": meta} if meta else {}
    return Dialogue(turns, tools, str(row.value.get("id") or ""), meta=topic)


def _tools(column: Any, system: str) -> Any:
    if column:
        return column
    # The first block may be the words "within <tools> </tools> XML tags".
    return next((text for _, text in blocks_of(system, "tools") if text), None)


def _turns(role: str, text: str) -> Iterator[Turn]:
    if role == "assistant":
        try:
            calls, words = calls_in_tags(text)
            yield Turn("assistant", words, calls)
        except AnswerError as error:
            yield Turn("assistant", fault=error)
    elif role == "tool":
        blocks = [inner for _, inner in blocks_of(text, "tool_response")]
        for inner in blocks or [text.strip()]:
            yield Turn("tool", inner)
    elif role != "system" or "<tools>" not in text:  # a system prompt that lists the tools goes
        yield Turn(role, text)


SOURCE = DialogueSource(
    "hermes",
    read,
    "Apache-2.0",
    ("conversations",),
    hub_id="NousResearch/hermes-function-calling-v1",
    hub_config="func_calling",
)
