"""Arguments against a tool's JSON Schema (draft 2020-12), without ever opening a connection."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rlvr.errors import DataError
from rlvr.tools.clean import ARROW
from rlvr.tools.compiled import compile_schema
from rlvr.tools.nodes import Node, Path, PlainObject, State, plain_object
from rlvr.tools.patterns import OverBudgetError, Pattern, compile_pattern
from rlvr.tools.schemas import in_place, resolve_pointer
from rlvr.tools.writable import MAX_ARGUMENTS_DEPTH, why_not_written
from rlvr.types import GoldCall, OneOf, Tool

MAX_PROBLEMS = 20
_MAX_TEXT = 160
_MAX_CHECKERS = 4096
_NOTHING = State()
"""For schemas that keep nothing while they are checked."""
_BY_IDENTITY: dict[int, tuple[Mapping[str, Any], _Checker]] = {}


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


def is_valid(tool: Tool, arguments: Mapping[str, Any]) -> bool:
    """Whether `validate` would find no problem, without naming any: what a score needs.

    >>> tool = Tool("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    >>> is_valid(tool, {"n": 5}), is_valid(tool, {"n": 5.0})
    (True, False)
    """
    return _checker_of(tool.parameters).check(arguments)


class Validators(dict[str, Callable[[Mapping[str, Any]], bool] | None]):
    """`is_valid` of each offered tool, by its name and made when first asked for; `None` for a tool not offered."""

    def __init__(self, tools: Mapping[str, Tool]) -> None:
        super().__init__()
        self._tools = tools

    def __missing__(self, name: str) -> Callable[[Mapping[str, Any]], bool] | None:
        tool = self._tools.get(name)
        if tool is None:
            return None  # names that a model makes up are not kept: there is no end of them
        made = self[name] = _checker_of(tool.parameters).check
        return made


def validate(tool: Tool, arguments: Mapping[str, Any]) -> list[str]:
    """Problems of a call's arguments under the tool's schema; the empty list where there is none.

    An integer must be written as one (5.0 is none, and a boolean is no number), `format` is not asserted, and an
    argument that the schema does not know is a problem unless it sets `additionalProperties`. A `pattern` is searched
    for in bounded time; one that cannot be (`rlvr.tools.patterns`) is not asserted.

    >>> tool = Tool("f", "", {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})
    >>> validate(tool, {"n": 5.0, "m": 1})
    ["n: 5.0 is not of type 'integer'", 'm: not in the schema']
    """
    checker, state = _checker_of(tool.parameters), State()
    problems: dict[str, None] = {}
    try:
        for path, text in checker.schema.problems(arguments, (), state):
            problems[_written(path, text)] = None
            if len(problems) >= MAX_PROBLEMS:
                break
        for name in checker.unknown(arguments, state):
            problems[f"{name}: not in the schema"] = None
    except (RecursionError, OverflowError, OverBudgetError) as error:
        # A schema that refers to itself without consuming anything, an integer too large for a bound that is a float,
        # patterns that would take too long.
        problems[f"cannot be checked: {type(error).__name__}"] = None
    return list(problems)[:MAX_PROBLEMS]


def check_ground_truth(gold: Sequence[GoldCall], tools: Sequence[Tool] | Mapping[str, Tool]) -> list[str]:
    """Problems of a ground truth: a tool that is not offered, canonical arguments that break its schema or cannot be
    written in any completion."""
    offered = tools if isinstance(tools, Mapping) else {t.name: t for t in tools}
    problems = []
    for i, call in enumerate(gold):
        where = f"ground_truth[{i}] {call.name}"
        tool = offered.get(call.name)
        if tool is None:
            problems.append(f"{where}: the tool is not offered (offered: {', '.join(offered) or 'none'})")
        elif odd := why_not_written(arguments := call.canonical().arguments, MAX_ARGUMENTS_DEPTH):
            problems.append(f"{where}: {odd}, so no completion can hold it")
        elif empty := [name for name, value in call.arguments.items() if _never(value)]:
            problems.append(f"{where}: {', '.join(empty)}: no accepted value ($one_of is empty), so no call can match")
        elif not is_valid(tool, arguments):
            hint = ARROW if None in arguments.values() else ""
            problems.extend(f"{where}: {p}{hint}" for p in validate(tool, arguments))
    return problems


def _never(value: Any) -> bool:
    """Whether an accepted value is, or holds, one of none that may not be left out either."""
    if isinstance(value, OneOf):
        return all(map(_never, value.values)) and not value.optional
    held = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return any(map(_never, held))


@dataclass(frozen=True, slots=True)
class _Checker:
    """A tool's schema, made ready once.

    `open`: arguments that it does not know are allowed; `remembers`: it has references or patterns, which keep a state
    while a value is checked.
    """

    schema: Node
    known: frozenset[str]
    open: bool
    patterns: tuple[Pattern, ...]
    remembers: bool
    plain: PlainObject | None

    @property
    def check(self) -> Callable[[Mapping[str, Any]], bool]:
        """Says whether nothing is wrong with arguments."""
        return self._holds if self.plain is None else self.plain.holds

    def _holds(self, arguments: Mapping[str, Any]) -> bool:
        try:
            state = State() if self.remembers else _NOTHING
            return self.schema.check(arguments, state) and not any(self.unknown(arguments, state))
        except (RecursionError, OverflowError, OverBudgetError):
            return False

    def unknown(self, arguments: Mapping[str, Any], state: State) -> Iterable[str]:
        return () if self.open or arguments.keys() <= self.known else self._unknown(arguments, state)

    def _unknown(self, arguments: Mapping[str, Any], state: State) -> Iterator[str]:
        for name in arguments:
            if name not in self.known and not any(p.search(name, state.budget) for p in self.patterns):
                yield name


def _checker_of(schema: Mapping[str, Any]) -> _Checker:
    """By identity first, since writing a schema as JSON takes longer than checking with it; schemas never change."""
    known = _BY_IDENTITY.get(id(schema))
    if known is not None and known[0] is schema:
        return known[1]
    made = _checker(json.dumps(schema, sort_keys=True))
    if len(_BY_IDENTITY) >= _MAX_CHECKERS:
        _BY_IDENTITY.clear()
    _BY_IDENTITY[id(schema)] = (schema, made)
    return made


@lru_cache(maxsize=_MAX_CHECKERS)
def _checker(canonical: str) -> _Checker:
    schema = json.loads(canonical)
    parts = list(in_place(schema, schema))
    patterns = [compile_pattern(source) for part in parts for source in part.get("patternProperties") or ()]
    rest = [part.get(key, False) for part in parts for key in ("additionalProperties", "unevaluatedProperties")]
    # A pattern that cannot be searched for says nothing about the names that it would allow.
    is_open = any(value is not False for value in rest) or None in patterns
    known = frozenset(name for part in parts for name in part.get("properties") or ())
    node, remembers = compile_schema(schema)
    plain = None if is_open or remembers else plain_object(node)
    return _Checker(node, known, is_open, tuple(p for p in patterns if p is not None), remembers, plain)


def _written(path: Path, text: str) -> str:
    place = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")
    text = text if len(text) <= _MAX_TEXT else f"{text[: _MAX_TEXT - 1]}…"
    return f"{place}: {text}" if place else text


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
