"""Intervals against published values, and against what one gets by hand."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rlvr.evaluation.statistics import (
    Figure,
    clustered_width,
    holm,
    mcnemar_exact,
    mean,
    mean_length,
    paired_mean_difference,
    paired_share_difference,
    share_difference,
    share_difference_bootstrap,
    student_t,
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


def test_tango_equals_the_published_value() -> None:
    # Fagerland, Lydersen and Laake 2014, airway hyper-responsiveness (1, 1, 7, 12): -0.517 to -0.026.
    figure = paired_share_difference(*pairs(1, 1, 7, 12))
    assert figure.value == pytest.approx(-6 / 21)
    assert (figure.low, figure.high) == (pytest.approx(-0.517, abs=5e-4), pytest.approx(-0.026, abs=5e-4))
    assert (figure.n, figure.method) == (21, "tango")


@pytest.mark.parametrize("n", [1, 8, 100])
def test_tango_without_a_change_is_z2_over_n_plus_z2(n: int) -> None:
    """By hand: with no change q is max(0, -d), so the score is -sqrt(n·|d| / (1 - |d|)) towards both sides."""
    z2 = 1.959963984540054**2
    figure = share_difference(0, 0, n)
    assert (figure.low, figure.high) == (pytest.approx(-z2 / (n + z2)), pytest.approx(z2 / (n + z2)))


@pytest.mark.parametrize(("gained", "lost", "low_end", "high_end"), [(9, 0, False, True), (0, 9, True, False)])
def test_tango_where_all_changed_ends_at_one(gained: int, lost: int, low_end: bool, high_end: bool) -> None:
    figure = share_difference(gained, lost, 9)
    assert (figure.low == -1.0, figure.high == 1.0) == (low_end, high_end)


def score(gained: int, lost: int, n: int, d: float) -> float:
    """Tango's score worked out the long way: the share of losses is found by maximising the likelihood."""
    optimize = pytest.importorskip("scipy.optimize")

    def unlikely(q: float) -> float:
        cells = ((gained, q + d), (lost, q), (n - gained - lost, 1 - 2 * q - d))
        return -sum(count * math.log(max(share, 1e-300)) for count, share in cells if count)

    low, high = max(0.0, -d), (1 - d) / 2
    q = optimize.minimize_scalar(unlikely, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - n * d) / math.sqrt(n * (2 * q + d * (1 - d)))


@pytest.mark.parametrize(("gained", "lost", "n"), [(40, 20, 160), (3, 13, 400), (1, 7, 50), (0, 5, 25), (12, 1, 14)])
def test_tango_ends_where_the_score_by_maximum_likelihood_is_z(gained: int, lost: int, n: int) -> None:
    figure = share_difference(gained, lost, n)
    assert figure.low is not None
    assert figure.high is not None
    assert score(gained, lost, n, figure.low) == pytest.approx(1.959964, abs=1e-4)
    assert score(gained, lost, n, figure.high) == pytest.approx(-1.959964, abs=1e-4)


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 300))
def test_tango_misses_zero_where_mcnemar_without_correction_is_significant(gained: int, lost: int, rest: int) -> None:
    n = gained + lost + rest
    figure = share_difference(gained, lost, n)
    z = (gained - lost) / math.sqrt(gained + lost) if gained + lost else 0.0
    if abs(abs(z) - 1.959964) > 1e-6:
        assert figure.excludes_zero == (abs(z) > 1.959964)


@pytest.mark.parametrize(("gained", "lost", "n"), [(-1, 0, 3), (2, 2, 3), (0, -1, 3)])
def test_impossible_changes_are_refused(gained: int, lost: int, n: int) -> None:
    for difference in (share_difference, lambda g, k, m: share_difference_bootstrap(g, k, m, seed=0)):
        with pytest.raises(ValueError, match="gained and"):
            difference(gained, lost, n)


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
    assert (figure.method, figure.seed, figure.n) == ("bootstrap-t", 0, 400)


def test_the_bootstrap_leans_to_the_long_tail() -> None:
    figure = mean([math.exp(random.Random(i).gauss(0, 1)) for i in range(60)], seed=0)
    assert figure.value is not None
    assert (figure.high or 0) - figure.value > 1.2 * (figure.value - (figure.low or 0))


def test_the_bootstrap_by_enumeration() -> None:
    """18 zeros and 6 fours: a resample has j fours with the binomial's chance, and its t* follows by hand."""
    figure = mean([0.0] * 18 + [4.0] * 6, seed=3)  # mean 1, variance 3
    chance = [math.comb(24, j) * 0.25**j * 0.75 ** (24 - j) for j in range(25)]
    low = next(j for j in range(25) if sum(chance[: j + 1]) >= 0.025)
    assert low == 2
    t = (4 * low / 24 - 1) / math.sqrt((16 * low / 24 - (4 * low / 24) ** 2) / 23)
    error = math.sqrt(3 / 23)
    assert figure.value == pytest.approx(1)
    assert figure.high == pytest.approx(1 - t * error), "t* is -2.9"
    # On the other side t* is 1.6, and Student's 97.5% point for 23 degrees, 2.0687, is taken.
    assert figure.low == pytest.approx(1 - 2.0687 * error, abs=1e-4)


