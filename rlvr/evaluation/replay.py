"""A run's saved completions under another composition: what each would have earned, what groups would have taught.

Nothing is generated: the rows of RUN/samples are scored again. "Before" is what the trainer logged; advantages of both
sides are worked out in one way, from the kept groups, with the run's own aggregation unless another is named.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rlvr.errors import DataError
from rlvr.evaluation.statistics import Figure, clustered_width, paired_mean_difference, wilson, wilson_bounds
from rlvr.rewards import Composition
from rlvr.rewards.functions import UserFunction, is_async, run_async
from rlvr.training.advantages import group_advantages
from rlvr.training.sample_table import TableInfo, read_steps

NEAR = 1e-6
"""Rewards that lie within this of each other are the same: what a trainer logged has 32 bits."""


@dataclass(frozen=True, slots=True)
class Side:
    """One completion under one composition."""

    scores: Mapping[str, float | None]
    total: float | None
    advantage: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """One saved completion, as it was scored and as it would be."""

    row: Mapping[str, Any]
    before: Side
    after: Side

    @property
    def group(self) -> tuple[int, int]:
        return self.row["step"], self.row["group"]


@dataclass(frozen=True, slots=True)
class Replay:
    """Every saved completion of a run under its own composition and another."""

    info: TableInfo
    composition: Composition
    aggregation: str
    scale_rewards: str
    rows: Sequence[Replayed]
    drift: float
    """The largest difference of an advantage worked out here from the one that the trainer logged."""

    def groups(self) -> list[list[Replayed]]:
        found: dict[tuple[int, int], list[Replayed]] = {}
        for row in self.rows:
            found.setdefault(row.group, []).append(row)
        return list(found.values())


def replay(
    run: Path, composition: Composition, *, aggregation: str | None = None, scale_rewards: str | None = None
) -> Replay:
    """Score the completions under RUN/samples with `composition`; its user functions run as they would in training.

    Raises `UsageError` where the run kept none, `DataError` for a broken part or a row that cannot be scored.
    """
    rows: list[Replayed] = []
    drift = 0.0
    info = None
    for step, saved, info in read_steps(run):
        after = rescore(saved, composition, info)
        way = (aggregation or info.aggregation, scale_rewards or info.scale_rewards)
        before = [{name: row.get(f"score_{name}") for name in info.weights} for row in saved]
        try:
            old, new = _sides(before, info.weights, info, way), _sides(after, weights_of(composition), info, way)
        except ValueError as error:
            raise DataError(f"{run}: step {step}", f"its groups are not whole: {error}") from error
        rows += [Replayed(row, b, a) for row, b, a in zip(saved, old, new, strict=True)]
        if way == (info.aggregation, info.scale_rewards):
            told = [(row.get("advantage"), side.advantage) for row, side in zip(saved, old, strict=True)]
            drift = max([drift, *(abs(t - worked) for t, worked in told if t is not None)])
    assert info is not None
    return Replay(info, composition, *way, rows, drift)


def rescore(
    rows: Sequence[Mapping[str, Any]], composition: Composition, info: TableInfo
) -> list[dict[str, float | None]]:
    """Each row's scores under a composition, parsed as the run did."""
    completions = [json.loads(r["completion"]) if r["messages"] else r["completion"] for r in rows]
    columns = {name: [row[name] for row in rows] for name in _COLUMNS} | {"prompts": [row["prompt"] for row in rows]}
    by_name: dict[str, list[float | None]] = {}
    for function in composition.reward_functions(parser=info.parser, reasoning_parser=info.reasoning_parser):
        values = function(completions, **columns)
        is_late = isinstance(function, UserFunction) and is_async(function)
        by_name[function.__name__] = list(run_async(values) if is_late else values)  # type: ignore[arg-type]
    return [{name: values[i] for name, values in by_name.items()} for i in range(len(rows))]


_COLUMNS = (
    "id", "tools", "ground_truth", "expects", "lang", "query", "category", "reasoning_opened", "truncated",
    "completion_ids",
)  # fmt: skip


def weights_of(composition: Composition) -> dict[str, float]:
    """The weights of the components and of a user's functions, by their names."""
    named = [c.name for c in composition.components] + [f.name for f in composition.functions]
    return dict(zip(named, composition.weights(), strict=True))


def _sides(
    scores: Sequence[Mapping[str, float | None]], weights: Mapping[str, float], info: TableInfo, way: tuple[str, str]
) -> list[Side]:
    table = [[row[name] for name in weights] for row in scores]
    advantages = group_advantages(table, list(weights.values()), info.group_size, *way)
    return [Side(row, _total(row, weights), a) for row, a in zip(scores, advantages, strict=True)]


