"""Drawing, shares and order: decided from arrays alone, the same on every machine."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.data.build.draw import apportion, draw, exact_share, ranks
from rlvr.data.build.plan import balance, negatives_wanted, repeated, take
from rlvr.data.build.recipe import DataRecipe, NegativeChoice, SourceChoice
from rlvr.data.build.record import hash64
from rlvr.data.build.store import Array, Index
from rlvr.errors import UsageError


def index(calls: list[bool]) -> Index:
    n = len(calls)
    keys = np.array([hash64(str(i)) for i in range(n)], dtype=np.uint64)
    nothing = np.zeros(n, np.uint32)
    return Index(keys, np.array(calls), nothing, nothing.astype(np.int64), np.empty(0, np.uint64))


def recipe(**more: object) -> DataRecipe:
    sources = (SourceChoice("jsonl", "a"), SourceChoice("jsonl", "b"))
    return DataRecipe("data", "r", **{"sources": sources, **more})  # type: ignore[arg-type]


def test_hashes_and_ranks_are_the_same_everywhere() -> None:
    # Worked with Python's own integers: BLAKE2b, then the mixing step of splitmix64 modulo 2**64.
    assert hash64("get_weather") == 0xE26FB88FCB13C0BE
    keys = np.array([0, 1, 2**63], dtype=np.uint64)
    assert ranks(keys, "a").tolist() == [4192132519135618423, 18012941533311622407, 81553457412937161]
    assert ranks(keys, "b")[0] == 4683681678388662006


def test_ranks_are_even() -> None:
    found = ranks(np.arange(20_000, dtype=np.uint64), "x")
    eighths = Counter((found >> np.uint64(61)).tolist())
    assert set(eighths) == set(range(8))
    assert all(2_300 < n < 2_700 for n in eighths.values())  # 2500 expected, sd 47


def test_drawing_takes_the_marked_rows_last() -> None:
    keys = np.arange(10, dtype=np.uint64)
    marked = np.arange(10) >= 4
    assert draw(np.arange(10), 4, keys, "x", last=marked).tolist() == [0, 1, 2, 3]
    five = draw(np.arange(10), 5, keys, "x", last=marked).tolist()
    assert five[:4] == [0, 1, 2, 3]
    assert len(five) == 5


@given(st.integers(0, 1000), st.lists(st.sampled_from([0.0, 0.1, 0.25, 1.0, 3.0]), min_size=1, max_size=6))
def test_parts_add_up(total: int, weights: list[float]) -> None:
    parts = apportion(total, weights)
    assert sum(parts) == (total if any(weights) else 0)
    whole = sum(map(Fraction, map(str, weights)))
    assert all(abs(p - total * Fraction(str(w)) / whole) < 1 for p, w in zip(parts, weights, strict=True) if whole)


@given(st.integers(0, 500), st.integers(0, 500), st.sampled_from([0.0, 0.25, 0.6, 0.617, 0.5, 1.0]))
def test_a_share_is_exact_and_no_larger_one_would_be(wanted: int, others: int, share: float) -> None:
    a, b = exact_share(wanted, others, share)
    part = Fraction(str(share))
    assert a <= wanted
    assert b <= others
    assert a == part * (a + b)
    more_a, more_b = a + part.numerator, b + part.denominator - part.numerator
    assert more_a > wanted or more_b > others


def test_balance_leaves_twins_alone_as_long_as_it_can() -> None:
    found = index([True] * 8 + [False] * 4)
    twins = np.zeros(12, bool)
    twins[:3] = True
    mixed = balance(found, np.arange(12), 0.5, 0, "train", twins)
    assert (mixed.left_out_calls, mixed.left_out_others) == (4, 0)
    assert {0, 1, 2} <= set(mixed.rows.tolist())
    assert len(mixed.rows) == 8


def test_balance_says_where_no_row_could_stay() -> None:
    with pytest.raises(UsageError, match=r"calls_wanted 0.617: of 5 calling and 4 no-call rows in train"):
        balance(index([True] * 5 + [False] * 4), np.arange(9), 0.617, 0, "train", np.zeros(9, bool))


def test_the_order_does_not_depend_on_where_rows_lie() -> None:
    found = index([True] * 20)
    one = balance(found, np.arange(20), None, 7, "train", np.zeros(20, bool)).rows
    assert sorted(one.tolist()) == list(range(20))
    assert one.tolist() != list(range(20))
    turned = Index(found.keys[::-1].copy(), found.calls, found.lengths, found.tool_ends, found.tools)
    two = balance(turned, np.arange(20), None, 7, "train", np.zeros(20, bool)).rows
    assert found.keys[one].tolist() == turned.keys[two].tolist()


def keys(n: int) -> Array:
    return np.array([hash64(str(i)) for i in range(n)], dtype=np.uint64)


def test_taking_counts_and_shares() -> None:
    a = SourceChoice("jsonl", "a", count=3)
    taken = take(recipe(sources=(a, SourceChoice("jsonl", "b"))), keys(10), [6, 10])
    assert taken.rows.tolist() == [0, 1, 2, 6, 7, 8, 9]
    assert (taken.wanted, taken.found, taken.taken) == ((3, None), (6, 4), (3, 4))
    shares = (SourceChoice("jsonl", "a", share=0.75), SourceChoice("jsonl", "b", share=0.25))
    # 12 of 16 and 4 of 16 are wanted; the second has 2, so that everything is halved.
    taken = take(recipe(sources=shares, total=16), keys(14), [12, 14])
    assert taken.taken == (6, 2)


def test_how_many_negatives_are_wanted() -> None:
    plain = take(recipe(), keys(10), [6, 10])
    assert negatives_wanted(recipe(), 7, 3, plain) == 0
    assert negatives_wanted(recipe(negatives=NegativeChoice(count=9)), 7, 3, plain) == 9
    # 7 calls of 0.7 want 3 others, and 3 are there; of 0.5 they want 7.
    filled = recipe(negatives=NegativeChoice(), calls_wanted=0.7)
    assert negatives_wanted(filled, 7, 3, plain) == 0
    assert negatives_wanted(recipe(negatives=NegativeChoice(), calls_wanted=0.5), 7, 3, plain) == 4


def test_ids_that_stand_again_are_numbered() -> None:
    assert repeated(np.array([5, 9, 5, 7, 5, 9], dtype=np.uint64)) == {2: 1, 4: 2, 5: 1}
    assert repeated(np.empty(0, np.uint64)) == {}
