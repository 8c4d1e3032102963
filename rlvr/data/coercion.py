"""Lossless coercions: a value written in another type than its schema wants, and nothing else about it changed."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from rlvr.parsers.literals import LiteralError, read_literal, skip_space
from rlvr.parsers.python_literals import PYTHON
from rlvr.parsers.strict_json import MAX_ARGUMENTS_DEPTH, loads_strict
from rlvr.tools import branches, child_schema, is_valid, json_type, object_shape
from rlvr.types import Tool

_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,30}")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,30})(?:\.[0-9]{1,30})?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "True": True, "false": False, "False": False}
_NULLS = ("null", "None")
_MAX_TEXT = 60
_KEEP = object()


def coerce(tool: Tool, arguments: Mapping[str, Any]) -> tuple[Mapping[str, Any], list[str]]:
    """A call's arguments as its tool's schema wants them, and a line for each change.

    What already fits is returned as it is. A string that is an integer, a number, a boolean, an object or an array in
    JSON or Python becomes one where no string is wanted (`"5"` → 5; not `"007"`, whose zeros would be lost); a whole
    float becomes an integer, a number the string that it is written as. `null` for an argument that may be left out
    leaves it out. Nothing is rounded, cut, renamed or filled in, and what does not fit afterwards is for the caller to
    reject.

    >>> tool = Tool("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    >>> coerce(tool, {"n": "5"})
    ({'n': 5}, ["n: '5' → 5"])
    """
    if is_valid(tool, arguments):
        return arguments, []
    changes: list[str] = []
    out = _object(dict(arguments), tool.parameters, tool.parameters, "", changes, 0)
    return (out, changes) if changes else (arguments, [])


def _value(value: Any, schema: Any, root: Mapping[str, Any], path: str, changes: list[str], depth: int) -> Any:
    wanted = _wanted(schema, root)
    if wanted and not _is(value, wanted):
        new = _converted(value, wanted)
        if new is not _KEEP:
            changes.append(f"{path}: {_shown(value)} → {_shown(new)}")
            value = new
    if depth < MAX_ARGUMENTS_DEPTH:
        if isinstance(value, dict):
            return _object(value, schema, root, path, changes, depth + 1)
        if isinstance(value, list):
            return [
                _value(v, child_schema(schema, i, root), root, f"{path}[{i}]", changes, depth + 1)
                for i, v in enumerate(value)
            ]
    return value


def _object(
    value: dict[str, Any], schema: Any, root: Mapping[str, Any], path: str, changes: list[str], depth: int
) -> dict[str, Any]:
    required = object_shape(schema, root).required
    out: dict[str, Any] = {}
    for key, item in value.items():
        at = f"{path}.{key}" if path else key
        below = child_schema(schema, key, root)
        wanted = _wanted(below, root)
        if item is None and key not in required and wanted and "null" not in wanted:
            changes.append(f"{at}: null → left out")
            continue
        out[key] = _value(item, below, root, at, changes, depth)
    return out


def _wanted(schema: Any, root: Mapping[str, Any]) -> frozenset[str]:
    """The types that a schema lets through; none where it names none, and anything may stand there."""
    types: set[str] = set()
    for branch in branches(schema, root):
        kind = branch.get("type")
        if isinstance(kind, str):
            types.add(kind)
        elif isinstance(kind, list):
            types.update(k for k in kind if isinstance(k, str))
        elif isinstance(branch.get("enum"), list):
            types.update(json_type(v) for v in branch["enum"])
        else:
            return frozenset()
    return frozenset(types)


def _is(value: Any, wanted: frozenset[str]) -> bool:
    found = json_type(value)
    return found in wanted or (found == "integer" and "number" in wanted)


def _converted(value: Any, wanted: frozenset[str]) -> Any:
    """The same value in a wanted type, or `_KEEP` where there is none without loss."""
    if isinstance(value, str):
        return _from_text(value, wanted)
    if isinstance(value, float) and "integer" in wanted and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if "string" in wanted and not isinstance(value, bool) and isinstance(value, (int, float)):
        return json.dumps(value)
    return _KEEP


def _from_text(text: str, wanted: frozenset[str]) -> Any:
    if "integer" in wanted and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in wanted and _NUMBER.fullmatch(text):
        if _INTEGER.fullmatch(text):
            return int(text)
        number = float(text)
        return number if Decimal(repr(number)) == Decimal(text) else _KEEP
    if "boolean" in wanted and text in _BOOLEANS:
        return _BOOLEANS[text]
    if "null" in wanted and text in _NULLS:
        return None
    if text.lstrip()[:1] in ("[", "{", "("):
        read = _structure(text)
        if (isinstance(read, dict) and "object" in wanted) or (isinstance(read, list) and "array" in wanted):
            return read
    return _KEEP


def _structure(text: str) -> Any:
    """An object or an array, written in JSON or in Python."""
    try:
        return loads_strict(text)
    except ValueError:
        pass
    try:
        value, end = read_literal(text, 0, PYTHON)
    except LiteralError:
        return _KEEP
    return value if skip_space(text, end) == len(text) else _KEEP


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
