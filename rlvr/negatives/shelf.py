"""The tools that negatives draw from: shelves of tool sets, and how each of their tools stands to one query."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlvr.negatives.base import ToolSet
from rlvr.negatives.dependencies import deeds_of
from rlvr.negatives.space import Floats, Index
from rlvr.negatives.verifier import SURE, Probe, Verifier, tool_key, tool_text
from rlvr.negatives.words import plain_name
from rlvr.types import Example, Tool

Rows: TypeAlias = NDArray[np.int64]
Bools: TypeAlias = NDArray[np.bool_]
VAGUE_DOMAINS = frozenset(
    (
        "",
        "others",
        "other",
        "misc",
        "general",
        "api integration",
        "development tools",
        "web search & research",
        "ai/ml tools",
    )
)
"""Labels that name no subject: their tools may be about anything."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many tools a set may offer, and how many characters they may take as JSON."""

    tools: int = 16
    characters: int = 16_000


class Shelf:
    """Tool sets, each tool known once. Tools that may serve any query, that say too little, or have no description are
    left out; a set with more tools than `sizes` allows is parted, in order."""

    def __init__(self, sets: Iterable[ToolSet], verifier: Verifier, sizes: Sizes | None = None) -> None:
        self.verifier = verifier
        self.tools: list[Tool] = []
        self.sets: list[ToolSet] = []
        self._rows: dict[tuple[str, str, tuple[str, ...]], int] = {}
        members: list[list[int]] = []
        for given in sets:
            for part in self._parts(given, sizes or Sizes()):
                members.append([self._row(t) for t in part.tools])
                self.sets.append(part)
        self.members: Rows = np.array([row for rows in members for row in rows], np.int64)
        self.starts: Rows = np.cumsum([0, *map(len, members)])[:-1]
        self.ends: Rows = np.cumsum([0, *map(len, members)])[1:]
        self.known = [verifier.described(t) for t in self.tools]
        self.asks = np.array([known.asks for known in self.known], np.int64)
        topics = [known.topics for known in self.known if known.topics is not None]
        self.columns = np.ascontiguousarray(np.array(topics).T) if topics else np.zeros((0, len(self.tools)))
        self.index = Index([known.vector for known in self.known])
        self.by_kind = _rows(_places(known.action.kind or "" for known in self.known))
        self.by_verb = _rows(_places(known.action.verb or "" for known in self.known))
        self.by_name = _places(plain_name(t.name) for t in self.tools)
        self.by_domain = _places(s.domain.lower() for s in self.sets)
        self.nameless = [i for i, s in enumerate(self.sets) if not s.domain]
        self.of_server = np.array([bool(s.name) for s in self.sets], np.bool_)
        self.by_server = _places_of_many([plain_name(n) for n in (s.name, *s.same)] for s in self.sets)

    def _parts(self, given: ToolSet, sizes: Sizes) -> Iterator[ToolSet]:
        part: list[Tool] = []
        names: set[str] = set()
        characters = 0
        for tool in given.tools:
            known = self.verifier.described(tool)
            unfit = known.universal or known.blind or not tool.description.strip()
            if unfit or known.characters > sizes.characters or not known.plain or known.plain in names:
                continue
            if len(part) == sizes.tools or characters + known.characters > sizes.characters:
                yield ToolSet(given.domain, tuple(part), given.name, given.same)
                part, characters = [], 0
            names.add(known.plain)
            part.append(tool)
            characters += known.characters
        if part:
            yield ToolSet(given.domain, tuple(part), given.name, given.same)

    def _row(self, tool: Tool) -> int:
        key = tool_key(tool)
        if key not in self._rows:
            self._rows[key] = len(self.tools)
            self.tools.append(tool)
        return self._rows[key]

    @cached_property
    def embedded(self) -> Floats:
        return self.verifier.embedded([tool_text(t) for t in self.tools])


