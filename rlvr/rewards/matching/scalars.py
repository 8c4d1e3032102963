"""Wanted numbers, booleans and nulls, ready to be compared with what a completion gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.texts import EQUAL, WRONG_TYPE, WRONG_VALUE, ValueVerdict
from rlvr.tools import json_type

Schema = Mapping[str, Any]
_NO_BOOLEAN = ValueVerdict(False, rules.WRONG_TYPE, 0.0, frozenset({rules.SCHEMA_TYPE, rules.BOOLEAN_ONLY}))
_WHOLE_FLOAT = ValueVerdict(False, rules.WRONG_TYPE, 0.0, frozenset({rules.INTEGER_ONLY}))
_FLOAT = ValueVerdict(False, rules.WRONG_VALUE, 0.0, frozenset({rules.INTEGER_ONLY}))
_BY_VALUE = ValueVerdict(True, rules.NORMALISED, 1.0, frozenset({rules.NUMBER_BY_VALUE}))


class Constant:
    """A boolean, or `null`."""

    __slots__ = ("_wanted",)

    def __init__(self, wanted: bool | None) -> None:
        self._wanted = wanted

    def verdict(self, given: Any) -> ValueVerdict:
        return EQUAL if given is self._wanted else _unequal(self._wanted, given)

    def credit(self, given: Any) -> float:
        return 1.0 if given is self._wanted else 0.0


class Number:
    """A number under one branch of its schema; where that is silent, the number's own kind stands in for it."""

    __slots__ = ("_integer", "_wanted", "_whole")

    def __init__(self, wanted: float, schema: Schema) -> None:
        types = types_of(schema)
        self._wanted = wanted
        self._whole = isinstance(wanted, int)
        self._integer = "number" not in types if types else self._whole

    def verdict(self, given: Any) -> ValueVerdict:
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return _unequal(self._wanted, given)
        same = given == self._wanted
        if self._integer and isinstance(given, float):
            return _WHOLE_FLOAT if same else _FLOAT
        if not same:
            return WRONG_VALUE
        return EQUAL if isinstance(given, int) == self._whole else _BY_VALUE

    def credit(self, given: Any) -> float:
        if isinstance(given, bool) or not isinstance(given, int if self._integer else (int, float)):
            return 0.0
        return 1.0 if given == self._wanted else 0.0


def _unequal(wanted: Any, given: Any) -> ValueVerdict:
    if json_type(wanted) == json_type(given):
        return WRONG_VALUE
    return _NO_BOOLEAN if isinstance(wanted, bool) != isinstance(given, bool) else WRONG_TYPE


def types_of(schema: Schema) -> frozenset[str]:
    """The types that a schema names; none where it names none."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return frozenset({kind})
    return frozenset(k for k in kind if isinstance(k, str)) if isinstance(kind, (list, tuple)) else frozenset()
