"""Keeps a GRPO run from drifting towards calls: what wants no call pushes as hard as what wants one.

Whether to call is one decision, and before a policy can tell queries apart it makes it for all of them alike. In a
group whose advantages A sum to 0, the gradient on the log-odds of calling is `sum(A_i * called_i)`: up where calls are
wanted (C), down where none is (R). Where C is larger, false calls rise, whatever share of the examples wants a refusal;
and C is largest at the start, while refusals of what can be done still stand in many groups. Advantages of groups that
want no call are multiplied by

    w = min(4, max(1, refusal_push * C / R))     C and R summed over generations, each counting 0.8 of the next

so that they push as hard at least. Below 1 it never goes: where refusals push harder by themselves, they may.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import TrainerCallback

from rlvr.rewards.parsing import decoded, parse_completion
from rlvr.rewards.told import flag
from rlvr.types import Outcome

DECAY = 0.8
"""What a generation's pushes count for in the next one."""
MOST = 4.0
"""The largest weight of a group that wants no call."""


@dataclass(slots=True)
class RefusalPush:
    """The running pushes, and the weight that they give.

    >>> push = RefusalPush(1.0)
    >>> push.weigh(calls=3.0, refusals=1.5), push.weigh(calls=0.0, refusals=6.0)
    (2.0, 1.0)
    """

    target: float
    calls: float = 0.0
    refusals: float = 0.0

    def weigh(self, calls: float, refusals: float) -> float:
        """The weight of groups that want no call, with one generation's pushes taken in."""
        self.calls = DECAY * self.calls + calls
        self.refusals = DECAY * self.refusals + refusals
        if self.calls <= 0.0:
            return 1.0
        if self.refusals * MOST <= self.target * self.calls:
            return MOST
        return max(1.0, self.target * self.calls / self.refusals)


def pushes(advantages: Sequence[float], called: Sequence[bool], wanted: Sequence[bool]) -> tuple[float, float]:
    """How hard completions push towards calling where calls are wanted, and away from it where none is.

    >>> pushes([1.0, -1.0, 0.5, -0.5], [True, False, False, True], [True, True, False, False])
    (1.0, 0.5)
    """
    calls = sum(a for a, c, w in zip(advantages, called, wanted, strict=True) if c and w)
    refusals = -sum(a for a, c, w in zip(advantages, called, wanted, strict=True) if c and not w)
    return calls, refusals


class RefusalPushMixin:
    """Stands before a `GRPOTrainer`; `push_refusals` turns it on. The pushes are those of all processes together.

    The weights are in what is trained on, not in the advantages that are logged; each generation logs
    `refusals/weight`, `refusals/push` and `calls/push`.
    """

    refusal_push: RefusalPush | None = None
    _push_scored: tuple[list[dict[str, Any]], list[Any], list[Any]] | None = None
    _push_parser: str = "hermes"
    _push_tokenizer: Any = None

    def push_refusals(self, target: float, parser: str, tokenizer: Any = None) -> RefusalPush:
        """Turn it on; `tokenizer` where a completion's ids are to be read in place of its text."""
        self.refusal_push, self._push_parser, self._push_tokenizer = RefusalPush(target), parser, tokenizer
        return self.refusal_push

    # TRL's private methods, each called through: groups.py says why.

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> Any:
        self._push_scored = (inputs, completions, completion_ids_list)
        return super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)  # type: ignore[misc]

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        out = super()._generate_and_score_completions(inputs)  # type: ignore[misc]
        scored, self._push_scored = self._push_scored, None
        if self.refusal_push is not None and scored is not None and self.model.training:  # type: ignore[attr-defined]
            self._weigh(out, *scored)
        return out

    def _weigh(self, out: dict[str, Any], rows: list[dict[str, Any]], completions: list[Any], ids: list[Any]) -> None:
        trainer: Any = self
        assert self.refusal_push is not None
        wanted = [bool(_ground_truth(row["ground_truth"])) for row in rows]
        called = [self._called(row, text, tokens) for row, text, tokens in zip(rows, completions, ids, strict=True)]
        advantages = out["advantages"]
        own = torch.tensor([pushes(advantages.tolist(), called, wanted)], dtype=torch.float32, device=advantages.device)
        calls, refusals = trainer.accelerator.gather(own).view(-1, 2).sum(0).tolist()
        weight = self.refusal_push.weigh(calls, refusals)
        factors = torch.tensor([1.0 if w else weight for w in wanted], dtype=advantages.dtype, device=advantages.device)
        out["advantages"] = advantages * factors
        metrics = trainer._metrics["train"]
        for name, value in (("calls/push", calls), ("refusals/push", refusals), ("refusals/weight", weight)):
            metrics[name].append(value)

    def _called(self, row: dict[str, Any], completion: Any, ids: Any) -> bool:
        """Whether a completion calls, or tries to."""
        opened = flag("reasoning_opened", row.get("reasoning_opened", False))
        text = decoded(completion, ids, self._push_tokenizer)
        parsed = parse_completion(text, self._push_parser, reasoning_opened=opened)
        return parsed.outcome in (Outcome.CALLS, Outcome.MALFORMED)


class PushesAgain(TrainerCallback):  # type: ignore[misc]
    """A resumed run sums up what its steps before have logged."""

    def __init__(self, push: RefusalPush) -> None:
        self.push = push

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.push.calls = self.push.refusals = 0.0
        for entry in state.log_history:
            if "calls/push" in entry:
                self.push.weigh(entry["calls/push"], entry["refusals/push"])


def _ground_truth(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
