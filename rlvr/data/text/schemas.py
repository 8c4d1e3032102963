"""The descriptions of a tool: prose, which no one compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rlvr.data.text.marks import TOUCHED
from rlvr.data.text.rules import normalise_text
from rlvr.types import Tool

_DEPTH = 64
_NAMED = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_SINGLE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_VALUES = ("enum", "const", "default", "examples")


def normalise_tool(tool: Tool, given: Mapping[str, bool]) -> Tool:
    """Normalise the tool's description and those in its schema; names, keys, enums, defaults and examples stay.

    A value of an enum that a description names stays there too. The same tool comes back where nothing changes.
    """
    description = _prose(tool.description, tool.parameters, given)
    parameters = _schema(tool.parameters, given, 0)
    if description == tool.description and parameters == tool.parameters:
        return tool
    return replace(tool, description=description, parameters=parameters)


def _schema(schema: Any, given: Mapping[str, bool], depth: int) -> Any:
    if not isinstance(schema, Mapping) or depth > _DEPTH:
        return schema
    out: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            out[key] = _prose(value, schema, given)
        elif key in _NAMED and isinstance(value, Mapping):
            out[key] = {name: _schema(sub, given, depth + 1) for name, sub in value.items()}
        elif key in _LISTED and isinstance(value, list):
            out[key] = [_schema(sub, given, depth + 1) for sub in value]
        elif key in _SINGLE:
            out[key] = _schema(value, given, depth + 1)
        else:
            out[key] = value
    return out


def _prose(text: str, schema: Mapping[str, Any], given: Mapping[str, bool]) -> str:
    """A description, in which the values and names of the schema beside it are left alone."""
    if not TOUCHED.search(text):
        return text
    values = [v for key in _VALUES for v in _listed(schema.get(key))]
    properties = schema.get("properties")
    names = list(properties) if isinstance(properties, Mapping) else []
    units = {v: v for v in [*values, *names] if isinstance(v, str) and len(v) > 1 and TOUCHED.search(v)}
    return normalise_text(text, **given, units=units)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
