"""An order in which every stretch of a run holds the mixture's shares. Pure.

A step of few prompts is a lottery: of eight, drawn where a fifth want no call, one in six has none that does, and one
in five has three or more. What a model does where nothing fits then goes up and down with the draw.
"""

from __future__ import annotations

import random
from collections.abc import Hashable, Sequence

from rlvr.types import Example


def even_order(examples: Sequence[Example], seed: int) -> list[int]:
    """The places of all examples, so ordered that any n in a row hold their share of each kind, to within one or so.

    Kinds are taken apart twice: what wants a call and what does not, and in each of these category and language. Each
    kind is shuffled and spread evenly over the whole, beginning at a drawn point.

    >>> rows = [Example(str(i), "", "simple", (), (), (), "any") for i in range(4)]
    >>> sorted(even_order(rows, 0))
    [0, 1, 2, 3]
    """
    rng = random.Random(seed)
    places = list(range(len(examples)))
    rng.shuffle(places)
    halves = _by(places, [bool(e.ground_truth) for e in examples])
    kinds = [(e.category, e.lang or "") for e in examples]
    return _spread([_spread(_by(half, kinds), rng) for half in halves], rng)


def _by(places: Sequence[int], keys: Sequence[Hashable]) -> list[list[int]]:
    found: dict[Hashable, list[int]] = {}
    for place in places:
        found.setdefault(keys[place], []).append(place)
    return list(found.values())


def _spread(kinds: Sequence[Sequence[int]], rng: random.Random) -> list[int]:
    """All items of some lists, those of each list at even distances and in their order."""
    spots: list[tuple[float, int]] = []
    for kind in kinds:
        start = rng.random()
        spots += [((i + start) / len(kind), place) for i, place in enumerate(kind)]
    return [place for _, place in sorted(spots)]
