"""Estimates with their uncertainty: Wilson for shares, Newcombe for paired differences of shares, bootstrap for means.

Every function returns a `Figure`, which carries its value, its interval, n, the method and, where chance was used, the
seed. Nothing is rounded here. Where a value is undefined (no examples) it is `None`, never 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import comb, isfinite, sqrt
from typing import Any

Z95 = 1.959963984540054  # the normal distribution's 97.5% point
RESAMPLES = 10_000
_CELLS_AT_ONCE = 2_000_000  # bounds the memory of one block of resamples to 16 MB


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number: `value` in `[low, high]` at 95%, from `n` examples.

    `low` and `high` are `None` where no interval can be given (no example at all, or one for a mean); `seed` is `None`
    where the method uses no chance.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    seed: int | None = None

    @property
    def excludes_zero(self) -> bool:
        """Whether 0 lies outside the interval; False where there is none."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def wilson(successes: int, n: int) -> Figure:
    """The share `successes / n` with Wilson's score interval.

    Formula: centre `(p + z²/2n) / (1 + z²/n)`, half width `z·sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n)`. Range: within
    [0, 1], and never of zero width, also at 0 of n. Raises `ValueError` where `successes` is not within 0 … n.

    >>> figure = wilson(81, 263)
    >>> f"{figure.low:.4f} {figure.high:.4f}"
    '0.2553 0.3662'
    """
    if not 0 <= successes <= n:
        raise ValueError(f"{successes} successes of {n}")
    if n == 0:
        return Figure(None, None, None, 0, "wilson")
    p = successes / n
    low, high = _wilson_bounds(successes, n)
    return Figure(p, low, high, n, "wilson")


def paired_share_difference(before: Sequence[bool], after: Sequence[bool]) -> Figure:
    """The share after minus the share before, on the same examples, with Newcombe's interval (1998, method 10).

    It joins both shares' Wilson intervals through their correlation (phi, with his continuity correction). Range:
    within [-1, 1]. Unlike the bootstrap and Wald's interval it keeps a width where no example changed.
    Raises `ValueError` where the two differ in length.
    """
    if len(before) != len(after):
        raise ValueError(f"paired samples must be of one length, got {len(before)} and {len(after)}")
    n = len(before)
    if n == 0:
        return Figure(None, None, None, 0, "newcombe paired")
    both = sum(1 for b, a in zip(before, after, strict=True) if a and b)
    gained = sum(1 for b, a in zip(before, after, strict=True) if a and not b)
    lost = sum(1 for b, a in zip(before, after, strict=True) if b and not a)
    low, high = _newcombe_bounds(both, gained, lost, n - both - gained - lost)
    return Figure((gained - lost) / n, low, high, n, "newcombe paired")


def mean(values: Sequence[float], seed: int) -> Figure:
    """The mean with a percentile bootstrap interval. Values and seed decide the figure, the values' order does not."""
    return _bootstrap_mean(values, seed, "bootstrap")


def paired_mean_difference(before: Sequence[float], after: Sequence[float], seed: int) -> Figure:
    """The mean of `after - before` over the same examples, with a percentile bootstrap over the examples.

    Raises `ValueError` where the two differ in length.
    """
    if len(before) != len(after):
        raise ValueError(f"paired samples must be of one length, got {len(before)} and {len(after)}")
    return _bootstrap_mean([a - b for b, a in zip(before, after, strict=True)], seed, "paired bootstrap")


def mcnemar_exact(gained: int, lost: int) -> float:
    """The two-sided exact p-value that gains and losses are equally likely: a binomial test of `gained` out of both.

    >>> mcnemar_exact(7, 1)
    0.0703125
    """
    n, k = gained + lost, min(gained, lost)
    if n == 0:
        return 1.0
    tail = sum(comb(n, i) for i in range(k + 1))
    return min(1.0, float(Fraction(2 * tail, 2**n)))


def _wilson_bounds(successes: int, n: int) -> tuple[float, float]:
    p, z2 = successes / n, Z95 * Z95
    scale = 1 + z2 / n
    centre = (p + z2 / (2 * n)) / scale
    half = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / scale
    # The formula touches 0 and 1 exactly at the ends; rounding errors would leave 1e-17 there.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def _newcombe_bounds(both: int, gained: int, lost: int, neither: int) -> tuple[float, float]:
    n = both + gained + lost + neither
    after, before = both + gained, both + lost
    low_a, high_a = _wilson_bounds(after, n)
    low_b, high_b = _wilson_bounds(before, n)
    p_a, p_b = after / n, before / n
    phi = _phi(both, gained, lost, neither)
    below = (p_a - low_a) ** 2 - 2 * phi * (p_a - low_a) * (high_b - p_b) + (high_b - p_b) ** 2
    above = (high_a - p_a) ** 2 - 2 * phi * (high_a - p_a) * (p_b - low_b) + (p_b - low_b) ** 2
    difference = p_a - p_b
    # Rounding may leave a square a hair below 0 where phi is 1.
    return difference - sqrt(max(0.0, below)), difference + sqrt(max(0.0, above))


def _phi(both: int, gained: int, lost: int, neither: int) -> float:
    """The correlation of the two answers, with Newcombe's continuity correction; 0 where a margin is empty."""
    n = both + gained + lost + neither
    margins = (both + gained) * (lost + neither) * (both + lost) * (gained + neither)
    if margins == 0:
        return 0.0
    cross = float(both * neither - gained * lost)
    if cross > 0:
        cross = max(0.0, cross - n / 2)
    return cross / sqrt(margins)


def _bootstrap_mean(values: Sequence[float], seed: int, method: str) -> Figure:
    import numpy as np

    n = len(values)
    if n == 0:
        return Figure(None, None, None, 0, method, seed)
    data = np.asarray(values, dtype=np.float64)  # (n,)
    if not all(isfinite(v) for v in values):
        raise ValueError("a mean needs finite values")
    value = float(data.mean())
    if n == 1:
        return Figure(value, None, None, 1, method, seed)
    # Drawing how often each distinct value occurs is the same as drawing indices, and independent of their order.
    distinct, counts = np.unique(data, return_counts=True)  # (k,), (k,)
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS_AT_ONCE // len(distinct))
    means: list[Any] = []
    for start in range(0, RESAMPLES, rows):
        draws = generator.multinomial(n, counts / n, size=min(rows, RESAMPLES - start))  # (rows, k)
        means.append(draws @ distinct / n)
    low, high = np.quantile(np.concatenate(means), [0.025, 0.975])
    return Figure(value, float(low), float(high), n, method, seed)
