"""What a group's scores become in the gradient: TRL's two ways from scores to advantages, as a pure function."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

AGGREGATIONS = ("sum_then_normalize", "normalize_then_sum")
SCALES = ("group", "batch", "none")
SMALL = 1e-4
"""What TRL adds to a standard deviation before it divides by it."""


def group_advantages(
    scores: Sequence[Sequence[float | None]],
    weights: Sequence[float],
    group_size: int,
    aggregation: str = "sum_then_normalize",
    scale_rewards: str = "group",
) -> list[float]:
    """One advantage a completion, from its components' scores (completions × components, `None`: not applicable).

    Formula of `sum_then_normalize`, with r = Σ weight · score and its group's mean m: (r − m) / (s + 1e-4), where s is
    the sample standard deviation of the group (`scale_rewards: group`) or of the batch (`batch`); r − m with `none`.
    Formula of `normalize_then_sum` (GDPO): each component becomes (score − its group's mean) / (its group's deviation
    + 1e-4); their weighted sum is normalised over the batch; `scale_rewards` does not matter.
    A completion to which nothing applies has 0 and counts in no mean. Raises `ValueError` for groups that are not whole
    and for unknown names.

    >>> [round(a, 3) for a in group_advantages([[1.0], [0.0], [0.0], [1.0]], [2.0], 4, scale_rewards="none")]
    [1.0, -1.0, -1.0, 1.0]
    """
    import numpy as np

    if aggregation not in AGGREGATIONS or scale_rewards not in SCALES:
        raise ValueError(f"no such aggregation or scale: {aggregation}, {scale_rewards}")
    table = [[np.nan if v is None else v for v in row] for row in scores]
    values = np.asarray(table, dtype=np.float64).reshape(len(scores), len(weights))  # (n, components)
    if group_size < 1 or len(values) % group_size:
        raise ValueError(f"{len(values)} completions are not whole groups of {group_size}")
    empty = np.isnan(values).all(axis=1)
    if aggregation == "normalize_then_sum":
        grouped = values.reshape(-1, group_size, len(weights))
        values = ((grouped - _mean(grouped, 1)) / (_std(grouped, 1) + SMALL)).reshape(values.shape)
    rewards = np.nansum(values * np.asarray(weights, dtype=np.float64), axis=1)
    rewards[empty] = np.nan
    groups = rewards.reshape(-1, group_size)
    if aggregation == "normalize_then_sum":
        out = (rewards - _mean(rewards, 0)) / (_std(rewards, 0) + SMALL)
    elif scale_rewards == "none":
        out = groups - _mean(groups, 1)
    else:
        spread = _std(groups, 1) if scale_rewards == "group" else _std(rewards, 0)
        out = (groups - _mean(groups, 1)) / (spread + SMALL)
    return [float(a) for a in np.nan_to_num(out, nan=0.0).reshape(-1)]


def _mean(values: Any, axis: int) -> Any:
    """The mean of what is no NaN, with its axis kept; NaN where there is none."""
    import numpy as np

    there = ~np.isnan(values)
    count = there.sum(axis=axis, keepdims=True)
    total = np.where(there, values, 0.0).sum(axis=axis, keepdims=True)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _std(values: Any, axis: int) -> Any:
    """The sample standard deviation of what is no NaN, with its axis kept; 0 for one value, NaN for none."""
    import numpy as np

    there = ~np.isnan(values)
    count = there.sum(axis=axis, keepdims=True)
    squares = np.where(there, values - _mean(values, axis), 0.0) ** 2
    deviation = np.sqrt(squares.sum(axis=axis, keepdims=True) / np.maximum(count - 1, 1))
    return np.where(count > 0, deviation, np.nan)
