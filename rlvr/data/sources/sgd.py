"""Schema-guided dialogues, as published (google-research-datasets/dstc8-schema-guided-dialogue, CC-BY-SA-4.0).

One dialogue an element: `dialogue_id`, `services`, `turns` of `speaker`, `utterance` and `frames`, whose `service_call`
and `service_results` are the calls. What the services' methods take stands in `schema.json` beside the files; without
it no tool is known, and the rows are counted as unused. The calls' values are canonical ("the 3rd" became 2019-03-03):
a call with a value that nobody said is rejected. `dontcare` stands for an argument that is left out.

BFCL's live categories were built on these services: train on them only where that is said beside the figures.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from rlvr.data.rows import Row
from rlvr.data.sources.base import Dialogue, DialogueSource, NotUnderstood, Unused
from rlvr.data.sources.dialogue import Turn
from rlvr.data.sources.offered import offered_tools
from rlvr.data.sources.speakers import messages_of
from rlvr.types import Tool, ToolCall

_SCHEMA = "schema.json"
_BOOLEANS = {"True": True, "False": False}
_LEFT_OUT = "dontcare"


def read(row: Row) -> Dialogue:
    services = row.value.get("services")
    if not isinstance(services, list) or not services:
        raise NotUnderstood(row.where, "services", "no list of `services`")
    turns = tuple(t for turn in messages_of(row, "turns") for t in _turns(turn, row))
    known = _services(str(Path(row.location).parent))
    if known is None:
        raise Unused(row.where, "no_schema", f"no {_SCHEMA} beside the file, which describes the services' methods")
    missing = [s for s in map(str, services) if s not in known]
    if missing:
        raise NotUnderstood(row.where, "services", f"{_SCHEMA} describes no {', '.join(missing)}")
    tools = tuple(tool for s in services for tool in known[str(s)])
    return Dialogue(_checked(turns, tools), tools, str(row.value.get("dialogue_id") or ""))


@lru_cache(maxsize=8)
def _services(folder: str) -> dict[str, tuple[Tool, ...]] | None:
    """The tools of each service; `None` where the folder has no schema."""
    path = Path(folder) / _SCHEMA
    if not path.is_file():
        return None
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        return {s["service_name"]: offered_tools(list(_methods(s)), str(path)) for s in listed}
    except (ValueError, KeyError, TypeError) as error:
        raise NotUnderstood(str(path), "schema", f"is no list of services: {error!r}") from None


def _methods(service: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    slots = {slot["name"]: slot for slot in service["slots"]}
    for intent in service["intents"]:
        optional = intent.get("optional_slots") or {}
        names = [*intent["required_slots"], *optional]
        properties = {name: _slot(slots[name], optional.get(name)) for name in names}
        schema = {"type": "object", "properties": properties, "required": list(intent["required_slots"])}
        description = f"{intent['description']} ({service['description']})"
        yield {"name": intent["name"], "description": description, "parameters": schema}


def _slot(slot: Mapping[str, Any], default: Any) -> dict[str, Any]:
    """A slot's schema. The possible values are words, also where they are numbers or booleans."""
    values = list(slot.get("possible_values") or ()) if slot.get("is_categorical") else []
    out: dict[str, Any] = {"type": "string", "description": slot.get("description", "")}
    if values and set(values) <= set(_BOOLEANS):
        out["type"] = "boolean"
    elif values and all(v.isdecimal() for v in values):
        out |= {"type": "integer", "enum": [int(v) for v in values]}
    elif values:
        out["enum"] = values
    if default not in (None, "", _LEFT_OUT):
        out["default"] = _BOOLEANS.get(default, default)
        if out["type"] == "integer":
            out["default"] = int(default)
    return out


def _turns(turn: Mapping[str, Any], row: Row) -> Iterator[Turn]:
    speaker, text = turn.get("speaker"), turn.get("utterance")
    if speaker not in ("USER", "SYSTEM") or not isinstance(text, str):
        raise NotUnderstood(row.where, "turns", f"a turn is by {speaker!r}, expected USER or SYSTEM with an utterance")
    if speaker == "USER":
        yield Turn("user", text)
        return
    frames = turn.get("frames")
    listed = [f for f in frames if isinstance(f, Mapping)] if isinstance(frames, list) else []
    made = [f for f in listed if isinstance(f.get("service_call"), Mapping)]
    if made:
        yield Turn("assistant", calls=tuple(_call(f["service_call"], row.where) for f in made))
        for frame in made:
            yield Turn("tool", json.dumps(frame.get("service_results") or [], ensure_ascii=False))
    yield Turn("assistant", text)


def _call(found: Mapping[str, Any], where: str) -> ToolCall:
    given = found.get("parameters")
    if not isinstance(given, Mapping):
        raise NotUnderstood(where, "turns", f"a service call has no parameters: {found!r:.80}")
    return ToolCall(str(found.get("method")), {k: v for k, v in given.items() if v != _LEFT_OUT})


def _checked(turns: tuple[Turn, ...], tools: tuple[Tool, ...]) -> tuple[Turn, ...]:
    """The turns; those that call with a value that nobody said are invalid, and history to what follows."""
    said = ""
    out: list[Turn] = []
    for turn in turns:
        unsaid = [v for c in turn.calls for v in c.arguments.values() if not _stands_in(v, said)]
        why = ("unsaid_value", f"nobody said {unsaid[0]!r:.60}") if unsaid else None
        out.append(replace(turn, invalid=why) if why else turn)
        said += f"\n{turn.text.casefold()}"
    return tuple(out)


def _stands_in(value: Any, said: str) -> bool:
    """Whether a value was said. Booleans and small numbers are said in many ways, and defaults not at all."""
    text = str(value)
    return text in _BOOLEANS or (text.isdecimal() and len(text) == 1) or text.casefold() in said


SOURCE = DialogueSource("sgd", read, "CC-BY-SA-4.0", ("dialogue_id", "services", "turns"))
