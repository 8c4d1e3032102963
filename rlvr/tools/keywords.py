"""The keywords of JSON Schema that look at one value alone: a test and a message each."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

Test = Callable[..., bool]
Message = Callable[[Any], str]


def is_integer(value: Any, _: object = None) -> bool:
    """5.0 is none, and a boolean is no number."""
    return type(value) is int or (isinstance(value, int) and not isinstance(value, bool))


def is_number(value: Any, _: object = None) -> bool:
    kind = type(value)
    return kind is int or kind is float or (isinstance(value, (int, float)) and not isinstance(value, bool))


def is_list(value: Any, _: object = None) -> bool:
    return isinstance(value, (list, tuple))


TYPES: Mapping[str, Test] = {
    "string": lambda v, _=None: isinstance(v, str),
    "integer": is_integer,
    "number": is_number,
    "boolean": lambda v, _=None: isinstance(v, bool),
    "array": is_list,
    "object": lambda v, _=None: isinstance(v, Mapping),
    "null": lambda v, _=None: v is None,
}
"""With a second argument that is not looked at, so that a schema with nothing but a type is checked by these alone."""


def same(a: Any, b: Any) -> bool:
    """Equality of JSON values: 1 equals 1.0, `true` does not."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, str) or isinstance(b, str):
        return bool(a == b)
    if is_list(a) and is_list(b):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return len(a) == len(b) and all(k in b and same(v, b[k]) for k, v in a.items())
    return bool(a == b)


_sorted_json = json.JSONEncoder(sort_keys=True).encode


def _key(value: Any) -> str:
    """A text that is the same for equal JSON values, and for no others."""
    kind = type(value)
    if kind is str:
        return f'"{value}'
    return str(value) if kind is int else _sorted_json(_whole(value))


def _whole(value: Any) -> Any:
    """Whole floats as integers, all the way down."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if is_list(value):
        return [_whole(v) for v in value]
    if isinstance(value, Mapping):
        return {k: _whole(v) for k, v in value.items()}
    return value


def _type(names: Any) -> tuple[Test, Message]:
    listed = [names] if isinstance(names, str) else list(names)
    tests = [TYPES[n] for n in listed if n in TYPES]
    words = ", ".join(repr(n) for n in listed)
    test = tests[0] if len(tests) == 1 else lambda v, _=None: any(t(v) for t in tests) or not tests
    return test, lambda v: f"{v!r} is not of type {words}"


def _enum(values: Any) -> tuple[Test, Message]:
    texts = frozenset(v for v in values if isinstance(v, str))
    others = [v for v in values if not isinstance(v, str)]

    def test(value: Any, _: object = None) -> bool:
        return value in texts if isinstance(value, str) else any(same(value, o) for o in others)

    return test, lambda v: f"{v!r} is not one of {values!r}"


def _bound(holds: Callable[[Any, Any], bool], words: str) -> Callable[[Any], tuple[Test, Message]]:
    def make(limit: Any) -> tuple[Test, Message]:
        return lambda v, _=None: not is_number(v) or holds(v, limit), lambda v: f"{v!r} is {words} {limit!r}"

    return make


def _multiple(step: Any) -> tuple[Test, Message]:
    """By the numbers as they are written: 19.99 is a multiple of 0.01, though the floats' quotient is not whole."""

    def test(value: Any, _: object = None) -> bool:
        if not is_number(value):
            return True
        if isinstance(step, int) and isinstance(value, int):
            return value % step == 0
        return math.isfinite(value) and (Fraction(repr(value)) / Fraction(repr(step))).denominator == 1

    return test, lambda v: f"{v!r} is not a multiple of {step!r}"


def _length(of: Test, least: bool, words: str) -> Callable[[Any], tuple[Test, Message]]:
    def make(limit: Any) -> tuple[Test, Message]:
        def test(value: Any, _: object = None) -> bool:
            return not of(value) or (len(value) >= limit if least else len(value) <= limit)

        return test, lambda v: f"{v!r} {words}"

    return make


def _unique(wanted: Any) -> tuple[Test, Message]:
    def test(value: Any, _: object = None) -> bool:
        if not wanted or not is_list(value):
            return True
        seen: set[str] = set()
        for key in map(_key, value):
            if key in seen:
                return False
            seen.add(key)
        return True

    return test, lambda v: f"{v!r} has non-unique elements"


def _const(wanted: Any) -> tuple[Test, Message]:
    return lambda v, _=None: same(v, wanted), lambda v: f"{v!r} is not {wanted!r}"


_TEXT, _OBJECT = TYPES["string"], TYPES["object"]

SIMPLE: Mapping[str, Callable[[Any], tuple[Test, Message]]] = {
    "type": _type,
    "enum": _enum,
    "const": _const,
    "minimum": _bound(lambda v, limit: v >= limit, "less than the minimum of"),
    "maximum": _bound(lambda v, limit: v <= limit, "greater than the maximum of"),
    "exclusiveMinimum": _bound(lambda v, limit: v > limit, "not above"),
    "exclusiveMaximum": _bound(lambda v, limit: v < limit, "not below"),
    "multipleOf": _multiple,
    "minLength": _length(_TEXT, True, "is too short"),
    "maxLength": _length(_TEXT, False, "is too long"),
    "minItems": _length(is_list, True, "is too short"),
    "maxItems": _length(is_list, False, "is too long"),
    "minProperties": _length(_OBJECT, True, "does not have enough properties"),
    "maxProperties": _length(_OBJECT, False, "has too many properties"),
    "uniqueItems": _unique,
}
"""Keyword → from its value: a test, and the message where it fails."""
