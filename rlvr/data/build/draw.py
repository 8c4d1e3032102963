"""Drawing without a generator's state: every row has a rank by its key and the seed, and the lowest ranks are drawn.

So what is drawn depends on the rows alone, not on their order, the number of processes or numpy's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from rlvr.data.build.record import hash64

Array = npt.NDArray[Any]
_ODD = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))


def ranks(keys: Array, what: str) -> Array:
    """A random-looking 64-bit rank for each key, another order for every `what` (the mixing step of splitmix64)."""
    with np.errstate(over="ignore"):
        z = keys.astype(np.uint64) + np.uint64(hash64(what)) + _ODD[0]
        z = (z ^ (z >> np.uint64(30))) * _ODD[1]
        z = (z ^ (z >> np.uint64(27))) * _ODD[2]
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def draw(among: Array, count: int, keys: Array, what: str, last: Array | None = None) -> Array:
    """`count` of the row numbers `among`, ascending. Rows marked in `last` are drawn only when no other is left."""
    order = ranks(keys[among], what)
    first = np.lexsort((order, last[among] if last is not None else np.zeros(len(among), bool)))
    return np.sort(among[first[:count]])


def apportion(total: int, weights: Sequence[float]) -> list[int]:
    """`total` in whole parts as near to the weights as can be (largest remainder; ties go to the first).

    >>> apportion(10, [1, 1, 1]), apportion(3, [0.5, 0.5]), apportion(0, [1])
    ([4, 3, 3], [2, 1], [0])
    """
    exact = [Fraction(str(w)) for w in weights]
    whole = sum(exact)
    if not whole:
        return [0] * len(exact)
    parts = [int(total * w / whole) for w in exact]
    rest = sorted(range(len(exact)), key=lambda i: (parts[i] - total * exact[i] / whole, i))
    for i in rest[: total - sum(parts)]:
        parts[i] += 1
    return parts


def exact_share(wanted: int, others: int, share: float) -> tuple[int, int]:
    """The most rows of two heaps of which exactly `share` are of the first.

    >>> exact_share(70, 46, 0.6), exact_share(5, 5, 0.333), exact_share(4, 9, 1)
    ((69, 46), (0, 0), (4, 0))
    """
    part = Fraction(str(share))
    a, b = part.numerator, part.denominator - part.numerator
    times = min([n // size for n, size in ((wanted, a), (others, b)) if size])
    return times * a, times * b
