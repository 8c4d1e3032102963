"""Estimates with their uncertainty: Wilson for shares, Tango for paired differences of shares, bootstrap-t for means.

Every function returns a `Figure`, which carries its value, its interval, n, the method and, where chance was used, the
seed. Nothing is rounded here. Where a value is undefined (no examples) it is `None`, never 0. How often each interval
holds the truth is measured in docs/comparing.md, and held by tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from math import comb, copysign, fsum, inf, isfinite, sqrt
from typing import Any

Z95 = 1.959963984540054  # the normal distribution's 97.5% point
RESAMPLES = 10_000
_CELLS_AT_ONCE = 2_000_000  # bounds the memory of one block of resamples to some 50 MB


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number: `value` in `[low, high]` at 95%, from `n` examples.

    `low` and `high` are `None` where no interval can be given (no example at all; for a mean, too little that varies);
    `seed` is `None` where the method uses no chance.
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
    low, high = wilson_bounds(successes, n)
    return Figure(p, low, high, n, "wilson")


def paired_share_difference(before: Sequence[bool], after: Sequence[bool]) -> Figure:
    """The share after minus the share before, on the same examples: `share_difference` of what changed.

    Raises `ValueError` where the two differ in length.
    """
    _check_lengths(before, after)
    gained = sum(1 for b, a in zip(before, after, strict=True) if a and not b)
    lost = sum(1 for b, a in zip(before, after, strict=True) if b and not a)
    return share_difference(gained, lost, len(before))


def share_difference(gained: int, lost: int, n: int) -> Figure:
    """`(gained - lost) / n` with Tango's score interval (1998, Statistics in Medicine 17, 891-908).

    Formula: every difference d whose score `(gained - lost - n·d) / sqrt(n·(2q + d(1 - d)))` lies within ±z, where q is
    the most likely share of losses if d were true: the larger root of
    `2n·q² + ((2n - gained + lost)·d - gained - lost)·q - lost·d(1 - d)`. Range: within [-1, 1], never of zero width. At
    d = 0 the score is McNemar's: 0 lies outside where that test, without continuity correction, has p < 0.05. Pairs
    that did not change count by their number alone. Raises `ValueError` where the counts are not within 0 … n.

    >>> figure = share_difference(1, 7, 21)
    >>> f"{figure.low:.3f} {figure.high:.3f}"
    '-0.517 -0.026'
    """
    _check_counts(gained, lost, n)
    if n == 0:
        return Figure(None, None, None, 0, "tango")
    low, high = _tango_bounds(gained, lost, n)
    return Figure((gained - lost) / n, low, high, n, "tango")


def share_difference_bootstrap(gained: int, lost: int, n: int, seed: int) -> Figure:
    """`(gained - lost) / n` with the paired bootstrap-t interval, as `paired_mean_difference` of zeros and ones has it.

    It knows only the changes that were seen: where few pairs changed it has no bound, and Tango's interval has one.
    Cut to [-1, 1].
    """
    _check_counts(gained, lost, n)
    values = [(-1.0, lost), (0.0, n - gained - lost), (1.0, gained)]
    return within(
        _bootstrap_t([v for v, c in values if c], [c for _, c in values if c], seed, "paired bootstrap-t"), -1.0, 1.0
    )


def mean(values: Sequence[float], seed: int) -> Figure:
    """The mean with a bootstrap-t interval. Values and seed decide the figure, the values' order does not.

    Formula: with m the mean, s its standard error and t* = (m* - m) / s* over resamples, `[m - max(t*(97.5%), t)·s,
    m + max(-t*(2.5%), t)·s]` (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5; t is
    Student's 97.5% point). Unlike the percentiles of m* it is wide enough at small n, and leans to the side of a long
    tail; with two long tails t* alone comes out too small, hence Student's. Where all values are equal, or so few
    differ from the rest that over 2.5% of the resamples have no spread, no interval can be given. Raises `ValueError`
    for a value that is not finite.
    """
    return _bootstrap_mean(values, seed, "bootstrap-t")


def paired_mean_difference(before: Sequence[float], after: Sequence[float], seed: int) -> Figure:
    """The mean of `after - before` over the same examples, with the bootstrap-t interval of `mean` over the examples.

    Raises `ValueError` where the two differ in length.
    """
    _check_lengths(before, after)
    return _bootstrap_mean([a - b for b, a in zip(before, after, strict=True)], seed, "paired bootstrap-t")


def mean_length(lengths: Sequence[int], seed: int) -> Figure:
    """The mean of counts, of tokens or steps, as `mean` has it; its interval begins at 0 at the least."""
    return within(mean([float(n) for n in lengths], seed), 0.0, inf)


def within(figure: Figure, least: float, most: float) -> Figure:
    """The figure with its interval cut to the values that there can be: a bootstrap-t's ends know no such limits."""
    if figure.low is None or figure.high is None:
        return figure
    return replace(figure, low=max(least, figure.low), high=min(most, figure.high))


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


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (1979): below 0.05 all of them together err in at most 5% of families.

    Formula: the i-th smallest of m becomes the largest of `(m - j + 1)·p_j` over j ≤ i, at most 1. It holds whatever
    the tests have to do with each other.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    count, running = len(p_values), 0.0
    out = [1.0] * count
    for rank, i in enumerate(sorted(range(count), key=p_values.__getitem__)):
        running = max(running, min(1.0, (count - rank) * p_values[i]))
        out[i] = running
    return out


def clustered_width(values: Sequence[float], clusters: Sequence[str]) -> float | None:
    """How many times as wide an interval of the mean is that takes whole clusters, not values, as independent.

    Formula: with r the values less their mean, and R the sums of r over each of G clusters, the ratio of standard
    errors `sqrt(G/(G-1)·ΣR² / (n/(n-1)·Σr²))` (Liang and Zeger 1986, Biometrika 73, 13-22). 1 where every cluster is
    one value. `None` where there is one cluster alone, or nothing varies.

    >>> round(clustered_width([1, 1, 0, 0, -1, -1], ["a", "a", "b", "b", "c", "c"]), 6)
    1.581139
    """
    n, centre = len(values), fsum(values) / max(1, len(values))
    sums: dict[str, float] = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - centre
    spread, groups = fsum((v - centre) ** 2 for v in values), len(sums)
    if groups < 2 or spread == 0:
        return None
    return sqrt(groups / (groups - 1) * fsum(s * s for s in sums.values()) / (n / (n - 1) * spread))


def student_t(degrees: int) -> float:
    """Student's 97.5% point for 3 degrees of freedom or more, to 0.2% (Abramowitz and Stegun 1964, 26.7.5).

    >>> round(student_t(10), 3)
    2.228
    """
    z = Z95
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term / float(degrees) ** power for power, term in enumerate(terms, 1))


