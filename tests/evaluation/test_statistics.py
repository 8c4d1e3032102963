"""Intervals against published values, and against what one gets by hand."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.evaluation.statistics import (
    Figure,
    mcnemar_exact,
    mean,
    paired_mean_difference,
    paired_share_difference,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [
        # Newcombe 1998, "Two-sided confidence intervals for the single proportion", table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_equals_the_published_values(successes: int, n: int, low: float, high: float) -> None:
    figure = wilson(successes, n)
    assert figure.value == successes / n
    assert (figure.low, figure.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert (figure.n, figure.seed) == (n, None)


def test_wilson_at_the_ends_is_exact_and_has_a_width() -> None:
    none, every = wilson(0, 10), wilson(10, 10)
    assert none.low == 0.0
    assert none.high == pytest.approx(0.2775, abs=5e-5)
    assert every.high == 1.0
    assert every.low == pytest.approx(0.7225, abs=5e-5)


def test_a_share_of_nothing_is_undefined_and_not_zero() -> None:
    assert wilson(0, 0) == Figure(None, None, None, 0, "wilson")


@pytest.mark.parametrize(("successes", "n"), [(-1, 3), (4, 3)])
def test_wilson_refuses_impossible_counts(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes of"):
        wilson(successes, n)


@given(st.integers(0, 400), st.integers(1, 400))
def test_wilson_holds_its_value_within_zero_and_one(successes: int, n: int) -> None:
    successes = min(successes, n)
    figure = wilson(successes, n)
    assert figure.low is not None
    assert figure.high is not None
    assert figure.value is not None
    assert 0 <= figure.low <= figure.value <= figure.high <= 1
    assert figure.low < figure.high


def pairs(both: int, after_only: int, before_only: int, neither: int) -> tuple[list[bool], list[bool]]:
    before = [True] * both + [False] * after_only + [True] * before_only + [False] * neither
    after = [True] * both + [True] * after_only + [False] * before_only + [False] * neither
    return before, after


@pytest.mark.parametrize(
    ("table", "value", "low", "high"),
    [
        # Altman et al. 2000, "Statistics with Confidence", table 6.2: 0.011 to 0.226.
        ((14, 5, 0, 22), 5 / 41, 0.011, 0.226),
        # Fagerland et al. 2014, airway hyper-responsiveness: -0.507 to -0.026.
        ((1, 1, 7, 12), -6 / 21, -0.507, -0.026),
    ],
)
def test_newcombe_equals_the_published_values(
    table: tuple[int, int, int, int], value: float, low: float, high: float
) -> None:
    figure = paired_share_difference(*pairs(*table))
    assert figure.value == pytest.approx(value)
    assert (figure.low, figure.high) == (pytest.approx(low, abs=5e-4), pytest.approx(high, abs=5e-4))
    assert figure.n == sum(table)


def test_no_changed_pair_still_has_a_width() -> None:
    figure = paired_share_difference(*pairs(0, 0, 0, 30))
    assert figure.value == 0
    assert figure.low is not None
    assert figure.low < 0 < (figure.high or 0)
    assert not figure.excludes_zero


@given(*[st.integers(0, 40)] * 4)
def test_a_paired_difference_reversed_changes_its_sign(both: int, gained: int, lost: int, neither: int) -> None:
    before, after = pairs(both, gained, lost, neither)
    there, back = paired_share_difference(before, after), paired_share_difference(after, before)
    if not before:
        assert there.value is None
        return
    assert there.value is not None
    assert there.low is not None
    assert there.high is not None
    assert (back.value, back.low, back.high) == pytest.approx((-there.value, -there.high, -there.low))
    assert -1 - 1e-9 <= there.low <= there.value + 1e-9
    assert there.value - 1e-9 <= there.high <= 1 + 1e-9


def test_pairs_must_be_of_one_length() -> None:
    with pytest.raises(ValueError, match="one length"):
        paired_share_difference([True], [])
    with pytest.raises(ValueError, match="one length"):
        paired_mean_difference([1.0], [], seed=0)


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval() -> None:
    rng = random.Random(1)
    values = [rng.gauss(50, 10) for _ in range(400)]
    figure = mean(values, seed=0)
    assert figure.value == pytest.approx(sum(values) / 400)
    assert figure.low is not None
    assert figure.high is not None
    # 1.96 × 10 / √400 = 0.98 on either side.
    assert figure.high - figure.low == pytest.approx(2 * 0.98, rel=0.1)
    assert (figure.method, figure.seed, figure.n) == ("bootstrap", 0, 400)


def test_the_bootstrap_does_not_depend_on_order_and_repeats_with_its_seed() -> None:
    values = [float(v % 17) for v in range(100)]
    shuffled = random.Random(3).sample(values, len(values))
    assert mean(values, seed=5) == mean(shuffled, seed=5)
    assert mean(values, seed=5) != mean(values, seed=6)


def test_means_of_none_and_of_one() -> None:
    assert mean([], seed=0).value is None
    lone = mean([3.0], seed=0)
    assert (lone.value, lone.low, lone.high) == (3.0, None, None)
    assert not lone.excludes_zero


def test_a_mean_needs_finite_values() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean([1.0, float("nan")], seed=0)


def test_a_paired_mean_difference_is_tighter_than_its_parts() -> None:
    rng = random.Random(2)
    before = [rng.uniform(20, 200) for _ in range(200)]
    after = [b - 5 + rng.gauss(0, 1) for b in before]
    figure = paired_mean_difference(before, after, seed=0)
    assert figure.value == pytest.approx(-5, abs=0.3)
    assert figure.excludes_zero
    assert figure.high is not None
    assert figure.high - (figure.low or 0) < 0.5


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (7, 1, 0.0703125), (5, 0, 0.0625), (3, 3, 1.0)])
def test_mcnemar_by_hand(gained: int, lost: int, p: float) -> None:
    assert mcnemar_exact(gained, lost) == p


def test_mcnemar_takes_counts_whose_powers_exceed_a_float() -> None:
    assert mcnemar_exact(2000, 1000) < 1e-60
