"""Trains a recipe on rollouts that are given, as one process or as one of several: `python -m tests.training.replayed`.

Not a test. The rewards vary (a random model's own completions all earn the same), and so do the completions' lengths.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

from rlvr.training import assemble
from rlvr.training.fixed_rollouts import FixedRollouts
from rlvr.training.recipe import load_recipe
from rlvr.training.run import train

WORDS = ("weather", "call", "none", "sorry", "city", "the", "days", "user", "function", "{", "}", "Hanoi")


def letters(completions: list[str], **kwargs: Any) -> list[float]:
    return [float(len(set(c))) for c in completions]


def nothing(completions: list[str], **kwargs: Any) -> list[float]:
    return [0.0] * len(completions)


def completions_for(prompt: str, count: int) -> list[str]:
    draw = random.Random(prompt)
    if draw.random() < 0.5:
        # The mean of their letters is 3: six of eight have no advantage, and all of the second process's.
        return ["ab", "abcd", *["abc"] * (count - 2)]
    return [" ".join(draw.choices(WORDS, k=draw.randint(1, 6))) for _ in range(count)]


def main(recipe: str, out: str, *overrides: str) -> None:
    build = assemble.build_trainer

    def with_replay(job: Any) -> Any:
        trainer = build(job)
        if hasattr(trainer, "reward_funcs"):
            # Whole numbers and their mean are exact: an advantage of 0 is 0.
            trainer.reward_funcs = [letters, *[nothing] * (len(trainer.reward_funcs) - 1)]
            trainer.reward_weights.fill_(1.0)
            texts = {row["prompt"]: completions_for(row["prompt"], 8) for row in trainer.train_dataset}
            trainer.rollout_func = FixedRollouts(texts)
        return trainer

    assemble.build_trainer = with_replay
    train(*load_recipe(recipe, overrides), Path(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
