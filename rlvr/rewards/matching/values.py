"""Equality of one value under the `typed` and `exact` modes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rlvr.rewards.matching import rules
from rlvr.rewards.matching.strings import (
    benchmark_form,
    holds_digits,
    looks_pinned,
    partial_credit,
    typed_form,
)
from rlvr.tools import branches, child_schema, json_type, object_shape
from rlvr.types import OneOf

Schema = Mapping[str, Any]
_PINNED_RULE = {
    "identifier": rules.IDENTIFIER_EXACT,
    "address": rules.ADDRESS_EXACT,
    "date": rules.DATE_EXACT,
}
ABSENT = object()
"""Stands for an argument that is not there; `None` is a value."""


@dataclass(frozen=True, slots=True)
class ValueVerdict:
    """Whether a value is the wanted one; `applied` are the rules that were looked at on the way."""

    equal: bool
    reason: str
    credit: float = 0.0
    applied: frozenset[str] = frozenset()


_EQUAL = ValueVerdict(True, rules.EQUAL, 1.0)
_WRONG_TYPE = ValueVerdict(False, rules.WRONG_TYPE, 0.0, frozenset({rules.SCHEMA_TYPE}))


def exact_equal(wanted: Any, given: Any) -> bool:
    """JSON equality without any normalisation: 5 is not 5.0, `true` is not 1, the order of keys means nothing."""
    if isinstance(wanted, OneOf):
        return any(exact_equal(v, given) for v in wanted.values)
    if isinstance(wanted, Mapping):
        if not isinstance(given, Mapping) or any(k not in wanted for k in given):
            return False
        return all(exact_equal(v, given[k]) if k in given else may_be_left_out(v) for k, v in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if not isinstance(given, (list, tuple)) or len(wanted) != len(given):
            return False
        return all(exact_equal(w, g) for w, g in zip(wanted, given, strict=True))
    return json_type(wanted) == json_type(given) and bool(wanted == given)


def may_be_left_out(wanted: Any) -> bool:
    return isinstance(wanted, OneOf) and wanted.optional


def typed_verdict(wanted: Any, given: Any, schema: Any, root: Schema) -> ValueVerdict:
    """Equality by the schema: the best verdict over the acceptable values and the schema's alternatives."""
    options = wanted.values if isinstance(wanted, OneOf) else (wanted,)
    best: ValueVerdict | None = None
    applied: frozenset[str] = frozenset()
    for option in options:
        if isinstance(option, OneOf):
            verdicts = [typed_verdict(option, given, schema, root)]
        else:
            verdicts = [_compare(option, given, b, root) for b in _fitting(option, schema, root)]
        for verdict in verdicts:
            applied |= verdict.applied
            if best is None or (verdict.equal, verdict.credit) > (best.equal, best.credit):
                best = verdict
    if best is None:  # the argument may only be left out
        return ValueVerdict(False, rules.INVENTED, 0.0, frozenset({rules.BLANK_IS_A_VALUE}))
    if isinstance(wanted, OneOf) and not best.equal and _is_blank(given):
        applied |= {rules.BLANK_IS_A_VALUE}
    return ValueVerdict(best.equal, best.reason, best.credit, applied)


def omitted_is_default(wanted: Any, name: str, schema: Any, root: Schema) -> bool:
    """Whether leaving an argument out says the same as `wanted`: it is optional, and `wanted` is its default."""
    if name in object_shape(schema, root).required:
        return False
    sub = child_schema(schema, name, root)
    return any("default" in b and typed_verdict(wanted, b["default"], sub, root).equal for b in branches(sub, root))


def given_is_default(given: Any, name: str, schema: Any, root: Schema) -> bool:
    """Whether an argument that nobody asked for only states its default."""
    if name in object_shape(schema, root).required:
        return False
    sub = child_schema(schema, name, root)
    return any("default" in b and typed_verdict(b["default"], given, sub, root).equal for b in branches(sub, root))


def _is_blank(value: Any) -> bool:
    return value is None or value == [] or (isinstance(value, str) and not benchmark_form(value))


