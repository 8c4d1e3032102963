"""Metrics by category and language, by hand."""

from __future__ import annotations

import pytest

pytest.importorskip("numpy")

from rlvr.training.reward_metrics import reward_metrics

# Three groups of two: a simple and a parallel one in English, and an irrelevance one in Vietnamese.
SCORES = {
    "format": [1.0, 1.0, 0.0, 1.0, 1.0, 1.0],
    "correctness": [1.0, 0.0, 0.25, 0.25, None, None],
    "refusal": [None, None, None, None, 1.0, -1.0],
}
WEIGHTS = {"format": 0.5, "correctness": 1.0, "refusal": 0.25}
SLICES = [("simple", "en"), ("parallel", "en"), ("irrelevance", "vi")]


def metrics(aggregation: str = "sum_then_normalize") -> dict[str, float]:
    return reward_metrics(SCORES, WEIGHTS, SLICES, 2, aggregation)


def test_means_and_spreads_over_what_applies() -> None:
    found = metrics()
    assert found["rewards/correctness/simple/mean"] == 0.5
    assert found["rewards/correctness/simple/std"] == pytest.approx(0.5**0.5), "the sample deviation of 1 and 0"
    assert found["rewards/correctness/en/mean"] == pytest.approx(1.5 / 4)
    assert found["rewards/format/en/mean"] == 0.75
    assert "rewards/correctness/irrelevance/mean" not in found, "it does not apply where no call is wanted"
    assert "rewards/refusal/en/mean" not in found


def test_the_total_is_the_weighted_sum() -> None:
    found = metrics()
    assert found["reward/simple/mean"] == pytest.approx(((0.5 + 1) + 0.5) / 2)
    assert found["reward/parallel/mean"] == pytest.approx((0.25 + 0.75) / 2)
    assert found["reward/irrelevance/mean"] == pytest.approx(((0.5 + 0.25) + (0.5 - 0.25)) / 2)


def test_groups_without_variance_are_told_by_component_and_slice() -> None:
    found = metrics()
    assert found["rewards/format/simple/zero_std"] == 1.0
    assert found["rewards/format/parallel/zero_std"] == 0.0
    assert found["rewards/correctness/parallel/zero_std"] == 1.0
    assert found["rewards/correctness/en/zero_std"] == 0.5
    assert found["rewards/format/zero_std"] == pytest.approx(2 / 3)
    assert found["rewards/correctness/zero_std"] == 0.5, "over the two groups to which it applies"
    assert found["reward/en/zero_std"] == 0.0
    assert found["groups/en"] == 2
    assert found["groups/vi"] == 1


def test_under_gdpo_a_group_is_dead_where_no_component_varies() -> None:
    """Format 1 and 0 against refusal −1 and 1 at a quarter of the weight sum to the same, and yet teach."""
    scores = {"format": [1.0, 0.0], "refusal": [-1.0, 1.0]}
    weights = {"format": 0.5, "refusal": 0.25}
    summed = reward_metrics(scores, weights, [("irrelevance",)], 2)
    apart = reward_metrics(scores, weights, [("irrelevance",)], 2, "normalize_then_sum")
    assert summed["reward/irrelevance/zero_std"] == 1.0
    assert apart["reward/irrelevance/zero_std"] == 0.0
    silent = reward_metrics(scores, {"format": 0.0, "refusal": 0.0}, [("irrelevance",)], 2, "normalize_then_sum")
    assert silent["reward/irrelevance/zero_std"] == 1.0, "what has no weight teaches nothing"


def test_a_completion_to_which_nothing_applies_counts_nowhere() -> None:
    found = reward_metrics({"format": [None, 1.0]}, {"format": 1.0}, [("simple",)], 2)
    assert found["reward/simple/mean"] == 1.0
    assert "reward/simple/std" not in found
    assert "reward/simple/zero_std" not in found, "one score has no variance to lack"


def test_groups_that_are_not_whole_are_refused() -> None:
    with pytest.raises(ValueError, match="5 completions are not 3 groups of 2"):
        reward_metrics({"format": [1.0] * 5}, {"format": 1.0}, SLICES, 2)
