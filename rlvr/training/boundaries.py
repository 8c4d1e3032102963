"""Between which steps a run can be cut: where no completion that was sampled waits to be trained on.

GRPO samples for `steps_per_generation` passes at once and keeps what is left in a buffer that no checkpoint holds. A
checkpoint in the middle of a generation would be resumed with new completions, and the run would be another one.
"""

from __future__ import annotations

from math import lcm
from typing import Any


def interval(args: Any) -> int:
    """After how many steps a generation and a logged row end together. `args` is an SFTConfig or a GRPOConfig.

    >>> from types import SimpleNamespace
    >>> rest = {"gradient_accumulation_steps": 2, "num_iterations": 1, "logging_steps": 1, "logging_strategy": "steps"}
    >>> [interval(SimpleNamespace(steps_per_generation=n, **rest)) for n in (1, 2, 4, 3)]
    [1, 1, 2, 3]
    """
    passes = (getattr(args, "steps_per_generation", None) or 1) * getattr(args, "num_iterations", 1)
    steps = lcm(args.gradient_accumulation_steps, passes) // args.gradient_accumulation_steps
    rows = int(args.logging_steps) if _is_by_steps(args.logging_strategy) and args.logging_steps >= 1 else 1
    return lcm(steps, rows)


def fit_save_steps(args: Any) -> str | None:
    """Raise `args.save_steps` to the next boundary, in place; return a note where that changed it.

    A share of the run (`save_steps` below 1) is left: `CheckpointCallback` puts its checkpoints off to a boundary.
    """
    wanted, every = args.save_steps, interval(args)
    if not _is_by_steps(args.save_strategy) or wanted < 1 or wanted % every == 0:
        return None
    args.save_steps = -(-int(wanted) // every) * every
    return (
        f"trl.save_steps: {int(wanted)} → {args.save_steps}: checkpoints fall where a generation and a logged row end, "
        f"which is every {every} steps here"
    )


def at_boundary(trainer: Any) -> bool:
    """Whether a checkpoint made now, at a step's end, could be resumed from as if the run had not been cut."""
    rows = int(trainer.state.logging_steps or 1) if _is_by_steps(trainer.args.logging_strategy) else 1
    return int(trainer.state.global_step) % rows == 0 and between_generations(trainer)


def between_generations(trainer: Any) -> bool:
    """Whether no completion that was sampled waits to be trained on, at a step's end."""
    # TRL counts its passes in `_step` and has no public word for it; SFTTrainer has no generations.
    passes = (getattr(trainer.args, "steps_per_generation", None) or 1) * getattr(trainer.args, "num_iterations", 1)
    return int(getattr(trainer, "_step", 0)) % passes == 0


def _is_by_steps(strategy: Any) -> bool:
    return bool(getattr(strategy, "value", strategy) == "steps")