def _types(schema: Schema) -> frozenset[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return frozenset({kind})
    return frozenset(k for k in kind if isinstance(k, str)) if isinstance(kind, (list, tuple)) else frozenset()


def _fitting(value: Any, schema: Any, root: Schema) -> list[Schema]:
    """The branches that admit the wanted value's type; the empty schema where none does."""
    kind = json_type(value)
    admitted = {kind, "number"} if kind == "integer" else {kind}
    found = [b for b in branches(schema, root) if not _types(b) or _types(b) & admitted]
    return found or [{}]


def _compare(wanted: Any, given: Any, schema: Schema, root: Schema) -> ValueVerdict:
    kind = json_type(wanted)
    if kind in ("boolean", "null"):
        same = json_type(given) == kind and given == wanted
        return _EQUAL if same else _unequal(wanted, given)
    if kind in ("integer", "number"):
        return _compare_numbers(wanted, given, schema)
    if kind == "string":
        return _compare_strings(wanted, given, schema) if isinstance(given, str) else _WRONG_TYPE
    if kind == "array":
        return _compare_arrays(wanted, given, schema, root)
    return _compare_objects(wanted, given, schema, root)


def _unequal(wanted: Any, given: Any) -> ValueVerdict:
    if json_type(wanted) == json_type(given):
        return ValueVerdict(False, rules.WRONG_VALUE)
    applied = {rules.SCHEMA_TYPE}
    if isinstance(wanted, bool) != isinstance(given, bool):
        applied.add(rules.BOOLEAN_ONLY)
    return ValueVerdict(False, rules.WRONG_TYPE, 0.0, frozenset(applied))


def _compare_numbers(wanted: Any, given: Any, schema: Schema) -> ValueVerdict:
    if json_type(given) not in ("integer", "number"):
        return _unequal(wanted, given)
    types = _types(schema)
    # Where the schema is silent, the wanted value's own kind stands in for it.
    integer = "number" not in types if types else isinstance(wanted, int)
    if integer and isinstance(given, float):
        same = wanted == given
        return ValueVerdict(
            False, rules.WRONG_TYPE if same else rules.WRONG_VALUE, 0.0, frozenset({rules.INTEGER_ONLY})
        )
    if wanted != given:
        return ValueVerdict(False, rules.WRONG_VALUE)
    if isinstance(wanted, int) == isinstance(given, int):
        return _EQUAL
    return ValueVerdict(True, rules.NORMALISED, 1.0, frozenset({rules.NUMBER_BY_VALUE}))


def _compare_strings(wanted: str, given: str, schema: Schema) -> ValueVerdict:
    if wanted == given:
        return _EQUAL
    pinned = _pinned_rule(wanted, schema)
    if pinned:
        return ValueVerdict(False, rules.WRONG_VALUE, 0.0, frozenset({pinned}))
    form, other = typed_form(wanted), typed_form(given)
    if not form or not other:
        return ValueVerdict(False, rules.WRONG_VALUE, 0.0, frozenset({rules.EMPTY_FORM}))
    benchmark_equal = benchmark_form(wanted) == benchmark_form(given)
    if form == other:
        applied = frozenset() if benchmark_equal else frozenset({rules.UNICODE_NFKC})
        return ValueVerdict(True, rules.NORMALISED, 1.0, applied | {rules.NESTED_VALUES})
    applied = frozenset({rules.DIGITS_APART}) if benchmark_equal and holds_digits(wanted + given) else frozenset()
    credit = partial_credit(wanted, given)
    return ValueVerdict(False, rules.SIMILAR if credit else rules.WRONG_VALUE, credit, applied)


def _pinned_rule(wanted: str, schema: Schema) -> str | None:
    if "enum" in schema or "const" in schema:
        return rules.ENUM_EXACT
    if "format" in schema or "pattern" in schema:
        return rules.FORMAT_EXACT
    looks = looks_pinned(wanted)
    return _PINNED_RULE[looks] if looks else None


def _compare_arrays(wanted: Any, given: Any, schema: Schema, root: Schema) -> ValueVerdict:
    if not isinstance(given, (list, tuple)):
        return _WRONG_TYPE
    if len(wanted) != len(given):
        return ValueVerdict(False, rules.WRONG_VALUE)
    parts = [
        typed_verdict(w, g, child_schema(schema, i, root), root)
        for i, (w, g) in enumerate(zip(wanted, given, strict=True))
    ]
    return _together(parts)


def _compare_objects(wanted: Any, given: Any, schema: Schema, root: Schema) -> ValueVerdict:
    if not isinstance(given, Mapping):
        return _WRONG_TYPE
    parts = []
    for name in dict.fromkeys([*wanted, *given]):
        parts.append(property_verdict(wanted.get(name, ABSENT), given.get(name, ABSENT), name, schema, root))
    return _together(parts)


def property_verdict(wanted: Any, given: Any, name: str, schema: Any, root: Schema) -> ValueVerdict:
    """One property of an object, or one argument of a call; `ABSENT` stands for what is not there."""
    default = frozenset({rules.DEFAULT_EQUALS_OMISSION})
    if given is ABSENT:
        if may_be_left_out(wanted):
            return ValueVerdict(True, rules.LEFT_OUT, 1.0, frozenset({rules.OPTIONAL_BY_ANSWER}))
        if omitted_is_default(wanted, name, schema, root):
            return ValueVerdict(True, rules.DEFAULT, 1.0, default)
        return ValueVerdict(False, rules.MISSING)
    if wanted is ABSENT or (may_be_left_out(wanted) and not wanted.values):
        if given_is_default(given, name, schema, root):
            return ValueVerdict(True, rules.DEFAULT, 1.0, default)
        return ValueVerdict(False, rules.INVENTED, 0.0, frozenset({rules.BLANK_IS_A_VALUE}))
    verdict = typed_verdict(wanted, given, child_schema(schema, name, root), root)
    if not verdict.equal and may_be_left_out(wanted) and given_is_default(given, name, schema, root):
        return ValueVerdict(True, rules.DEFAULT, 1.0, verdict.applied | default)
    known = name in object_shape(schema, root).properties
    return (
        verdict
        if known
        else ValueVerdict(verdict.equal, verdict.reason, verdict.credit, verdict.applied | {rules.UNKNOWN_ARGUMENT})
    )


def _together(parts: list[ValueVerdict]) -> ValueVerdict:
    applied = frozenset().union(*[p.applied for p in parts]) | {rules.NESTED_VALUES}
    wrong = [p for p in parts if not p.equal]
    if wrong:
        return ValueVerdict(False, rules.WRONG_VALUE, 0.0, applied)
    plain = all(p.reason == rules.EQUAL for p in parts)
    return ValueVerdict(True, rules.EQUAL if plain else rules.NORMALISED, 1.0, applied)
