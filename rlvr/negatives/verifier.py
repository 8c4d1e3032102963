"""Whether tools could serve a query, by TF-IDF in the core and by sentence embeddings where they are given.

A *risk* is how near a tool comes to serving a query, as a share of the limit: from 1 up it might, and is not offered.
It is the greatest of: the tool against a tool that the query needs (name, description, arguments), over `near_twin`;
the tool against the query's own words, over `on_topic`; and the same two by embeddings, where there are any.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlvr.negatives.base import ToolSet
from rlvr.negatives.space import Floats, Space, Vector, cosine, tool_counts
from rlvr.negatives.topics import Topics, asks
from rlvr.negatives.words import Action, action_of, cannot_do, is_universal, plain_name, said_as, same_deed
from rlvr.types import Example, Tool

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[Any]]
"""Texts → vectors of length 1, one a row."""

SURE = 9.0
"""The risk of a tool that has the needed one's name, that can do anything, or that says nothing of itself."""
LEAST_TERMS = 3
LEAST_COMMON_TOPIC = 0.18
"""The product of two tools' domains: above it, their words are at home in the same ones (docs/negatives.md)."""
_MOST_KNOWN = 100_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Cosines from which a tool might serve. docs/negatives.md says how they were found."""

    near_twin: float = 0.3
    on_topic: float = 0.12
    far_twin: float = 0.05
    far_topic: float = 0.03
    far_domain: float = -0.1
    embedded_near_twin: float = 0.5
    embedded_on_topic: float = 0.25


@dataclass(frozen=True, slots=True)
class Described:
    """What the verifier knows of one tool. `blind`: it says too little to be judged."""

    plain: str
    vector: Vector
    action: Action
    universal: bool
    blind: bool
    characters: int
    asks: int
    topics: Floats | None


@dataclass(frozen=True, slots=True)
class Probe:
    """What is looked for: the needed tools and the query, as vectors. `why_not` says why nothing could be verified."""

    names: frozenset[str]
    needed: tuple[Vector, ...]
    query: Vector
    asks: int
    topics: tuple[Floats, ...]
    texts: tuple[str, ...]
    why_not: str | None


class Verifier:
    """Judges tools against queries. What it answers depends on what it was given at the start, and on nothing later."""

    def __init__(
        self, space: Space, limits: Limits | None = None, embed: Embed | None = None, topics: Topics | None = None
    ) -> None:
        self.space = space
        self.topics = topics
        self.limits = limits or Limits()
        self._embed = embed
        self._known: dict[tuple[str, str, tuple[str, ...]], Described] = {}
        self._embedded: dict[str, NDArray[Any]] = {}

    @classmethod
    def fit(cls, tools: Iterable[Tool], limits: Limits | None = None, embed: Embed | None = None) -> Verifier:
        return cls(Space.fit(tools), limits, embed)

    def with_domains(self, sets: Sequence[ToolSet]) -> Verifier:
        """The same verifier, which knows as well what the domains of `sets` are about."""
        topics = Topics.fit(sets, lambda tool: self.described(tool).vector)
        out = Verifier(self.space, self.limits, self._embed, topics)
        if topics is not None:
            out._known = {key: replace(d, topics=topics.vector(d.vector)) for key, d in self._known.items()}
        return out

    @property
    def has_embeddings(self) -> bool:
        return self._embed is not None

    def described(self, tool: Tool) -> Described:
        key = tool_key(tool)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            known = self._known[key] = self._describe(tool)
        return known

    def _describe(self, tool: Tool) -> Described:
        vector = self.space.vector(tool_counts(tool))
        size = len(json.dumps(tool.to_json(), ensure_ascii=False, default=str))
        blind = len(vector) < LEAST_TERMS
        topics = self.topics.vector(vector) if self.topics else None
        done = asks(tool_text(tool))
        return Described(plain_name(tool.name), vector, action_of(tool), is_universal(tool), blind, size, done, topics)

    def probe(self, parent: Example, tools: Sequence[Tool]) -> Probe:
        """What `parent` needs (`tools`, those of its ground truth), made ready."""
        seen = [self.described(t) for t in tools]
        text = "\n".join(parent.user_texts)
        why_not = None
        if any(d.blind for d in seen):
            why_not = "the needed tool says too little about itself"
        elif any(d.universal for d in seen):
            why_not = "the needed tool is one of those that serve nearly any query"
        texts = (text, *(tool_text(t) for t in tools)) if self._embed else ()
        query = self.space.query(text)
        vectors = tuple(d.vector for d in seen)
        topics = [self.topics.vector(v) for v in (query, *vectors)] if self.topics else []
        return Probe(
            frozenset(d.plain for d in seen),
            vectors,
            query,
            asks(text),
            tuple(t for t in topics if t.any()),
            texts,
            why_not,
        )

    def risk(self, probe: Probe, tool: Tool) -> float:
        """How near one tool comes to serving the query; see the module."""
        known = self.described(tool)
        if known.plain in probe.names or known.universal or known.blind:
            return SURE
        found = max((cosine(v, known.vector) for v in probe.needed), default=0.0) / self.limits.near_twin
        found = max(found, cosine(probe.query, known.vector) / self.limits.on_topic)
        if self._embed:
            found = max(found, *self.embedded_risks(probe, self.embedded([tool_text(tool)])).tolist())
        return found

    def closeness(self, probe: Probe, tool: Tool) -> float:
        """As `risk`, by the limits of what is far: what `Look` gives for each tool of a shelf."""
        known = self.described(tool)
        if known.plain in probe.names or known.universal or known.blind:
            return SURE
        found = max((cosine(v, known.vector) for v in probe.needed), default=0.0) / self.limits.far_twin
        found = max(found, cosine(probe.query, known.vector) / self.limits.far_topic)
        if known.asks & probe.asks:
            found = max(found, 1.0)
        for vector in probe.topics:
            assert known.topics is not None
            found = max(found, (1 + sum((vector * known.topics).tolist())) / (1 + self.limits.far_domain))
        if self._embed:
            found = max(found, *self.embedded_risks(probe, self.embedded([tool_text(tool)])).tolist())
        return found

    def is_another_deed(self, tool: Tool, needed: Tool) -> bool:
        """Whether `tool` is about what `needed` is about, and can certainly not do what that one does.

        Its verb excludes the needed one's (`cannot_do`); it is no namesake of it from another server, and does not say
        nearly the same of itself (`same_deed`); and the two are no homonyms: where the domains are known, those that
        their words are at home in are not opposed.
        """
        one, other = self.described(tool), self.described(needed)
        if not cannot_do(tool, one.action, other.action) or same_deed(tool, needed):
            return False
        if one.topics is None or other.topics is None:
            return True
        return math.fsum((one.topics * other.topics).tolist()) > LEAST_COMMON_TOPIC

    def embedded(self, texts: Sequence[str]) -> NDArray[Any]:
        """The embeddings of texts, each computed once. (texts, size) floats"""
        assert self._embed is not None
        missing = [t for t in dict.fromkeys(texts) if t not in self._embedded]
        if missing:
            if len(self._embedded) + len(missing) > _MOST_KNOWN:
                self._embedded.clear()
                missing = list(dict.fromkeys(texts))
            self._embedded.update(zip(missing, self._embed(missing), strict=True))
        return np.stack([self._embedded[t] for t in texts]) if texts else np.zeros((0, 0))

    def embedded_risks(self, probe: Probe, tools: NDArray[Any]) -> NDArray[Any]:
        """The risks of many embedded tools. (tools, size) → (tools,) floats"""
        query, *needed = self.embedded(probe.texts)
        out: NDArray[Any] = tools @ query / self.limits.embedded_on_topic
        for vector in needed:
            out = np.maximum(out, tools @ vector / self.limits.embedded_near_twin)
        return out


def tool_key(tool: Tool) -> tuple[str, str, tuple[str, ...]]:
    """What two tools that are the same to the verifier share."""
    properties = tool.parameters.get("properties")
    return tool.name, tool.description, tuple(map(str, properties)) if isinstance(properties, dict) else ()


def tool_text(tool: Tool) -> str:
    """A tool as a sentence, for an embedding."""
    return f"{said_as(tool.name)}: {tool.description}"
