"""Traces of agents: a folder with one JSON object a file, or JSON lines; each is what an API was sent and answered.

Read are OpenAI's chat completions (`messages`, `tools`, and the answer in `choices` or `response.choices`), its
responses (`input`, `tools`, `output`), and Anthropic's messages (`system`, `messages` with blocks, `tools` with
`input_schema`, and the answer in `content`). A request may stand under `request` or `body`, its answer under
`response`. Every turn of the assistant in it becomes an example; whether the run went well is for the reader to say
(keys like `success` are kept in `meta["trace"]`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from rlvr.data.answers import call_of
from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.messages import api_turns, called, written
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.parts import text_of_parts
from rlvr.types import ToolCall

_ABOUT = ("model", "success", "outcome", "score", "reward", "task", "session_id", "trace_id", "created")


def read(row: Row) -> Dialogue:
    request = _inner(row.value, ("request", "body"))
    answer = _inner(row.value, ("response",))
    if request.get("messages") is None and request.get("input") is not None:
        turns = [*_items(request["input"], row), *_items(answer.get("output") or [], row)]
    else:
        turns = list(api_turns([*_listed(request.get("messages"), row), *_answered(answer)], row))
    system = request.get("system") or request.get("instructions")
    if system:
        turns.insert(0, Turn("system", text_of_parts(system, row.where, "system")))
    about = {k: row.value[k] for k in _ABOUT if isinstance(row.value.get(k), (str, int, float, bool))}
    row_id = row.value.get("id") or row.value.get("trace_id") or row.value.get("session_id")
    return Dialogue(
        tuple(turns),
        offered_tools(request.get("tools") or request.get("functions"), row.where),
        str(row_id) if isinstance(row_id, (str, int)) else "",
        meta={"trace": about} if about else {},
    )


def _inner(value: Mapping[str, Any], names: Sequence[str]) -> Mapping[str, Any]:
    return next((value[n] for n in names if isinstance(value.get(n), Mapping)), value)


def _listed(messages: Any, row: Row) -> list[Mapping[str, Any]]:
    if not isinstance(messages, list) or not all(isinstance(m, Mapping) for m in messages):
        raise NotUnderstood(row.where, "messages", f"no list of messages: got {messages!r:.60}")
    return messages


def _answered(answer: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The message that the API answered with."""
    choices = answer.get("choices")
    if isinstance(choices, list) and choices and isinstance(choices[0], Mapping):
        message = choices[0].get("message")
        if isinstance(message, Mapping):
            yield {"role": "assistant", **message}
    elif answer.get("role") == "assistant":
        yield answer


def _items(items: Any, row: Row) -> Iterator[Turn]:
    """The turns of OpenAI's responses: messages, calls and their outputs are items of one list."""
    if isinstance(items, str):
        yield Turn("user", items)
        return
    for item in _listed(items, row):
        kind = item.get("type", "message")
        if kind == "function_call":
            yield called(partial(_one, item), call_ids=(str(item.get("call_id") or ""),))
        elif kind == "function_call_output":
            yield Turn("tool", written(item.get("output"), row.where), answers=str(item.get("call_id") or ""))
        elif kind == "message":
            yield from api_turns([{**item, "content": _plain_parts(item.get("content"))}], row)
        elif kind != "reasoning":
            raise NotUnderstood(row.where, "item", f"an item of unknown kind {kind!r}")


def _one(item: Mapping[str, Any]) -> list[ToolCall]:
    return [call_of(item)]


def _plain_parts(content: Any) -> Any:
    """The parts `input_text` and `output_text` are text."""
    if not isinstance(content, list):
        return content
    named = ("input_text", "output_text")
    return [{**p, "type": "text"} if isinstance(p, Mapping) and p.get("type") in named else p for p in content]


SOURCE = DialogueSource("traces", read, "the traces' owner's", ("messages|input|request|body",))