def _total(scores: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    earned = [weights[name] * value for name, value in scores.items() if value is not None]
    return sum(earned) if earned else None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a slice of the completions earned before and after; `change` with its interval over groups."""

    slice: str
    name: str
    before: float | None
    after: float | None
    change: Figure
    completions: int


@dataclass(frozen=True, slots=True)
class Ordering:
    """What the groups of a slice would have taught instead.

    `best`: the share of groups in which no completion that earned the most still does. `gained` and `lost`: groups that
    come to vary, or no longer do. `flipped`: the share of completions whose advantage changes its sign. `correlation`
    (Pearson) of the advantages, over `completions`; `None` where one side has no spread.
    """

    slice: str
    best: Figure
    gained: Figure
    lost: Figure
    flipped: Figure
    correlation: float | None
    completions: int


def changes(done: Replay, seed: int = 0) -> list[Changed]:
    """The total and every component that either side has, over everything and by category and language."""
    names = list(dict.fromkeys([*done.info.weights, *weights_of(done.composition)]))
    out = []
    for name, groups in slices(done.groups()):
        out.append(_changed(name, "total", groups, lambda side: side.total, seed))
        for component in names:
            made = _changed(name, component, groups, lambda side, c=component: side.scores.get(c), seed)  # type: ignore[misc]
            if made.completions:
                out.append(made)
    return out


def orderings(done: Replay) -> list[Ordering]:
    return [_ordering(name, groups) for name, groups in slices(done.groups())]


def slices(groups: Sequence[Sequence[Replayed]]) -> list[tuple[str, list[Sequence[Replayed]]]]:
    """Groups under "all", then under each category and each language."""
    named: dict[str, list[Sequence[Replayed]]] = {"all": list(groups)}
    for field in ("category", "lang"):
        for value in sorted({str(group[0].row[field] or "unknown") for group in groups}):
            mine = [g for g in groups if str(g[0].row[field] or "unknown") == value]
            named[f"{field} {value}"] = mine
    return list(named.items())


def largest(done: Replay, count: int) -> list[Replayed]:
    """The completions whose advantage would change the most, one a group, the largest change first."""
    changed = (max(g, key=lambda r: abs(r.after.advantage - r.before.advantage)) for g in done.groups())
    moved = [r for r in changed if abs(r.after.advantage - r.before.advantage) > NEAR]
    return sorted(moved, key=lambda r: (-abs(r.after.advantage - r.before.advantage), r.group))[:count]


def _changed(
    where: str,
    name: str,
    groups: Sequence[Sequence[Replayed]],
    of: Callable[[Side], float | None],
    seed: int,
) -> Changed:
    before = [[v for r in g if (v := of(r.before)) is not None] for g in groups]
    after = [[v for r in g if (v := of(r.after)) is not None] for g in groups]
    both = [(sum(b) / len(b), sum(a) / len(a)) for b, a in zip(before, after, strict=True) if b and a]
    change = paired_mean_difference([b for b, _ in both], [a for _, a in both], seed)
    n = max(sum(map(len, before)), sum(map(len, after)))
    return Changed(where, name, _mean(before), _mean(after), change, n)


def _mean(groups: Sequence[Sequence[float]]) -> float | None:
    values = [v for group in groups for v in group]
    return sum(values) / len(values) if values else None


def _ordering(where: str, groups: Sequence[Sequence[Replayed]]) -> Ordering:
    n = len(groups)
    varied = [(_varies([r.before for r in g]), _varies([r.after for r in g])) for g in groups]
    rows = [r for g in groups for r in g]
    return Ordering(
        where,
        best=wilson(sum(_best([r.before for r in g]).isdisjoint(_best([r.after for r in g])) for g in groups), n),
        gained=wilson(sum(after and not before for before, after in varied), n),
        lost=wilson(sum(before and not after for before, after in varied), n),
        flipped=_flipped(groups),
        correlation=_correlation([r.before.advantage for r in rows], [r.after.advantage for r in rows]),
        completions=len(rows),
    )


def _flipped(groups: Sequence[Sequence[Replayed]]) -> Figure:
    """The share of completions whose advantage changes its sign, with Wilson's interval for as many independent ones
    as the groups are worth: a group's advantages are bound together, and change together."""
    flips = [[_sign(r.before.advantage) * _sign(r.after.advantage) < 0 for r in g] for g in groups]
    values = [float(flip) for group in flips for flip in group]
    if not values:
        return wilson(0, 0)
    n, share = len(values), sum(values) / len(values)
    width = clustered_width(values, [str(i) for i, group in enumerate(flips) for _ in group])
    independent = len(groups) if width is None else n / max(1.0, width * width)
    low, high = wilson_bounds(share * independent, independent)
    return Figure(share, low, high, n, "wilson, by groups")


def _totals(sides: Sequence[Side]) -> list[float]:
    return [-float("inf") if s.total is None else s.total for s in sides]


def _varies(sides: Sequence[Side]) -> bool:
    there = [s.total for s in sides if s.total is not None]
    return bool(there) and max(there) - min(there) > NEAR


def _best(sides: Sequence[Side]) -> set[int]:
    totals = _totals(sides)
    return {i for i, total in enumerate(totals) if total >= max(totals) - NEAR}


def _sign(value: float) -> int:
    return (value > NEAR) - (value < -NEAR)


def _correlation(before: Sequence[float], after: Sequence[float]) -> float | None:
    import numpy as np

    x, y = np.asarray(before), np.asarray(after)
    x, y = x - x.mean(), y - y.mean()
    spread = float(np.sqrt((x**2).sum() * (y**2).sum()))
    return float((x * y).sum()) / spread if spread > NEAR**2 else None
