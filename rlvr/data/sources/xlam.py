"""xLAM: one query a row, with the calls that answer it (Salesforce/xlam-function-calling-60k, CC-BY-4.0).

As published: `id` int, `query` str, `answers` and `tools` JSON strings; a tool's `parameters` map each argument to
`{type: "str, optional", description, default}`. Read too: the same rows as NeMo Gym has them (`responses_create_params`
with messages and tools, `expected_answers`). An empty list of answers wants no call.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.data.answers import AnswerError, call_of, read_value
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools
from rlvr.types import ToolCall


def read(row: Row) -> Dialogue:
    value = row.value
    gym = value.get("responses_create_params")
    if isinstance(gym, Mapping):
        asked = gym.get("input")
        turns = [_gym_turn(m, row.where) for m in (asked if isinstance(asked, list) else [asked])]
        tools, answers = gym.get("tools"), value.get("expected_answers")
    else:
        turns = [Turn("user", str(value.get("query") or ""))]
        tools, answers = value.get("tools"), value.get("answers")
    calls = _calls(answers, row.where)
    turns.append(Turn("assistant", calls=calls, wordless=not calls))
    row_id = value.get("id")
    return Dialogue(tuple(turns), offered_tools(tools, row.where), "" if row_id is None else str(row_id))


def _calls(answers: Any, where: str) -> tuple[ToolCall, ...]:
    try:
        found = read_value(answers, "answers") if isinstance(answers, str) else answers
        if not isinstance(found, list):
            raise AnswerError(f"answers must be a list of calls, got {found!r:.60}")
        return tuple(call_of(c) for c in found)
    except AnswerError as error:
        raise NotUnderstood(where, "answers", str(error)) from None


def _gym_turn(message: Any, where: str) -> Turn:
    if not isinstance(message, Mapping) or message.get("role") not in ("system", "developer", "user"):
        raise NotUnderstood(where, "messages", f"a message must be the system's or the user's, got {message!r:.60}")
    return Turn(str(message["role"]), str(message.get("content") or ""))


SOURCE = DialogueSource(
    "xlam", read, "CC-BY-4.0", ("answers|expected_answers",), hub_id="Salesforce/xlam-function-calling-60k"
)
