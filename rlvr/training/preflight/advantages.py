"""Advantages as TRL computes them, under both aggregations. Pure functions of scores: the trainer is not needed."""

from __future__ import annotations

import math
from collections.abc import Sequence

EPSILON = 1e-4
"""What TRL adds to a standard deviation before it divides by it."""

SUM, GDPO = "sum_then_normalize", "normalize_then_sum"
Scores = Sequence[float | None]  # one completion's, by component; None where one does not apply


def advantages(
    scores: Sequence[Scores], weights: Sequence[float], group: int, aggregation: str, scale: str | bool = "group"
) -> list[float]:
    """One advantage a completion; `group` completions of one prompt stand beside each other.

    `sum_then_normalize`: components are weighted and added, the group's mean is taken off, and the rest is divided by
    the spread of the group or of the batch (`scale`), or not. `normalize_then_sum` (GDPO): each component is centred
    and scaled within its group, these are weighted and added, and the sum is centred and scaled over the batch.
    A completion to which nothing applies has 0.

    >>> advantages([[1.0], [0.0]], [2.0], 2, "sum_then_normalize", "none")
    [1.0, -1.0]
    """
    if aggregation == SUM:
        named = ("group" if scale else "none") if isinstance(scale, bool) else scale
        return _sum_then_normalize(scores, weights, group, named)
    if aggregation == GDPO:
        return _normalize_then_sum(scores, weights, group)
    raise ValueError(f"aggregation: got {aggregation!r}, expected {SUM} or {GDPO}")


def _sum_then_normalize(scores: Sequence[Scores], weights: Sequence[float], group: int, scale: str) -> list[float]:
    totals = [_total(row, weights) for row in scores]
    batch = spread_of(totals)
    out: list[float] = []
    for start in range(0, len(totals), group):
        members = totals[start : start + group]
        known = [t for t in members if t is not None]
        mean = sum(known) / len(known) if known else 0.0
        by = {"group": spread_of(members) + EPSILON, "batch": batch + EPSILON, "none": 1.0}[scale]
        out += [0.0 if t is None else (t - mean) / by for t in members]
    return out


def _normalize_then_sum(scores: Sequence[Scores], weights: Sequence[float], group: int) -> list[float]:
    totals: list[float | None] = []
    for start in range(0, len(scores), group):
        members = scores[start : start + group]
        columns = [_normalized([row[k] for row in members]) for k in range(len(weights))]
        totals += [_total([column[i] for column in columns], weights) for i in range(len(members))]
    return [0.0 if v is None else v for v in _normalized(totals)]


def _normalized(values: Scores) -> list[float | None]:
    known = [v for v in values if v is not None]
    mean, by = (sum(known) / len(known) if known else 0.0), spread_of(values) + EPSILON
    return [None if v is None else (v - mean) / by for v in values]


def _total(row: Scores, weights: Sequence[float]) -> float | None:
    if all(s is None for s in row):
        return None
    return math.fsum(w * s for w, s in zip(weights, row, strict=True) if s is not None)


def spread_of(values: Scores) -> float:
    """The sample standard deviation of what applies; 0 for fewer than two values.

    >>> spread_of([1.0, None, 3.0])
    1.4142135623730951
    """
    known = [v for v in values if v is not None]
    if len(known) < 2:
        return 0.0
    mean = sum(known) / len(known)
    return math.sqrt(sum((v - mean) ** 2 for v in known) / (len(known) - 1))


def inversions(values: Sequence[float], right: Sequence[bool], group: int, tolerance: float = 1e-9) -> tuple[int, int]:
    """Of all pairs of a right and a wrong completion of one prompt: those where the wrong one has the higher value, and
    how many pairs there are.

    >>> inversions([1.0, 2.0, 0.0, 0.0], [True, False, True, False], 2)
    (1, 2)
    """
    wrong_way = pairs = 0
    for start in range(0, len(values), group):
        rows = list(zip(values[start : start + group], right[start : start + group], strict=True))
        for value, is_right in rows:
            if is_right:
                rivals = [v for v, r in rows if not r]
                pairs += len(rivals)
                wrong_way += sum(v > value + tolerance for v in rivals)
    return wrong_way, pairs
