"""From what TRL hands the reward functions to metrics by category and to the tables of RUN/samples.

`Recorded` stands in the place of the composition's first component and keeps what the trainer passed to it; at the
step's end `TableCallback` brings it together with the scores and advantages that TRL worked out.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from transformers import TrainerCallback

from rlvr.rewards import Composition, RewardComponent
from rlvr.rewards.parsing import decoded
from rlvr.rewards.told import truncation
from rlvr.training.reward_metrics import finite, reward_metrics
from rlvr.training.run_folder import RunFolder
from rlvr.training.sample_table import Sampled, TableInfo, drop_after, write_part

Batch = dict[str, Any]


class Recorded:
    """A component as a trainer calls it, which keeps the batch that it was last given."""

    def __init__(self, inner: RewardComponent) -> None:
        self.inner = inner
        self.generations = 0
        self.batch: Batch = {}

    @property
    def __name__(self) -> str:
        return self.inner.__name__

    def __call__(self, completions: Sequence[Any], **columns: Any) -> list[float | None]:
        scores = self.inner(completions, **columns)
        if "trainer_state" in columns:  # the trainer's own call, not one beside it
            self.generations += 1
            self.batch = {"completions": completions, **columns}
        return scores

    def adopt(self, batch: Batch) -> None:
        """Take a batch that was put together of several calls: the one that is trained on."""
        self.generations += 1
        self.batch = batch

    def rows(self, categories: Mapping[str, str]) -> list[Sampled]:
        """This process's completions of the last generation, without scores."""
        batch, inner = self.batch, self.inner
        completions = batch["completions"]
        messages = bool(completions) and not isinstance(completions[0], str)
        ids = batch.get("completion_ids") or [[]] * len(completions)
        cut = truncation(len(completions), {"eos_token_ids": inner.eos_token_ids, **batch})
        of = {name: batch.get(name) or [None] * len(completions) for name in _READ}
        return [
            Sampled(
                id=str(of["id"][i]),
                category=categories.get(str(of["id"][i]), "unknown"),
                lang=of["lang"][i],
                query=str(of["query"][i] or ""),
                prompt=_text(of["prompts"][i]),
                tools=_text(of["tools"][i]),
                ground_truth=_text(of["ground_truth"][i]),
                expects=of["expects"][i] or "any",
                reasoning_opened=bool(of["reasoning_opened"][i] or inner.reasoning_opened),
                completion=_text(decoded(completion, ids[i], inner.tokenizer)),
                messages=messages and not isinstance(decoded(completion, ids[i], inner.tokenizer), str),
                completion_ids=ids[i],
                truncated=cut[i],
            )
            for i, completion in enumerate(completions)
        ]


_READ = ("id", "lang", "query", "prompts", "tools", "ground_truth", "expects", "reasoning_opened")


