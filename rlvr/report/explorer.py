"""Every example with its completions as one compact text, which the page's script unpacks and lets one click through.

The text is gzip in base64: a browser unpacks it by itself (`DecompressionStream`), and nothing that a model said can
leave it. It has room for so many bytes; where not all examples fit, a part is drawn that has each category and language
in its share.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlvr.evaluation.anatomy import FAULTS, Fault
from rlvr.evaluation.records import EvalRecord
from rlvr.report.samples import clip, wanted_text

COMPLETION_CHARS, QUERY_CHARS, TOOL_CHARS = 4_000, 4_000, 300


@dataclass(frozen=True, slots=True)
class Packed:
    """The packed text, and how many of the examples and completions are in it."""

    text: str
    examples: int
    of: int
    completions: int


def pack(
    records: Sequence[EvalRecord],
    examples: Sequence[Mapping[str, Any]],
    faults: Mapping[tuple[str, str], Sequence[Fault]],
    room: int,
) -> Packed:
    """Pack the examples that have a record, by id, with the completions of every model, into `room` bytes."""
    known = {str(e.get("id")): e for e in examples}
    by_model: dict[str, dict[str, EvalRecord]] = {}
    for record in records:
        by_model.setdefault(record.model, {})[record.id] = record
    ids = _evenly({r.id: r for r in records})
    total = take = len(ids)
    while True:
        chosen = sorted(ids[:take])
        text = _packed(_table(chosen, by_model, known, faults))
        if len(text) <= room or take <= 1:
            completions = sum(i in group for group in by_model.values() for i in chosen)
            return Packed(text, len(chosen), total, completions)
        take = max(1, min(take - 1, int(0.97 * take * room / len(text))))


def _evenly(records: Mapping[str, EvalRecord]) -> list[str]:
    """Ids in an order of which every beginning holds each category and language in its share."""
    slices: dict[tuple[str, str], list[str]] = {}
    for name in sorted(records):
        record = records[name]
        slices.setdefault((record.category, record.lang or ""), []).append(name)
    placed = [
        ((place + 0.5) / len(members), key, name)
        for key, members in slices.items()
        for place, name in enumerate(_spread(members))
    ]
    return [name for _, _, name in sorted(placed)]


def _spread(members: Sequence[str]) -> list[str]:
    """Members from all over the list, not its beginning first: by the golden section."""
    return [name for _, name in sorted(((i * 0.6180339887498949) % 1, name) for i, name in enumerate(members))]


def _table(
    ids: Sequence[str],
    by_model: Mapping[str, Mapping[str, EvalRecord]],
    known: Mapping[str, Mapping[str, Any]],
    faults: Mapping[tuple[str, str], Sequence[Fault]],
) -> dict[str, Any]:
    """Columns in place of objects: names stand once, what repeats is a number."""
    fault_names = list(FAULTS)
    toolsets: dict[str, int] = {}
    rows = []
    for name in ids:
        record = next(group[name] for group in by_model.values() if name in group)
        example = known.get(name, {})
        tools = toolsets.setdefault(_tools(example), len(toolsets))
        wanted = wanted_text(example) if example else ""
        rows.append([name, record.category, record.lang or "", int(record.wants_call), _query(example), tools, wanted])
    answers = []
    for model, group in by_model.items():
        column: list[Any] = []
        for name in ids:
            one = group.get(name)
            column.append(None if one is None else _answer(one, faults.get((model, name), ()), fault_names))
        answers.append(column)
    return {
        "models": list(by_model),
        "faults": [[name, FAULTS[name]] for name in fault_names],
        "tools": list(toolsets),
        "examples": rows,
        "answers": answers,
    }


def _answer(record: EvalRecord, faults: Sequence[Fault], names: Sequence[str]) -> list[Any]:
    """`[right, tokens, completion, characters left out, reason, faults as [place, where]]`; right may be null."""
    text, cut = clip(record.completion, COMPLETION_CHARS)
    found = [[names.index(f.kind), f.where[:80]] for f in faults]
    right = int(record.right) if record.judged else None
    return [right, record.completion_tokens, text, cut, record.reason.replace("_", " "), found]


def _query(example: Mapping[str, Any]) -> str:
    """The dialogue: a single user message as it is, several messages with their roles."""
    messages = [m for m in example.get("messages") or [] if isinstance(m, Mapping)]
    if len(messages) == 1:
        return clip(_content(messages[0]), QUERY_CHARS)[0]
    return clip("\n".join(f"{m.get('role')}: {_content(m)}" for m in messages), QUERY_CHARS)[0]


def _content(message: Mapping[str, Any]) -> str:
    calls = message.get("tool_calls")
    said = message.get("content")
    text = said if isinstance(said, str) else "" if said is None else json.dumps(said, ensure_ascii=False)
    return f"{text} {json.dumps(calls, ensure_ascii=False)}".strip() if calls else text


def _tools(example: Mapping[str, Any]) -> str:
    """One line a tool: its name, its parameters with their types (`?`: may be left out), what it does."""
    return "\n".join(clip(_tool(t), TOOL_CHARS)[0] for t in example.get("tools") or [] if isinstance(t, Mapping))


def _tool(tool: Mapping[str, Any]) -> str:
    schema = tool.get("parameters")
    schema = schema if isinstance(schema, Mapping) else {}
    required = schema.get("required")
    needed = set(map(str, required)) if isinstance(required, list) else set()
    properties = schema.get("properties")
    parts = []
    for name, value in properties.items() if isinstance(properties, Mapping) else ():
        kind = value.get("type") if isinstance(value, Mapping) else None
        shown = kind if isinstance(kind, str) else " or ".join(map(str, kind)) if isinstance(kind, list) else "any"
        parts.append(f"{name}{'' if name in needed else '?'}: {shown}")
    about = " ".join(str(tool.get("description") or "").split())
    return f"{tool.get('name')}({', '.join(parts)})" + (f" — {about}" if about else "")


def _packed(value: Any) -> str:
    # A lone surrogate has no UTF-8 form: shown as "?", where the records keep it.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(text, compresslevel=9, mtime=0)).decode("ascii")
