"""A whole example: its messages, its arguments and the descriptions of its tools, so that a value which stood in the
query still does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from rlvr.data.text.marks import TOUCHED
from rlvr.data.text.rules import TextOptions, normalise_text
from rlvr.data.text.schemas import normalise_tool
from rlvr.rewards.matching.strings import looks_pinned
from rlvr.tools import child_schema
from rlvr.types import Example, GoldCall, OneOf, Tool

MAX_DEPTH = 64
"""What is nested deeper in an argument is left as it is."""
_WRITTEN = ("system", "developer", "user", "assistant")
_REPLIES = ("reference_reply", "reply")
_PINS = ("enum", "const", "format", "pattern", "minLength", "maxLength")
_MOST_UNITS = 200
_CHANGEABLE = re.compile(rf"{TOUCHED.pattern}|[,;:?!.()]")
"""A value with one of these could change beside Chinese, if it were not put in as a whole."""
_HAS_WORDS = re.compile(r"[^\W_]")


def normalise_example(example: Example, options: TextOptions) -> Example:
    """Apply the rules to the messages, to string arguments (of the ground truth and of earlier calls), to descriptions.

    Tool results, names, keys and schemas stay. A value stays as it is, in the query too, where it is compared as it is
    written: its schema has an enum, a constant, a format or a pattern, it is an identifier, an address or a date in
    figures, or it stands in a tool's result. Every other value becomes the same text wherever it stands: it is
    normalised by itself, and put into the messages as a whole. Where a value that stood in a message would stand there
    no more, the example is left as it was.
    """
    if not options or not _touches(example):
        return example
    given = asdict(options)
    found = _values(example)
    # By lines, since the rules look at lines: a value's line breaks must not be hidden from them.
    units = {line: line if fixed else normalise_text(line, **given) for v, fixed in found.items() for line in _lines(v)}
    values = {v: "\n".join(units.get(line, line) for line in v.split("\n")) for v in found}
    messages = tuple(_message(m, units, values, given) for m in example.messages)
    if not _still_there(example, messages, values):
        return example
    meta = dict(example.meta)
    for key in _REPLIES:
        if isinstance(meta.get(key), str):
            meta[key] = normalise_text(meta[key], **given, units=units)
    return replace(
        example,
        messages=messages,
        tools=tuple(normalise_tool(tool, given) for tool in example.tools),
        ground_truth=tuple(GoldCall(c.name, _put(c.arguments, values, 0)) for c in example.ground_truth),
        meta=meta,
    )


def _lines(value: str) -> list[str]:
    return [line for line in value.split("\n") if _CHANGEABLE.search(line)]


def _touches(example: Example) -> bool:
    texts = [m.get("content") for m in example.messages] + [t.description for t in example.tools]
    if any(isinstance(t, str) and TOUCHED.search(t) for t in texts):
        return True
    whole = [m.get("tool_calls") for m in example.messages], [c.to_json() for c in example.ground_truth]
    schemas = [t.parameters for t in example.tools]
    return TOUCHED.search(json.dumps([whole, schemas], ensure_ascii=False, default=str)) is not None


def _values(example: Example) -> dict[str, bool]:
    """Every string argument that a rule could change, and whether it is fixed."""
    tools = {tool.name: tool for tool in example.tools}
    calls: list[tuple[str, Any]] = [(c.name, c.arguments) for c in example.ground_truth]
    calls += [_named(call) for m in example.messages for call in m.get("tool_calls") or ()]
    results = "\n".join(
        json.dumps(m["content"], ensure_ascii=False, default=str) if not isinstance(m["content"], str) else m["content"]
        for m in example.messages
        if m.get("role") not in _WRITTEN and m.get("content")
    )
    found: dict[str, bool] = {}
    for name, arguments in calls:
        for value, pinned in _strings(arguments, tools.get(name)):
            if _CHANGEABLE.search(value) and len(found) < _MOST_UNITS:
                fixed = pinned or value in results or looks_pinned(value) is not None or not _HAS_WORDS.search(value)
                found[value] = found.get(value, False) or fixed
    return found


def _named(call: Any) -> tuple[str, Any]:
    function = call.get("function", call) if isinstance(call, Mapping) else {}
    if not isinstance(function, Mapping):
        return "", {}
    return str(function.get("name")), _loaded(function.get("arguments"))


def _loaded(arguments: Any) -> Any:
    """Arguments of an earlier call: an object, or a JSON string of one."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return {}


