"""Tools and queries as TF-IDF vectors, and the cosines of one against many by an inverted index."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rlvr.negatives.words import terms
from rlvr.types import Tool

Vector: TypeAlias = dict[str, float]
"""Term → weight, of length 1, the heaviest terms first; empty where a text says nothing."""

Floats: TypeAlias = NDArray[np.float64]
MOST_TERMS = 40
_NAME, _PARAMETER = 2.0, 0.5


def tool_counts(tool: Tool) -> Counter[str]:
    """How often each term stands in a tool: its name counts twice, the names of its parameters half."""
    counts: Counter[str] = Counter(terms(tool.description))
    for term in terms(tool.name):
        counts[term] += _NAME  # type: ignore[assignment]  # a Counter of floats
    properties = tool.parameters.get("properties")
    for name in properties if isinstance(properties, Mapping) else ():
        for term in terms(str(name)):
            counts[term] += _PARAMETER  # type: ignore[assignment]
    return counts


@dataclass(frozen=True, slots=True)
class Space:
    """How much each term tells, learnt from a collection of tools; a term that it never held tells the most."""

    weights: Mapping[str, float]
    unseen: float

    @classmethod
    def fit(cls, tools: Iterable[Tool]) -> Space:
        """Inverse document frequency: ln(1 + n / df), so that a word of all tools still tells a little."""
        frequency: Counter[str] = Counter()
        n = 0
        for n, tool in enumerate(tools, start=1):  # noqa: B007 (the count is used below)
            frequency.update(tool_counts(tool).keys())
        return cls({t: math.log(1 + n / df) for t, df in frequency.items()}, math.log(1 + n))

    def vector(self, counts: Mapping[str, float]) -> Vector:
        """Counts, damped by a logarithm and weighted; only the `MOST_TERMS` heaviest are kept."""
        raw = [(t, (1 + math.log(c) if c > 1 else c) * self.weights.get(t, self.unseen)) for t, c in counts.items()]
        kept = sorted(raw, key=_heaviest)[:MOST_TERMS]
        length = math.sqrt(math.fsum(w * w for _, w in kept))
        return {t: w / length for t, w in kept}

    def query(self, text: str) -> Vector:
        return self.vector(Counter(terms(text)))


def _heaviest(pair: tuple[str, float]) -> tuple[float, str]:
    return -pair[1], pair[0]


def cosine(one: Vector, other: Vector) -> float:
    if len(other) < len(one):
        one, other = other, one
    return sum(w * other[t] for t, w in one.items() if t in other)


class Index:
    """Vectors by their terms: the cosines of one vector with all of them take one pass over its terms' rows."""

    def __init__(self, vectors: Sequence[Vector]) -> None:
        rows: dict[str, list[int]] = {}
        weights: dict[str, list[float]] = {}
        for row, vector in enumerate(vectors):
            for term, weight in vector.items():
                rows.setdefault(term, []).append(row)
                weights.setdefault(term, []).append(weight)
        self.size = len(vectors)
        self._postings = {t: (np.array(r, np.int64), np.array(weights[t], np.float64)) for t, r in rows.items()}

    def cosines(self, vector: Vector) -> Floats:
        """The cosine of `vector` with each row. (rows,) floats"""
        out = np.zeros(self.size)
        for term, weight in vector.items():
            posting = self._postings.get(term)
            if posting is not None:
                out[posting[0]] += weight * posting[1]
        return out
