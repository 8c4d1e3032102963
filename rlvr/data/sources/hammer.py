"""Hammer's training rows (MadeAgents/Hammer, Apache-2.0): the tools and the query stand in one `instruction`.

`instruction` has sections ("[BEGIN OF AVAILABLE TOOLS] … [END OF AVAILABLE TOOLS]", "[BEGIN OF QUERY] …"), `output` is
a list of calls in a fence, `[]` where no tool fits: the source has no words for that. Names are random strings in a
part of the rows, on purpose.
"""

from __future__ import annotations

import re

from rlvr.data.answers import AnswerError, call_of, read_value
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools

_FENCE = re.compile(r"\A\s*```\w*\s*|\s*```\s*\Z")


def read(row: Row) -> Dialogue:
    instruction = str(row.value.get("instruction") or "")
    tools = offered_tools(_section(instruction, "AVAILABLE TOOLS", row.where), row.where)
    query = _section(instruction, "QUERY", row.where)
    output = _FENCE.sub("", str(row.value.get("output") or ""))
    try:
        found = read_value(output, "output")
        if not isinstance(found, list):
            raise AnswerError(f"output must be a list of calls, got {output:.60}")
        calls = tuple(call_of(c) for c in found)
    except AnswerError as error:
        raise NotUnderstood(row.where, "answers", str(error)) from None
    return Dialogue((Turn("user", query), Turn("assistant", calls=calls, wordless=not calls)), tools)


def _section(text: str, name: str, where: str) -> str:
    begin, end = f"[BEGIN OF {name}]", f"[END OF {name}]"
    start, stop = text.find(begin), text.rfind(end)
    if start < 0 or stop < start:
        raise NotUnderstood(where, "instruction", f"no section {begin} … {end}")
    return text[start + len(begin) : stop].strip()


SOURCE = DialogueSource("hammer", read, "Apache-2.0", ("instruction", "output"))
