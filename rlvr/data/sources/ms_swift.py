"""ms-swift's form: `messages` of `role` (user, assistant, tool_call, tool_response, system) and `content`, and `tools`.

The content of a `tool_call` is one call as JSON; several in a row are parallel. `tools` is a JSON string, and may be
missing.
"""

from __future__ import annotations

from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource
from rlvr.data.sources.messages import api_turns
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import messages_of


def read(row: Row) -> Dialogue:
    tools = offered_tools(row.value.get("tools"), row.where)
    row_id = row.value.get("id")
    return Dialogue(tuple(api_turns(messages_of(row, "messages"), row)), tools, "" if row_id is None else str(row_id))


SOURCE = DialogueSource("ms_swift", read, "the file's own", ("messages",))
