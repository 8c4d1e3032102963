"""A compiled schema: nodes of keywords, each of which checks a value or names its problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from rlvr.tools.keywords import TYPES, Message, Test, is_list
from rlvr.tools.patterns import Budget, Pattern

Path = tuple[str | int, ...]
Problem = tuple[Path, str]


@dataclass(slots=True)
class State:
    """What one validation keeps: verdicts of references on values (`None`: being looked at), steps left for patterns,
    values whose problems were told, and what references saw of values."""

    verdicts: dict[tuple[int, int], bool | None] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    told: set[tuple[int, int]] = field(default_factory=set)
    seen: dict[tuple[int, int], Set[str | int]] = field(default_factory=dict)


Check = Callable[[Any, State], bool]


class Keyword(Protocol):
    """One keyword's part: `check` a value, or name the `problems` of one that may fail the check."""

    @property
    def check(self) -> Check: ...

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]: ...

    def seen(self, value: Any, state: State) -> Set[str | int]:
        """The names or indices that it looked at, for `unevaluatedProperties` and `unevaluatedItems`."""
        ...


class Node:
    """A schema: all of its keywords hold."""

    __slots__ = ("check", "keywords")

    def __init__(self) -> None:
        self.keywords: Sequence[Keyword] = ()
        self.check: Check = _anything

    def fill(self, keywords: Sequence[Keyword]) -> None:
        self.keywords = keywords
        checks = tuple(k.check for k in keywords)
        if len(checks) == 1:
            self.check = checks[0]
        elif checks:
            self.check = _all_of(checks)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        for keyword in self.keywords:
            yield from keyword.problems(value, path, state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return frozenset().union(*[keyword.seen(value, state) for keyword in self.keywords])


class Blind:
    """What most keywords have in common: they look at no name and no index."""

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return frozenset()


def _all_of(checks: tuple[Check, ...]) -> Check:
    if len(checks) == 2:
        first, second = checks
        return lambda value, state: first(value, state) and second(value, state)

    def check(value: Any, state: State) -> bool:
        for one in checks:  # noqa: SIM110  a generator would cost more than most checks
            if not one(value, state):
                return False
        return True

    return check


def _anything(value: Any, state: State) -> bool:
    return True


class Plain(Blind):
    """A keyword that looks at the value alone."""

    def __init__(self, test: Test, message: Message) -> None:
        self.check: Check = test
        self._message = message

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not self.check(value, state):
            yield path, self._message(value)


class Text(Blind):
    """`pattern`."""

    def __init__(self, pattern: Pattern, source: str) -> None:
        self._pattern, self._source = pattern, source

    def check(self, value: Any, state: State) -> bool:
        return not isinstance(value, str) or self._pattern.search(value, state.budget)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not self.check(value, state):
            yield path, f"{value!r} does not match {self._source!r}"


class Required(Blind):
    """`required`."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def check(self, value: Any, state: State) -> bool:
        if isinstance(value, Mapping):
            for name in self.names:
                if name not in value:
                    return False
        return True

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if isinstance(value, Mapping):
            yield from (((*path, n), "missing") for n in self.names if n not in value)


class Members:
    """`properties`, `patternProperties` and `additionalProperties`, which depend on each other."""

    def __init__(
        self, properties: Mapping[str, Node], patterns: Sequence[tuple[Pattern, Node]], others: Node | None
    ) -> None:
        self._properties, self._patterns, self._others = properties, tuple(patterns), others
        self.stands_alone = not patterns and others is None

    def checks(self) -> dict[str, Check]:
        return {name: node.check for name, node in self._properties.items()}

    def check(self, value: Any, state: State) -> bool:
        if not isinstance(value, Mapping):
            return True
        if not self.stands_alone:
            return all(node.check(value[name], state) for name, node in self._nodes(value, state))
        properties = self._properties
        for name, child in value.items():
            node = properties.get(name)
            if node is not None and not node.check(child, state):
                return False
        return True

    def _nodes(self, value: Mapping[str, Any], state: State) -> Iterator[tuple[str, Node]]:
        for name in value:
            found = [self._properties[name]] if name in self._properties else []
            found += [n for p, n in self._patterns if isinstance(name, str) and p.search(name, state.budget)]
            if not found and self._others is not None:
                found.append(self._others)
            yield from ((name, node) for node in found)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if isinstance(value, Mapping):
            for name, node in self._nodes(value, state):
                yield from node.problems(value[name], (*path, name), state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return {name for name, _ in self._nodes(value, state)} if isinstance(value, Mapping) else frozenset()


class PlainObject:
    """What most tools take: known properties, each on its own, some of them required, and no others. All at once."""

    def __init__(self, members: Members | None, required: Sequence[str]) -> None:
        self._checks = {} if members is None else members.checks()
        self._kinds = {name: _EXACT[check] for name, check in self._checks.items() if check in _EXACT}
        self._required = tuple(required)

    def holds(self, value: Mapping[str, Any]) -> bool:
        for name in self._required:
            if name not in value:
                return False
        kinds = self._kinds
        for name, child in value.items():
            if type(child) is not kinds.get(name) and not self._fits(name, child):
                return False
        return True

    def _fits(self, name: str, child: Any) -> bool:
        check = self._checks.get(name)
        try:
            return check is not None and check(child, _NO_STATE)
        except (RecursionError, OverflowError):  # an integer too large for a bound that is a float
            return False


def plain_object(node: Node) -> PlainObject | None:
    """The same schema as a `PlainObject` that takes no unknown properties; `None` where it says more than that.

    Only for a schema that keeps no state.
    """
    members: Members | None = None
    required: tuple[str, ...] = ()
    for keyword in node.keywords:
        if isinstance(keyword, Members) and keyword.stands_alone:
            members = keyword
        elif isinstance(keyword, Required):
            required = keyword.names
        elif not (isinstance(keyword, Plain) and keyword.check is TYPES["object"]):
            return None
    return PlainObject(members, required)


_NO_STATE = State()
_EXACT: Mapping[Check, type] = {
    TYPES[name]: kind
    for name, kind in (("string", str), ("integer", int), ("boolean", bool), ("number", float), ("array", list))
}
"""For properties that name a type and nothing else: what most of their values are in Python."""


class Elements:
    """`prefixItems` and `items`."""

    def __init__(self, first: Sequence[Node], rest: Node | None) -> None:
        self._first, self._rest = tuple(first), rest

    def check(self, value: Any, state: State) -> bool:
        if not is_list(value):
            return True
        if any(not n.check(v, state) for n, v in zip(self._first, value, strict=False)):
            return False
        rest = self._rest
        if rest is not None:
            check = rest.check
            for child in value[len(self._first) :] if self._first else value:
                if not check(child, state):
                    return False
        return True

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if is_list(value):
            for i, child in enumerate(value):
                node = self._first[i] if i < len(self._first) else self._rest
                if node is not None:
                    yield from node.problems(child, (*path, i), state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        if not is_list(value):
            return frozenset()
        return set(range(len(value) if self._rest is not None else len(self._first)))