def wilson_bounds(successes: float, n: float) -> tuple[float, float]:
    p, z2 = successes / n, Z95 * Z95
    scale = 1 + z2 / n
    centre = (p + z2 / (2 * n)) / scale
    half = Z95 * sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / scale
    # The formula touches 0 and 1 exactly at the ends; rounding errors would leave 1e-17 there.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def _tango_bounds(gained: int, lost: int, n: int) -> tuple[float, float]:
    estimate = (gained - lost) / n
    # The score falls from +inf at -1 to -inf at 1, so halving finds each bound to the last bit.
    low = -1.0 if lost == n else _crossing(gained, lost, n, Z95, -1.0, estimate)
    high = 1.0 if gained == n else _crossing(gained, lost, n, -Z95, estimate, 1.0)
    return low, high


def _crossing(gained: int, lost: int, n: int, level: float, left: float, right: float) -> float:
    """The difference at which Tango's score falls through `level`."""
    while True:
        middle = (left + right) / 2
        if middle in (left, right):
            return middle
        if _tango_score(gained, lost, n, middle) > level:
            left = middle
        else:
            right = middle


def _tango_score(gained: int, lost: int, n: int, d: float) -> float:
    b = (2 * n - gained + lost) * d - gained - lost
    root = sqrt(max(0.0, b * b + 8 * n * lost * d * (1 - d)))
    q = max(0.0, -d, (root - b) / (4 * n))
    variance = n * (2 * q + d * (1 - d))
    distance = gained - lost - n * d
    if variance <= 0:
        return copysign(inf, distance) if distance else 0.0
    return distance / sqrt(variance)


def _check_lengths(before: Sequence[object], after: Sequence[object]) -> None:
    if len(before) != len(after):
        raise ValueError(f"paired samples must be of one length, got {len(before)} and {len(after)}")


def _check_counts(gained: int, lost: int, n: int) -> None:
    if gained < 0 or lost < 0 or gained + lost > n:
        raise ValueError(f"{gained} gained and {lost} lost of {n}")


def _bootstrap_mean(values: Sequence[float], seed: int, method: str) -> Figure:
    import numpy as np

    if not all(isfinite(v) for v in values):
        raise ValueError("a mean needs finite values")
    # Drawing how often each distinct value occurs is the same as drawing indices, and independent of their order.
    distinct, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)  # (k,), (k,)
    return _bootstrap_t(distinct.tolist(), counts.tolist(), seed, method)


def _bootstrap_t(distinct: Sequence[float], counts: Sequence[int], seed: int, method: str) -> Figure:
    """The mean of values that occur so often, with its studentized bootstrap interval."""
    import numpy as np

    n = sum(counts)
    if n == 0:
        return Figure(None, None, None, 0, method, seed)
    weights = np.asarray(counts, dtype=np.float64) / n  # (k,)
    value = fsum(v * c for v, c in zip(distinct, counts, strict=True)) / n
    if len(distinct) == 1:
        return Figure(value, None, None, n, method, seed)
    centred = np.asarray(distinct, dtype=np.float64) - value
    squares = centred**2
    generator = np.random.default_rng(seed)
    rows = max(1, _CELLS_AT_ONCE // len(distinct))
    found: list[Any] = []
    for start in range(0, RESAMPLES, rows):
        draws = generator.multinomial(n, weights, size=min(rows, RESAMPLES - start)) / n  # (rows, k)
        shifts = draws @ centred  # (rows,) how far a resample's mean is from the mean
        variances = np.maximum(draws @ squares - shifts**2, 0.0)
        # A resample without spread is infinitely many of its standard errors away; 1e-12 is rounding, not spread.
        errors = np.sqrt(np.where(variances > 1e-12 * squares.max(), variances, 0.0) / (n - 1))
        with np.errstate(divide="ignore", invalid="ignore"):
            found.append(np.where(shifts == 0, 0.0, shifts / errors))
    t_low, t_high = np.quantile(np.concatenate(found), [0.025, 0.975], method="inverted_cdf")
    if not (np.isfinite(t_low) and np.isfinite(t_high)):
        return Figure(value, None, None, n, method, seed)
    error = float(np.sqrt(weights @ squares / (n - 1)))
    least = student_t(n - 1)
    low, high = value - max(float(t_high), least) * error, value + max(-float(t_low), least) * error
    return Figure(value, low, high, n, method, seed)
