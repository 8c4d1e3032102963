"""The components over batches of trajectories, with the signature that trainers call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rlvr.errors import DataError, UsageError
from rlvr.rewards.columns import query_language
from rlvr.rewards.components import COMPONENTS, Params
from rlvr.rewards.context import build_context
from rlvr.rewards.functions import bind_function
from rlvr.rewards.told import column, end_ids, flags, last_ends
from rlvr.rewards.trajectory import TrajectorySample, read_turns, trajectory_efficiency, turn_sizes

if TYPE_CHECKING:
    from rlvr.rewards.composition import Composition
    from rlvr.rewards.functions import UserFunction


@dataclass(frozen=True)
class TrajectoryComponent:
    """One component of a composition over trajectories: it pickles, and its `__name__` is the component's."""

    name: str
    params: Params
    matching: str = "typed"
    parser: str = "hermes"
    eos_token_ids: tuple[int, ...] = ()
    reasoning_parser: str = "think"

    @property
    def __name__(self) -> str:
        return self.name

    def __call__(
        self,
        completions: Sequence[Sequence[Mapping[str, Any]]],
        *,
        tools: Sequence[Any],
        ground_truth: Sequence[Any],
        **columns: Any,
    ) -> list[float | None]:
        """Score a batch of message lists; of `columns` it reads `turns`, `expects`, `lang`, `query`, `id`,
        `truncated` and `completion_ids` (cut where the last one ends no turn)."""
        samples = trajectory_samples(
            completions,
            tools=tools,
            ground_truth=ground_truth,
            parser=self.parser,
            matching=self.matching,
            reasoning_parser=self.reasoning_parser,
            **{"eos_token_ids": self.eos_token_ids, **columns},
        )
        return [score_sample(self.name, sample, self.params) for sample in samples]


def score_sample(name: str, sample: TrajectorySample, params: Any) -> float | None:
    """One component's score of a trajectory."""
    if name == "efficiency":
        return trajectory_efficiency(sample, params)
    return COMPONENTS[name].of(sample, params)


def trajectory_samples(
    completions: Sequence[Sequence[Mapping[str, Any]]],
    *,
    tools: Sequence[Any],
    ground_truth: Sequence[Any],
    parser: str = "hermes",
    matching: str = "typed",
    reasoning_parser: str = "think",
    **columns: Any,
) -> list[TrajectorySample]:
    """Bring a batch's columns together, row by row.

    Raises `UsageError` where a completion is no list of messages or a column has another length, and `DataError` for a
    row that cannot be scored.
    """
    if isinstance(completions, (str, bytes)) or not isinstance(completions, Sequence):
        raise UsageError(f"completions must be a list, got {type(completions).__name__}")
    n = len(completions)
    needed = {"tools": tools, "ground_truth": ground_truth}
    given = {name: column(name, values, n, required=True) for name, values in needed.items()}
    more = ("turns", "expects", "lang", "query", "id")
    given |= {name: column(name, columns[name], n) for name in more if columns.get(name) is not None}
    cut = cut_trajectories(n, columns)
    samples = []
    for i, messages in enumerate(completions):
        whole = isinstance(messages, Sequence) and not isinstance(messages, (str, bytes))
        if not whole or not all(isinstance(m, Mapping) for m in messages):
            raise UsageError("a trajectory must be a list of messages; strings are scored by `reward_functions`")
        row = {name: values[i] for name, values in given.items()}
        where = str(row.get("id", f"row {i}"))
        language = query_language(row.get("lang"), row.get("query"), None)
        context = build_context(
            row["tools"], row["ground_truth"], expects=row.get("expects"), lang=language, matching=matching, where=where
        )
        sizes = turn_sizes(row.get("turns"), len(context.gold), where)
        try:
            turns = read_turns(messages, parser, context=context, reasoning_parser=reasoning_parser)
        except DataError as error:
            raise DataError(where, str(error)) from error
        samples.append(TrajectorySample(context, turns, sizes, truncated=cut[i]))
    return samples


def cut_trajectories(n: int, columns: Mapping[str, Any]) -> list[bool]:
    """Which trajectories were cut: by `truncated`, else where the last token of all ends no turn."""
    if columns.get("truncated") is not None:
        return flags("truncated", columns["truncated"], n)
    ends = end_ids(columns.get("eos_token_ids"))
    if not ends:
        return [False] * n
    ids = column("completion_ids", columns.get("completion_ids"), n)
    return [row is not None and not last_ends(row, ends) for row in ids]


def trajectory_functions(
    composition: Composition,
    parser: str = "hermes",
    eos_token_ids: Collection[int] | int | None = (),
    reasoning_parser: str = "think",
) -> list[TrajectoryComponent | UserFunction]:
    """A composition's components over trajectories, and the user's own functions, in the order of its weights."""
    ends = tuple(sorted(end_ids(eos_token_ids)))
    ours = [
        TrajectoryComponent(c.name, c.params, composition.matching, parser, ends, reasoning_parser)
        for c in composition.components
    ]
    return [*ours, *map(bind_function, composition.functions)]
