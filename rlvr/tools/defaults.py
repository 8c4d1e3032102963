"""The default that a schema states, as a value of its type: published schemas write `"1"` for an integer, or `null`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rlvr.tools.schemas import json_type


def stated_default(schema: Mapping[str, Any]) -> tuple[Any, ...]:
    """The default of a schema without references and alternatives, or nothing.

    A string where the type admits none is read as JSON (`"1"`, `"True"`), and a whole float as the integer that is
    wanted. A default that then fits neither the type nor an `enum` says nothing of what an omission means, and is no
    default; nor is `null` where the type does not admit it.

    >>> stated_default({"type": "integer", "default": "1"}), stated_default({"type": "string", "default": None})
    ((1,), ())
    """
    if "default" not in schema:
        return ()
    kind = schema.get("type")
    kinds = [kind] if isinstance(kind, str) else kind if isinstance(kind, (list, tuple)) else []
    types = frozenset(k for k in kinds if isinstance(k, str))
    found = _of_type(schema["default"], types)
    listed = schema.get("enum")
    if not isinstance(listed, (list, tuple)):
        return found
    return tuple(v for v in found if any(json_type(v) == json_type(one) and v == one for one in listed))


def _of_type(default: Any, types: frozenset[str]) -> tuple[Any, ...]:
    kind = json_type(default)
    if not types or kind in types or (kind == "integer" and "number" in types):
        return (default,)
    if kind == "number" and "integer" in types and default.is_integer():
        return (int(default),)
    if kind != "string":
        return ()
    try:
        read = json.loads(default.strip().replace("True", "true").replace("False", "false"), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return ()
    return () if isinstance(read, str) else _of_type(read, types)


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")
