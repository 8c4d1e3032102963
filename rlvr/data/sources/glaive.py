"""Glaive function calling v2 (glaiveai/glaive-function-calling-v2, Apache-2.0), as published and as converted.

As published: `system` ("… access to the following functions. Use them if required -" and JSON objects) and `chat`
("USER: … ASSISTANT: <functioncall> {"name": "f", "arguments": '{…}'} <|endoftext|> FUNCTION RESPONSE: …"), the
arguments being JSON in single quotes inside JSON. Read too: LLaMA-Factory's copies (`conversations`, ShareGPT) and
ms-swift's (`messages`). Rows without functions are counted as unused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from rlvr.data.answers import AnswerError, calls_after_mark, read_values
from rlvr.data.rows import Row
from rlvr.data.sources import ms_swift, sharegpt
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools

_SPEAKER = re.compile(r"(?:^|\n|<\|endoftext\|>)\s*(USER|ASSISTANT|FUNCTION RESPONSE):")
_MARK = "<functioncall>"
_END = "<|endoftext|>"


def read(row: Row) -> Dialogue:
    if "conversations" in row.value:
        return sharegpt.read(row)
    if "messages" in row.value:
        return ms_swift.read(row)
    system, chat = row.value.get("system"), row.value.get("chat")
    if not isinstance(system, str) or not isinstance(chat, str):
        raise NotUnderstood(row.where, "columns", "no `system` and `chat`")
    turns = tuple(_turns(chat))
    if not turns:
        raise NotUnderstood(row.where, "messages", "nobody speaks in `chat`")
    return Dialogue(turns, offered_tools(_functions(system, row.where), row.where))


def _functions(system: str, where: str) -> list[object]:
    start = system.find("{")
    if start < 0:
        return []
    try:
        return read_values(system[start:])
    except AnswerError as error:
        raise NotUnderstood(where, "tools", str(error)) from None


def _turns(chat: str) -> Iterator[Turn]:
    pieces = _SPEAKER.split(chat)
    for speaker, text in zip(pieces[1::2], pieces[2::2], strict=True):
        text = text.replace(_END, "").strip()
        if speaker == "USER":
            yield Turn("user", text)
        elif speaker == "FUNCTION RESPONSE":
            yield Turn("tool", text)
        elif _MARK not in text:
            yield Turn("assistant", text)
        else:
            try:
                calls, words = calls_after_mark(text, _MARK)
                yield Turn("assistant", words, calls)
            except AnswerError as error:
                yield Turn("assistant", fault=error)


SOURCE = DialogueSource(
    "glaive", read, "Apache-2.0", ("chat|conversations|messages",), hub_id="glaiveai/glaive-function-calling-v2"
)
