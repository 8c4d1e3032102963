"""Keywords that apply further schemas to the same value: alternatives, conditions, references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from rlvr.tools.keywords import is_list
from rlvr.tools.nodes import Blind, Keyword, Node, Path, Problem, State


class AllOf:
    """`allOf`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(nodes)

    def check(self, value: Any, state: State) -> bool:
        return all(node.check(value, state) for node in self._nodes)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        for node in self._nodes:
            yield from node.problems(value, path, state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return frozenset().union(*[n.seen(value, state) for n in self._nodes if n.check(value, state)])


class AnyOf:
    """`anyOf`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(nodes)

    def check(self, value: Any, state: State) -> bool:
        return any(node.check(value, state) for node in self._nodes)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not self.check(value, state):
            yield path, f"{value!r} is not valid under any of the given schemas"

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return frozenset().union(*[n.seen(value, state) for n in self._nodes if n.check(value, state)])


class OneOf:
    """`oneOf`."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = tuple(nodes)

    def check(self, value: Any, state: State) -> bool:
        return self._count(value, state) == 1

    def _count(self, value: Any, state: State) -> int:
        return sum(node.check(value, state) for node in self._nodes)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        count = self._count(value, state)
        if count == 0:
            yield path, f"{value!r} is not valid under any of the given schemas"
        elif count > 1:
            yield path, f"{value!r} is valid under {count} of the given schemas, and should be under one"

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return frozenset().union(*[n.seen(value, state) for n in self._nodes if n.check(value, state)])


class Not(Blind):
    """`not`."""

    def __init__(self, node: Node, schema: Any) -> None:
        self._node, self._schema = node, schema

    def check(self, value: Any, state: State) -> bool:
        return not self._node.check(value, state)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not self.check(value, state):
            yield path, f"{value!r} should not be valid under {self._schema!r}"


class Conditional:
    """`if`, `then` and `else`."""

    def __init__(self, condition: Node, then: Node, otherwise: Node) -> None:
        self._condition, self._then, self._otherwise = condition, then, otherwise

    def check(self, value: Any, state: State) -> bool:
        return self._chosen(value, state).check(value, state)

    def _chosen(self, value: Any, state: State) -> Node:
        return self._then if self._condition.check(value, state) else self._otherwise

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        yield from self._chosen(value, state).problems(value, path, state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        chosen = self._chosen(value, state).seen(value, state)
        return chosen | self._condition.seen(value, state) if self._condition.check(value, state) else chosen


class Contains:
    """`contains`, `minContains` and `maxContains`."""

    def __init__(self, node: Node, least: int, most: int | None) -> None:
        self._node, self._least, self._most = node, least, most

    def check(self, value: Any, state: State) -> bool:
        if not is_list(value):
            return True
        count = sum(self._node.check(child, state) for child in value)
        return count >= self._least and (self._most is None or count <= self._most)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not self.check(value, state):
            yield path, f"{value!r} holds too few or too many items that match"

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return {i for i, v in enumerate(value) if self._node.check(v, state)} if is_list(value) else frozenset()


class Names(Blind):
    """`propertyNames`."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def check(self, value: Any, state: State) -> bool:
        return not isinstance(value, Mapping) or all(self._node.check(name, state) for name in value)

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if isinstance(value, Mapping):
            for name in value:
                yield from self._node.problems(name, path, state)


class Dependent:
    """`dependentRequired` and `dependentSchemas`."""

    def __init__(self, required: Mapping[str, Sequence[str]], nodes: Mapping[str, Node]) -> None:
        self._required, self._nodes = required, nodes

    def check(self, value: Any, state: State) -> bool:
        if not isinstance(value, Mapping):
            return True
        if any(k in value and any(n not in value for n in names) for k, names in self._required.items()):
            return False
        return all(k not in value or node.check(value, state) for k, node in self._nodes.items())

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        if not isinstance(value, Mapping):
            return
        for key, names in self._required.items():
            if key in value:
                yield from (((*path, n), f"missing beside {key!r}") for n in names if n not in value)
        for key, node in self._nodes.items():
            if key in value:
                yield from node.problems(value, path, state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        if not isinstance(value, Mapping):
            return frozenset()
        return frozenset().union(*[n.seen(value, state) for k, n in self._nodes.items() if k in value])


class Never(Blind):
    """The schema `false`."""

    def check(self, value: Any, state: State) -> bool:
        return False

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        yield path, f"{value!r} is not allowed"


class Reference:
    """`$ref`: another node, whose verdict on a value is remembered for as long as the validation lasts."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def check(self, value: Any, state: State) -> bool:
        key = (id(self._node), id(value))
        if key in state.verdicts:
            known = state.verdicts[key]
            if known is None:
                raise RecursionError("the schema refers to itself without consuming anything")
            return known
        state.verdicts[key] = None
        verdict = state.verdicts[key] = self._node.check(value, state)
        return verdict

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        key = (id(self._node), id(value))
        if not self.check(value, state) and key not in state.told:
            state.told.add(key)
            yield from self._node.problems(value, path, state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        key = (id(self._node), id(value))
        if key not in state.seen:
            state.seen[key] = frozenset()
            state.seen[key] = self._node.seen(value, state)
        return state.seen[key]


class Unseen:
    """`unevaluatedProperties` or `unevaluatedItems`: what none of the other keywords of its schema looked at."""

    def __init__(self, others: Sequence[Keyword], node: Node, kind: str) -> None:
        self._others, self._node, self._kind = tuple(others), node, kind

    def _children(self, value: Any, state: State) -> list[tuple[str | int, Any]]:
        if self._kind == "properties":
            children = list(value.items()) if isinstance(value, Mapping) else []
        else:
            children = list(enumerate(value)) if is_list(value) else []
        if not children:
            return []
        seen = frozenset().union(*[other.seen(value, state) for other in self._others])
        return [(key, child) for key, child in children if key not in seen]

    def check(self, value: Any, state: State) -> bool:
        return all(self._node.check(child, state) for _, child in self._children(value, state))

    def problems(self, value: Any, path: Path, state: State) -> Iterator[Problem]:
        for key, child in self._children(value, state):
            yield from self._node.problems(child, (*path, key), state)

    def seen(self, value: Any, state: State) -> Set[str | int]:
        return {key for key, _ in self._children(value, state)}