def _places(names: Iterable[str]) -> dict[str, list[int]]:
    return _places_of_many([name] for name in names)


def _rows(places: dict[str, list[int]]) -> dict[str, Rows]:
    return {name: np.array(rows, np.int64) for name, rows in places.items()}


def _places_of_many(names: Iterable[list[str]]) -> dict[str, list[int]]:
    """Where each name stands; the empty one nowhere."""
    out: dict[str, list[int]] = {}
    for place, several in enumerate(names):
        for name in several:
            if name:
                out.setdefault(name, []).append(place)
    return out


class Look:
    """One shelf as one query sees it. What costs more is computed when it is first asked for."""

    def __init__(self, shelf: Shelf, probe: Probe) -> None:
        self.shelf, self.probe = shelf, probe

    @cached_property
    def likeness(self) -> Floats:
        """Each tool's cosine to the needed tool that is most like it. (tools,) floats"""
        out = np.zeros(len(self.shelf.tools))
        for vector in self.probe.needed:
            out = np.maximum(out, self.shelf.index.cosines(vector))
        return out

    @cached_property
    def _topical(self) -> Floats:
        return self.shelf.index.cosines(self.probe.query)

    @cached_property
    def risks(self) -> Floats:
        """Each tool's closeness (`Verifier.closeness`). (tools,) floats"""
        shelf, probe, limits = self.shelf, self.probe, self.shelf.verifier.limits
        out = np.maximum(self.likeness / limits.far_twin, self._topical / limits.far_topic)
        out = np.where(shelf.asks & probe.asks, np.maximum(out, 1.0), out)
        for vector in probe.topics:
            out = np.maximum(out, (1 + _products(shelf.columns, vector)) / (1 + limits.far_domain))
        if shelf.verifier.has_embeddings and shelf.tools:
            out = np.maximum(out, shelf.verifier.embedded_risks(probe, shelf.embedded))
        return self._sure(out)

    @cached_property
    def sets(self) -> Bools:
        """Of each set whether some of its tools are far and none is near (`Verifier.risk` of 1). (sets,) booleans"""
        shelf, limits = self.shelf, self.shelf.verifier.limits
        if not shelf.sets:
            return np.zeros(0, np.bool_)
        near = self._sure(np.maximum(self.likeness / limits.near_twin, self._topical / limits.on_topic))
        nearest = np.maximum.reduceat(near[shelf.members], shelf.starts)
        farthest = np.minimum.reduceat(self.risks[shelf.members], shelf.starts)
        return (nearest < 1) & (farthest < 1)

    def _sure(self, risks: Floats) -> Floats:
        for name in self.probe.names:
            risks[self.shelf.by_name.get(name, [])] = SURE
        return risks

    def far(self, row: int) -> ToolSet:
        """A set with those of its tools that are far."""
        members = self.shelf.members[self.shelf.starts[row] : self.shelf.ends[row]]
        tools = tuple(self.shelf.tools[i] for i in members[self.risks[members] < 1].tolist())
        return replace(self.shelf.sets[row], tools=tools)


def _products(columns: Floats, vector: Floats) -> Floats:
    """The product of each tool's topics with `vector`, in the order of the domains, so that the bits are the same
    everywhere. (domains, tools), (domains,) → (tools,) floats"""
    out = np.zeros(columns.shape[1])
    for column, weight in zip(columns, vector.tolist(), strict=True):
        out += weight * column
    return out


@dataclass(frozen=True, slots=True)
class SafeSets:
    """Rows of sets, by shelf."""

    rows: list[tuple[Look, Rows]]

    def __len__(self) -> int:
        return sum(len(rows) for _, rows in self.rows)

    def draw(self, rng: random.Random) -> ToolSet:
        """One of them, with those of its tools that are far."""
        place = rng.randrange(len(self))
        for seen, rows in self.rows:
            if place < len(rows):
                return seen.far(int(rows[place]))
            place -= len(rows)
        raise AssertionError("a place beyond the last")

    def of_domain(self, domain: str) -> list[ToolSet]:
        found: list[ToolSet] = []
        for seen, rows in self.rows:
            same = seen.shelf.by_domain.get(domain.lower(), [])
            found.extend(seen.far(i) for i in np.intersect1d(rows, same).tolist())
        return found


