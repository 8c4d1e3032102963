"""Names of types as data sets write them (`List[int]`, `dict`, `str, optional`) → JSON Schema."""

from __future__ import annotations

import ast
from typing import Any

JSON_TYPES = frozenset({"string", "integer", "number", "boolean", "array", "object", "null"})

_NAMES = {
    "string": "str string text char character date datetime time uuid email url path",
    "integer": "int integer long short byte bigint int32 int64 uint",
    "number": "float number double decimal numeric float32 float64 real",
    "boolean": "bool boolean",
    "array": "list array arraylist sequence iterable tuple set frozenset queue stack",
    "object": "dict dictionary object hashmap hashtable mapping map json",
    "null": "none null nonetype",
}
_JSON_OF = {name: json_type for json_type, names in _NAMES.items() for name in names.split()}
_UNIQUE = ("set", "frozenset")
_MAX_NESTING = 8


def split_top(text: str, separator: str) -> list[str]:
    """Split at a one-character separator that stands outside brackets and quotes.

    >>> split_top("Dict[str, int], optional", ",")
    ['Dict[str, int]', 'optional']
    """
    parts, depth, quote, start = [], 0, "", 0
    for i, ch in enumerate(text):
        if quote:
            quote = "" if ch == quote else quote
        elif ch in "'\"":
            quote = ch
        elif ch in "[({":
            depth += 1
        elif ch in "])}":
            depth -= 1
        elif ch == separator and depth <= 0:
            parts.append(text[start:i].strip())
            start = i + 1
    parts.append(text[start:].strip())
    return parts


def is_optional(name: str) -> bool:
    """Whether a type's name says that its argument may be left out.

    >>> is_optional("str, optional"), is_optional("Optional[int]"), is_optional("int")
    (True, True, False)
    """
    return "optional" in [p.lower() for p in split_top(name, ",")[1:]] or name.strip().lower().startswith("optional[")


def schema_of(name: str, nesting: int = 0) -> dict[str, Any]:
    """The JSON Schema of a type's name; the empty schema where there is no counterpart (`any`, `Callable`).

    >>> schema_of("List[int]")
    {'type': 'array', 'items': {'type': 'integer'}}
    >>> schema_of("str, optional, default 'London'")
    {'type': 'string'}
    >>> schema_of("Union[int, float]")
    {'anyOf': [{'type': 'integer'}, {'type': 'number'}]}
    """
    name = split_top(name, ",")[0]
    if nesting > _MAX_NESTING:
        return {}
    union = split_top(name, "|")
    if len(union) > 1:
        return _union(union, nesting)
    base, bracket, inner = name.partition("[")
    base = base.strip().lower().removeprefix("typing.")
    if not bracket or not inner.rstrip().endswith("]"):
        return _plain(base)
    return _generic(base, inner.rstrip()[:-1].strip(), nesting + 1)


def _plain(base: str) -> dict[str, Any]:
    json_type = _JSON_OF.get(base)
    if json_type is None:
        return {}
    return {"type": json_type, "uniqueItems": True} if base in _UNIQUE else {"type": json_type}


def _generic(base: str, inner: str, nesting: int) -> dict[str, Any]:
    parts = split_top(inner, ",") if inner else []
    if base == "optional":
        return schema_of(inner, nesting)
    if base == "union":
        return _union(parts, nesting)
    if base == "literal":
        return _literal(parts)
    if not inner:
        return {"type": "array", "items": _plain(base)} if base in _JSON_OF else {}
    out = _plain(base)
    if base == "tuple" and parts[-1] != "...":
        items = [schema_of(p, nesting) for p in parts]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if out.get("type") == "array":
        return {**out, "items": schema_of(parts[0], nesting)}
    if out.get("type") == "object" and len(parts) == 2:
        return {**out, "additionalProperties": schema_of(parts[1], nesting)}
    return out


def _union(names: list[str], nesting: int) -> dict[str, Any]:
    options: list[dict[str, Any]] = []
    for name in names:
        option = schema_of(name, nesting + 1)
        if not option:
            return {}
        if option not in options:
            options.append(option)
    return options[0] if len(options) == 1 else {"anyOf": options}


def _literal(parts: list[str]) -> dict[str, Any]:
    try:
        return {"enum": [ast.literal_eval(p) for p in parts]}
    except (ValueError, SyntaxError):
        return {}
