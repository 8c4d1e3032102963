"""What a text asks to be done, and which domains its words are at home in: two things that TF-IDF does not see."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from rlvr.negatives.base import ToolSet
from rlvr.negatives.space import Floats, Vector
from rlvr.negatives.words import load_verbs, stem
from rlvr.types import Tool

MOST_CHARS = 400
LEAST_DOMAINS, LEAST_SETS = 4, 2
_WORD = re.compile(r"[a-z]+")
_SHARP = 20.0


@cache
def _bits() -> Mapping[str, int]:
    return {word: 1 << place for place, word in enumerate(sorted(load_verbs().asking))}


def asks(text: str) -> int:
    """The words of asking (`verbs.yaml`) that a text holds, one bit each.

    >>> asks("Retrieve the details of a city") & asks("Retrieves a list of users") != 0
    True
    >>> asks("Plays a song") & asks("Retrieve a list"), asks("thời tiết")
    (0, 0)
    """
    bits = _bits()
    found = 0
    for word in _WORD.findall(text[:MOST_CHARS].lower()):
        found |= bits.get(stem(word), 0)
    return found


@dataclass(frozen=True, slots=True)
class Topics:
    """How much each term speaks for each domain, learnt from sets of tools whose domain is known."""

    weights: Mapping[str, Floats]
    mean: Floats  # of the tools: what any text speaks of

    @classmethod
    def fit(cls, sets: Sequence[ToolSet], vector_of: Callable[[Tool], Vector]) -> Topics | None:
        """`None` where fewer than `LEAST_DOMAINS` are known. Of each domain: the share of its sets that hold a term."""
        held: dict[str, Counter[str]] = {}
        size: Counter[str] = Counter()
        for one in sets:
            domain = one.domain.lower()
            if domain:
                size[domain] += 1
                held.setdefault(domain, Counter()).update({t for tool in one.tools for t in vector_of(tool)})
        domains = sorted(size)
        if len(domains) < LEAST_DOMAINS:
            return None
        total: Counter[str] = Counter()
        for counts in held.values():
            total.update(counts)
        weights = {
            term: np.array([math.log1p(_SHARP * held[d][term] / size[d]) for d in domains])
            for term, n in total.items()
            if n >= LEAST_SETS
        }
        found = cls(weights, np.zeros(len(domains)))
        every = [found.vector(vector_of(tool)) for one in sets for tool in one.tools]
        mean = sum(every, start=np.zeros(len(domains))) / max(1, len(every))
        return cls(weights, mean)

    def vector(self, terms: Vector) -> Floats:
        """The domains that a tool or query speaks of, beyond what any text does; of length 1, or nothing at all. Summed
        in order and without a matrix product, so that every machine gives the same bits."""
        out = np.zeros(len(self.mean))
        for term, weight in terms.items():
            found = self.weights.get(term)
            if found is not None:
                out += weight * found
        length = math.sqrt(math.fsum((out * out).tolist()))
        if not length:
            return out
        out = out / length - self.mean
        length = math.sqrt(math.fsum((out * out).tolist()))
        return out / length if length else out
