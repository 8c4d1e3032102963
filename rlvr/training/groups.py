"""What TRL's trainer does not do with its groups: count those without variance, draw others in their place, and measure
how far the engine's log-probabilities are from the trainer's.

TRL has no hook between the rewards and the advantages. Its public `rollout_func` would have to generate by itself, on
every backend, and the replaced prompts would still stand in TRL's logs; so three of its own methods are overridden
here, each of which calls TRL's: `_generate_and_score_completions` (drawn again first), `_generate` and
`_calculate_rewards` (which then give back what was drawn). Padding, advantages, importance ratios and the loss's
normaliser are TRL's, over the batch as it is in the end.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from accelerate.utils import gather_object
from trl import GRPOTrainer

from rlvr.errors import UsageError
from rlvr.training.grpo import SharedPrefixGRPOTrainer
from rlvr.training.refusal_push import RefusalPushMixin

SAME = 1e-6
"""Rewards nearer than this are the same: sums of the same scores differ by rounding."""
Row = dict[str, Any]


@dataclass(slots=True)
class Drawn:
    """Rows of this process with what was generated for them and what it earned."""

    rows: list[Row]
    generated: list[Any]  # what TRL's `_generate` returns: lists with an entry a row, or None, or an empty list
    rewards: torch.Tensor  # (rows, components)
    extra: dict[str, list[Any]]  # columns that reward functions logged

    def replace(self, places: Sequence[int], other: Drawn, sources: Sequence[int]) -> None:
        """Put rows of another draw into the given places."""
        for place, source in zip(places, sources, strict=True):
            self.rows[place] = other.rows[source]
            self.rewards[place] = other.rewards[source]
            for mine, its in zip(self.generated, other.generated, strict=True):
                _swap(mine, place, its, source)
            for column in self.extra:
                self.extra[column][place] = other.extra[column][source]


def _swap(mine: Any, place: int, its: Any, source: int) -> None:
    if isinstance(mine, dict):
        for key in mine:
            _swap(mine[key], place, its[key], source)
    elif isinstance(mine, list) and mine:
        mine[place] = its[source]


def without_variance(rewards: torch.Tensor, weights: torch.Tensor, size: int, *, by_component: bool) -> torch.Tensor:
    """Which groups of `size` rows give no gradient: (rows, components) → (groups,) of bools.

    Under sum-then-normalise those whose weighted sums are the same; under GDPO (`by_component`) those whose every
    weighted component is. As in TRL, a component that does not apply (NaN) adds nothing to a sum and takes no part in a
    group's mean, and neither does a completion to which none applies.
    """
    values = rewards * weights.to(rewards)
    if not by_component:
        scored = ~rewards.isnan().all(dim=1, keepdim=True)
        values = torch.where(scored, values.nansum(dim=1, keepdim=True), torch.nan)
    grouped = values.view(-1, size, values.size(1))  # (groups, size, columns)
    there = ~grouped.isnan()
    most, least = grouped.where(there, -torch.inf).amax(dim=1), grouped.where(there, torch.inf).amin(dim=1)
    return (most - least <= SAME).all(dim=1)


class GroupsMixin:
    """Stands before `GRPOTrainer` or a subclass of it; see the module.

    `resample_rounds` is how many times a generation's groups without variance are drawn again (0: never), `spares`
    gives the rows of the training set that may take their place, `resample_seed` draws among them.
    """

    resample_rounds = 0
    resample_seed = 0
    spares: Callable[[int], Sequence[int]] | None = None
    _held: Drawn | None = None
    _draws: tuple[int, int] = (-1, 0)  # the step, and how many draws of spare prompts it has had
    _measured: Any = None

    def resample(self, rounds: int, seed: int, spares: Callable[[int], Sequence[int]] | None = None) -> None:
        """Turn resampling on. Raises `UsageError` where groups are spread over processes, or run tools."""
        trainer: Any = self
        rows = trainer.args.per_device_train_batch_size * trainer.args.steps_per_generation
        if rows % trainer.num_generations:
            raise UsageError(
                f"resample: a process generates {rows} completions at a time, which is no multiple of "
                f"num_generations = {trainer.num_generations}; choose "
                "trl.per_device_train_batch_size so that groups stay whole."
            )
        if trainer.tools or trainer.environments:
            raise UsageError("resample: works on completions without tools that run; remove it, or the environment.")
        self.resample_rounds, self.resample_seed, self.spares = rounds, seed, spares

    # TRL's private methods, each called through: the module says why.

    def _generate_and_score_completions(self, inputs: list[Row]) -> Any:
        trainer: Any = super()
        if not self.resample_rounds or not self.model.training:  # type: ignore[attr-defined]
            return trainer._generate_and_score_completions(inputs)
        self._held = self._search(inputs)
        try:
            return trainer._generate_and_score_completions(self._held.rows)
        finally:
            self._held = None

    def _generate(self, prompts: list[Any]) -> Any:
        if self._held is not None:
            return tuple(self._held.generated)
        return super()._generate(prompts)  # type: ignore[misc]

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        trainer: Any = self
        if self._held is None:
            rewards = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)  # type: ignore[misc]
        else:
            rewards = trainer.accelerator.gather(self._held.rewards)
            columns = {key: [row[key] for row in inputs] for key in inputs[0] if key != "prompt"}
            batch = {**columns, "prompts": prompts, "completions": completions, "completion_ids": completion_ids_list}
            for function in trainer.reward_funcs:
                if hasattr(function, "adopt"):  # it was called for each draw, and keeps what it saw last
                    function.adopt(batch)
            for column, values in self._held.extra.items():
                trainer._pending_extra_logs[column] = values
        if trainer.model.training:
            flat = self._flat(rewards)
            trainer._metrics["train"]["groups/zero_variance"].append(flat.float().mean().item())
        return rewards

    def _flat(self, rewards: torch.Tensor) -> torch.Tensor:
        trainer: Any = self
        by_component = trainer.multi_objective_aggregation == "normalize_then_sum"
        return without_variance(rewards, trainer.reward_weights, trainer.num_generations, by_component=by_component)

    def _search(self, inputs: list[Row]) -> Drawn:
        """Draw groups in place of those without variance until all vary, or the rounds are used up."""
        trainer: Any = self
        size = trainer.num_generations
        drawn = self._draw(inputs)
        flat = self._flat(drawn.rewards)
        metrics: Any = trainer._metrics["train"]
        at_first, replaced, made, rounds = self._total(flat.sum()), 0, 0, 0
        with _unchanged(metrics):
            while rounds < self.resample_rounds and (most := self._most(flat)):
                more = self._draw(self._others(drawn.rows, most))
                made += len(more.rows) * trainer.accelerator.num_processes
                good = (~self._flat(more.rewards)).nonzero().flatten().tolist()
                pairs = list(zip(flat.nonzero().flatten().tolist(), good, strict=False))
                for group, source in pairs:
                    places = range(group * size, (group + 1) * size)
                    drawn.replace(places, more, range(source * size, (source + 1) * size))
                    flat[group] = False
                replaced += len(pairs)
                rounds += 1
        groups = flat.numel() * trainer.accelerator.num_processes
        metrics["resample/zero_variance_drawn"].append(at_first / groups)
        metrics["resample/groups_replaced"].append(self._total(torch.tensor(replaced)))
        metrics["resample/rounds"].append(float(rounds))
        metrics["resample/extra_completions"].append(float(made))
        return drawn

    def _draw(self, rows: list[Row]) -> Drawn:
        """Generate for these rows and score them. Every process draws equally many."""
        trainer: Any = super()
        this: Any = self
        prompts = [row["prompt"] for row in rows]
        generated = list(trainer._generate(prompts))
        _, ids, _, completions, _, fields, _, _ = generated
        inputs = [{**row, **{k: v[i] for k, v in fields.items() if isinstance(v, list)}} for i, row in enumerate(rows)]
        rewards = trainer._calculate_rewards(inputs, prompts, completions, ids)  # of all processes
        first = this.accelerator.process_index * len(rows)
        extra = {k: list(v) for k, v in this._pending_extra_logs.items()}
        this._pending_extra_logs.clear()
        return Drawn(list(rows), generated, rewards[first : first + len(rows)].clone(), extra)

    def _others(self, rows: Sequence[Row], groups: int) -> list[Row]:
        """`groups` prompts for this process, none of this batch's, each as often as a group is large.

        Drawn by seed, step and draw alone, so that a resumed run draws the same.
        """
        trainer: Any = self
        step = trainer.state.global_step
        self._draws = (step, self._draws[1] + 1 if self._draws[0] == step else 0)
        data = trainer.train_dataset
        taken = set(gather_object([row["prompt"] for row in rows]))
        pool = self.spares(step) if self.spares is not None else range(len(data))
        processes, rank = trainer.accelerator.num_processes, trainer.accelerator.process_index
        order = random.Random(f"{self.resample_seed}/resample/{step}/{self._draws[1]}").sample(pool, len(pool))
        fresh: list[Row] = []
        for index in order:
            if len(fresh) == groups * processes:
                break
            row = data[index]
            if row["prompt"] not in taken:
                taken.add(row["prompt"])
                fresh.append(row)
        while len(fresh) < groups * processes:  # a set so small is drawn from again
            fresh.append(data[order[len(fresh) % len(order)]])
        return [dict(row) for row in fresh[rank * groups : (rank + 1) * groups] for _ in range(trainer.num_generations)]

    def _most(self, flat: torch.Tensor) -> int:
        trainer: Any = self
        return int(trainer.accelerator.gather(flat.sum().reshape(1).to(trainer.accelerator.device)).max())

    def _total(self, count: torch.Tensor) -> float:
        trainer: Any = self
        return float(trainer.accelerator.gather(count.reshape(1).to(trainer.accelerator.device)).sum())

    # How far the engine is from the trainer, where TRL does not say: it does with its importance sampling correction.

    def _compute_loss(self, model: Any, inputs: dict[str, Any]) -> Any:
        trainer: Any = self
        sampled = inputs.get("sampling_per_token_logps")
        told = trainer.use_vllm and trainer.vllm_importance_sampling_correction
        self._measured = inputs if sampled is not None and not told and trainer.model.training else None
        try:
            return super()._compute_loss(model, inputs)  # type: ignore[misc]
        finally:
            self._measured = None

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, *args: Any, **kwargs: Any
    ) -> Any:
        out = super()._get_per_token_logps_and_entropies(  # type: ignore[misc]
            model, input_ids, attention_mask, logits_to_keep, *args, **kwargs
        )
        if self._measured is not None:
            self._log_drift(out[0].detach(), self._measured)
        return out

    def _rows_kept(self, inputs: dict[str, Any]) -> None:
        if self._measured is not None:
            self._measured = inputs

    def _log_drift(self, logps: torch.Tensor, inputs: dict[str, Any]) -> None:
        """Log the mean absolute difference, over the first pass over fresh completions: later ones have moved on."""
        trainer: Any = self
        if trainer._step % (trainer.args.steps_per_generation * trainer.num_iterations) >= _accumulated(trainer):
            return
        sampled, mask = inputs["sampling_per_token_logps"], inputs["completion_mask"].bool()
        if (own := inputs.get("tool_mask")) is not None:
            mask = mask & own.bool()  # what tools have said was not sampled
        difference = (logps - sampled).abs()[mask & ~torch.isnan(sampled)]
        mine = torch.stack([difference.sum(), torch.tensor(difference.numel()).to(difference), *_largest(difference)])
        every = trainer.accelerator.gather(mine).view(-1, 3)  # (processes, sum, count and largest)
        mean = float(every[:, 0].sum() / every[:, 1].sum().clamp(min=1))
        trainer._metrics["train"]["sampling/sampling_logp_difference/mean"].append(mean)
        trainer._metrics["train"]["sampling/sampling_logp_difference/max"].append(float(every[:, 2].max()))


def _largest(values: torch.Tensor) -> list[torch.Tensor]:
    return [values.max() if values.numel() else torch.zeros((), dtype=values.dtype, device=values.device)]


def _accumulated(trainer: Any) -> int:
    return int(trainer.args.gradient_accumulation_steps)


@contextmanager
def _unchanged(metrics: dict[str, list[float]]) -> Iterator[None]:
    """Leave TRL's metrics of a generation as the first draw made them: they tell of the policy on prompts as they come,
    not on those that were chosen because they vary. (The count of tokens is a sum, and keeps what is added.)"""
    before = {key: len(values) for key, values in metrics.items()}
    yield
    for key in list(metrics):
        del metrics[key][before.get(key, 0) :]


class GroupTrainer(RefusalPushMixin, GroupsMixin, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer with the mixins."""


class SharedPrefixGroupTrainer(RefusalPushMixin, GroupsMixin, SharedPrefixGRPOTrainer):
    """The trainer that shares prefixes, with the mixins."""


def trainer_class(shared: bool) -> type[Any]:
    """The class of a GRPO run's trainer."""
    return SharedPrefixGroupTrainer if shared else GroupTrainer
