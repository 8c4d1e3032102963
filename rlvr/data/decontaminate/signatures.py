"""Tools by their signatures: which of them two sets share, and how much that proves.

A name that everyone gives (`get_weather(city)`) proves nothing. Two things do: the tools of one benchmark question
standing together again, and one tool with many parameters of the same, rare names. A parameter's weight is its rarity
in bits, log2(N / number of tools that have it), over the benchmark's own tools (N at least 2,000, so that a small file
has the same scale); names that every API has (`COMMON`) are never counted as rare.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from rlvr.types import Tool

PAIR_BITS = 10.0
"""Two tools of one question, each with a parameter in common, and together this much."""
WHOLE_TOOLS, WHOLE_BITS = 4, 40.0
"""So many tools of a whole API, and this much: any shop has two of its calls (get_order, cancel_order)."""
SINGLE_BITS = 30.0
SINGLE_SHARE = 0.75
"""One tool alone: this much, and this share of the parameters of both together."""

COMMON = frozenset(
    """location city country date time name id userid username email query q text url type category language limit
    offset page count amount number value year month day days startdate enddate start end unit units format title
    description message symbol latitude longitude lat lon address code key token from to origin destination price sort
    order size length width height radius weight age input data""".split()  # noqa: SIM905 (words read better so)
)
_COMMON_COUNT = 40  # as many tools as have such a name among 2,000; the benchmark's own count, where it is higher
_SCALE = 2000

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SERVICE = re.compile(r"^[A-Z][A-Za-z]{0,60}_\d{1,4}_(?=[A-Z])")  # Restaurants_2_FindRestaurants
_PARTS = re.compile(r"[./:]+")  # server.method, server/method
_WORDS = re.compile(r"[A-Za-z0-9]_[A-Za-z]|[a-z][A-Z]")
_PLAIN = re.compile(r"[\W_]+")

Signature = tuple[str, frozenset[str]]


def method_name(name: str) -> str:
    """A tool's name without case, separators and the server or service in front of it.

    After hyphens only what is written in another way than they are can be told from the server: `my-server-find_place`
    is `find_place`, and `find-place` stays whole.

    >>> [method_name(n) for n in ("Hotels_2_FindHouse", "homes.find_house", "my-homes-server-find_house", "find-house")]
    ['findhouse', 'findhouse', 'findhouse', 'findhouse']
    """
    parts = [part for part in _PARTS.split(_SERVICE.sub("", name.strip())) if _PLAIN.sub("", part)]
    last = parts[-1] if parts else name
    tail = last.rpartition("-")[2]
    return plain(tail if _WORDS.search(tail) else last)


def plain(name: str) -> str:
    """A name without case and separators; `_class` and `from_` are `class` and `from`."""
    return _PLAIN.sub("", _CAMEL.sub(" ", name)).casefold()


def signature(tool: Tool) -> tuple[str, tuple[str, ...]]:
    """A tool by its method name and the sorted names of its parameters, all in plain form."""
    name, parameters = _signature(tool.name, _parameter_names(tool))
    return name, tuple(sorted(parameters))


@dataclass(frozen=True, slots=True)
class ToolMatch:
    """What is shared: the names of the example's tools, the benchmark's group of tools, the evidence in bits."""

    names: tuple[str, ...]
    group: int
    bits: float


class ToolIndex:
    """The tools of a benchmark, in groups: those that one question offers."""

    def __init__(self) -> None:
        self._groups: dict[frozenset[Signature], int] = {}
        self._whole: set[int] = set()
        self._by_method: dict[str, dict[frozenset[str], list[int]]] = {}
        self._counts: Counter[str] = Counter()
        self._signatures = 0
        self._evidence: dict[Signature, tuple[tuple[int, float, float], ...]] = {}

    def add(self, tools: Sequence[Tool], *, whole: bool = False) -> int | None:
        """Add a question's tools and return the number of their group; equal sets share one. `whole`: they are those of
        whole APIs, not some that stand together in this question alone."""
        found = frozenset(_signature(t.name, _parameter_names(t)) for t in tools)
        if not found:
            return None
        if found not in self._groups:
            group = self._groups[found] = len(self._groups)
            for method, parameters in found:
                variants = self._by_method.setdefault(method, {})
                if parameters not in variants:
                    self._counts.update(parameters)
                    self._signatures += 1
                variants.setdefault(parameters, []).append(group)
            self._evidence.clear()
            if whole:
                self._whole.add(group)
        return self._groups[found]

    def bits(self, parameters: Iterable[str]) -> float:
        """How rare it is that another tool has these parameters."""
        total = max(self._signatures, _SCALE)
        return sum(math.log2(total / self._count(p)) for p in sorted(parameters))

    def together(self, tools: Sequence[Tool]) -> ToolMatch | None:
        """The group that holds at least two of these tools, each with a parameter in common; the strongest. Of whole
        APIs it takes four."""
        found: dict[int, dict[str, tuple[float, str]]] = {}
        for tool in tools:
            own = _signature(tool.name, _parameter_names(tool))
            for group, bits, _ in self._matches(own):
                best = found.setdefault(group, {})
                if bits > best.get(own[0], (0.0, ""))[0]:
                    best[own[0]] = (bits, tool.name)
        matches = [
            ToolMatch(tuple(sorted(name for _, name in of.values())), group, sum(bits for bits, _ in of.values()))
            for group, of in found.items()
            if len(of) >= (WHOLE_TOOLS if group in self._whole else 2)
        ]
        proven = [m for m in matches if m.bits >= (WHOLE_BITS if m.group in self._whole else PAIR_BITS)]
        return max(proven, key=lambda m: (m.bits, -m.group), default=None)

    def alone(self, tools: Sequence[Tool]) -> ToolMatch | None:
        """One tool whose name stands in the benchmark with many, rare parameters."""
        for tool in tools:
            for group, bits, share in self._matches(_signature(tool.name, _parameter_names(tool))):
                if bits >= SINGLE_BITS and share >= SINGLE_SHARE:
                    return ToolMatch((tool.name,), group, bits)
        return None

    def groups_with(self, tools: Sequence[Tool], bits: float) -> list[int]:
        """The groups that hold one of these tools with at least this much evidence."""
        owns = (_signature(t.name, _parameter_names(t)) for t in tools)
        return sorted({group for own in owns for group, found, _ in self._matches(own) if found >= bits})

    def _matches(self, own: Signature) -> tuple[tuple[int, float, float], ...]:
        """(group, bits of the shared parameters, their share of both) of every tool with this name."""
        known = self._evidence.get(own)
        if known is None:
            known = tuple(
                (group, self.bits(own[1] & theirs), len(own[1] & theirs) / max(1, len(own[1] | theirs)))
                for theirs, groups in self._by_method.get(own[0], {}).items()
                for group in groups
            )
            if len(self._evidence) >= 65_536:
                self._evidence.clear()
            self._evidence[own] = known
        return known

    def _count(self, parameter: str) -> int:
        count = max(1, self._counts[parameter])
        return max(count, _COMMON_COUNT) if parameter in COMMON else count


def _parameter_names(tool: Tool) -> tuple[str, ...]:
    properties = tool.parameters.get("properties")
    return tuple(map(str, properties)) if properties else ()


@lru_cache(maxsize=65_536)
def _signature(name: str, parameters: tuple[str, ...]) -> Signature:
    return method_name(name), frozenset(map(plain, parameters))
