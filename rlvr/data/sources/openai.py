"""OpenAI's fine-tuning files: `messages` and `tools` (legacy: `functions`, `function_call`), one object a line.

An assistant's message with `weight: 0` is history only. The licence is the file's owner's.
"""

from __future__ import annotations

from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource
from rlvr.data.sources.messages import api_turns
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import messages_of


def read(row: Row) -> Dialogue:
    value = row.value
    tools = offered_tools(value.get("tools") or value.get("functions"), row.where)
    row_id = value.get("id")
    return Dialogue(tuple(api_turns(messages_of(row, "messages"), row)), tools, "" if row_id is None else str(row_id))


SOURCE = DialogueSource("openai", read, "the file's own", ("messages",))
