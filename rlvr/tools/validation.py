"""Arguments against a tool's JSON Schema (draft 2020-12), without ever opening a connection."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from rlvr.errors import DataError
from rlvr.tools.schemas import branches, object_shape, resolve_pointer
from rlvr.types import GoldCall, Tool

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

MAX_PROBLEMS = 20
_MAX_TEXT = 160
_MAX_VALIDATORS = 4096
_BY_IDENTITY: dict[int, tuple[Mapping[str, Any], Validator]] = {}


def check_references(schema: Mapping[str, Any], at: str) -> None:
    """Raise `DataError` where a schema refers to something outside itself, to nothing, or in a circle."""
    for reference in _references(schema):
        chain: list[Any] = []
        target: Any = {"$ref": reference}
        while isinstance(target, Mapping) and isinstance(target.get("$ref"), str):
            if target["$ref"] in chain:
                raise DataError(at, f"cannot be checked: $ref {reference!r} points at itself")
            chain.append(target["$ref"])
            try:
                target = resolve_pointer(schema, target["$ref"])
            except LookupError as error:
                raise DataError(at, f"cannot be checked: $ref {error}") from None


def validate(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    """Problems of a call's arguments under the tool's schema; the empty list where there is none.

    An integer must be written as one (5.0 is none, and a boolean is no number), `format` is not asserted, and an
    argument that the schema does not know is a problem unless it sets `additionalProperties`.

    >>> tool = Tool("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    >>> validate(tool, {"n": 5.0, "m": 1})
    ["n: 5.0 is not of type 'integer'", 'm: not in the schema']
    """
    problems: dict[str, None] = {}
    try:
        for error in _validator_of(tool.parameters).iter_errors(arguments):
            problems.update(dict.fromkeys(_messages(error)))
            if len(problems) >= MAX_PROBLEMS:
                break
    except (RecursionError, OverflowError) as error:
        # Finite data under a schema that refers to itself without consuming any of it, or an integer too large for
        # a bound that is a float.
        problems[f"cannot be checked: {type(error).__name__}"] = None
    problems.update(dict.fromkeys(f"{name}: not in the schema" for name in _unknown(tool, arguments)))
    return list(problems)[:MAX_PROBLEMS]


def check_ground_truth(gold: Sequence[GoldCall], tools: Sequence[Tool] | Mapping[str, Tool]) -> list[str]:
    """Problems of a ground truth: a tool that is not offered, canonical arguments that break its schema."""
    offered = tools if isinstance(tools, Mapping) else {t.name: t for t in tools}
    problems = []
    for i, call in enumerate(gold):
        where = f"ground_truth[{i}] {call.name}"
        tool = offered.get(call.name)
        if tool is None:
            problems.append(f"{where}: the tool is not offered (offered: {', '.join(offered) or 'none'})")
        else:
            problems.extend(f"{where}: {p}" for p in validate(tool, call.canonical().arguments))
    return problems


def _messages(error: ValidationError) -> Iterator[str]:
    path = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.absolute_path).lstrip(".")
    if error.validator == "required" and isinstance(error.instance, Mapping):
        for name in cast("list[str]", error.validator_value):
            if name not in error.instance:
                yield f"{path}.{name}: missing".lstrip(".")
        return
    text = error.message if len(error.message) <= _MAX_TEXT else f"{error.message[: _MAX_TEXT - 1]}…"
    yield f"{path}: {text}" if path else text


def _unknown(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    known = object_shape(tool.parameters, tool.parameters).properties
    unknown = [a for a in arguments if a not in known]
    if not unknown:
        return []
    patterns: list[str] = []
    for option in branches(tool.parameters, tool.parameters):
        if option.get("additionalProperties", False) is not False:
            return []
        patterns.extend(p for p in option.get("patternProperties", {}) if _compiles(p))
    return [a for a in unknown if not any(re.search(p, a) for p in patterns)]


def _validator_of(schema: Mapping[str, Any]) -> Validator:
    """By identity first, since writing a schema as JSON takes longer than checking with it; schemas never change."""
    known = _BY_IDENTITY.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    made = _validator(json.dumps(schema, sort_keys=True))
    if len(_BY_IDENTITY) >= _MAX_VALIDATORS:
        _BY_IDENTITY.clear()
    _BY_IDENTITY[id(schema)] = (schema, made)
    return made


@lru_cache(maxsize=_MAX_VALIDATORS)
def _validator(canonical: str) -> Validator:
    from referencing import Registry

    # An empty registry: whatever a reference asks for, nothing is retrieved.
    made: Validator = _validator_class()(_checkable(json.loads(canonical)), registry=Registry())
    return made


@lru_cache(maxsize=1)
def _validator_class() -> Any:
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    def is_integer(_checker: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    checker = Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer)
    return extend(Draft202012Validator, type_checker=checker)  # type: ignore[no-untyped-call]


def _checkable(schema: Any) -> Any:
    """The schema without patterns that Python's `re` cannot read (JavaScript has more): those are not asserted."""
    if isinstance(schema, list):
        return [_checkable(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    out = {k: _checkable(v) for k, v in schema.items()}
    if isinstance(out.get("pattern"), str) and not _compiles(out["pattern"]):
        del out["pattern"]
    patterns = out.get("patternProperties")
    if isinstance(patterns, dict):
        out["patternProperties"] = {k: v for k, v in patterns.items() if _compiles(k)}
    return out


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return True


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            elif key not in ("enum", "const", "default", "examples"):
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
