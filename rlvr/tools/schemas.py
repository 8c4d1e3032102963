"""Looks into a tool's JSON Schema: what stands at a path, with references and alternatives resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from rlvr.tools.patterns import Budget, OverBudgetError, compile_pattern
from rlvr.types import Tool

Schema = Mapping[str, Any]

_COMPOUND = frozenset({"$ref", "allOf", "anyOf", "oneOf"})
_TYPE_NAMES = {str: "string", int: "integer", bool: "boolean", float: "number", dict: "object", list: "array"}
_MAX_BRANCHES = 32
_MAX_DEPTH = 24


@dataclass(frozen=True, slots=True)
class ObjectShape:
    """What an object may hold: the schema of each known property, and which ones it must hold."""

    properties: Mapping[str, Any]
    required: frozenset[str]


def json_type(value: Any) -> str:
    """The JSON Schema type of a value; a whole float is a `number`, not an `integer`."""
    known = _TYPE_NAMES.get(type(value))
    if known is not None:
        return known
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for kind, name in ((int, "integer"), (float, "number"), (str, "string"), (Mapping, "object")):
        if isinstance(value, kind):
            return name
    return "array"


def resolve_pointer(root: Schema, reference: str) -> Any:
    """What a local reference (`#`, `#/…`, `#anchor`) points at; raises `LookupError` where there is nothing."""
    if not reference.startswith("#"):
        raise LookupError(f"{reference!r} points outside the schema")
    pointer = unquote(reference[1:])
    if not pointer:
        return root
    if not pointer.startswith("/"):
        return _anchor(root, pointer)
    here: Any = root
    for token in pointer[1:].split("/"):
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(here, Mapping) and token in here:
            here = here[token]
        elif isinstance(here, list) and token.isdecimal() and int(token) < len(here):
            here = here[int(token)]
        else:
            raise LookupError(f"{reference!r} points at nothing")
    return here


def branches(schema: Any, root: Schema) -> tuple[Schema, ...]:
    """The alternatives of a schema, each without `$ref`, `allOf`, `anyOf` and `oneOf` at its top.

    A schema without any of these is its own single branch. What cannot be resolved is taken as the empty schema.
    """
    if type(schema) is not dict and not isinstance(schema, Mapping):
        return ({},)
    if _COMPOUND.isdisjoint(schema):
        return (schema,)
    return tuple(_expand(schema, root, frozenset(), 0)[:_MAX_BRANCHES])


def in_place(schema: Any, root: Schema) -> Iterator[Schema]:
    """A schema and every one that it may apply to the same value, under whatever condition; each reference once."""
    seen: set[str] = set()
    left: list[Any] = [schema]
    while left:
        here = left.pop()
        if not isinstance(here, Mapping):
            continue
        yield here
        reference = here.get("$ref", here.get("$dynamicRef"))
        if isinstance(reference, str) and reference not in seen:
            seen.add(reference)
            with suppress(LookupError):
                left.append(resolve_pointer(root, reference))
        for key in ("allOf", "anyOf", "oneOf"):
            left += here.get(key) or ()
        left += [here.get(key) for key in ("if", "then", "else")]
        left += (here.get("dependentSchemas") or {}).values()


def object_shape(schema: Any, root: Schema) -> ObjectShape:
    """Properties of all branches together; required is what every branch requires."""
    options = branches(schema, root)
    if len(options) == 1:
        return ObjectShape(_properties(options[0]), _required(options[0]))
    properties: dict[str, Any] = {}
    for option in options:
        for name, sub in _properties(option).items():
            properties[name] = sub if name not in properties else {"anyOf": [properties[name], sub]}
    required = frozenset.intersection(*[_required(o) for o in options]) if options else frozenset()
    return ObjectShape(properties, required)


def child_schema(schema: Any, key: str | int, root: Schema) -> Any:
    """The schema of a property or an array's item; the empty schema where nothing is said about it."""
    found: list[Any] = []
    for option in branches(schema, root):
        sub = _property(option, key) if isinstance(key, str) else _item(option, key)
        if sub is not None and sub not in found:
            found.append(sub)
    if not found:
        return {}
    return found[0] if len(found) == 1 else {"anyOf": found}


def property_schema(tool: Tool, path: Sequence[str | int]) -> tuple[Schema, ...]:
    """The branches of the schema at a path of property names and array indices, from the tool's arguments on."""
    schema: Any = tool.parameters
    for key in path:
        schema = child_schema(schema, key, tool.parameters)
    return branches(schema, tool.parameters)


def _expand(schema: Any, root: Schema, seen: frozenset[str], depth: int) -> list[dict[str, Any]]:
    if not isinstance(schema, Mapping) or depth > _MAX_DEPTH:
        return [{}]
    out: list[dict[str, Any]] = [{k: v for k, v in schema.items() if k not in _COMPOUND}]
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        try:
            target = resolve_pointer(root, reference)
        except LookupError:
            target = {}
        out = _product(out, _expand(target, root, seen | {reference}, depth + 1))
    for sub in schema.get("allOf") or ():
        out = _product(out, _expand(sub, root, seen, depth + 1))
    for key in ("anyOf", "oneOf"):
        options: list[dict[str, Any]] = []
        for sub in schema.get(key) or ():
            if len(options) >= _MAX_BRANCHES:  # alternatives of alternatives would grow without end
                break
            options += _expand(sub, root, seen, depth + 1)
        if options:
            out = _product(out, options[:_MAX_BRANCHES])
    return out


def _product(left: list[dict[str, Any]], right: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [_merge(a, b) for a in left for b in right][:_MAX_BRANCHES]


def _merge(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    """Both at once; what the outer one says of a keyword stands."""
    out = {**b, **a}
    if "properties" in a and "properties" in b:
        inner, outer = _properties(b), _properties(a)
        both = {k: {"allOf": [outer[k], inner[k]]} for k in outer if k in inner and outer[k] != inner[k]}
        out["properties"] = {**inner, **outer, **both}
    if "required" in a and "required" in b:
        out["required"] = sorted(_required(a) | _required(b))
    return out


def _properties(schema: Schema) -> Mapping[str, Any]:
    value = schema.get("properties")
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def _required(schema: Schema) -> frozenset[str]:
    value = schema.get("required")
    return frozenset(v for v in value if isinstance(v, str)) if isinstance(value, (list, tuple)) else frozenset()


def _property(schema: Schema, key: str) -> Any:
    if key in _properties(schema):
        return schema["properties"][key]
    for source, sub in (schema.get("patternProperties") or {}).items():
        pattern = compile_pattern(source)
        with suppress(OverBudgetError):
            if pattern is not None and pattern.search(key, Budget()):
                return sub
    return schema.get("additionalProperties")


def _item(schema: Schema, index: int) -> Any:
    prefix = schema.get("prefixItems")
    if isinstance(prefix, list) and index < len(prefix):
        return prefix[index]
    return schema.get("items")


def _anchor(root: Any, name: str) -> Any:
    stack = [root]
    while stack:
        here = stack.pop()
        if isinstance(here, Mapping):
            if name in (here.get("$anchor"), here.get("$dynamicAnchor")):
                return here
            stack.extend(here.values())
        elif isinstance(here, list):
            stack.extend(here)
    raise LookupError(f"'#{name}' points at nothing")
