"""Scores to advantages: by hand, and as TRL's own trainer computes them (`test_recorder.py` compares a real step)."""

from __future__ import annotations

import math

import pytest

from rlvr.training.advantages import group_advantages

ONE = [[1.0, 0.0], [0.0, 0.0], [0.0, 1.0], [0.0, 1.0]]  # two groups of two


def test_sum_then_normalize_by_hand() -> None:
    plain = group_advantages(ONE, [1.0, 0.5], 2, scale_rewards="none")
    assert plain == pytest.approx([0.5, -0.5, 0.0, 0.0])
    scaled = group_advantages(ONE, [1.0, 0.5], 2, scale_rewards="group")
    deviation = math.sqrt(0.5)  # of 1 and 0
    assert scaled == pytest.approx([0.5 / (deviation + 1e-4), -0.5 / (deviation + 1e-4), 0.0, 0.0])
    batch = group_advantages(ONE, [1.0, 0.5], 2, scale_rewards="batch")
    mean = (1 + 0 + 0.5 + 0.5) / 4
    whole = math.sqrt(sum((r - mean) ** 2 for r in (1, 0, 0.5, 0.5)) / 3)
    assert batch == pytest.approx([0.5 / (whole + 1e-4), -0.5 / (whole + 1e-4), 0.0, 0.0])


def test_the_scale_of_the_weights_is_lost_with_groups_scaled() -> None:
    """A penalty of 0.1 and one of 1 are the same where they are the only difference."""
    small = group_advantages([[0.1], [0.0]], [1.0], 2, scale_rewards="group")
    large = group_advantages([[1.0], [0.0]], [1.0], 2, scale_rewards="group")
    assert small == pytest.approx(large, rel=2e-3)


def test_normalize_then_sum_by_hand() -> None:
    found = group_advantages(ONE, [1.0, 0.5], 2, "normalize_then_sum")
    one = 0.5 / (math.sqrt(0.5) + 1e-4)
    rewards = [one, -one, 0.0, 0.0]
    deviation = math.sqrt(sum(r * r for r in rewards) / 3)
    assert found == pytest.approx([r / (deviation + 1e-4) for r in rewards])


def test_opposite_components_cancel_in_one_way_and_not_in_the_other() -> None:
    scores, weights = [[1.0, 0.0], [0.0, 0.25], [0.0, 0.0], [0.0, 0.0]], [0.25, 1.0]
    assert group_advantages(scores, weights, 2, scale_rewards="none")[:2] == pytest.approx([0.0, 0.0])
    first, second = group_advantages(scores, weights, 2, "normalize_then_sum")[:2]
    assert second > 1 > -1 > first


def test_what_does_not_apply_counts_in_no_mean() -> None:
    found = group_advantages([[1.0, None], [0.0, None], [None, None], [None, 2.0]], [1.0, 1.0], 2, scale_rewards="none")
    assert found == pytest.approx([0.5, -0.5, 0.0, 0.0])


def test_wrong_groups_and_names_are_refused() -> None:
    with pytest.raises(ValueError, match="3 completions are not whole groups of 2"):
        group_advantages([[1.0]] * 3, [1.0], 2)
    with pytest.raises(ValueError, match="no such aggregation or scale"):
        group_advantages([[1.0]] * 2, [1.0], 2, "mean")
