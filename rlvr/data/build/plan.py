"""What becomes of every row, decided from arrays alone: which are taken, which are held out, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt

from rlvr.data.build.draw import draw, exact_share, ranks
from rlvr.data.build.recipe import DataRecipe
from rlvr.data.build.store import Index
from rlvr.errors import UsageError

Array = npt.NDArray[Any]
SPLITS = ("train", "heldout")


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows of each source that the mixture takes, and what it asked for (`None`: all)."""

    rows: Array  # row numbers, ascending
    wanted: tuple[int | None, ...]
    found: tuple[int, ...]
    taken: tuple[int, ...]


def take(recipe: DataRecipe, keys: Array, ends: Sequence[int]) -> Taken:
    """Choose each source's rows: the first `count`, or drawn ones; source i ends before row `ends[i]`.

    Where shares were asked for and a source gives too few, all take less, so that the shares hold.
    """
    bounds = list(zip([0, *ends[:-1]], ends, strict=True))
    found = [end - start for start, end in bounds]
    wanted = [recipe.wanted(i) for i in range(len(recipe.sources))]
    counts = [n if w is None else min(n, w) for n, w in zip(found, wanted, strict=True)]
    if recipe.total is not None:
        scale = min([1.0, *(n / w for n, w in zip(found, wanted, strict=True) if w)])
        counts = [min(n, round(scale * w)) if w is not None else n for n, w in zip(found, wanted, strict=True)]
    rows = []
    for i, (start, end) in enumerate(bounds):
        among = np.arange(start, end, dtype=np.int64)
        if recipe.sources[i].take == "random":
            rows.append(draw(among, counts[i], keys, f"{recipe.seed}/source {i}"))
        else:
            rows.append(among[: counts[i]])
    return Taken(np.concatenate([np.empty(0, np.int64), *rows]), tuple(wanted), tuple(found), tuple(counts))


def negatives_wanted(recipe: DataRecipe, calls: int, no_calls: int, taken: Taken) -> int:
    """How many negatives are to be made beside so many calling and no-call rows."""
    choice = recipe.negatives
    if choice is None:
        return 0
    if choice.count is not None:
        return choice.count
    if choice.share is not None and recipe.total is not None:
        asked = sum(w or 0 for w in taken.wanted)
        return round(choice.share * recipe.total * (sum(taken.taken) / asked if asked else 1.0))
    part, _ = exact_share(calls, 10**12, recipe.calls_wanted or 0)
    return max(0, _others(part, recipe.calls_wanted or 0) - no_calls)


def _others(calls: int, share: float) -> int:
    part = Fraction(str(share))
    return int(calls * (1 - part) / part) if part else 0


@dataclass(frozen=True, slots=True)
class Balanced:
    """The rows of a split that stay, in their final order, and how many of each side were left out for the share."""

    rows: Array
    left_out_calls: int
    left_out_others: int


def balance(index: Index, among: Array, share: float | None, seed: int, split: str, twins: Array) -> Balanced:
    """Leave out as few rows as can be so that exactly `share` of them want a call, and shuffle what stays.

    Rows marked in `twins` are left out only when no others are left. Raises `UsageError` where nothing stays.
    """
    calls, others = among[index.calls[among]], among[~index.calls[among]]
    kept = (len(calls), len(others))
    if share is not None:
        kept = exact_share(len(calls), len(others), share)
        if not sum(kept) and len(among):
            raise UsageError(
                f"calls_wanted {share}: of {len(calls)} calling and {len(others)} no-call rows in {split} no number of "
                f"rows has exactly this share. Give fewer decimals, more rows, or more negatives."
            )
    sides = [
        _keep(side, n, index.keys, f"{seed}/{split}", twins) for side, n in zip((calls, others), kept, strict=True)
    ]
    rows = np.concatenate(sides)
    order = np.lexsort((rows, ranks(index.keys[rows], f"{seed}/{split}/order")))
    return Balanced(rows[order], len(calls) - kept[0], len(others) - kept[1])


def _keep(side: Array, count: int, keys: Array, what: str, twins: Array) -> Array:
    if count == len(side):
        return side
    return draw(side, count, keys, f"{what}/share", last=~twins)


def repeated(keys: Array) -> dict[int, int]:
    """Rows whose id was there before, with how many times: {row: 1, …}. They get another id."""
    order = np.argsort(keys, kind="stable")
    same = np.flatnonzero(keys[order][1:] == keys[order][:-1]) + 1
    out: dict[int, int] = {}
    for place in same:
        out[int(order[place])] = out.get(int(order[place - 1]), 0) + 1
    return out


def named(texts: list[str], times: int) -> list[str]:
    """A row's texts, the id first, under another id where its own stood `times` times before."""
    return [f"{texts[0]}~{times}", *texts[1:]] if times else texts
