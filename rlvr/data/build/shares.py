"""Shares of a recipe: that they add up, and whether `calls_wanted` can hold, told as early as it can be known.

An exact share holds only in multiples of a few rows: 0.607 is 607 rows that call and 393 that do not, 0.6 is three and
two. So what a recipe asks for bounds what can be reached before a row is read, and the rows that were read bound it
before negatives are made of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from rlvr.data.build.draw import exact_share

if TYPE_CHECKING:
    from rlvr.data.build.recipe import DataRecipe

MOST_DECIMALS = 3
_TOLERANCE = 1e-9
_MANY = 10**15  # more rows than there are: of a source that is taken whole


@dataclass(frozen=True, slots=True)
class Bounds:
    """No more than so many rows that call, that do not, and of both together."""

    calls: int
    others: int
    total: int

    @classmethod
    def exact(cls, calls: int, others: int) -> Bounds:
        return cls(calls, others, calls + others)

    def allow(self, share: float) -> bool:
        """Whether some number of rows within these bounds has exactly this share of calls."""
        calls, others = rows_of(share)
        return calls <= self.calls and others <= self.others and calls + others <= self.total


def rows_of(share: float) -> tuple[int, int]:
    """The fewest rows with exactly this share of calls: those that call, and the others.

    >>> rows_of(0.607), rows_of(0.6), rows_of(1)
    ((607, 393), (3, 2), (1, 0))
    """
    part = Fraction(str(share))
    return part.numerator, part.denominator - part.numerator


def unreachable(share: float, splits: Sequence[tuple[Bounds, str]]) -> str | None:
    """Why the share cannot hold in one of the splits, and which rounded one could in all; `None` where it can.

    Of each split what bounds it, and in words which rows there are.
    """
    have = next((words for bounds, words in splits if not bounds.allow(share)), None)
    if have is None:
        return None
    calls, others = rows_of(share)
    rounded = [r for d in range(MOST_DECIMALS - 1, 0, -1) if (r := round(share, d)) != share]
    near = [r for r in rounded if all(bounds.allow(r) for bounds, _ in splits)]
    advice = f"{near[0]:g} would do ({sum(rows_of(near[0])):,} rows at a time); or g" if near else "G"
    return (
        f"calls_wanted {share:g} holds only in multiples of {calls + others:,} rows ({calls:,} that call and "
        f"{others:,} that do not), and {have}. {advice}ive more rows."
    )


def a_share(value: float | None) -> str | None:
    """What is wrong with a share; `None` where nothing is.

    >>> a_share(0.5), a_share(1.5)
    (None, 'got 1.5, expected a share between 0 and 1')
    """
    return None if value is None or 0 <= value <= 1 else f"got {value}, expected a share between 0 and 1"


def an_exact_share(value: float | None) -> str | None:
    """The same of `calls_wanted`, which holds exactly."""
    wrong = a_share(value)
    if value is None or wrong:
        return wrong
    exponent = Decimal(str(value)).normalize().as_tuple().exponent
    if isinstance(exponent, int) and -exponent > MOST_DECIMALS:
        return f"got {value}, expected at most {MOST_DECIMALS} decimals: it holds exactly"
    return None


def share_problems(recipe: DataRecipe) -> Iterator[str]:
    """Shares are of `total`, all sources have one or none has, and with the negatives' they make 1."""
    shares = [s.share for s in recipe.sources]
    own = recipe.negatives.share if recipe.negatives else None
    if own is None and all(s is None for s in shares):
        if recipe.total is not None:
            yield "total: goes with shares; sources with counts need none"
        if any(s.source == "builtin" and s.count is None for s in recipe.sources):
            yield "source builtin makes examples without end: give a count"
        return
    if recipe.total is None:
        yield "total: missing; shares are parts of it"
    if any(s is None for s in shares):
        yield "sources: some have a share and some have none; give all of them one, or counts"
        return
    parts = [Fraction(str(s)) for s in shares if s is not None] + ([Fraction(str(own))] if own is not None else [])
    if abs(float(sum(parts)) - 1) > _TOLERANCE:
        words = " + ".join(f"{float(p):g}" for p in parts)
        yield f"shares: {words} = {float(sum(parts)):g}, expected 1 (the negatives' share counts too)"


def calls_wanted_problems(recipe: DataRecipe) -> Iterator[str]:
    """The share of calls is not out of reach of what the recipe takes, and says how many negatives there are."""
    share = recipe.calls_wanted
    if share is None:
        if recipe.negatives and recipe.negatives.count is None and recipe.negatives.share is None:
            yield "negatives: give a count or a share; without one calls_wanted says how many are needed"
        return
    if share == 0 and recipe.negatives and recipe.negatives.twins:
        yield "calls_wanted: 0 leaves no positive that a twin could stand beside"
    elif why := unreachable(share, [(bounds, _have(split, bounds)) for split, bounds in _asked_for(recipe)]):
        yield why


def _have(split: str, bounds: Bounds) -> str:
    if bounds.total < _MANY:
        return f"the recipe takes at most {bounds.total:,} for {split}"
    return f"the recipe takes at most {bounds.calls:,} that call for {split}"


def _asked_for(recipe: DataRecipe) -> list[tuple[str, Bounds]]:
    """What each split can have at most, by the counts and shares of the recipe alone."""
    wanted = [recipe.wanted(i) for i in range(len(recipe.sources))]
    rows = sum(_MANY if w is None else w for w in wanted)
    calling = sum(_MANY if w is None else w for w, s in zip(wanted, recipe.sources, strict=True) if not s.never_calls)
    made = _negatives(recipe)
    twins = made if recipe.negatives is not None and recipe.negatives.twins else 0
    found = [("training", Bounds(calling + twins, rows + made, rows + made + twins))]
    if recipe.heldout is not None and recipe.heldout.share and rows < _MANY:
        held = math.floor(recipe.heldout.share * rows)
        bounds = Bounds(min(held, calling) + twins, held + made, held + made + twins)
        found += [("the held-out split", bounds)] if held else []  # of no row it has no share, and no negative
    return found


def _negatives(recipe: DataRecipe) -> int:
    choice = recipe.negatives
    if choice is None:
        return 0
    if choice.count is not None:
        return choice.count
    if choice.share is not None and recipe.total is not None:
        return round(choice.share * recipe.total)
    return _MANY  # as many as the share needs


def left_over(share: float, bounds: Bounds) -> float:
    """The part of the rows that must be left out for the share, at least.

    >>> left_over(0.5, Bounds.exact(30, 10)), left_over(0.75, Bounds.exact(30, 10))
    (0.5, 0.0)
    """
    if not bounds.total:
        return 0.0
    return 1 - sum(exact_share(bounds.calls, bounds.others, share)) / bounds.total
