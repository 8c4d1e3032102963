"""Against a GRPO run's drift towards calls, or towards refusals: the side that pushes harder is damped.

Whether to call is one decision, and before a policy can tell queries apart it makes it for all of them alike, of a
language at least. In a group whose advantages A sum to 0, the gradient on the log-odds of calling is
`sum(A_i * called_i)`: up where calls are wanted (C), down where none is (R). Where C is larger, false calls rise,
whatever share of the examples wants a refusal; where R is, calls are refused. So an advantage is taken apart, into what
it says of the decision (the mean over the group's completions that decide alike, m) and of the rest, and the first part
of the harder side is damped until both push alike:

    A' = A - (1 - w) m        where a call is wanted   w = min(1, R / (refusal_push * C))
                              where none is            w = min(1, refusal_push * C / R)

with C and R summed over generations, each counting 0.8 of the next, those of the example's own language in full and
those of the others a quarter: few groups of a language stand in a generation. How completions that decide alike compare
(a right call and a wrong one) is untouched.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from accelerate.utils import gather_object
from transformers import TrainerCallback

from rlvr.rewards.parsing import decoded, parse_completion
from rlvr.rewards.told import flag
from rlvr.types import Outcome

DECAY = 0.8
"""What a generation's pushes count for in the next one."""
OTHERS = 0.25
"""What the pushes of other languages count for."""
SIDES = ("calls", "refusals")
UNKNOWN = "unknown"
"""The language of rows without one."""


@dataclass(slots=True)
class RefusalPush:
    """The running pushes by language, each (towards calling, away from it), and the weights that they give.

    >>> push = RefusalPush(1.0)
    >>> push.take({"en": (3.0, 1.5)})
    >>> push.weights("en"), push.weights("vi")
    ((0.5, 1.0), (0.5, 1.0))
    """

    target: float
    sums: dict[str, tuple[float, float]] = field(default_factory=dict)

    def take(self, generation: Mapping[str, tuple[float, float]]) -> None:
        """Take in the pushes of one generation."""
        for lang in {**self.sums, **generation}:
            before, now = self.sums.get(lang, (0.0, 0.0)), generation.get(lang, (0.0, 0.0))
            self.sums[lang] = (DECAY * before[0] + now[0], DECAY * before[1] + now[1])

    def weights(self, lang: str) -> tuple[float, float]:
        """What is left of a language's push towards calling, and away from it: each 0 to 1, and one of them 1."""
        calls, refusals = (
            sum(pair[side] * (1.0 if other == lang else OTHERS) for other, pair in self.sums.items()) for side in (0, 1)
        )
        calls, refusals = self.target * max(0.0, calls), max(0.0, refusals)
        if calls > refusals:
            return refusals / calls, 1.0
        return 1.0, calls / refusals if refusals else 1.0


def pushes(advantages: Sequence[float], called: Sequence[bool], wanted: Sequence[bool]) -> tuple[float, float]:
    """How hard completions push towards calling where calls are wanted, and away from it where none is.

    >>> pushes([1.0, -1.0, 0.5, -0.5], [True, False, False, True], [True, True, False, False])
    (1.0, 0.5)
    """
    calls = sum(a for a, c, w in zip(advantages, called, wanted, strict=True) if c and w)
    refusals = -sum(a for a, c, w in zip(advantages, called, wanted, strict=True) if c and not w)
    return calls, refusals


def by_language(
    advantages: Sequence[float], called: Sequence[bool], wanted: Sequence[bool], langs: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """The `pushes` of each language's completions."""
    rows = list(zip(advantages, called, wanted, langs, strict=True))
    return {
        lang: pushes(*([row[k] for row in rows if row[3] == lang] for k in range(3)))  # type: ignore[arg-type]
        for lang in sorted(set(langs))
    }


def _added(parts: Sequence[Mapping[str, tuple[float, float]]]) -> dict[str, tuple[float, float]]:
    """The pushes of all processes together."""
    out: dict[str, tuple[float, float]] = {}
    for part in parts:
        for lang, (calls, refusals) in part.items():
            before = out.get(lang, (0.0, 0.0))
            out[lang] = (before[0] + calls, before[1] + refusals)
    return dict(sorted(out.items()))


def damped(
    advantages: Sequence[float], called: Sequence[bool], groups: Sequence[object], weights: Sequence[float]
) -> list[float]:
    """Advantages whose part that the decision has is multiplied by a weight. Neighbours of one group are one group.

    >>> damped([0.5, 0.1, -0.6], [True, True, False], ["a"] * 3, [0.5] * 3)
    [0.35, -0.05, -0.3]
    """
    out = list(advantages)
    for _, places in itertools.groupby(range(len(out)), key=lambda i: groups[i]):
        whole = list(places)
        for decision in (True, False):
            alike = [i for i in whole if called[i] == decision]
            mean = sum(advantages[i] for i in alike) / max(1, len(alike))
            for i in alike:
                out[i] = advantages[i] - (1.0 - weights[i]) * mean
    return out


class RefusalPushMixin:
    """Stands before a `GRPOTrainer`; `push_refusals` turns it on. The pushes are those of all processes together.

    The damping is in what is trained on, not in the advantages that are logged; each generation logs
    `calls/push/LANG`, `calls/weight/LANG`, `refusals/push/LANG` and `refusals/weight/LANG` of the languages that it
    holds, and `calls/push` and `refusals/push` of all.
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
        langs = [str(row.get("lang") or UNKNOWN) for row in rows]
        advantages = out["advantages"]
        pushed = by_language(advantages.tolist(), called, wanted, langs)
        generation = _added(gather_object([pushed]))
        self.refusal_push.take(generation)
        left = {lang: self.refusal_push.weights(lang) for lang in generation}
        weights = [left[lang][0 if w else 1] for w, lang in zip(wanted, langs, strict=True)]
        groups = [(row.get("prompt"), row["ground_truth"]) for row in rows]
        trained = damped(advantages.tolist(), called, groups, weights)
        out["advantages"] = torch.tensor(trained, dtype=advantages.dtype, device=advantages.device)
        metrics = trainer._metrics["train"]
        for side, name in enumerate(SIDES):
            metrics[f"{name}/push"].append(sum(pair[side] for pair in generation.values()))
            for lang, pair in generation.items():
                metrics[f"{name}/push/{lang}"].append(pair[side])
                metrics[f"{name}/weight/{lang}"].append(left[lang][side])

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
        self.push.sums.clear()
        for entry in state.log_history:
            if "calls/push" in entry:
                langs = [key.removeprefix("calls/push/") for key in entry if key.startswith("calls/push/")]
                self.push.take({lang: (entry[f"calls/push/{lang}"], entry[f"refusals/push/{lang}"]) for lang in langs})


def _ground_truth(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
