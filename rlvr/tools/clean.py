"""Schemas as they are found → JSON Schema draft 2020-12."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.errors import DataError
from rlvr.tools.type_names import JSON_TYPES, schema_of

_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE = (
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
)
_DROPPED = ("$schema", "$id", "id")
_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")
_COUNTS = (
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "minContains",
    "maxContains",
)
_MAX_DEPTH = 100
ARROW = (
    ". Arrow gives all rows' objects the same keys, and null where a row has none: keep tools and ground_truth as JSON "
    "strings there"
)


def clean_schema(raw: Any, at: str, depth: int = 0) -> dict[str, Any]:
    """Rewrite a schema so that it means the same in draft 2020-12.

    Type names become JSON Schema's, `null` where a list or schema belongs is dropped, `"required": true` inside a
    property moves to its object, and so does a list of required names that slipped in among the properties; tuples of
    draft 7 become `prefixItems`, its `dependencies` `dependentRequired` and `dependentSchemas`, the boolean bounds of
    draft 4 numbers. `$schema` and `$id` go, so that every
    reference is one into the schema itself. The input is not changed.
    """
    if depth > _MAX_DEPTH:
        raise DataError(at, "the schema is nested too deeply")
    if not isinstance(raw, Mapping):
        raise DataError(at, f"a schema must be an object, got {raw!r:.60}{ARROW if raw is None else ''}")
    raw = _with_dependencies_told_apart(raw, at)
    out: dict[str, Any] = {}
    for key, value in raw.items():
        if value is None and key not in ("default", "const"):
            continue
        if key in _DROPPED and isinstance(value, str):
            continue
        out[key] = _clean_keyword(key, value, at, depth + 1)
    _lift_required(out, raw)
    _clean_items(out)
    _clean_bounds(out)
    _clean_type(out)
    _check_values(out, at)
    return out


def _clean_keyword(key: str, value: Any, at: str, depth: int) -> Any:
    if key in _MAPS:
        if not isinstance(value, Mapping):
            raise DataError(at, f"{key} must be an object, got {value!r:.60}")
        misplaced = key == "properties" and isinstance(value.get("required"), list)
        return {str(k): _sub(v, f"{at}: {k}", depth) for k, v in value.items() if not (misplaced and k == "required")}
    if key in _LISTS or (key == "items" and isinstance(value, list)):
        if not isinstance(value, list):
            raise DataError(at, f"{key} must be a list, got {value!r:.60}")
        return [_sub(v, at, depth) for v in value]
    if key in _SINGLE:
        return _sub(value, f"{at}: {key}", depth)
    return value


def _sub(value: Any, at: str, depth: int) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return schema_of(value)
    return clean_schema(value, at, depth)


def _lift_required(out: dict[str, Any], raw: Mapping[str, Any]) -> None:
    required = out.pop("required", None)
    names = [r for r in required if isinstance(r, str)] if isinstance(required, list) else []
    properties = raw.get("properties")
    if isinstance(properties, Mapping):
        flagged = [str(k) for k, v in properties.items() if isinstance(v, Mapping) and v.get("required") is True]
        slipped = properties.get("required")
        names += flagged + ([r for r in slipped if isinstance(r, str)] if isinstance(slipped, list) else [])
    if names or isinstance(required, list):
        out["required"] = list(dict.fromkeys(names))


def _with_dependencies_told_apart(raw: Mapping[str, Any], at: str) -> Mapping[str, Any]:
    """Draft 7's `dependencies` are names or a schema; since then each kind has a keyword of its own."""
    old = raw.get("dependencies")
    if old is None:
        return raw
    if not isinstance(old, Mapping):
        raise DataError(at, f"dependencies must be an object, got {old!r:.60}")
    out = {key: value for key, value in raw.items() if key != "dependencies"}
    kinds: dict[str, dict[str, Any]] = {"dependentRequired": {}, "dependentSchemas": {}}
    for name, value in old.items():
        names = [value] if isinstance(value, str) else value
        kinds["dependentRequired" if isinstance(names, list) else "dependentSchemas"][name] = names
    for key, found in kinds.items():
        if found:
            out[key] = {**found, **(raw.get(key) or {})}
    return out


def _clean_items(out: dict[str, Any]) -> None:
    items = out.get("items")
    if isinstance(items, list):
        del out["items"]
        out["prefixItems"] = items
        if "additionalItems" in out:
            out["items"] = out.pop("additionalItems")


def _clean_bounds(out: dict[str, Any]) -> None:
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        flag = out.get(exclusive)
        if isinstance(flag, bool):
            del out[exclusive]
            if flag and inclusive in out:
                out[exclusive] = out.pop(inclusive)


def _clean_type(out: dict[str, Any]) -> None:
    kind = out.get("type")
    if isinstance(kind, Mapping):  # an argument that is named `type`, in a place where a schema was expected
        return
    if isinstance(kind, list):
        names = [schema_of(k).get("type") if isinstance(k, str) else None for k in kind]
        out.pop("type")
        if kind and all(n in JSON_TYPES for n in names):
            out["type"] = list(dict.fromkeys(names))
    elif "type" in out and kind not in JSON_TYPES:
        out.pop("type")
        if isinstance(kind, str):
            for key, value in schema_of(kind).items():
                out.setdefault(key, value)
    if out.pop("nullable", None) is True:
        _allow_null(out)


def _allow_null(out: dict[str, Any]) -> None:
    """OpenAPI's `nullable`, also beside a reference or alternatives."""
    kind = out.get("type")
    if isinstance(kind, str):
        out["type"] = [kind, "null"]
    elif isinstance(kind, list):
        out["type"] = list(dict.fromkeys([*kind, "null"]))
    elif any(key in out for key in ("$ref", *_LISTS)):
        inner = {
            k: out.pop(k) for k in list(out) if k not in ("default", "description", "title", "$defs", "definitions")
        }
        out["anyOf"] = [inner, {"type": "null"}]


def _check_values(out: dict[str, Any], at: str) -> None:
    """Raise `DataError` on a keyword whose value would break the validator when a completion is scored."""
    for key in _NUMBERS:
        if key in out and (isinstance(out[key], bool) or not isinstance(out[key], (int, float))):
            raise DataError(at, f"{key} must be a number, got {out[key]!r:.60}")
    if "multipleOf" in out and not 0 < out["multipleOf"] < float("inf"):
        raise DataError(at, f"multipleOf must be above 0, got {out['multipleOf']!r}")
    for key in _COUNTS:
        value = out.get(key, 0)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not 0 <= value < 2**53
            or value != int(value)
        ):
            raise DataError(at, f"{key} must be a whole number of at least 0, got {value!r:.60}")
    for key, kind, word in (("enum", list, "list"), ("pattern", str, "string"), ("$ref", str, "string")):
        if key in out and not isinstance(out[key], kind):
            raise DataError(at, f"{key} must be a {word}, got {out[key]!r:.60}")
    dependent = out.get("dependentRequired", {})
    if not isinstance(dependent, Mapping) or not all(isinstance(v, list) for v in dependent.values()):
        raise DataError(at, f"dependentRequired must map names to lists, got {dependent!r:.60}")