@pytest.mark.parametrize("degrees", [3, 5, 10, 50, 1000])
def test_student_t_equals_that_of_scipy(degrees: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    assert student_t(degrees) == pytest.approx(stats.t.ppf(0.975, degrees), rel=2e-3)


@pytest.mark.parametrize("values", [[7.0] * 40, [0.0] * 39 + [5.0], [0.0] * 98 + [5.0, 6.0], [1.0, 2.0, 3.0]])
def test_where_too_little_varies_no_interval_is_given(values: list[float]) -> None:
    figure = mean(values, seed=0)
    assert figure.value == pytest.approx(sum(values) / len(values))
    assert (figure.low, figure.high) == (None, None)


def test_the_paired_bootstrap_of_shares_is_that_of_zeros_and_ones() -> None:
    before, after = pairs(40, 20, 8, 32)
    by_values = paired_mean_difference([float(b) for b in before], [float(a) for a in after], seed=4)
    figure = share_difference_bootstrap(20, 8, 100, seed=4)
    assert (figure.value, figure.low, figure.high) == pytest.approx((by_values.value, by_values.low, by_values.high))
    tango = share_difference(20, 8, 100)
    assert (figure.low, figure.high) == (pytest.approx(tango.low, abs=0.01), pytest.approx(tango.high, abs=0.01))
    assert share_difference_bootstrap(0, 0, 30, seed=0).low is None
    assert share_difference_bootstrap(0, 0, 0, seed=0).value is None


def test_an_interval_of_shares_ends_where_shares_end() -> None:
    """16 of 20 gain and one loses: 0.75, standard error 0.123, so that the bootstrap-t alone ends beyond 1."""
    by_values = paired_mean_difference([0.0] * 19 + [1.0], [1.0] * 16 + [0.0] * 4, seed=0)
    assert by_values.high is not None
    assert by_values.high > 1
    figure = share_difference_bootstrap(16, 1, 20, seed=0)
    assert (figure.low, figure.high) == (pytest.approx(by_values.low), 1.0)
    lower = share_difference_bootstrap(1, 16, 20, seed=0)
    assert lower.low == -1.0


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


@pytest.mark.parametrize(("gained", "lost"), [(0, 0), (0, 5), (7, 1), (13, 29), (250, 231)])
def test_mcnemar_equals_the_binomial_test_of_scipy(gained: int, lost: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    n = gained + lost
    assert mcnemar_exact(gained, lost) == pytest.approx(stats.binomtest(gained, n).pvalue if n else 1.0)


@pytest.mark.parametrize(("successes", "n"), [(0, 7), (3, 3), (1, 111), (81, 263), (419, 420)])
def test_wilson_equals_that_of_scipy(successes: int, n: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    wanted = stats.binomtest(successes, n).proportion_ci(method="wilson")
    figure = wilson(successes, n)
    assert (figure.low, figure.high) == (pytest.approx(wanted.low, abs=1e-12), pytest.approx(wanted.high, abs=1e-12))


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([], []),
        ([0.2], [0.2]),
        # 4·0.01; 3·0.02; then 2·0.03 = 0.06 is no more than 0.06; 1·0.04 must not fall below it.
        ([0.04, 0.01, 0.03, 0.02], [0.06, 0.04, 0.06, 0.06]),
        ([0.5, 0.9, 0.5], [1.0, 1.0, 1.0]),
    ],
)
def test_holm_by_hand(raw: list[float], adjusted: list[float]) -> None:
    assert holm(raw) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_order_and_is_between_the_raw_values_and_bonferroni(raw: list[float]) -> None:
    adjusted = holm(raw)
    for p, q in zip(raw, adjusted, strict=True):
        assert p <= q <= min(1.0, len(raw) * p) + 1e-12
    assert [q for _, q in sorted(zip(raw, adjusted, strict=True))] == sorted(adjusted)


def test_clusters_of_one_change_nothing_and_copies_count_once() -> None:
    values = [3.0, 1.0, -2.0, 0.0]
    assert clustered_width(values, list("abcd")) == pytest.approx(1.0)
    # Every value k times: the clustered standard error stays that of the values once.
    plain = math.sqrt(sum((v - 0.5) ** 2 for v in values) / 3 / 4)
    copies = [v for v in values for _ in range(5)]
    error = math.sqrt(sum((v - 0.5) ** 2 for v in copies) / 19 / 20)
    assert clustered_width(copies, [c for c in "abcd" for _ in range(5)]) == pytest.approx(plain / error)
    assert clustered_width([1.0, 2.0], ["a", "a"]) is None
    assert clustered_width([1.0, 1.0], ["a", "b"]) is None
    assert clustered_width([], []) is None


def test_a_mean_of_lengths_has_no_length_below_nothing() -> None:
    """Five dialogues, one long: the bootstrap-t alone goes below 0."""
    lengths = [180, 190, 200, 205, 900]
    assert (mean([float(n) for n in lengths], 0).low or 0) < 0
    found = mean_length(lengths, 0)
    assert (found.value, found.low) == (335.0, 0.0)
    assert found.high == mean([float(n) for n in lengths], 0).high
