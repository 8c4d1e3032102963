"""Rollouts that are given, not sampled: to compare two ways of training on the same completions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rlvr.errors import DataError
from rlvr.training import processes


class FixedRollouts:
    """A `rollout_func` for `GRPOTrainer`: the k-th completion of a prompt's group is always the k-th that is given.

    `completions` maps a prompt's text, as the trainer has it, to texts; a group larger than these begins them anew. A
    text ends with the tokenizer's end-of-sequence token. On several processes each gets what one process would have
    given at that place of the generation, so that runs can be compared over their number too:

        trainer.rollout_func = FixedRollouts(completions)
    """

    def __init__(self, completions: Mapping[str, Sequence[str]]) -> None:
        empty = [prompt for prompt, texts in completions.items() if not texts]
        if empty:
            raise DataError("", f"a prompt has no completion: {empty[0][:80]!r}")
        self.completions = completions

    def __call__(self, prompts: Sequence[str], trainer: Any) -> dict[str, Any]:
        """What TRL asks of a `rollout_func`; log-probabilities of a sampler there are none."""
        tokenizer = trainer.processing_class
        first = processes.rank() * len(prompts)  # of this process's rows in the whole generation, groups side by side
        made = []
        for place, prompt in enumerate(prompts, first):
            if prompt not in self.completions:
                raise DataError("", f"no completion is given for the prompt {prompt[-80:]!r}")
            texts = self.completions[prompt]
            text = texts[place % trainer.num_generations % len(texts)]
            made.append([*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id])
        ids = [list(tokenizer(prompt)["input_ids"]) for prompt in prompts]
        return {"prompt_ids": ids, "completion_ids": made, "logprobs": None}