def _strings(arguments: Any, tool: Tool | None) -> Iterator[tuple[str, bool]]:
    """Each string of some arguments, and whether its schema pins it."""
    root: Mapping[str, Any] = tool.parameters if tool else {}
    stack: list[tuple[Any, Any, int]] = [(arguments, root, 0)]
    while stack:
        value, schema, depth = stack.pop()
        if isinstance(value, str):
            yield value, _pinned(schema)
        elif depth > MAX_DEPTH:
            continue
        elif isinstance(value, OneOf):
            stack += [(v, schema, depth + 1) for v in value.values]
        elif isinstance(value, Mapping):
            stack += [(v, child_schema(schema, k, root), depth + 1) for k, v in value.items()]
        elif isinstance(value, (list, tuple)):
            stack += [(v, child_schema(schema, i, root), depth + 1) for i, v in enumerate(value)]


def _pinned(schema: Any) -> bool:
    text = json.dumps(schema, default=str) if isinstance(schema, Mapping) else ""
    return any(f'"{pin}"' in text for pin in _PINS)


def _put(value: Any, values: Mapping[str, str], depth: int) -> Any:
    """The same value with each string replaced."""
    if isinstance(value, str):
        return values.get(value, value)
    if depth > MAX_DEPTH:
        return value
    if isinstance(value, OneOf):
        accepted = [_put(v, values, depth + 1) for v in value.values]
        if all(isinstance(v, str) for v in accepted):
            accepted = list(dict.fromkeys(accepted))  # two of them may have become one
        return OneOf(tuple(accepted), value.optional)
    if isinstance(value, Mapping):
        return {k: _put(v, values, depth + 1) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_put(v, values, depth + 1) for v in value]
    return value


def _message(
    message: Mapping[str, Any], units: Mapping[str, str], values: Mapping[str, str], given: Mapping[str, bool]
) -> Mapping[str, Any]:
    if message.get("role") not in _WRITTEN:
        return message
    out = dict(message)
    if isinstance(out.get("content"), str):
        out["content"] = normalise_text(out["content"], **given, units=units)
    if out.get("tool_calls"):
        out["tool_calls"] = [_call(call, values) for call in out["tool_calls"]]
    return out


def _call(call: Any, values: Mapping[str, str]) -> Any:
    function = call.get("function") if isinstance(call, Mapping) else None
    if not isinstance(function, Mapping):
        return call if not isinstance(call, Mapping) else _with_arguments(call, values)
    return {**call, "function": _with_arguments(function, values)}


def _with_arguments(function: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, Any]:
    before = function.get("arguments")
    loaded = _loaded(before)
    after = _put(loaded, values, 0)
    if after == loaded:
        return dict(function)
    return {**function, "arguments": json.dumps(after, ensure_ascii=False) if isinstance(before, str) else after}


def _still_there(example: Example, messages: Sequence[Mapping[str, Any]], values: Mapping[str, str]) -> bool:
    pairs = [(m.get("content"), n.get("content")) for m, n in zip(example.messages, messages, strict=True)]
    texts = [(a, b) for a, b in pairs if isinstance(a, str) and isinstance(b, str)]
    values = {v: values.get(v, v) for v in _all_strings(example)}
    return all(after in b for before, after in values.items() for a, b in texts if before in a)


def _all_strings(example: Example) -> set[str]:
    return {value for call in example.ground_truth for value, _ in _strings(call.arguments, None)}
