"""Tool descriptions of every kind we read → `Tool`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from rlvr.errors import DataError
from rlvr.tools.clean import clean_schema
from rlvr.tools.defaults import stated_default
from rlvr.tools.prose import default_in
from rlvr.tools.type_names import is_optional
from rlvr.tools.validation import check_references
from rlvr.types import Tool

_SCHEMA_KEYS = ("parameters", "inputSchema", "input_schema")
_OBJECT = ("object", "dict")
_SCHEMA_WORDS = frozenset(
    """properties patternProperties additionalProperties unevaluatedProperties propertyNames items prefixItems
    unevaluatedItems contains not if then else $defs definitions dependentSchemas dependencies""".split()  # noqa: SIM905 (words read better than a list of them)
)


def normalise_tool(obj: Any, where: str = "") -> Tool:
    """Read one tool description.

    Understood are OpenAI's `{"type": "function", "function": {…}}`, the bare `{name, description, parameters}`, MCP's
    `{name, inputSchema}`, xLAM's `parameters` that map each name to `{type: "str, optional", description, default}`
    (where that has no default, the words "default is 5" tell it), and the type words of ToolACE and BFCL (`dict`,
    `float`, `tuple`, `any`, `"required": null`).
    Raises `DataError` where there is no name or the schema cannot be used: it refers to something outside itself, or
    does not follow JSON Schema (draft 2020-12).

    >>> normalise_tool({"name": "f", "parameters": {"x": {"type": "int", "description": ""}}}).parameters["required"]
    ['x']
    """
    if isinstance(obj, Tool):
        return obj
    if isinstance(obj, str):
        obj = _load(obj, where)
    if not isinstance(obj, Mapping):
        raise DataError(where, f"a tool must be an object, got {obj!r:.80}")
    body = obj["function"] if isinstance(obj.get("function"), Mapping) else obj
    name = body.get("name")
    if not isinstance(name, str) or not name.strip():
        raise DataError(where, f"a tool has no name: {obj!r:.120}")
    description = body.get("description")
    at = f"{where}: tool {name!r}" if where else f"tool {name!r}"
    parameters = _parameters(body, at)
    check_references(parameters, at)
    return Tool(name, description if isinstance(description, str) else "", parameters)


def normalise_tools(value: Any, where: str = "") -> tuple[Tool, ...]:
    """Read a list of tools: a JSON string, or a sequence of objects, JSON strings or `Tool`s.

    Raises `DataError` on broken JSON, on anything that is not a tool, and where two tools share a name.
    """
    if isinstance(value, str):
        try:
            return _from_json(value)
        except DataError as error:
            raise DataError(": ".join(p for p in (where, error.where) if p), error.what) from None
    if isinstance(value, Mapping) or not isinstance(value, Sequence):
        raise DataError(where, f"tools must be a list or a JSON string of one, got {type(value).__name__}")
    tools = tuple(normalise_tool(v, where) for v in value)
    seen: set[str] = set()
    for tool in tools:
        if tool.name in seen:
            raise DataError(where, f"two tools are named {tool.name!r}")
        seen.add(tool.name)
    return tools


@lru_cache(maxsize=1024)
def _from_json(text: str) -> tuple[Tool, ...]:
    """The same strings come back each epoch and with each completion of a group."""
    value = _load(text, "")
    if isinstance(value, str):
        raise DataError("", "tools must be a list, got a JSON string inside a JSON string")
    return normalise_tools(value)


def _load(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(where, f"tools are not valid JSON ({error}): {text[:80]!r}") from None


def _parameters(body: Mapping[str, Any], at: str) -> dict[str, Any]:
    raw: Any = next((body[k] for k in _SCHEMA_KEYS if body.get(k) is not None), {})
    if isinstance(raw, str):
        raw = _load(raw, at)
    if not isinstance(raw, Mapping):
        raise DataError(at, f"parameters must be an object, got {type(raw).__name__}")
    outer = body.get("required")
    if _is_flat(raw):
        return _from_flat(raw, outer, at)
    schema = clean_schema(raw, at)
    if isinstance(outer, list) and "required" not in schema:
        schema["required"] = [r for r in outer if isinstance(r, str)]
    schema["type"] = "object"
    schema.setdefault("properties", {})
    return schema


def _is_flat(raw: Mapping[str, Any]) -> bool:
    """xLAM's form: each key is an argument's name. A parameter may itself be named `type` or `properties`.

    A list of required names and `type: object` may stand among them, where nothing else tells of a schema.
    """
    named = _named(raw)
    if not named or not all(isinstance(v, Mapping) for v in named.values()):
        return False
    if any(k.startswith("$") for k in named) or (len(named) < len(raw) and not _SCHEMA_WORDS.isdisjoint(named)):
        return False
    return "properties" not in raw or ("type" in raw["properties"] and isinstance(raw["properties"]["type"], str))


def _named(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What may be arguments: all but `required`, where that is no argument's name, and `type: object`."""
    return {
        k: v
        for k, v in raw.items()
        if not (k == "required" and (v is None or isinstance(v, list)))
        and not (k == "type" and isinstance(v, str) and v in _OBJECT)
    }


def _from_flat(raw: Mapping[str, Any], beside: Any, at: str) -> dict[str, Any]:
    """The schema of xLAM's form; `beside` may list the required names, as `required` inside it may."""
    listed = next((r for r in (raw.get("required"), beside) if isinstance(r, list)), None)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, spec in _named(raw).items():
        kind = spec.get("type")
        default = spec.get("default")
        optional = isinstance(kind, str) and is_optional(kind)
        if "default" not in spec:
            told, default = default_in(f"{kind if isinstance(kind, str) else ''}\n{spec.get('description') or ''}")
            optional = optional or told
        rest = {k: v for k, v in spec.items() if k not in ("default", "required")}
        schema = clean_schema(rest, f"{at}: parameter {name!r}")
        needed = not optional and (default is None or default == "") and spec.get("required") is not False
        needed = needed or spec.get("required") is True
        if needed if listed is None else name in listed:
            required.append(name)
        elif default is not None:
            # Defaults are strings here whatever their type, and some are of the argument behind (0.05 for a list).
            for fitting in stated_default({**schema, "default": default}):
                schema["default"] = fitting
        properties[name] = schema
    return {"type": "object", "properties": properties, "required": required}