@dataclass(slots=True)
class View:
    """A parent among the shelves: what it needs, what it was offered, and every tool there is beside it."""

    parent: Example
    needed: tuple[Tool, ...]
    probe: Probe
    verifier: Verifier
    shelves: Sequence[Shelf]
    own: frozenset[str]  # plain names of the servers that the parent belongs to
    sizes: Sizes
    deeds: tuple[Tool, ...] = field(init=False)  # the needed tools, and those of the other steps of their task
    _looks: list[Look] | None = None

    def __post_init__(self) -> None:
        self.deeds = deeds_of(self.parent)

    @property
    def looks(self) -> list[Look]:
        """Computed when a kind first asks for it: three of the kinds never do."""
        if self._looks is None:
            self._looks = [Look(shelf, self.probe) for shelf in self.shelves]
        return self._looks

    @property
    def said(self) -> str:
        """The user's words, lower case."""
        return "\n".join(self.parent.user_texts).lower()

    @property
    def wanted(self) -> str:
        return ", ".join(dict.fromkeys(c.name for c in self.parent.ground_truth))

    def forget(self) -> None:
        """Let go of what was computed: a block holds a thousand views."""
        self._looks = None

    def own_domains(self) -> frozenset[str]:
        """Domains that the query may belong to: its own where it is known, its server's, and each that holds a near
        twin of a needed tool."""
        found = {str(self.parent.meta.get("domain") or "").lower()}
        for seen in self.looks:
            shelf = seen.shelf
            near = np.maximum.reduceat(seen.likeness[shelf.members], shelf.starts) >= self.verifier.limits.near_twin
            rows = {*np.flatnonzero(near).tolist(), *self._own_rows(shelf)}
            found.update(shelf.sets[i].domain.lower() for i in rows)
        return frozenset(found - {""})

    def _own_rows(self, shelf: Shelf) -> list[int]:
        return [i for name in sorted(self.own) for i in shelf.by_server.get(name, ())]

    def safe_sets(self, without: frozenset[str] = frozenset(), *, named: bool = False) -> SafeSets:
        """The sets with far tools and no near one, of other servers and other domains, and of none of the domains in
        `without`; with `named`, only sets that have a domain."""
        mine = self.own_domains() | without
        out = []
        for seen in self.looks:
            safe = seen.sets.copy()
            safe[self._own_rows(seen.shelf)] = False
            if named:
                safe[seen.shelf.nameless] = False
            for domain in mine:
                safe[seen.shelf.by_domain.get(domain, [])] = False
            out.append((seen, np.flatnonzero(safe)))
        return SafeSets(out)

    def safe_tools(self, rng: random.Random, count: int, taken: Iterable[str] = ()) -> list[tuple[Tool, float]]:
        """At most `count` tools, drawn among those that could not serve the query, with their risks."""
        names = {plain_name(n) for n in taken}
        out: list[tuple[Tool, float]] = []
        sizes = [len(seen.shelf.tools) for seen in self.looks]
        for _ in range(8 * count):
            if len(out) == count or not sum(sizes):
                break
            row = rng.randrange(sum(sizes))
            seen = self.looks[0]
            for seen, size in zip(self.looks, sizes, strict=True):  # noqa: B007 (the look that holds the row is used)
                if row < size:
                    break
                row -= size
            tool = seen.shelf.tools[row]
            if seen.risks[row] < 1 and plain_name(tool.name) not in names:
                names.add(plain_name(tool.name))
                out.append((tool, float(seen.risks[row])))
        return out
