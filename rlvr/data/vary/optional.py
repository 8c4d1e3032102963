"""Optional parameters to add to a tool: those of other tools, where no query speaks of them.

A parameter that is only ever added is never filled, and a model soon knows it by its name. One that another tool of the
same examples has is filled there: whether it is to be filled here stands in the query alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rlvr.data.vary.names import load_synonyms, words_of
from rlvr.types import Example

SHORT = 4
"""Words of fewer characters (`is`, `at`) name nothing by themselves."""


def optional_parameters(examples: Iterable[Example]) -> dict[str, Any]:
    """Name → schema of the optional booleans and enums of these examples' tools, and of a list that no tool has.

    Not of free strings, numbers or lists: `when` or `guests` would have a value in too many queries.
    """
    out = dict(load_synonyms()["optional"])
    seen: set[int] = set()
    for tool in (t for e in examples for t in e.tools):
        if id(tool) in seen:
            continue
        seen.add(id(tool))
        required = tool.parameters.get("required", ())
        for name, schema in tool.parameters.get("properties", {}).items():
            if name not in required and isinstance(schema, Mapping) and _closed(schema):
                out.setdefault(name, schema)
    return out


def fitting(known: Mapping[str, Any], members: list[Example]) -> dict[str, Any]:
    """Those of `known` that can be added to the tools of `members` and stay unfilled, whatever they are asked.

    A name whose word stands in a query, a tool's name or description, or one of its parameters is out, and so is an
    enum with a value there. Values are English words: where a query is not English, only booleans and the list stay.
    """
    text = " ".join(e.query.lower() for e in members)
    tools = {t.name: t for e in members for t in e.tools}.values()
    said = {w for t in tools for part in (t.name, *t.parameters.get("properties", {})) for w in words_of(part)}
    text += " " + " ".join(t.description.lower() for t in tools)
    listed = load_synonyms()["optional"]
    english = all((e.lang or "en") == "en" for e in members)
    return {
        name: schema
        for name, schema in known.items()
        if not any(w in said or (len(w) >= SHORT and w in text) for w in words_of(name))
        and (name in listed or english or schema.get("type") == "boolean")
        and not any(word in text for word in _values(schema))
    }


def _closed(schema: Mapping[str, Any]) -> bool:
    values = schema.get("enum")
    if values is not None:
        return schema.get("type") == "string" and all(isinstance(v, str) for v in values)
    return schema.get("type") == "boolean"


def _values(schema: Mapping[str, Any]) -> list[str]:
    return [word for value in schema.get("enum", ()) for word in words_of(str(value)) if len(word) >= SHORT]
