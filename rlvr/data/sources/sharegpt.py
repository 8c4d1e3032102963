"""ShareGPT's form as LLaMA-Factory takes it, and data sets that are published in it.

`conversations` of `from` (human, gpt, function_call, observation; system too) and `value`, `tools` as a JSON string,
`system` as a column. A `function_call` is one JSON object or a list of them. A system prompt is kept. APIGen-MT
(Salesforce/APIGen-MT-5k, CC-BY-NC-4.0) has the policy of its domain there.
"""

from __future__ import annotations

from rlvr.data.answers import calls_from_json
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.messages import ROLES, called
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import speakers


def read(row: Row) -> Dialogue:
    tools = offered_tools(row.value.get("tools"), row.where)
    turns = [_turn(role, text) for role, text in speakers(row, "conversations", ROLES)]
    system = row.value.get("system")
    if isinstance(system, str) and system.strip():
        turns.insert(0, Turn("system", system))
    row_id = row.value.get("id")
    return Dialogue(tuple(turns), tools, "" if row_id is None else str(row_id))


def _turn(role: str, text: str) -> Turn:
    return called(lambda: calls_from_json(text)) if role == "call" else Turn(role, text)


SHAREGPT = DialogueSource("sharegpt", read, "the file's own", ("conversations", "tools"))
APIGEN_MT = DialogueSource(
    "apigen_mt", read, "CC-BY-NC-4.0", ("conversations", "tools"), hub_id="Salesforce/APIGen-MT-5k"
)
