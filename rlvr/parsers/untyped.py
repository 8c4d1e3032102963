"""Argument values of formats that write no types: text, read by the types that the tool's schema allows."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from rlvr.parsers.rendering import json_text
from rlvr.parsers.strict_json import bounded_int, finite_float, loads_strict
from rlvr.tools.schemas import json_type, property_schema
from rlvr.types import Tool

_INTEGER = re.compile(r"[+-]?+[0-9]++")
_NUMBER = re.compile(r"[+-]?+(?:[0-9]++(?:\.[0-9]*+)?+|\.[0-9]++)(?:[eE][+-]?+[0-9]++)?+")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_STRING = frozenset({"string"})


def types_of(tool: Tool | None, key: str) -> frozenset[str]:
    """The JSON types that a tool's schema allows for an argument; `string` alone where it says nothing."""
    if tool is None:
        return _STRING
    types: set[str] = set()
    for option in property_schema(tool, (key,)):
        said = option.get("type")
        types.update([said] if isinstance(said, str) else [s for s in _list(said) if isinstance(s, str)])
        if said is None:
            values = [option["const"]] if "const" in option else _list(option.get("enum"))
            types.update(json_type(v) for v in values)
    return frozenset(types) or _STRING


def _list(value: Any) -> list[Any]:
    """What a schema says where a list belongs; anything else says nothing."""
    return value if isinstance(value, list) else []


def read_untyped(text: str, types: frozenset[str], loads: Callable[[str], Any] = loads_strict) -> Any:
    """The value that a text stands for: the first of null, integer, number, boolean, object or array that it can be.

    Where it is none of those that are allowed, it is JSON if it can be and no string is allowed, else the text itself.
    Raises `ValueError` for a text that begins as an object or a list, is to be one, and cannot be read as JSON.

    >>> read_untyped("5", frozenset({"integer"})), read_untyped("5", frozenset({"string"}))
    (5, '5')
    >>> read_untyped("5", frozenset({"string", "array"})), read_untyped("[5]", frozenset({"string", "array"}))
    ('5', [5])
    """
    if types == _STRING:
        return text
    word = text.strip()
    if "null" in types and (word.lower() == "null" or (word == "None" and "string" not in types)):
        return None
    try:
        if "integer" in types and _INTEGER.fullmatch(word):
            return bounded_int(word)
        if "number" in types and _NUMBER.fullmatch(word):
            return bounded_int(word) if _INTEGER.fullmatch(word) else finite_float(word)
    except ValueError:
        return text
    if "boolean" in types and word.lower() in _BOOLEANS:
        return _BOOLEANS[word.lower()]
    if "string" in types and types.isdisjoint(("object", "array")):
        return text
    try:
        value = loads(word)
    except ValueError:
        if "string" not in types and word[:1] in ("{", "["):
            raise
        return text
    other = isinstance(value, str) or json_type(value) not in types  # than the lists and objects that are allowed
    return text if other and "string" in types else value


def write_untyped(value: Any) -> str:
    """A value as text: a string as it is, anything else as JSON."""
    return value if isinstance(value, str) else json_text(value)