class TableCallback(TrainerCallback):  # type: ignore[misc]
    """Adds the metrics of `reward_metrics` to each step's log, and writes RUN/samples.

    `categories` are the examples' by their ids; `limit` is how many completions of a logged step are kept.
    """

    def __init__(
        self, folder: RunFolder, recorded: Recorded, info: TableInfo, categories: Mapping[str, str], limit: int
    ) -> None:
        self.folder, self.recorded, self.info = folder, recorded, info
        self.categories, self.limit = categories, limit
        self.trainer: Any = None
        self.seen = 0
        self.rows: list[Sampled] = []
        self.texts: list[str] = []  # the last generation's completions, as the components read them

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.is_world_process_zero:
            drop_after(self.folder.path, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.recorded.generations == self.seen:
            return  # a step on completions that an earlier one has generated
        self.seen = self.recorded.generations
        rows = _gathered(self.recorded.rows(self.categories))
        logs = self.trainer._logs  # TRL has no public hook that hands on scores with their advantages
        if not self._scored(rows, logs):
            return
        self.rows = rows
        self.texts = [row.completion for row in rows]
        for name, value in self._metrics().items():
            # TRL's own `log_metric` serves reward functions alone, before all components are scored.
            self.trainer._metrics["train"][name].append(value)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        if not self.rows or "train_runtime" in (logs or {}):
            return
        rows, self.rows = self.rows, []
        size = self.info.group_size
        kept = rows[: self.limit // size * size]
        if kept and state.is_world_process_zero:
            write_part(self.folder.path, "step", state.global_step, kept, self.info)

    def _scored(self, rows: Sequence[Sampled], logs: Mapping[str, Any]) -> bool:
        """Give the rows what TRL worked out for them; false where its logs hold something else."""
        advantages = list(logs["advantages"])[-len(rows) :]
        scores = {name: list(logs["rewards"][name])[-len(rows) :] for name in self.info.weights}
        if not rows or len(rows) % self.info.group_size or any(len(v) < len(rows) for v in scores.values()):
            return False
        for i, row in enumerate(rows):
            row.scores = {name: finite(values[i]) for name, values in scores.items()}
            row.advantage = finite(advantages[i])
        return True

    def _metrics(self) -> dict[str, float]:
        size = self.info.group_size
        scores = {name: [row.scores[name] for row in self.rows] for name in self.info.weights}
        # A set, since what is not known of both would count twice under one name.
        slices = [sorted({row.category, row.lang or "unknown"}) for row in self.rows[::size]]
        return reward_metrics(scores, self.info.weights, slices, size, self.info.aggregation)


def record(
    folder: RunFolder,
    rewards: list[Any],
    composition: Composition,
    args: Any,
    categories: Mapping[str, str],
    limit: int,
) -> TableCallback:
    """Put a `Recorded` in the place of `rewards[0]`, in place, and return its callback, which wants its `trainer`.

    `args` are the trainer's: how many completions a group has, and what becomes of its scores.
    """
    first = rewards[0]
    rewards[0] = Recorded(first)
    info = TableInfo(
        composition=composition.name,
        stage=composition.stage,
        weights={r.__name__: w for r, w in zip(rewards, composition.weights(), strict=True)},
        parser=first.parser,
        matching=composition.matching,
        reasoning_parser=first.reasoning_parser,
        group_size=args.num_generations,
        aggregation=args.multi_objective_aggregation,
        scale_rewards=str(args.scale_rewards),
    )
    return TableCallback(folder, rewards[0], info, categories, limit)


def write_look(
    folder: RunFolder, step: int, held_out: Any, generations: Sequence[Any], composition: Composition, info: TableInfo
) -> None:
    """Write the completions of a look at held-out examples, with the components' scores; a user's functions do not run.

    `held_out` is a `Rendered`, `generations` its completions in the same order (`rlvr.rollouts.base.Generation`).
    """
    rows = [
        Sampled(
            id=example.id,
            category=example.category,
            lang=example.lang,
            query=example.query,
            prompt=prompt.text,
            tools=json.dumps([t.to_json() for t in example.tools], ensure_ascii=False),
            ground_truth=json.dumps([c.to_json() for c in example.ground_truth], ensure_ascii=False),
            expects=example.expects,
            reasoning_opened=prompt.reasoning_opened,
            completion=made.text,
            messages=False,
            completion_ids=made.token_ids,
            truncated=made.truncated,
        )
        for example, prompt, made in zip(held_out.examples, held_out.prompts, generations, strict=True)
    ]
    scores = component_scores(rows, composition, info)
    for i, row in enumerate(rows):
        row.scores = {name: values[i] for name, values in scores.items()}
    write_part(folder.path, "look", step, rows, replace(info, group_size=1))


def component_scores(
    rows: Sequence[Sampled], composition: Composition, info: TableInfo
) -> dict[str, list[float | None]]:
    """Every component's score of some rows; the composition's own functions are left out."""
    components = composition.reward_functions(parser=info.parser, reasoning_parser=info.reasoning_parser)
    columns = {name: [getattr(row, name) for row in rows] for name in _SCORED_BY}
    completions = [row.completion for row in rows]
    return {c.name: c(completions, **columns) for c in components[: len(composition.components)]}


_SCORED_BY = ("id", "tools", "ground_truth", "expects", "lang", "query", "reasoning_opened", "truncated")


def _gathered(rows: list[Sampled]) -> list[Sampled]:
    """The rows of all processes, in the order in which TRL gathers its logs."""
    from accelerate.utils import gather_object

    found: list[Sampled] = gather_object(rows)
    return found


def _text(value: Any) -> str:
    """A column's value as text; message lists and other objects as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
